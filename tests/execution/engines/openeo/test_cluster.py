"""A Dask cluster by setting - a scheduler, a gateway, a batch system: the same graph, the same values as on threads."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
import rasterio

from terrafair.data.objects import MemoryObjects
from terrafair.data.stage import Stager
from terrafair.errors import InvalidInput, Unreachable
from terrafair.execution.command import Limits
from terrafair.execution.elsewhere import TEMPORARY
from terrafair.execution.engines.openeo.clusters import Clusters, Wanted, lives, read
from terrafair.execution.engines.openeo.engine import OpenEOEngine
from terrafair.execution.task import JobFolder
from terrafair.web import PlannedWeb

from ... import slurm
from ..contract import run as start
from .conftest import call, node, reducer, resolution, save

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")


@contextmanager
def daemon(kind: str, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A real `scheduler` or `worker`, a process of its own."""
    command = [
        sys.executable,
        "-m",
        f"distributed.cli.dask_{kind}",
        *arguments,
        "--host",
        "127.0.0.1",
        "--no-dashboard",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def cluster(address: str) -> Iterator[tuple["subprocess.Popen[bytes]", "subprocess.Popen[bytes]"]]:
    """A scheduler there and a worker of it."""
    with (
        daemon("scheduler", "--port", address.rpartition(":")[2], "--no-show") as first,
        daemon("worker", address, "--nthreads", "2", "--no-nanny") as second,
    ):
        yield first, second


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    address = f"tcp://127.0.0.1:{_free()}"
    with cluster(address):
        yield address


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


def engine(scene: Path, clusters: Clusters) -> OpenEOEngine:
    return OpenEOEngine(Stager(MemoryObjects(), PlannedWeb({}), (scene.parent,)), {}.get, clusters)


def result(scene: Path, folder: Path, clusters: Clusters) -> np.ndarray:  # type: ignore[type-arg]
    job = JobFolder(folder).create()
    command = engine(scene, clusters).prepare(resolution(graph(scene)), {}, job, Limits(seconds=200), lambda _: None)
    done = start(command, job)
    assert done.outcome, done.stderr
    assert done.outcome.successful, done.log
    (file,) = job.outputs.rglob("*.tif")
    with rasterio.open(file) as source:
        values: np.ndarray = source.read(1)  # type: ignore[type-arg]
    return values


def clusters(scheduler: str, folder: Path, **options: Any) -> Clusters:
    return Clusters(Wanted.read(scheduler, options), folder / "dask")


@pytest.fixture
def expected(scene: Path, tmp_path: Path) -> np.ndarray:  # type: ignore[type-arg]
    """On threads."""
    values = result(scene, tmp_path / "threads", clusters("", tmp_path))
    assert np.isfinite(values).all()
    return values


def test_the_same_values_on_threads_and_on_a_cluster(
    scene: Path,
    tmp_path: Path,
    scheduler: str,
    expected: np.ndarray,  # type: ignore[type-arg]
) -> None:
    np.testing.assert_array_equal(expected, result(scene, tmp_path / "cluster", clusters(scheduler, tmp_path)))


def test_a_scheduler_that_is_away_is_told(scene: Path, tmp_path: Path) -> None:
    away = engine(scene, clusters("tcp://127.0.0.1:9", tmp_path, patience=4))
    job = JobFolder(tmp_path / "away").create()
    done = start(away.prepare(resolution(graph(scene)), {}, job, Limits(seconds=60), lambda _: None), job)
    assert "scheduler tcp://127.0.0.1:9 does not answer" in done.problem and "trying again" in done.log
    assert done.status == TEMPORARY


def test_a_scheduler_that_is_killed_loses_no_job(
    scene: Path,
    tmp_path: Path,
    expected: np.ndarray,  # type: ignore[type-arg]
) -> None:
    """The attempt ends as nobody's fault, and the next one waits until there is a scheduler again."""
    address = f"tcp://127.0.0.1:{_free()}"
    with ThreadPoolExecutor(1) as pool, cluster(address) as (first, worker):
        job = JobFolder(tmp_path / "lost").create()
        prepared = engine(scene, clusters(address, tmp_path))
        command = prepared.prepare(resolution(graph(scene)), {}, job, Limits(seconds=200), lambda _: None)
        until(lambda: _counted(address, lambda dask_scheduler: len(dask_scheduler.workers)) == 1)
        worker.send_signal(signal.SIGSTOP)
        attempt = pool.submit(start, command, job)
        until(lambda: _counted(address, lambda dask_scheduler: len(dask_scheduler.tasks)) > 0)
        first.kill()
        worker.kill()
        done = attempt.result(120)
    assert done.status == TEMPORARY and f"scheduler {address} was lost" in done.problem
    with ThreadPoolExecutor(1) as pool:
        attempt = pool.submit(result, scene, tmp_path / "again", clusters(address, tmp_path))
        time.sleep(1)
        with cluster(address):
            np.testing.assert_array_equal(expected, attempt.result(120))


def _counted(address: str, what: Callable[..., int]) -> int:
    from distributed import Client

    with Client(address, timeout=20, set_as_default=False) as client:
        return int(client.run_on_scheduler(what))


@contextmanager
def ending(folder: Path) -> Iterator[None]:
    """Ends the process that keeps the cluster, and waits for it."""
    try:
        yield
    finally:
        state = read(folder / "dask/cluster.json")
        if state and lives(state["pid"], state["born"]):
            os.kill(state["pid"], signal.SIGTERM)
            until(lambda: not lives(state["pid"], state["born"]))


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_workers_in_the_queue_of_slurm(
    scene: Path,
    tmp_path: Path,
    expected: np.ndarray,  # type: ignore[type-arg]
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("dask_jobqueue", reason="the extra `cluster` is not installed")
    (tmp_path / "slurm").mkdir()
    options = {"cores": 1, "memory": "1GB", "processes": 1, "walltime": "00:20:00", "queue": "main", "maximum": 2}
    with slurm.cluster(tmp_path / "slurm") as real, ending(tmp_path):
        monkeypatch.setenv("SLURM_CONF", str(real.file))
        asked = clusters("slurm", tmp_path, **options, local_directory=str(tmp_path), idle_seconds=30)
        np.testing.assert_array_equal(expected, result(scene, tmp_path / "slurm-job", asked))
        assert "dask-worker" in (tmp_path / "slurm/daemons.log").read_text() or slurm.jobs(real.file) != []
        # What nobody uses is given back: the process ends and its jobs leave the queue.
        until(lambda: not read(tmp_path / "dask/cluster.json"))
        until(lambda: slurm.jobs(real.file) == [])


def test_what_slurm_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dask_jobqueue", reason="the extra `cluster` is not installed")
    with pytest.raises(Unreachable, match="cores"):
        clusters("slurm", tmp_path).access()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A real dask-gateway with its proxy: its address, and its proxy's."""
    pytest.importorskip("dask_gateway_server", reason="dask-gateway-server is not installed (group test)")
    folder = tmp_path_factory.mktemp("gateway")
    ports = [_free() for _ in range(3)]
    address, proxy = f"http://127.0.0.1:{ports[0]}", f"gateway://127.0.0.1:{ports[1]}"
    # Its LocalBackend changes owners of files; the other leaves them alone.
    settings = {
        "DaskGateway.backend_class": "dask_gateway_server.backends.local.UnsafeLocalBackend",
        "DaskGateway.authenticator_class": "dask_gateway_server.auth.SimpleAuthenticator",
        "SimpleAuthenticator.password": "s3cret",
        "DaskGateway.address": f"127.0.0.1:{ports[2]}",
        "Proxy.address": f"127.0.0.1:{ports[0]}",
        "Proxy.tcp_address": f"127.0.0.1:{ports[1]}",
        "UnsafeLocalBackend.clusters_directory": str(folder),
        "ClusterConfig.worker_cores": 1,
        "ClusterConfig.worker_memory": "1 G",
        "ClusterConfig.scheduler_cmd": [sys.executable, "-m", "distributed.cli.dask_scheduler"],
        "ClusterConfig.worker_cmd": [sys.executable, "-m", "distributed.cli.dask_worker"],
    }
    (folder / "settings.py").write_text("".join(f"c.{name} = {value!r}\n" for name, value in settings.items()))
    surroundings = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "dask_gateway_server", "-f", str(folder / "settings.py")]
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=surroundings)
    try:
        until(lambda: _answers(f"{address}/api/health", process))
        yield address, proxy
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _answers(url: str, process: "subprocess.Popen[bytes]") -> bool:
    assert process.poll() is None
    try:
        with urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def asked_of_gateway(gateway: tuple[str, str], folder: Path, password: str) -> Clusters:
    address, proxy = gateway
    (folder / "password").write_text(f"{password}\n")
    options = {"auth": "basic", "username": "terrafair", "password_file": str(folder / "password")}
    return clusters(f"gateway:{address}", folder, **options, proxy_address=proxy, maximum=2, idle_seconds=60)


