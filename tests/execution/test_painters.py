"""Painters in the sandbox: they answer, come back after an end, and see nothing but their data."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import rasterio
from affine import Affine

from terrafair.data.objects import MemoryObjects
from terrafair.errors import InvalidInput, NotFound
from terrafair.execution.painters import Near, Painters
from terrafair.execution.sandbox import probe

ORDER = {"do": "tile", "tile": [0, 0, 0], "style": {"rescale": "0,1"}}


def raster(path: Path) -> bytes:
    profile = {"driver": "GTiff", "width": 10, "height": 10, "count": 1, "dtype": "float32", "crs": "EPSG:4326"}
    with rasterio.open(path, "w", transform=Affine(1, 0, 0, 0, -1, 10), **profile) as out:
        out.write(np.ones((1, 10, 10), "float32"))
    return path.read_bytes()


@pytest.fixture
def painters(tmp_path: Path) -> Iterator[Painters]:
    store = MemoryObjects()
    store.put("jobs/1/map.tif", raster(tmp_path / "map.tif"))
    store.put("jobs/1/broken.tif", b"II*\0" + b"\xff" * 99)
    store.put("jobs/1/link.tif", b"<VRTDataset><SourceFilename>/etc/passwd</SourceFilename></VRTDataset>")
    near = Near(store, tmp_path / "near")
    painters = Painters(probe(tmp_path, "auto"), near, tmp_path / "painters", count=1)
    yield painters
    painters.close()


def test_they_paint_and_tell(painters: Painters) -> None:
    found = painters.paint("jobs/1/map.tif", ORDER)
    assert found.media_type == "image/png" and found.content.startswith(b"\x89PNG")
    about = painters.paint("jobs/1/map.tif", {"do": "about", "style": {}})
    assert about.media_type == "application/json" and b'"bounds": [0.0, 0.0, 10.0, 10.0]' in about.content


@pytest.mark.parametrize(
    ("key", "order", "said"),
    [
        ("jobs/1/broken.tif", ORDER, "cannot be"),
        ("jobs/1/link.tif", ORDER, "no raster"),
        ("jobs/1/map.tif", {**ORDER, "tile": [0, 5, 0]}, "no tile"),
        ("jobs/1/map.tif", {**ORDER, "style": {"ramp": "x"}}, "colour map"),
        ("jobs/1/map.tif", {"do": "point", "variable": "", "longitude": 50, "latitude": 0}, "beside the data"),
        ("jobs/1/map.tif", {"do": "area", "variable": "", "area": {}}, "no series over an area"),
    ],
)
def test_what_is_wrong_is_said(painters: Painters, key: str, order: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        painters.paint(key, order)
    assert painters.paint("jobs/1/map.tif", ORDER).content


def test_a_painter_that_was_killed_comes_back(painters: Painters) -> None:
    painters.paint("jobs/1/map.tif", ORDER)
    process = painters._free[0]._process
    assert process is not None
    process.kill()
    process.wait()
    assert painters.paint("jobs/1/map.tif", ORDER).content


def test_a_painter_that_is_killed_within_an_order_is_not_the_files_fault(painters: Painters) -> None:
    painters.paint("jobs/1/map.tif", ORDER)
    process = painters._free[0]._process
    assert process is not None
    for child in psutil.Process(process.pid).children(recursive=True):
        child.suspend()
    threading.Timer(0.3, process.kill).start()
    assert painters.paint("jobs/1/map.tif", ORDER).content


def test_what_is_not_there(painters: Painters) -> None:
    with pytest.raises(NotFound):
        painters.paint("jobs/1/nothing.tif", ORDER)


def test_room_is_made(tmp_path: Path) -> None:
    store = MemoryObjects()
    for number in range(4):
        store.put(f"a/{number}", bytes(100))
    store.put("z.zarr/0/0", bytes(50))
    store.put("z.zarr/.zgroup", b"{}")
    near = Near(store, tmp_path, limit=250)
    for number in range(4):
        assert near.path(f"a/{number}").stat().st_size == 100
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["2", "3"]
    assert (near.path("z.zarr") / "0/0").stat().st_size == 50
    assert near.path("a/0").exists()
