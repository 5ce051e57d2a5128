"""Every kind of input in a browser: drawn, picked, handed in, typed; the job gets exactly that. And what is wrong."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from .every_input import package

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]
NAME = "every-input"
HOSTILE = "</textarea><script>window.hacked = 1</script>\"' onfocus=alert(1) ${7*7} {{7*7}}"

COLLECTION = {
    "type": "Collection",
    "id": "picked",
    "stac_version": "1.0.0",
    "description": "One scene.",
    "license": "CC0-1.0",
    "links": [],
    "extent": {"spatial": {"bbox": [[10, 40, 11, 41]]}, "temporal": {"interval": [["2024-01-01T00:00:00Z", None]]}},
}
ITEM = {
    "type": "Feature",
    "id": "scene-of-mine",
    "stac_version": "1.0.0",
    "geometry": {"type": "Point", "coordinates": [10.5, 40.5]},
    "bbox": [10.5, 40.5, 10.5, 40.5],
    "properties": {"datetime": "2024-06-01T00:00:00Z"},
    "collection": "picked",
    "links": [],
    "assets": {},
}


@pytest.fixture(scope="module")
def process(platform: Any) -> Iterator[str]:
    with httpx2.Client(base_url=platform.url, timeout=60, trust_env=False) as web:
        kind = {"Content-Type": "application/ogcapppkg+json"}
        web.post("/processes", content=json.dumps(package(NAME)).encode(), headers=kind).raise_for_status()
        web.post("/stac/collections", json=COLLECTION).raise_for_status()
        web.post("/stac/collections/picked/items", json=ITEM).raise_for_status()
        yield f"/run/process/{NAME}"
        web.delete("/stac/collections/picked/items/scene-of-mine")
        web.delete("/stac/collections/picked")
        web.delete(f"/processes/{NAME}")


def drag(page: Any, box: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    place = box.bounding_box()
    at = [(place["x"] + place["width"] * x, place["y"] + place["height"] * y) for x, y in (start, end)]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1], steps=4)
    page.mouse.up()


def test_every_kind_of_input_reaches_the_job(seen: Any, process: str, tmp_path: Any) -> None:
    page = seen.page
    seen.open("/run")
    page.get_by_role("link", name="Every kind of input").click()
    page.get_by_label("Cloud in %").fill("12.5")
    page.get_by_label("Method").select_option("median")
    page.get_by_role("group", name="Period").get_by_label("Start").fill("2024-05-01")
    page.get_by_role("group", name="Period").get_by_label("End").fill("2024-06-01")

    area = page.get_by_role("group", name="Area")
    area.locator(".map").scroll_into_view_if_needed()
    area.locator(".map[data-ready=yes]").wait_for()
    area.get_by_role("button", name="Draw the area").click()
    drag(page, area.locator(".map"), (0.3, 0.3), (0.6, 0.6))
    sides = {
        each: float(area.get_by_label(each.capitalize()).input_value()) for each in ("west", "south", "east", "north")
    }
    assert sides["west"] < sides["east"] and sides["south"] < sides["north"]

    region = page.get_by_role("group", name="Region")
    region.locator(".map").scroll_into_view_if_needed()
    region.locator(".map[data-ready=yes]").wait_for()
    region.get_by_role("button", name="Draw a polygon").click()
    place = region.locator(".map").bounding_box()
    for x, y in ((0.3, 0.3), (0.7, 0.35), (0.5, 0.8)):
        page.mouse.click(place["x"] + place["width"] * x, place["y"] + place["height"] * y)
    region.get_by_role("button", name="Finish").click()
    region.get_by_text("3 corners.").wait_for()
    drawn = json.loads(region.get_by_label("GeoJSON, or the address").input_value())
    assert drawn["type"] == "Polygon" and len(drawn["coordinates"][0]) == 4

    for kind in ("item", "collection"):
        page.get_by_role("button", name=f"Pick a STAC {kind}").click()
        picked = page.locator(".picker:not([hidden]) li button").first
        picked.click()
    scene, collection = (
        page.get_by_label("Scene").input_value(),
        page.get_by_label("Collection", exact=True).input_value(),
    )
    assert "/items/" in scene and "/collections/" in collection and "/items/" not in collection

    handed = tmp_path / "stations of mine.csv"
    handed.write_text("name,value\na,1\n")
    page.get_by_label("or a file of yours for stations").set_input_files(handed)
    page.get_by_label("Moment").fill("2024-06-01T12:00:00Z")
    resolution = page.get_by_role("group", name="Resolution")
    resolution.get_by_label("Number").fill("10")
    resolution.get_by_label("Unit").fill("m")
    page.get_by_label("land").check()
    page.get_by_label("ice").check()
    page.get_by_label("Deep").select_option("yes")
    page.get_by_label("Steps").fill("3")
    seen.accessible()
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/results/*")
    page.locator("#job[data-ended=yes]").wait_for(timeout=200_000)
    assert page.locator(".status").first.inner_text() == "successful", page.locator("#log").inner_text()
    job = page.url.rpartition("/")[2]
    made = next(
        file
        for file in page.request.get(f"{seen.url}/api/jobs/{job}/results").json()["files"]
        if "made" in file["name"]
    )
    given = page.request.get(made["href"]).json()
    assert given["cloud"] == 12.5 and given["method"] == "median" and given["period"] == ["2024-05-01", "2024-06-01"]
    assert given["area"]["bbox"] == [sides[each] for each in ("west", "south", "east", "north")]
    assert given["region"] == drawn and given["scene"] == scene and given["collection"] == collection
    assert given["stations"]["class"] == "File" and given["moment"] == "2024-06-01T12:00:00Z"
    assert given["resolution"] == {"measurement": 10, "uom": "m"} and given["masks"] == ["land", "ice"]
    assert given["deep"] is True and given["steps"] == 3


def test_what_is_wrong_is_told_beside_its_field_and_nothing_is_lost(seen: Any, process: str, tmp_path: Any) -> None:
    page = seen.page
    seen.open(process)
    typed = {
        "in:cloud": "a lot",
        "in:area:west": "11",
        "in:region": HOSTILE,
        "in:scene": HOSTILE,
        "in:moment": "2024-06-01T12:00:00Z",
        "in:resolution:measurement": "ten",
        "in:steps": "9" * 4000,
    }
    for name, text in typed.items():
        page.locator(f"[name='{name}']").fill(text)
    handed = tmp_path / "..%2Fetc.csv"
    handed.write_bytes(b"\0\xff" * 100)
    page.get_by_label("or a file of yours for stations").set_input_files(handed)
    page.get_by_label("sea").check()
    page.get_by_role("button", name="Run", exact=True).click()
    page.locator(".problem").wait_for()
    for name, text in typed.items():
        assert page.locator(f"[name='{name}']").input_value() == text, name
    assert page.get_by_label("sea").is_checked()
    assert page.locator("[name='in:stations']").input_value(), "a file that came along stays"
    for name in ("cloud", "area", "region", "resolution"):
        field = page.locator(".field.wrong", has=page.locator(f"[name^='in:{name}']"))
        assert field.locator("p.wrong").last.inner_text(), name
        assert field.locator("[aria-invalid=true]").count(), name
    assert page.evaluate("window.hacked") is None
    seen.accessible()
    seen.errors = [text for text in seen.errors if "400" not in text]
    assert page.title().startswith("Mistakes in the form")
