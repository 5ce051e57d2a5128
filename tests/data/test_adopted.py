"""STAC items that a workflow wrote itself, old ones included."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from terrafair.data.adopted import adopt, file_safe
from terrafair.data.versions import modern
from terrafair.errors import Problem

from .conftest import Described, Raster

Write = Callable[..., Path]
SQUARE = {"type": "Polygon", "coordinates": [[[10, 49], [11.2, 49], [11.2, 50], [10, 50], [10, 49]]]}


def item(**changes: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "scene",
        "geometry": SQUARE,
        "bbox": [10, 49, 11.2, 50],
        "properties": {"datetime": "2020-06-01T10:00:00Z"},
        "links": [],
        "assets": {"data": {"href": "./ndvi.tif", "title": "NDVI", "roles": ["data"]}},
        **changes,
    }


@pytest.fixture
def write(folder: Path) -> Write:
    """Write a STAC document into the results."""

    def run(document: Any, name: str = "scene.json") -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))
        return path

    return run


class TestItem:
    def test_its_words_stay_and_its_files_are_measured(
        self, raster: Raster, write: Write, described: Described
    ) -> None:
        raster("ndvi.tif", nodata=-1)
        band = {"name": "ndvi", "description": "Index", "statistics": {"minimum": 99}}
        asset = {"href": "./ndvi.tif", "title": "NDVI", "roles": ["overview"], "bands": [band], "file:size": 1}
        write(item(assets={"data": asset}, properties={"datetime": "2020-06-01T10:00:00Z", "gsd": 10}))
        found = described()
        (only,) = found.items
        assert only["id"] == "scene"
        assert only["properties"]["gsd"] == 10
        assert only["properties"]["datetime"] == "2020-06-01T10:00:00Z"
        assert only["properties"]["proj:code"] == "EPSG:4326"
        told = only["assets"]["data"]
        assert (told["title"], told["roles"], told["href"]) == ("NDVI", ["overview"], "../outputs/ndvi.tif")
        assert told["file:size"] == found.files[0].size
        assert (told["bands"][0]["name"], told["bands"][0]["description"]) == ("ndvi", "Index")
        assert told["bands"][0]["statistics"]["minimum"] == 0.0
        assert told["bands"][0]["nodata"] == -1

    def test_the_document_itself_is_an_asset_of_the_collection(
        self, raster: Raster, write: Write, described: Described
    ) -> None:
        raster("ndvi.tif")
        write(item())
        assert described().collection["assets"]["scene.json"]["roles"] == ["metadata"]

    def test_links_outwards_stay_and_structure_is_ours(
        self, raster: Raster, write: Write, described: Described
    ) -> None:
        raster("ndvi.tif")
        source = {"rel": "derived_from", "href": "https://data.example/s2.json"}
        write(
            item(
                links=[
                    {"rel": "self", "href": "https://x.example/scene.json"},
                    source,
                    {"rel": "parent", "href": "../c.json"},
                    5,
                ]
            )
        )
        links = described().items[0]["links"]
        assert source in links
        assert [link["rel"] for link in links] == ["root", "parent", "collection", "derived_from"]

    def test_several_assets_of_several_grids(self, raster: Raster, write: Write, described: Described) -> None:
        from rasterio.transform import Affine

        raster("a.tif")
        raster("b.tif", transform=Affine(0.05, 0, 10, 0, -0.05, 50))
        write(item(assets={"a": {"href": "a.tif"}, "b": {"href": "b.tif"}}))
        only = described().items[0]
        assert "proj:transform" not in only["properties"]
        assert only["assets"]["a"]["proj:transform"][0] == 0.1
        assert only["assets"]["b"]["proj:transform"][0] == 0.05

    def test_assets_elsewhere_stay_and_missing_ones_are_told(
        self, raster: Raster, write: Write, described: Described
    ) -> None:
        raster("ndvi.tif")
        assets = {
            "data": {"href": "ndvi.tif"},
            "source": {"href": "https://data.example/red.tif", "type": "image/tiff"},
            "gone": {"href": "gone.tif"},
            "odd": {"title": "no href"},
        }
        write(item(assets=assets))
        found = described()
        assert set(found.items[0]["assets"]) == {"data", "source"}
        assert [(each.code, each.where) for each in found.remarks] == [("asset-missing", "scene.json")] * 2

    @pytest.mark.parametrize(
        "href", ["../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "..", "a\0b", "http://[x"]
    )
    def test_hrefs_lead_nowhere_else(self, folder: Path, write: Write, href: str) -> None:
        write(item(assets={"x": {"href": href}}))
        remarks: list[Problem] = []
        (only,) = adopt(folder, ["scene.json"], remarks)
        assert only.assets == {}
        assert [each.code for each in remarks] == ["asset-missing"]

    def test_hrefs_of_all_forms_are_found(self, folder: Path, write: Write, raster: Raster) -> None:
        raster("sub/a b.tif")
        forms = [
            "a b.tif",
            "./a%20b.tif",
            "../sub/a b.tif",
            str(folder / "sub" / "a b.tif"),
            f"file://{folder}/sub/a%20b.tif",
        ]
        write(item(assets={str(number): {"href": href} for number, href in enumerate(forms)}), "sub/scene.json")
        (only,) = adopt(folder, ["sub/scene.json"], [])
        assert set(only.assets.values()) == {"sub/a b.tif"} and len(only.assets) == len(forms)

    def test_a_list_of_items(self, raster: Raster, write: Write, described: Described) -> None:
        raster("ndvi.tif")
        write({"type": "FeatureCollection", "features": [item(), item(id="other", assets={})]}, "items.json")
        assert [each["id"] for each in described().items] == ["scene", "other"]

    def test_ids_are_made_unique_and_safe(self, write: Write, described: Described) -> None:
        write(item(assets={}, id="a/b"), "1.json")
        write(item(assets={}, id="a-b"), "2.json")
        assert [each["id"] for each in described().items] == ["a-b", "a-b-2"]


class TestOddItems:
    @pytest.mark.parametrize("changes", [{"id": 5}, {"properties": None}, {"type": "feature"}])
    def test_what_is_no_item_is_a_file(self, write: Write, described: Described, changes: dict[str, Any]) -> None:
        write(item(**changes))
        found = described()
        assert found.items == ()
        assert "scene.json" in found.collection["assets"]

    @pytest.mark.parametrize(
        "geometry",
        [
            "x", 5, {"type": "Polygon"}, {"type": "Polygon", "coordinates": [[[500_000, 5_000_000]]]},
            {"type": "Circle", "coordinates": [1, 2]}, {"type": "Polygon", "coordinates": [[["a", "b"]]]},
        ],
    )  # fmt: skip
    def test_an_odd_place_is_replaced_by_the_files_own(
        self, raster: Raster, write: Write, described: Described, geometry: Any
    ) -> None:
        raster("ndvi.tif")
        write(item(geometry=geometry))
        found = described()
        assert found.items[0]["bbox"] == [10, 49, 11.2, 50]
        assert [each.code for each in found.remarks] == ["item-odd"]

    @pytest.mark.parametrize("box", [None, [1, 2], "x", [200, 0, 210, 1], [0, 50, 1, 40], ["a", "b", "c", "d"]])
    def test_an_odd_box_is_made_anew(self, write: Write, described: Described, box: Any) -> None:
        write(item(bbox=box, assets={}))
        assert described().items[0]["bbox"] == [10, 49, 11.2, 50]

    def test_without_a_geometry_the_file_says_where(self, raster: Raster, write: Write, described: Described) -> None:
        raster("ndvi.tif")
        write(item(geometry=None, bbox=None))
        assert described().items[0]["bbox"] == [10, 49, 11.2, 50]

    @pytest.mark.parametrize(
        ("times", "expected"),
        [
            ({"datetime": "2020-06-01"}, {"datetime": "2020-06-01T00:00:00Z"}),
            ({"datetime": "2020-06-01 10:00:00+02:00"}, {"datetime": "2020-06-01T08:00:00Z"}),
            (
                {"datetime": None, "start_datetime": "2020-01-01", "end_datetime": "2020-02-01"},
                {"datetime": None, "start_datetime": "2020-01-01T00:00:00Z", "end_datetime": "2020-02-01T00:00:00Z"},
            ),
            ({"datetime": "yesterday"}, {"datetime": "2026-01-02T03:04:05Z"}),
            ({"datetime": None}, {"datetime": "2026-01-02T03:04:05Z"}),
            ({}, {"datetime": "2026-01-02T03:04:05Z"}),
        ],
    )
    def test_times_are_written_as_stac_writes_them(
        self, write: Write, described: Described, times: dict[str, Any], expected: dict[str, Any]
    ) -> None:
        write(item(properties=times, assets={}))
        properties = described().items[0]["properties"]
        assert {name: value for name, value in properties.items() if "datetime" in name} == expected

    def test_an_invalid_item_is_described_anew(self, raster: Raster, write: Write, described: Described) -> None:
        raster("ndvi.tif")
        write(item(properties={"datetime": "2020-06-01T10:00:00Z", "title": 5}))
        found = described()
        assert found.items[0]["properties"].get("title") is None
        assert found.items[0]["assets"]["data"]["href"] == "../outputs/ndvi.tif"
        assert [each.code for each in found.remarks] == ["item-invalid"]


OLD: dict[str, Any] = {
    "type": "Feature",
    "stac_version": "1.0.0",
    "stac_extensions": [
        "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
        "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
        "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
        "https://stac-extensions.github.io/scientific/v1.0.0/schema.json",
    ],
    "id": "old",
    "properties": {"datetime": "2020-01-01T00:00:00Z", "proj:epsg": 4326, "sci:doi": "10.1000/1"},
    "assets": {
        "data": {
            "href": "ndvi.tif",
            "eo:bands": [{"name": "B4", "common_name": "red", "center_wavelength": 0.66}],
            "raster:bands": [{"nodata": 0, "data_type": "uint8", "spatial_resolution": 10}],
        }
    },
}


class TestVersions:
    def test_bands_are_one_list(self) -> None:
        found = modern(OLD)["assets"]["data"]
        assert found["bands"] == [
            {
                "name": "B4", "eo:common_name": "red", "eo:center_wavelength": 0.66,
                "nodata": 0, "data_type": "uint8", "raster:spatial_resolution": 10,
            }
        ]  # fmt: skip
        assert "eo:bands" not in found and "raster:bands" not in found

    def test_the_code_has_its_authority(self) -> None:
        assert modern(OLD)["properties"]["proj:code"] == "EPSG:4326"
        assert modern({"properties": {"proj:epsg": None}})["properties"] == {"proj:code": None}

    def test_only_extensions_that_are_written_anew_are_dropped(self) -> None:
        assert modern(OLD)["stac_extensions"] == ["https://stac-extensions.github.io/scientific/v1.0.0/schema.json"]

    def test_it_becomes_valid(self, raster: Raster, write: Write, described: Described) -> None:
        raster("ndvi.tif")
        write({**OLD, "geometry": SQUARE, "bbox": [10, 49, 11.2, 50], "links": []})
        only = described().items[0]
        assert only["stac_version"] == "1.1.0"
        assert "https://stac-extensions.github.io/projection/v2.0.0/schema.json" in only["stac_extensions"]
        assert only["assets"]["data"]["bands"][0]["eo:common_name"] == "red"
        assert only["properties"]["sci:doi"] == "10.1000/1"

    @pytest.mark.parametrize(
        "changes",
        [
            {"stac_extensions": "x"},
            {"stac_extensions": [5]},
            {"assets": []},
            {"assets": {"a": 5}},
            {"assets": {"a": {"href": "x", "eo:bands": 5, "raster:bands": [7]}}},
        ],
    )
    def test_odd_forms_do_not_stop_it(self, changes: dict[str, Any]) -> None:
        modern({**OLD, **changes})


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("a", "a"),
        ("S2/2020", "S2-2020"),
        ("", "item"),
        ("\0", "-"),
        ("Ünï 雪", "Ünï 雪"),
        ("a" * 500, "a" * 200),
        ("雪" * 100, "雪" * 66),
    ],
)
def test_file_safe(identifier: str, expected: str) -> None:
    assert file_safe(identifier) == expected
