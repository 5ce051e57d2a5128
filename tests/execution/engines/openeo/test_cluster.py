"""A Dask scheduler by setting: the same graph, the same values as on threads."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio

from terrafair.data.objects import MemoryObjects
from terrafair.data.stage import Stager
from terrafair.execution.command import Limits
from terrafair.execution.engines.openeo.engine import OpenEOEngine
from terrafair.execution.task import JobFolder
from terrafair.web import PlannedWeb

from ..contract import run as start
from .conftest import call, node, reducer, resolution, save

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real scheduler and a real worker, each a process of its own."""
    folder = tmp_path_factory.mktemp("cluster")
    file = folder / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard", "--no-show"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [subprocess.Popen([*command, "--host", "127.0.0.1", "--scheduler-file", file], cwd=folder, **quiet)]  # type: ignore[call-overload]
    try:
        while not file.exists():
            assert started[0].poll() is None
            time.sleep(0.1)
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", file, "--nthreads", "2"]
        started.append(subprocess.Popen([*worker, "--no-nanny", "--no-dashboard"], cwd=folder, **quiet))  # type: ignore[call-overload]
        yield json.loads(file.read_text())["address"]
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(20)


def graph(path: Path) -> dict[str, object]:
    """NDVI of two dates and their mean, by blocks."""
    return {
        "load": call("load_stac", url=str(path)),
        "ndvi": call("ndvi", data=node("load"), nir="nir", red="red"),
        "mean": call("reduce_dimension", data=node("ndvi"), dimension="t", reducer=reducer("mean")),
        "save": save("mean", "GTiff"),
    }


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    random, features = np.random.default_rng(4), []
    for day in ("2024-05-01", "2024-05-11"):
        assets = {}
        for band in ("red", "nir"):
            path = tmp_path / f"{day}-{band}.tif"
            profile = {"driver": "GTiff", "width": 700, "height": 600, "count": 1, "dtype": "uint16", "nodata": 0}
            profile |= {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)}
            with rasterio.open(path, "w", **profile) as target:
                target.write(random.integers(1, 9000, (600, 700)).astype("uint16"), 1)
            assets[band] = {"href": str(path), "roles": ["data"], "eo:bands": [{"name": band}]}
        features.append(
            {
                "type": "Feature",
                "stac_version": "1.0.0",
                "id": day,
                "geometry": None,
                "properties": {"datetime": f"{day}T10:00:00Z"},
                "links": [],
                "assets": assets,
            }
        )
    file = tmp_path / "items.json"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return file


def result(scene: Path, folder: Path, scheduler: str) -> np.ndarray:  # type: ignore[type-arg]
    engine = OpenEOEngine(Stager(MemoryObjects(), PlannedWeb({}), (scene.parent,)), {}.get, scheduler)
    job = JobFolder(folder).create()
    done = start(engine.prepare(resolution(graph(scene)), {}, job, Limits(seconds=60), lambda _: None), job)
    assert done.outcome, done.stderr
    assert done.outcome.successful, done.log
    (file,) = job.outputs.rglob("*.tif")
    with rasterio.open(file) as source:
        values: np.ndarray = source.read(1)  # type: ignore[type-arg]
    return values


def test_the_same_values_on_threads_and_on_a_cluster(scene: Path, tmp_path: Path, scheduler: str) -> None:
    threads, cluster = result(scene, tmp_path / "threads", ""), result(scene, tmp_path / "cluster", scheduler)
    assert np.isfinite(threads).all()
    np.testing.assert_array_equal(threads, cluster)


def test_a_scheduler_that_is_away_is_told(scene: Path, tmp_path: Path) -> None:
    engine = OpenEOEngine(Stager(MemoryObjects(), PlannedWeb({}), (scene.parent,)), {}.get, "tcp://127.0.0.1:9")
    job = JobFolder(tmp_path / "away").create()
    done = start(engine.prepare(resolution(graph(scene)), {}, job, Limits(seconds=60), lambda _: None), job)
    assert "127.0.0.1:9" in done.problem
