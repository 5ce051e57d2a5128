"""Keeps a Dask cluster for jobs: `python -m terrafair.execution.engines.openeo.cluster_process FOLDER`.

A process of its own, so that jobs which compute on it outlive the platform's workers. It grows and shrinks the cluster
with the work, and ends both when no job has been connected for a while.
"""

import os
import select
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from terrafair.errors import InvalidInput, TerrafairError
from terrafair.execution.engines.openeo.clusters import ASKED, QUEUES, Access, Wanted, locked, read, tell

LOOK_SECONDS = 5.0
START_SECONDS = 180.0


def main(folder: str) -> int:
    """Start the cluster in a process that stays, and return when it is told where it is, or failed."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        return keep(Path(folder), writer)
    os.close(writer)
    ready, _, _ = select.select([reader], [], [], START_SECONDS)
    if ready and os.read(reader, 1):
        return 0
    if not ready:
        os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)
    return 1


def keep(place: Path, ready: int) -> int:
    """Start it, say where it is, and stay while it is needed; `ready` is a pipe that is told or closed."""
    wanted = Wanted(**read(place / "order.json"))
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        cluster, access = _gateway(wanted) if wanted.kind == "gateway" else _queue(wanted)
    except TerrafairError as fault:
        sys.stderr.write(f"\n{fault}\n")
        return 1
    except Exception as fault:  # the libraries' own: what a batch system or a gateway answers
        sys.stderr.write(f"\n{type(fault).__name__}: {' '.join(str(fault).split())}\n")
        return 1
    try:
        cluster.adapt(minimum=wanted.minimum, maximum=wanted.maximum)
        (place / ASKED).touch()
        tell(place, access)
        os.write(ready, b"1")
        with cluster.get_client() as client:
            _stay(client, ended, wanted.idle_seconds, place)
    finally:
        (place / "cluster.json").unlink(missing_ok=True)
        cluster.close()
    return 0


def _stay(client: Any, ended: threading.Event, seconds: float, place: Path) -> None:
    """Until a signal says so, or until no job has been connected or has asked for so long."""
    used = time.time()
    pause = min(LOOK_SECONDS, max(0.2, seconds / 4))
    while not ended.wait(pause):
        if client.run_on_scheduler(_jobs, own=client.id):
            used = time.time()
        with locked(place):
            if time.time() - max(used, (place / ASKED).stat().st_mtime) > seconds:
                (place / "cluster.json").unlink()
                return


def _jobs(dask_scheduler: Any, own: str) -> int:
    """Clients other than ours; runs at the scheduler."""
    return sum(name not in {own, "fire-and-forget"} for name in dask_scheduler.clients)


def _queue(wanted: Wanted) -> tuple[Any, Access]:
    """A scheduler here, workers in the batch system's queue."""
    try:
        import dask_jobqueue
    except ImportError:
        raise _missing(wanted.kind, "dask-jobqueue") from None
    options = {"python": sys.executable, **wanted.options}
    cluster = getattr(dask_jobqueue, QUEUES[wanted.kind])(**options)
    return cluster, Access(cluster.scheduler_address)


def _gateway(wanted: Wanted) -> tuple[Any, Access]:
    try:
        import dask_gateway
    except ImportError:
        raise _missing(wanted.address, "dask-gateway") from None
    options = dict(wanted.options)
    proxy, auth = options.pop("proxy_address", None), _authority(dask_gateway, options)
    gateway = dask_gateway.Gateway(wanted.address, proxy_address=proxy, auth=auth)
    cluster = gateway.new_cluster(shutdown_on_close=True, **options)
    security = cluster.security
    if security is None:
        return cluster, Access(cluster.scheduler_address)
    return cluster, Access(cluster.scheduler_address, security.tls_key, security.tls_cert)


def _authority(dask_gateway: Any, options: dict[str, Any]) -> Any:
    """Who asks the gateway; the password stands in a file, never in the settings."""
    auth, user, file = options.pop("auth", None), options.pop("username", None), options.pop("password_file", "")
    if auth != "basic":
        return auth
    password = Path(file).read_text("utf-8").strip() if file else None
    return dask_gateway.BasicAuth(username=user, password=password)


def _missing(name: str, package: str) -> InvalidInput:
    return InvalidInput(
        f"The Dask cluster of {name} cannot be asked for: the package {package} is not installed.",
        remedy="Install terrafair with the extra `cluster`.",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
