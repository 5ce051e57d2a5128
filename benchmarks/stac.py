"""STAC search over HTTP at 32 clients: requests a second, p50 and p99, ours beside stac-fastapi-pgstac.

    python benchmarks/stac.py [COUNT ...] [--peer] [--pgstac] [--keep FOLDER] [--seconds 4] [--rounds 3] [--clients 32]
        [--workers 2] [--platform] [--load]

COUNT: items, 10000 by default (`10000 100000 1000000` is the whole comparison). Archives are kept in FOLDER, below the
system's temporary folder by default, and used again; a million items make 2 GB in SQLite and 2.5 GB in PostgreSQL, and
take some minutes each to load. Four questions: a bbox of 5 degrees; bbox, four weeks and a collection; CQL2 with an
order; one item. Ours serves from the embedded store, with as many web processes as the peer.

`--peer` also measures stac-fastapi-pgstac with the same items and questions, in turn with ours: both run all the time,
and each question goes to one and then the other, ROUNDS times; a figure is the median of its rounds. Where others use
the machine, too, the CPU time of a request (server and database, without clients) is the figure to compare. Its recipe:
PostgreSQL with PostGIS (tools/system_packages.sh), a cluster of its own, pgSTAC by pypgstac, its items loaded by
pypgstac's loader, and the packages `stac-fastapi-pgstac` and `uvicorn[standard]` in an environment that is made once.
Both servers, the database and the clients share this machine: read the ratio, not the numbers.

`--pgstac` also measures our other engine: the same API with its items in pgSTAC, in the same cluster as the peer's.

`--platform`: ours is the whole platform, with sign-in, rates and guards in front of every request, rather than the STAC
API alone. `--load` measures loading and the export to stac-geoparquet instead.
"""

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stac_archive import Request, collection, item, questions

CACHE = Path(tempfile.gettempdir(), f"terrafair-benchmarks-{os.getuid()}")
PEER = "stac-fastapi-pgstac"
BATCH, PEER_BATCH = 2_000, 50_000
START_SECONDS = 120
APPLICATION = ["stac:application", "--factory", "--app-dir", str(Path(__file__).parent)]
"""Ours, for uvicorn."""


@dataclass(frozen=True)
class Place:
    """Where a server answers, and the files that name its first processes, whose CPU time is its cost."""

    port: int
    prefix: str
    processes: tuple[int, ...]

    def cpu(self) -> float:
        """Seconds that they and all below them have used."""
        parents: dict[int, int] = {}
        used: dict[int, float] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    parents[int(entry.name)] = int(fields[1])
                    used[int(entry.name)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
        return sum(seconds for process, seconds in used.items() if self._holds(process, parents))

    def _holds(self, process: int, parents: dict[int, int]) -> bool:
        while process > 1:
            if process in self.processes:
                return True
            process = parents.get(process, 0)
        return False


def placed(port: int, prefix: str = "") -> Place:
    """The place of what this process has just started to listen there."""
    return Place(port, prefix, tuple(_STARTED[port]))


_STARTED: dict[int, list[int]] = {}
"""Port -> first processes."""


def archive(folder: Path, count: int) -> Path:
    """The embedded store with so many items; made once."""
    from terrafair.catalogue.items.sqlite.store import SqliteItems

    path = folder / f"items-{count}.db"
    if not path.with_suffix(".ready").exists():
        for old in folder.glob(f"items-{count}.db*"):
            old.unlink()
        store, begun = SqliteItems(path), time.perf_counter()
        store.put_collection(collection())
        for first in range(0, count, BATCH):
            store.put_items("scenes", [item(n) for n in range(first, min(first + BATCH, count))])
        store.optimise()
        store.close()
        print(f"loaded {count} items: {count / (time.perf_counter() - begun):.0f} items/s, {path.stat().st_size} bytes")
        path.with_suffix(".ready").touch()
    return path


def application() -> Any:
    """What a worker process serves."""
    from terrafair.api.stac.application import application as built
    from terrafair.api.stac.service import Service
    from terrafair.catalogue.items.pgstac.store import PgstacItems
    from terrafair.catalogue.items.sqlite.store import SqliteItems

    place = os.environ["BENCH_ITEMS"]
    return built(Service(PgstacItems(place) if place.startswith("postgresql") else SqliteItems(Path(place))))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _await(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.2)
    sys.exit("The server does not start.")


@contextmanager
def serving(python: str, target: list[str], workers: int, environment: dict[str, str]) -> Iterator[int]:
    """uvicorn with worker processes; gives the port."""
    port = free_port()
    command = [python, "-m", "uvicorn", *target, "--port", str(port), "--workers", str(workers)]
    process = subprocess.Popen([*command, "--log-level", "error", "--no-access-log"], env={**os.environ, **environment})
    _STARTED[port] = [process.pid]
    try:
        _await(port)
        time.sleep(3)  # the other workers
        yield port
    finally:
        process.terminate()
        process.wait(20)


async def _client(
    place: Place, asked: Callable[[int], Request], numbers: Iterator[int], until: float, times: list[float]
) -> None:
    """One connection that asks and waits, in the fewest steps: the clients share the machine with the server."""
    prefix = place.prefix
    reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
    while time.perf_counter() < until:
        method, path, body = asked(next(numbers))
        head = f"{method} {prefix}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        begun = time.perf_counter()
        writer.write(head.encode() + body)
        header = await reader.readuntil(b"\r\n\r\n")
        status, lower = header[9:12], header.lower()
        if status != b"200":
            sys.exit(f"{path} answers {header!r}")
        if b"content-length:" in lower:
            await reader.readexactly(int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0]))
        else:
            while size := int(await reader.readuntil(b"\r\n"), 16):
                await reader.readexactly(size + 2)
            await reader.readexactly(2)
        times.append(time.perf_counter() - begun)
    writer.close()


