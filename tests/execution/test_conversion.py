"""Conversion and description in the sandbox, as the platform and the command line run them."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio.transform import Affine

import terrafair
from terrafair.data.conversion import Order
from terrafair.data.description import Order as Described
from terrafair.errors import InvalidInput, NotFound, TimedOut, WorkflowFailed
from terrafair.execution.command import Limits
from terrafair.execution.conversion import Converter, Memory
from terrafair.execution.sandbox import Sandbox, probe

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return probe(tmp_path_factory.mktemp("home"), "auto")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A raster, a cube and a page that poses as a raster."""
    folder = tmp_path / "results"
    folder.mkdir()
    values = np.random.default_rng(2).integers(0, 9999, (1, 600, 700)).astype("uint16")
    profile = {"driver": "GTiff", "count": 1, "height": 600, "width": 700, "dtype": "uint16", "crs": "EPSG:32633"}
    with rasterio.open(folder / "scene.tif", "w", transform=Affine(10, 0, 5e5, 0, -10, 5e6), **profile) as file:
        file.write(values)
    lat, lon = np.linspace(50, 45, 20), np.linspace(5, 10, 30)
    units = {"lat": {"units": "degrees_north"}, "lon": {"units": "degrees_east"}}
    cube = xr.Dataset({"t": (("lat", "lon"), np.ones((20, 30)))}, {"lat": lat, "lon": lon}, {"Conventions": "CF-1.8"})
    for name, attributes in units.items():
        cube[name].attrs = attributes
    cube.to_netcdf(folder / "cube.nc")
    (folder / "page.tif").write_text("<!DOCTYPE html><html></html>")
    return folder


def order(folder: Path, target: Path, **options: Any) -> Order:
    return Order(str(folder), str(target), Described("", "test"), **options)