def test_a_cluster_of_a_gateway(
    scene: Path,
    tmp_path: Path,
    expected: np.ndarray,
    gateway: tuple[str, str],  # type: ignore[type-arg]
) -> None:
    with ending(tmp_path):
        asked = asked_of_gateway(gateway, tmp_path, "s3cret")
        np.testing.assert_array_equal(expected, result(scene, tmp_path / "job", asked))
        # Another process of the platform finds the same one; nobody else reads its keys.
        again = asked_of_gateway(gateway, tmp_path, "s3cret").access()
        assert again and again == asked.access() and again.key
        assert (tmp_path / "dask/cluster.json").stat().st_mode & 0o077 == 0


def test_a_gateway_that_does_not_know_us_is_told(tmp_path: Path, gateway: tuple[str, str]) -> None:
    with pytest.raises(Unreachable, match=r"401|auth"):
        asked_of_gateway(gateway, tmp_path, "guessed").access()


@pytest.mark.parametrize(
    ("scheduler", "options", "says"),
    [
        ("slrum", {}, "slrum"),
        ("gateway:dask.example.org", {}, "gateway:dask.example.org"),
        ("tcp://", {}, "tcp://"),
        ("slurm", {"maximum": 0}, "maximum"),
        ("slurm", {"minimum": "many"}, "minimum"),
        ("slurm", {"minimum": 3, "maximum": 2}, "maximum"),
    ],
)
def test_a_wrong_setting_is_named(scheduler: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        Wanted.read(scheduler, options)