def measure(
    place: Place, asked: Callable[[int], Request], numbers: Iterator[int], clients: int, seconds: float
) -> tuple[float, float, float, float]:
    """Requests a second, p50, p99 and CPU time of a request in milliseconds; no question is asked twice."""

    async def run(length: float) -> list[float]:
        times: list[float] = []
        until = time.perf_counter() + length
        await asyncio.gather(*(_client(place, asked, numbers, until, times) for _ in range(clients)))
        return times

    asyncio.run(run(min(1.0, seconds)))
    begun, used = time.perf_counter(), place.cpu()
    times = asyncio.run(run(seconds))
    rate, cpu = len(times) / (time.perf_counter() - begun), place.cpu() - used
    p99 = statistics.quantiles(times, n=100)[98]
    return rate, statistics.median(times) * 1000, p99 * 1000, cpu / len(times) * 1000


def alternate(ports: dict[str, Place], count: int, options: argparse.Namespace) -> None:
    """Every question to every server in turn."""
    for kind, asked in questions(count).items():
        if options.only and options.only != kind:
            continue
        found: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in ports}
        numbers = {name: iter(range(10**9)) for name in ports}
        for _ in range(options.rounds):
            for name, place in ports.items():
                found[name].append(measure(place, asked, numbers[name], options.clients, options.seconds))
        middle = {name: [statistics.median(column) for column in zip(*found[name], strict=True)] for name in ports}
        for name, (rate, p50, p99, cpu) in middle.items():
            figures = f"{rate:.0f} requests/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms, {cpu:.2f} ms of CPU each"
            print(f"{count} items, {kind}, {name}: {figures}", flush=True)
        if PEER in ports:
            ours, theirs = middle["terrafair"], middle[PEER]
            ratios = f"{ours[0] / theirs[0]:.1f} x the requests, {theirs[3] / ours[3]:.1f} x for the same CPU time"
            print(f"{count} items, {kind}: {ratios}", flush=True)


def peer_python(kept: Path) -> str:
    """The peer's environment, made once."""
    folder = kept / PEER
    python = folder / "bin/python"
    if not (folder / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        names = [PEER, "uvicorn[standard]", "psycopg[binary,pool]"]
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *names], check=True)
        (folder / "installed").touch()
    return str(python)


def load_peer(url: str, count: int) -> None:
    """pgSTAC with the items, by its own loader; what is there already stays."""
    import psycopg
    from pypgstac.db import PgstacDB
    from pypgstac.load import Loader, Methods
    from pypgstac.migrate import Migrate

    with PgstacDB(dsn=url) as database:
        Migrate(database).run_migration()
    options = "-c search_path=pgstac,public"
    with psycopg.connect(url, autocommit=True, options=options) as connection:
        there = connection.execute("SELECT count(*) FROM items").fetchone()
        if there == (count,):
            return
        connection.execute("SELECT upsert_collection(%s::jsonb)", (json.dumps(collection()),))
        # As ours has from the start.
        connection.execute(
            "INSERT INTO queryables (name, definition, property_wrapper, property_index_type)"
            " VALUES ('eo:cloud_cover', '{\"type\": \"number\"}', 'to_float', 'BTREE')"
        )
        # Once for the whole time: with every batch that reaches further the partition would be looked through again.
        connection.execute("SELECT check_partition('scenes', w, w) FROM tstzrange('2015-01-01', '2025-01-01', '[]') w")
        begun = time.perf_counter()
        with PgstacDB(dsn=url) as database:
            loader = Loader(database)
            for first in range(0, count, PEER_BATCH):
                made = (item(n) for n in range(first, min(first + PEER_BATCH, count)))
                loader.load_items(made, insert_mode=Methods.upsert, chunksize=PEER_BATCH)
        print(f"{PEER}: loaded {count} items, {count / (time.perf_counter() - begun):.0f} items/s")
        connection.execute("SELECT maintain_partitions()")
        connection.execute("VACUUM ANALYZE items")


