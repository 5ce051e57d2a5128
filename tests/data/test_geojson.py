"""GeoJSON described from itself."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from terrafair.data import geojson
from terrafair.data.facts import Facts

Written = Callable[[Any], Facts]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(document: Any) -> Facts:
        (tmp_path / "a.geojson").write_text(json.dumps(document))
        return geojson.read(tmp_path / "a.geojson")

    return write


def feature(geometry: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def collection(*features: Any, **members: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features), **members}


def point(*position: Any) -> dict[str, Any]:
    return {"type": "Point", "coordinates": list(position)}


def square(west: float, south: float, side: float = 1) -> list[list[list[float]]]:
    east, north = west + side, south + side
    return [[[west, south], [east, south], [east, north], [west, north], [west, south]]]


@pytest.mark.parametrize(
    ("geometry", "bbox"),
    [
        (point(10, 50), (10, 50, 10, 50)),
        (point(10, 50, 1000), (10, 50, 10, 50)),
        ({"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]}, (1, 2, 3, 4)),
        ({"type": "LineString", "coordinates": [[1, 2], [3, 4]]}, (1, 2, 3, 4)),
        ({"type": "Polygon", "coordinates": square(1, 2)}, (1, 2, 2, 3)),
        ({"type": "MultiPolygon", "coordinates": [square(179, 0), square(-180, 0)]}, (179, 0, -179, 1)),
        ({"type": "GeometryCollection", "geometries": [point(1, 2), point(3, 4)]}, (1, 2, 3, 4)),
        ({"type": "Polygon", "coordinates": square(179, 0, 3)}, (179, 0, -178, 3)),
    ],
)
def test_geometries(written: Written, geometry: Any, bbox: tuple[float, ...]) -> None:
    for document in (geometry, feature(geometry), collection(feature(geometry))):
        found = written(document)
        assert found.footprint and found.footprint.bbox == bbox
        assert found.projection == {"proj:code": "EPSG:4326"}


def test_columns_rows_and_times(written: Written) -> None:
    found = written(
        collection(
            feature(point(1, 2), name=None, n=1, date="2020-01-01"),
            feature(point(3, 4), name="x", n=2, ok=True, v=0.5, tags=[1], date="2020-02-01"),
        )
    )
    assert {each["name"]: each["type"] for each in found.properties["table:columns"]} == {
        "geometry": "geometry", "n": "int64", "date": "string", "name": "string",
        "ok": "boolean", "v": "float64", "tags": "object",
    }  # fmt: skip
    assert found.properties["table:row_count"] == 2
    assert found.span and (found.span.start.month, found.span.end.month) == (1, 2)


@pytest.mark.parametrize(
    "geometry",
    [
        None, {}, point(), point("x", "y"), point(True, False), point(float("nan"), 1), point(None, None), 5,
        {"type": "Polygon", "coordinates": "x"}, {"type": "GeometryCollection", "geometries": 5},
        {"type": "MultiPolygon", "coordinates": [[[[[[[[1, 2]]]]]]]]},
    ],
)  # fmt: skip
def test_what_is_no_geometry(written: Written, geometry: Any) -> None:
    found = written(collection(feature(geometry), "no feature"))
    assert found.footprint is None
    assert found.properties["table:row_count"] == 1


def test_coordinates_that_are_no_degrees(written: Written) -> None:
    found = written(collection(feature(point(500_000, 5_000_000))))
    assert found.footprint is None and found.projection == {}
    assert found.remarks[0].what == "a.geojson holds coordinates that are no degrees."


@pytest.mark.parametrize("name", ["urn:ogc:def:crs:EPSG::32633", "EPSG:32633"])
def test_a_system_named_as_in_2008(written: Written, name: str) -> None:
    crs = {"type": "name", "properties": {"name": name}}
    found = written(
        collection(feature({"type": "LineString", "coordinates": [[500_000, 5e6], [501_000, 5.001e6]]}), crs=crs)
    )
    assert found.projection == {"proj:code": "EPSG:32633"}
    assert found.footprint and found.footprint.bbox == pytest.approx((15.0, 45.153, 15.013, 45.162), abs=0.001)
    assert found.remarks[0].what == "a.geojson is GeoJSON in WGS 84 / UTM zone 33N."


@pytest.mark.parametrize("crs", [{"properties": {"name": "nonsense"}}, {"properties": 5}, "EPSG:32633", None])
def test_an_odd_system_is_none(written: Written, crs: Any) -> None:
    found = written(collection(feature(point(10, 50)), crs=crs))
    assert found.projection == {"proj:code": "EPSG:4326"}


def test_crs84_is_no_other_system(written: Written) -> None:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    found = written(collection(feature(point(10, 50)), crs=crs))
    assert found.footprint and found.footprint.bbox == (10, 50, 10, 50)
    assert not found.remarks


def test_the_real_border(shared: Path) -> None:
    found = geojson.read(shared / "samples" / "svn_border.geojson")
    assert found.footprint and found.footprint.bbox == pytest.approx((13.35, 45.41, 16.53, 46.87), abs=0.01)
