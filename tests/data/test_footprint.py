"""Outlines on the globe: cut at the antimeridian, closed at the poles, never the long way round."""

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import Point
from shapely.geometry import shape

from terrafair.data.footprint import Footprint, of_box, of_corners, of_points, of_ring, shortest_interval


def box(west: float, south: float, east: float, north: float) -> list[tuple[float, float]]:
    return [(west, south), (east, south), (east, north), (west, north)]


def placed(corners: list[tuple[float, float]], crs: Any) -> Footprint:
    found = of_corners(corners, crs)
    assert found is not None
    return found


def check(found: Footprint) -> None:
    """What GeoJSON and STAC ask of any geometry."""
    geometry = shape(found.geometry)
    assert geometry.is_valid
    west, south, east, north = geometry.bounds
    assert -180 <= west <= east <= 180
    assert -90 <= south <= north <= 90
    for polygon in getattr(geometry, "geoms", [geometry]):
        if polygon.geom_type == "Polygon":
            assert polygon.exterior.is_ccw
    crossing = found.bbox[0] > found.bbox[2]
    assert crossing == (found.geometry["type"].startswith("Multi") and west == -180 and east == 180)


class TestBox:
    @pytest.mark.parametrize(
        ("west", "east", "bbox"),
        [
            (10, 20, (10, 0, 20, 5)),
            (350, 355, (-10, 0, -5, 5)),
            (-190, -175, (170, 0, -175, 5)),
            (170, 190, (170, 0, -170, 5)),
            (170, -170, (170, 0, -170, 5)),
            (0, 360, (-180, 0, 180, 5)),
            (-180, 180, (-180, 0, 180, 5)),
            (0, 359.9995, (-180, 0, 180, 5)),
            (170, 180, (170, 0, 180, 5)),
            (180, 190, (-180, 0, -170, 5)),
            (-180, -170, (-180, 0, -170, 5)),
        ],
    )
    def test_longitudes(self, west: float, east: float, bbox: tuple[float, ...]) -> None:
        found = of_box(west, 0, east, 5)
        check(found)
        assert found.bbox == pytest.approx(bbox)

    def test_it_is_cut_at_the_antimeridian(self) -> None:
        found = of_box(170, -5, 190, 5)
        assert found.geometry["type"] == "MultiPolygon"
        assert shape(found.geometry).area == pytest.approx(200)

    def test_a_point_and_lines(self) -> None:
        assert of_box(10, 5, 10, 5).geometry == {"type": "Point", "coordinates": [10, 5]}
        assert of_box(10, 5, 20, 5).geometry == {"type": "LineString", "coordinates": [[10, 5], [20, 5]]}
        crossing = of_box(170, 5, 190, 5)
        assert crossing.geometry["type"] == "MultiLineString"
        assert crossing.bbox == (170, 5, -170, 5)

    @given(st.floats(-540, 720), st.floats(0.01, 400), st.floats(-90, 89), st.floats(0.01, 90))
    def test_any_box_is_valid(self, west: float, width: float, south: float, height: float) -> None:
        check(of_box(west, south, west + width, min(south + height, 90)))


