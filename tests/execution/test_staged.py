"""Input files by checksum, and nothing but input files."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from terrafair.data.stage import MARKER
from terrafair.execution import staged
from terrafair.execution.engines.references import Staged
from terrafair.execution.staged import InputFile, input_files

ITEM = "https://data.example/s2.json"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def item(folder: Path, assets: dict[str, Any], name: str = "item.json", *, by_stager: bool = True) -> Path:
    """A STAC item as it lies in a job's inputs."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(json.dumps({"type": "Feature", "stac_version": "1.1.0", "id": "s2", "assets": assets}))
    if by_stager:
        (folder / MARKER).touch()
    return path


class TestFiles:
    def test_a_file_is_told_by_checksum_size_and_type(self, tmp_path: Path) -> None:
        path = tmp_path / "points.csv"
        path.write_text("lon,lat\n1,2\n")
        (found,) = input_files({"https://data.example/points.csv": str(path)})
        assert found == InputFile("https://data.example/points.csv", "", "text/csv", 12, digest(b"lon,lat\n1,2\n"))

    def test_references_come_in_order(self, tmp_path: Path) -> None:
        for name in "ba":
            (tmp_path / name).write_text(name)
        found = input_files({f"/{name}": str(tmp_path / name) for name in "ba"})
        assert [each.reference for each in found] == ["/a", "/b"]

    def test_what_is_gone_has_no_checksum(self, tmp_path: Path) -> None:
        assert input_files({"https://gone.example/a": str(tmp_path / "a")}) == (InputFile("https://gone.example/a"),)

    def test_a_folder_gives_its_files_by_path(self, tmp_path: Path) -> None:
        (tmp_path / "data" / "below").mkdir(parents=True)
        (tmp_path / "data" / "b.txt").write_text("b")
        (tmp_path / "data" / "below" / "a.txt").write_text("a")
        found = input_files({"s3://bucket/data": str(tmp_path / "data")})
        assert [(each.part, each.sha256) for each in found] == [("b.txt", digest(b"b")), ("below/a.txt", digest(b"a"))]

    def test_the_list_has_an_end(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(staged, "FILES", 3)
        for number in range(5):
            (tmp_path / f"{number}").write_text("x")
        assert len(input_files({"/folder": str(tmp_path)})) == 3


class TestStac:
    def test_the_assets_of_an_item_are_told_instead_of_the_item(self, tmp_path: Path) -> None:
        (tmp_path / "red.tif").write_bytes(b"II*\0")
        path = item(tmp_path / "in", {"red": {"href": str(tmp_path / "red.tif"), "type": "image/tiff"}})
        (found,) = input_files({ITEM: str(path)})
        assert found == InputFile(ITEM, "s2/red", "image/tiff", 4, digest(b"II*\0"))

    def test_an_item_without_files_is_told_itself(self, tmp_path: Path) -> None:
        path = item(tmp_path, {"red": {"href": "https://elsewhere.example/red.tif"}})
        (found,) = input_files({ITEM: str(path)})
        assert found.part == "" and found.sha256 == digest(path.read_bytes())

    def test_a_collection_of_items_gives_all_assets_once(self, tmp_path: Path) -> None:
        (tmp_path / "a.tif").write_bytes(b"a")
        assets = {"a": {"href": str(tmp_path / "a.tif")}, "again": {"href": str(tmp_path / "a.tif")}}
        features = [{"type": "Feature", "id": name, "assets": assets} for name in ("x", "y")]
        path = tmp_path / "items.json"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        (tmp_path / MARKER).touch()
        assert [each.part for each in input_files({ITEM: str(path)})] == ["x/a"]

    def test_a_checksum_that_the_stager_has_compared_is_taken_over(self, tmp_path: Path) -> None:
        (tmp_path / "red.tif").write_bytes(b"II*\0")
        known = {"href": str(tmp_path / "red.tif"), "file:checksum": "1220" + "f" * 64, "file:size": 4}
        (found,) = input_files({ITEM: str(item(tmp_path / "in", {"red": known}))})
        assert found.sha256 == "f" * 64

    @pytest.mark.parametrize("known", [{"file:size": 5}, {"file:checksum": "1114abc", "file:size": 4}, {}])
    def test_any_other_checksum_is_computed(self, tmp_path: Path, known: dict[str, Any]) -> None:
        (tmp_path / "red.tif").write_bytes(b"II*\0")
        asset = {"href": str(tmp_path / "red.tif"), "file:checksum": "1220" + "f" * 64, **known}
        asset = asset if known else {"href": str(tmp_path / "red.tif")}
        (found,) = input_files({ITEM: str(item(tmp_path / "in", {"red": asset}))})
        assert found.sha256 == digest(b"II*\0")

    def test_a_folder_with_a_catalogue_is_read_as_stac(self, tmp_path: Path) -> None:
        (tmp_path / "red.tif").write_bytes(b"II*\0")
        (tmp_path / "catalog.json").write_text('{"type": "Catalog", "id": "c"}')
        item(tmp_path, {"red": {"href": "./red.tif"}}, "s2.json", by_stager=False)
        assert [each.part for each in input_files({ITEM: str(tmp_path)})] == ["s2/red"]

    @pytest.mark.parametrize(
        "content", ["", "[1]", '{"features": 5}', '{"assets": {"a": 1}}', '{"assets": []}', "[" * 9999]
    )
    def test_an_odd_document_is_a_file(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "item.json"
        path.write_text(content)
        (tmp_path / MARKER).touch()
        (found,) = input_files({ITEM: str(path)})
        assert found.sha256 == digest(content.encode())


class TestHostFiles:
    """What somebody's document names must neither be read nor shown."""

    @pytest.fixture
    def secret(self, tmp_path: Path) -> Path:
        path = tmp_path / "host" / "secret"
        path.parent.mkdir()
        path.write_text("the platform's key")
        return path

    def test_a_file_that_looks_like_stac_is_a_file(self, tmp_path: Path, secret: Path) -> None:
        path = item(tmp_path / "in", {"x": {"href": str(secret)}}, by_stager=False)
        (found,) = input_files({ITEM: str(path)})
        assert (found.part, found.sha256) == ("", digest(path.read_bytes()))

    @pytest.mark.parametrize("href", ["{secret}", "../host/secret", "file://{secret}"])
    def test_a_folder_cannot_name_files_outside(self, tmp_path: Path, secret: Path, href: str) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "catalog.json").write_text("{}")
        item(tmp_path / "in", {"x": {"href": href.format(secret=secret)}}, "a.json", by_stager=False)
        assert input_files({ITEM: str(tmp_path / "in")}) == ()

    def test_it_is_not_shown_to_the_job_either(self, tmp_path: Path, secret: Path) -> None:
        path = item(tmp_path / "in", {"x": {"href": str(secret)}}, by_stager=False)
        given = Staged({}, {ITEM: str(path)})
        assert secret not in given.readable(tmp_path / "job")
        (path.parent / MARKER).touch()
        assert secret in given.readable(tmp_path / "job")

    def test_a_document_beside_the_stagers_own_counts_for_nothing(self, tmp_path: Path, secret: Path) -> None:
        path = item(tmp_path / "in", {})
        item(tmp_path / "in" / "0000-s2", {"x": {"href": str(secret)}}, "asset.json", by_stager=False)
        assert secret not in Staged({}, {ITEM: str(path)}).readable(tmp_path / "job")
