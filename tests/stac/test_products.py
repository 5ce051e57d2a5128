"""Products of the catalogue as collections."""

import json
from pathlib import Path

from terrafair.catalogue.catalogue import Catalogue
from terrafair.catalogue.items.collections import Collections
from terrafair.catalogue.items.products import mirror, owner_of
from terrafair.catalogue.items.search import ItemStore, Search

ROOT = "https://esa-earthcode.github.io/open-science-catalog-metadata/"


def test_the_real_catalogue_appears_with_its_items(osc: Path, sqlite: ItemStore, tmp_path: Path) -> None:
    with Catalogue(tmp_path / "home") as catalogue:
        catalogue.sync(str(osc))
        written, faults = mirror(catalogue, sqlite, tmp_path / "state.json")
        products = sorted(path.parent.name for path in osc.glob("products/*/collection.json"))
        ids = sorted(json.loads((osc / f"products/{name}/collection.json").read_bytes())["id"] for name in products)
        assert [entry.id for entry in sqlite.collections()] == ids and written == len(ids)
        items = [path for path in osc.glob("products/*/*.json") if path.name not in {"collection.json", "catalog.json"}]
        found = sqlite.search(Search(limit=1000)).items
        assert len(found) + len(faults) == len(items) and len(found) > 250, faults
        assert mirror(catalogue, sqlite, tmp_path / "state.json") == (0, ())
        stored = sqlite.collection("polaris")
        assert stored is not None and owner_of(stored).startswith("published")
        shown = json.loads(stored.document())
        original = json.loads((osc / "products/polaris/collection.json").read_bytes())
        assert {k: v for k, v in shown.items() if k != "links"} == {k: v for k, v in original.items() if k != "links"}
        assert all("://" in link["href"] for link in shown["links"])
        assert any(link["href"].startswith(f"{ROOT}themes/") for link in shown["links"])
        shelf = Collections(sqlite)
        assert "polaris" in [
            entry.id for entry in shelf.search(Search(("collections",), text=("sea ice",), limit=400)).items
        ]


def test_what_leaves_the_catalogue_leaves_the_store(sqlite: ItemStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "catalog.json").write_text('{"type": "Catalog", "id": "osc"}')
    for name in ("a", "b"):
        (source / f"products/{name}").mkdir(parents=True)
        document = {"type": "Collection", "id": name, "stac_version": "1.1.0", "description": "d", "license": "other"}
        document["extent"] = {"spatial": {"bbox": [[0, 0, 1, 1]]}, "temporal": {"interval": [[None, None]]}}
        document["links"] = [{"rel": "related", "href": "../../themes/oceans/catalog.json"}]
        (source / f"products/{name}/collection.json").write_text(json.dumps(document))
    with Catalogue(tmp_path / "home") as catalogue:
        catalogue.sync(str(source))
        assert mirror(catalogue, sqlite, tmp_path / "state.json") == (2, ())
        (source / "products/a/collection.json").unlink()
        catalogue.sync(str(source))
        assert mirror(catalogue, sqlite, tmp_path / "state.json") == (0, ())
    assert [entry.id for entry in sqlite.collections()] == ["b"]