def test_a_folder(results: Path, tmp_path: Path, sandbox: Sandbox) -> None:
    target = tmp_path / "published"
    found = Converter(sandbox).convert(order(results, target))
    assert {each.source: each.form for each in found.files} == {
        "scene.tif": "cog",
        "cube.nc": "netcdf-references",
        "page.tif": "",
    }
    assert [each.source for each in found.refused] == ["page.tif"]
    with rasterio.open(results / "scene.tif") as before, rasterio.open(target / "outputs" / "scene.tif") as after:
        assert (before.read() == after.read()).all() and after.overviews(1)
    # References name the place where the file lies now, not the one where the sandbox wrote it.
    with xr.open_dataset(str(target / "outputs" / "cube.nc.refs.json"), engine="kerchunk", chunks=None) as cube:
        assert float(cube["t"].sum()) == 600
    assert sorted(path.name for path in (target / "items").iterdir()) == ["test-cube.json", "test-scene.json"]
    # What the platform owns again, and nothing beside it.
    assert all(path.stat().st_uid == os.geteuid() for path in target.rglob("*"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["published", "results"]


def test_what_only_its_owner_may_read(results: Path, tmp_path: Path, sandbox: Sandbox) -> None:
    for path in results.iterdir():
        path.chmod(0o600)
    results.chmod(0o700)
    found = Converter(sandbox).convert(order(results, tmp_path / "published"))
    assert [each.source for each in found.refused] == ["page.tif"]
    assert stat.S_IMODE(results.stat().st_mode) == 0o700
    assert sorted(path.name for path in tmp_path.iterdir()) == ["published", "results"]


def test_base_is_where_references_lead(results: Path, tmp_path: Path, sandbox: Sandbox) -> None:
    Converter(sandbox).convert(order(results, tmp_path / "published", base="https://data.example/d"))
    document = json.loads((tmp_path / "published" / "outputs" / "cube.nc.refs.json").read_text())
    assert document["templates"] == {"u": "https://data.example/d/cube.nc"}


def test_wrong_orders_start_nothing(results: Path, tmp_path: Path, sandbox: Sandbox) -> None:
    with pytest.raises(NotFound):
        Converter(sandbox).convert(order(tmp_path / "nowhere", tmp_path / "published"))
    with pytest.raises(InvalidInput, match="no version"):
        Converter(sandbox).convert(order(results, tmp_path / "published", zarr="3"))
    assert not (tmp_path / "published").exists()


def test_limits_end_it_and_leave_nothing(results: Path, tmp_path: Path, sandbox: Sandbox) -> None:
    with pytest.raises(TimedOut, match=r"longer than 0\.2 s"):
        Converter(sandbox, Limits(seconds=0.2)).convert(order(results, tmp_path / "published"))
    with pytest.raises(WorkflowFailed, match="more memory") as caught:
        Converter(sandbox, Limits(memory=40 * 2**20)).convert(order(results, tmp_path / "published"))
    assert caught.value.problem.remedy
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results"]


def test_description_of_a_folder_and_of_one_file(results: Path, sandbox: Sandbox) -> None:
    converter = Converter(sandbox)
    whole = converter.describe(results, Described("", "test"))
    assert {item["id"] for item in whole.items} == {"test-scene", "test-cube"} and len(whole.files) == 3
    single = converter.describe(results / "scene.tif", Described("", "test"))
    assert [file.path for file in single.files] == ["scene.tif"] and len(single.items) == 1
    with pytest.raises(NotFound):
        converter.describe(results / "nowhere.tif", Described("", "test"))


@pytest.fixture
def cli(tmp_path: Path) -> Run:
    """The command line in a process of its own."""

    def run(*arguments: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "TERRAFAIR_HOME": str(tmp_path / "home")}
        environment["PYTHONPATH"] = str(Path(terrafair.__file__).parents[1])
        command = [sys.executable, "-P", "-m", "terrafair", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def test_the_command_line(results: Path, tmp_path: Path, cli: Run) -> None:
    told = json.loads(
        cli("convert", str(results), "--to", str(tmp_path / "out"), "--zarr", "v2", "--json", code=1).stdout
    )
    assert {each["source"]: each["status"] for each in told["files"]} == {
        "scene.tif": "converted",
        "cube.nc": "converted",
        "page.tif": "refused",
    }
    assert (tmp_path / "out" / "outputs" / "cube.zarr.zip").is_file()
    (results / "page.tif").unlink()
    said = cli("convert", str(results))
    assert (
        "2 of 2 files, 2 STAC items" in said.stderr and (tmp_path / "results-published" / "collection.json").is_file()
    )
    again = cli("convert", str(results), code=2)
    assert "is there already" in again.stderr and "Name a new folder" in again.stderr
    assert "There is no" in cli("convert", str(tmp_path / "nowhere"), code=2).stderr
    item = json.loads(cli("describe", str(results / "scene.tif")).stdout)
    assert item["stac_version"] == "1.1.0" and item["assets"]["scene.tif"]["file:size"] > 0
    assert "There is no" in cli("describe", str(tmp_path / "nowhere"), code=2).stderr


def test_an_unchanged_file_is_not_opened_again(results: Path, tmp_path: Path, sandbox: Sandbox) -> None:
    converter = Converter(sandbox, memory=Memory(tmp_path / "memory"))
    order = Described("", "test", start="2026-01-01T00:00:00Z", end="2026-01-02T00:00:00Z")
    first = converter.describe(results, order)
    assert set(first.seen) == {"scene.tif", "cube.nc", "page.tif"}
    again = converter.describe(results, order)
    assert not again.seen
    assert replace(again, seen={}) == replace(first, seen={})
    # As if the content changed within the clock's resolution: inode, size and both times are looked at.
    content = (results / "scene.tif").read_bytes()
    (results / "scene.tif").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    third = converter.describe(results, order)
    assert set(third.seen) == {"scene.tif"}
    assert {file.path: file.sha256 for file in third.files}["scene.tif"] != first.files[-1].sha256
    for entry in (tmp_path / "memory").rglob("*.json"):
        entry.write_text("spoilt")
    assert len(converter.describe(results, order).seen) == 3