class TestCorners:
    def test_a_utm_tile(self) -> None:
        found = placed(box(500_000, 5_000_000, 600_000, 5_100_000), "EPSG:32633")
        check(found)
        assert found.bbox == pytest.approx((15.0, 45.147, 16.293, 46.054), abs=0.001)

    def test_edges_are_followed_between_the_corners(self) -> None:
        corners = box(2_500_000, 1_500_000, 7_000_000, 5_500_000)
        found = placed(corners, "EPSG:3035")
        check(found)
        straight = shape({"type": "Polygon", "coordinates": [found.geometry["coordinates"][0][::32]]})
        assert shape(found.geometry).area > straight.area * 1.01

    def test_a_tile_across_the_antimeridian(self) -> None:
        found = placed(box(100_000, 7_900_000, 300_000, 8_100_000), "EPSG:32701")
        check(found)
        assert found.bbox[0] > 178 and found.bbox[2] < -178

    @pytest.mark.parametrize(("crs", "pole"), [("EPSG:3413", 90), ("EPSG:3031", -90), ("EPSG:3995", 90)])
    def test_around_a_pole(self, crs: str, pole: int) -> None:
        found = placed(box(-3e6, -3e6, 3e6, 3e6), crs)
        check(found)
        assert (found.bbox[0], found.bbox[2]) == (-180, 180)
        assert pole in {found.bbox[1], found.bbox[3]}
        geometry = shape(found.geometry)
        assert all(geometry.buffer(1e-6).contains(Point(x, pole * 0.99)) for x in range(-180, 181, 30))

    def test_beside_a_pole(self) -> None:
        found = placed(box(500_000, 500_000, 1_000_000, 1_000_000), "EPSG:3413")
        check(found)
        assert found.bbox[3] < 90

    def test_the_full_disc_of_a_geostationary_satellite(self) -> None:
        crs = "+proj=geos +h=35785831 +lon_0=0 +a=6378169 +b=6356583.8 +sweep=y"
        found = placed(box(-5.5e6, -5.5e6, 5.5e6, 5.5e6), crs)
        check(found)
        assert all(70 < abs(limit) < 85 for limit in found.bbox)

    def test_a_disc_across_the_antimeridian(self) -> None:
        crs = "+proj=geos +h=35785831 +lon_0=170 +a=6378169 +b=6356583.8 +sweep=y"
        found = placed(box(-5.5e6, -5.5e6, 5.5e6, 5.5e6), crs)
        check(found)
        assert found.bbox[0] > found.bbox[2]

    def test_nowhere_on_the_globe(self) -> None:
        crs = "+proj=geos +h=35785831 +lon_0=0 +a=6378169 +b=6356583.8 +sweep=y"
        assert of_corners(box(5.6e6, 5.6e6, 5.7e6, 5.7e6), crs) is None

    def test_the_whole_globe_in_web_mercator(self) -> None:
        limit = 20_037_508.342789244
        found = placed(box(-limit, -limit, limit, limit), "EPSG:3857")
        check(found)
        assert found.bbox == pytest.approx((-180, -85.05113, 180, 85.05113), abs=1e-5)

    def test_south_up_and_rotated_grids_have_outlines(self) -> None:
        turned = [(15.0, 45.0), (15.5, 45.2), (15.3, 45.7), (14.8, 45.5)]
        for corners in (turned, turned[::-1]):
            found = placed(corners, "EPSG:4326")
            check(found)
            assert found.bbox == (14.8, 45.0, 15.5, 45.7)


class TestRing:
    def test_a_swath_across_the_antimeridian(self) -> None:
        found = of_ring([(175.0, 0.0), (-175.0, 1.0), (-176.0, 10.0), (174.0, 9.0)])
        check(found)
        assert found.bbox == (174.0, 0.0, -175.0, 10.0)

    def test_a_swath_around_the_pole(self) -> None:
        found = of_ring([(-120.0, 70.0), (0.0, 75.0), (120.0, 72.0)])
        check(found)
        assert found.bbox[3] == 90


class TestPoints:
    def test_the_short_way_round(self) -> None:
        found = of_points([(179.0, 1.0), (-179.0, 2.0)])
        assert found and found.bbox == (179.0, 1.0, -179.0, 2.0)

    def test_what_is_no_number_is_left_out(self) -> None:
        assert of_points([(math.nan, 1.0), (1.0, math.inf)]) is None
        found = of_points([(math.nan, 1.0), (5.0, 6.0)])
        assert found and found.bbox == (5.0, 6.0, 5.0, 6.0)


class TestShortestInterval:
    @pytest.mark.parametrize(
        ("intervals", "expected"),
        [
            ([(1, 2)], (1, 2)),
            ([(1, 2), (5, 6)], (1, 6)),
            ([(170, 175), (-175, -170)], (170, -170)),
            ([(170, -170), (-175, -160)], (170, -160)),
            ([(170, 190), (-175, -160)], (170, -160)),
            ([(-180, 180), (170, -170)], (-180, 180)),
            ([(0, 400)], (-180, 180)),
            ([(-10, 20), (170, -170)], (-10, -170)),
            ([(350, 355)], (-10, -5)),
        ],
    )
    def test_cases(self, intervals: list[tuple[float, float]], expected: tuple[float, float]) -> None:
        assert shortest_interval(intervals) == pytest.approx(expected)

    @given(st.lists(st.tuples(st.integers(-180, 179), st.integers(0, 200)), min_size=1, max_size=8))
    def test_it_covers_all_and_no_gap_is_wider(self, found: list[tuple[int, int]]) -> None:
        west, east = shortest_interval([(start, start + width) for start, width in found])
        width = (east - west) % 360 or (360 if west != east else 0)
        covered = {degree % 360 for start, length in found for degree in range(start, start + length + 1)}
        inside = {round(west + step) % 360 for step in range(round(width) + 1)}
        assert covered <= inside
        marks = sorted(covered)
        gaps = [after - before for before, after in pairwise([*marks, marks[0] + 360])]
        assert width == 360 or width <= 360 - max(gaps) + 1e-9 or max(gaps) == 1