@dataclass(frozen=True)
class Database:
    """A cluster with the items in pgSTAC."""

    url: str
    process: int
    """Its first one."""


@contextmanager
def database(folder: Path, count: int) -> Iterator[Database]:
    """A cluster of its own, kept."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests/stac"))
    from cluster import cluster

    with cluster(folder / f"cluster-{count}") as url:
        load_peer(url, count)
        first = (folder / f"cluster-{count}/data/postmaster.pid").read_text().partition("\n")[0]
        yield Database(url, int(first))


@contextmanager
def peer(folder: Path, items: Database, workers: int) -> Iterator[int]:
    """stac-fastapi-pgstac; gives its port."""
    python = peer_python(folder)
    host, _, port = items.url.rpartition("@")[2].partition("/")[0].partition(":")
    environment = {
        "PGUSER": "tester",
        "PGPASSWORD": "none",
        "PGHOST": host,
        "PGPORT": port,
        "PGDATABASE": "postgres",
    }
    with serving(python, ["stac_fastapi.pgstac.app:create_app", "--factory"], workers, environment) as served:
        _STARTED[served].append(items.process)
        yield served


@contextmanager
def other_engine(items: Database, workers: int) -> Iterator[int]:
    """Our STAC API on pgSTAC; gives its port."""
    from terrafair.catalogue.items.pgstac.connections import prepare

    prepare(items.url)
    with serving(sys.executable, APPLICATION, workers, {"BENCH_ITEMS": items.url}) as served:
        _STARTED[served].append(items.process)
        yield served


@contextmanager
def ours(path: Path, options: argparse.Namespace) -> Iterator[int]:
    """The STAC API alone, or the platform around it."""
    if not options.platform:
        with serving(sys.executable, APPLICATION, options.workers, {"BENCH_ITEMS": str(path)}) as port:
            yield port
        return
    with tempfile.TemporaryDirectory(dir=path.parent) as home:
        (Path(home) / "items").mkdir()
        (Path(home) / "items/items.db").symlink_to(path)
        port = free_port()
        environment = {"TERRAFAIR_HOME": home, "TERRAFAIR_WEB_WORKERS": str(options.workers)}
        command = [sys.executable, "-m", "terrafair", "serve", "--port", str(port), "--no-demo"]
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
        _STARTED[port] = [process.pid]
        try:
            _await(port)
            time.sleep(10)  # the other web processes
            yield port
        finally:
            process.terminate()
            process.wait(20)


def measure_loading(folder: Path, count: int) -> None:
    """Items a second from ndjson into an archive, and how much smaller its export is."""
    from terrafair.catalogue.items import files
    from terrafair.catalogue.items.load import Loader
    from terrafair.catalogue.items.sqlite.store import SqliteItems

    with tempfile.TemporaryDirectory(dir=folder) as name:
        work = Path(name)
        lines, table = work / "scenes.ndjson", work / "scenes.parquet"
        with lines.open("w") as file:
            file.writelines(json.dumps(each) + "\n" for each in [collection(), *map(item, range(count))])
        store = SqliteItems(work / "items.db")
        begun, used = time.perf_counter(), time.process_time()
        report = Loader(store, work / "states").load(lines)
        took, cpu = time.perf_counter() - begun, time.process_time() - used
        print(f"loaded {report.items} items: {count / took:.0f} items/s, {count / cpu:.0f} for a second of CPU")
        begun = time.perf_counter()
        files.write_parquet(table, store.all_items("scenes"))
        took, smaller = time.perf_counter() - begun, lines.stat().st_size / table.stat().st_size
        print(f"exported {count} items: {count / took:.0f} items/s, {smaller:.1f} x smaller than ndjson")
        store.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("counts", nargs="*", type=int, default=[10_000])
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--only", default="", help="one of the questions")
    parser.add_argument("--pgstac", action="store_true")
    parser.add_argument("--platform", action="store_true")
    parser.add_argument("--load", action="store_true")
    parser.add_argument("--keep", type=Path, default=CACHE)
    options = parser.parse_args()
    options.keep.mkdir(mode=0o711, parents=True, exist_ok=True)
    for count in options.counts:
        if options.load:
            measure_loading(options.keep, count)
            continue
        with ExitStack() as stack:
            prefix = "/stac" if options.platform else ""
            ports = {"terrafair": placed(stack.enter_context(ours(archive(options.keep, count), options)), prefix)}
            if options.peer or options.pgstac:
                items = stack.enter_context(database(options.keep, count))
            if options.peer:
                ports[PEER] = placed(stack.enter_context(peer(options.keep, items, options.workers)))
            if options.pgstac:
                ports["terrafair on pgSTAC"] = placed(stack.enter_context(other_engine(items, options.workers)))
            alternate(ports, count, options)


if __name__ == "__main__":
    main()
