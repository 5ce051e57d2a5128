"""Seeding makes all, once, and goes on where it was interrupted."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from terrafair.demo import history
from terrafair.demo.experiments import EXPERIMENTS
from terrafair.demo.seed import CATALOGUE_REPOSITORY, CODE_REPOSITORY, PREFIXES, release, seed


@dataclass
class Stored:
    key: str
    size: int


@dataclass
class Objects:
    """An object store in memory that can fail after some writes."""

    content: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    fails_after: int = 10**9

    def put_file(self, key: str, path: Path, media_type: str = "") -> None:
        if len(self.written) >= self.fails_after:
            raise KeyboardInterrupt
        self.content[key], self.types[key] = path.read_bytes(), media_type
        self.written.append(key)

    def list(self, prefix: str) -> Iterator[Stored]:
        return iter([Stored(key, len(content)) for key, content in self.content.items() if key.startswith(prefix)])

    def delete(self, prefix: str) -> int:
        gone = [key for key in self.content if key.startswith(prefix)]
        for key in gone:
            del self.content[key]
        return len(gone)


def test_makes_all_and_then_nothing(tmp_path: Path) -> None:
    objects, said = Objects(), []
    first = seed(tmp_path, objects, say=said.append)
    assert first.experiments == EXPERIMENTS
    assert first.made == ("dataset and products", "code repository", "test catalogue")
    assert said == ["Making the demo's dataset and products ..."]
    assert first.catalogue == str(tmp_path / CATALOGUE_REPOSITORY)
    assert history.head(tmp_path / CATALOGUE_REPOSITORY) == first.catalogue_commit
    assert history.head(tmp_path / CODE_REPOSITORY) == first.code_commit
    assert len(objects.content) == 77
    assert objects.types["products/demo-ndvi-composite/ndvi-composite/openEO.tif"].startswith("image/tiff")
    assert sum(map(len, objects.content.values())) < 10 * 2**20
    for prefix in PREFIXES:
        mine = [key for key in objects.written if key.startswith(prefix)]
        assert mine[-1] == f"{prefix}collection.json"
    count = len(objects.written)
    again = seed(tmp_path, objects, say=said.append)
    assert again.made == ()
    assert (again.catalogue_commit, again.code_commit) == (first.catalogue_commit, first.code_commit)
    assert len(objects.written) == count
    assert len(said) == 1


def test_equal_on_another_home(tmp_path: Path) -> None:
    one, two = Objects(), Objects()
    first, second = seed(tmp_path / "a", one), seed(tmp_path / "b", two)
    assert one.content == two.content
    assert (first.catalogue_commit, first.code_commit) == (second.catalogue_commit, second.code_commit)


def test_goes_on_after_an_interruption(tmp_path: Path) -> None:
    whole, objects = Objects(), Objects(fails_after=30)
    seed(tmp_path / "whole", whole)
    with pytest.raises(KeyboardInterrupt):
        seed(tmp_path / "home", objects)
    assert len(objects.content) == 30
    assert not any(key.endswith("/collection.json") for key in objects.content)
    objects.fails_after = 10**9
    seed(tmp_path / "home", objects)
    assert objects.content == whole.content
    assert len(objects.written) == 77, "what was there has not been written again"


def test_makes_only_what_is_missing(tmp_path: Path) -> None:
    objects = Objects()
    seed(tmp_path, objects)
    lost = "products/demo-surface-water/water-occurrence/water-occurrence.tif"
    kept = objects.content.pop(lost)
    objects.content["datasets/demo-s2-l2a/parcels.geojson"] = b"{"
    objects.written.clear()
    assert seed(tmp_path, objects).made == ("dataset and products",)
    assert sorted(objects.written) == ["datasets/demo-s2-l2a/parcels.geojson", lost]
    assert objects.content[lost] == kept


def test_lost_repositories_come_back(tmp_path: Path) -> None:
    import shutil

    objects = Objects()
    first = seed(tmp_path, objects)
    shutil.rmtree(tmp_path / CODE_REPOSITORY)
    shutil.rmtree(tmp_path / CATALOGUE_REPOSITORY)
    again = seed(tmp_path, objects)
    assert again.made == ("code repository", "test catalogue")
    assert (again.catalogue_commit, again.code_commit) == (first.catalogue_commit, first.code_commit)


def test_another_release_makes_all_anew(tmp_path: Path) -> None:
    objects = Objects()
    first = seed(tmp_path, objects)
    stamp = tmp_path / "demo" / "seed.json"
    known = json.loads(stamp.read_text())
    assert known["release"] == release()
    stamp.write_text(json.dumps({**known, "release": "earlier"}))
    objects.content["datasets/demo-s2-l2a/old.tif"] = b"left from an earlier release"
    objects.content["products/mine/result.tif"] = b"not of the demo"
    objects.written.clear()
    again = seed(tmp_path, objects)
    assert len(objects.written) == 77
    assert "datasets/demo-s2-l2a/old.tif" not in objects.content
    assert "products/mine/result.tif" in objects.content
    assert again.catalogue_commit == first.catalogue_commit


@pytest.mark.parametrize("text", ["", "{", "[]", '{"unknown": 1}', '{"release": 3}'])
def test_a_damaged_stamp_is_no_obstacle(tmp_path: Path, text: str) -> None:
    objects = Objects()
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "seed.json").write_text(text)
    assert len(seed(tmp_path, objects).made) == 3


def test_published_catalogue_stays(tmp_path: Path) -> None:
    objects, said = Objects(), []
    first = seed(tmp_path, objects)
    repository = tmp_path / CATALOGUE_REPOSITORY

    def git(*arguments: str) -> str:
        command = ["git", "--git-dir", str(repository), "-c", "user.name=S", "-c", "user.email=s@y.example", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    published = git("commit-tree", "main^{tree}", "-p", first.catalogue_commit, "-m", "Publish a product")
    git("update-ref", "refs/heads/main", published)
    again = seed(tmp_path, objects, say=said.append)
    assert again.catalogue_commit == published
    assert again.made == ()
    assert "stays as it is" in said[0]
    assert seed(tmp_path, objects).catalogue_commit == published
    stamp = tmp_path / "demo" / "seed.json"
    stamp.write_text("{}")
    assert seed(tmp_path, objects).catalogue_commit == published


def test_half_made_catalogue_of_ours_is_taken_over(tmp_path: Path) -> None:
    objects = Objects()
    first = seed(tmp_path, objects)
    (tmp_path / "demo" / "seed.json").unlink()
    assert seed(tmp_path, objects).catalogue_commit == first.catalogue_commit
