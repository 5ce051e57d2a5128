"""Tiles of a process graph in a page of somebody else, as map libraries ask for them."""

from typing import Any

from .conftest import Seen

AREA = {"west": 11.43, "south": 48.08, "east": 11.44, "north": 48.09}
PAGE = """<!doctype html><title>A map of my own</title><img id="tile" crossorigin="anonymous" alt="NDVI" src="{}">"""
READ = """() => {
  const tile = document.getElementById('tile'), canvas = document.createElement('canvas')
  canvas.width = tile.naturalWidth; canvas.height = tile.naturalHeight
  const context = canvas.getContext('2d')
  context.drawImage(tile, 0, 0)
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data
  return [canvas.width, canvas.height, pixels.filter((_, place) => place % 4 === 3).filter(alpha => alpha > 0).length]
}"""


def test_a_tile_in_a_page_of_another_origin(platform: Any, seen: Seen) -> None:
    """The picture loads, and the page may read its pixels: the API allows it to every origin."""
    import openeo

    connection = openeo.connect(platform.url).authenticate_basic("demo", "demo")
    cube = connection.load_collection("demo-s2-l2a", AREA, ["2024-06-01", "2024-08-15"], ["B04", "B08"])
    shown = cube.ndvi(nir="B08", red="B04").reduce_dimension("t", "mean").save_result("PNG").flat_graph()
    service = connection.create_service(shown, "XYZ", configuration={"minimum": -1, "maximum": 1})
    template = service.describe_service()["url"]
    seen.page.set_content(PAGE.format(template.format(z=14, x=8712, y=5689)))
    seen.page.wait_for_function("document.getElementById('tile').naturalWidth > 0", timeout=120_000)
    width, height, filled = seen.page.evaluate(READ)
    assert (width, height) == (256, 256) and filled > 1000
    service.delete_service()
