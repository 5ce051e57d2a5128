"""STAC search over HTTP at 32 clients: requests a second, p50 and p99, ours beside stac-fastapi-pgstac.

    python benchmarks/stac.py [COUNT ...] [--seconds 5] [--clients 32] [--workers 2] [--peer]

COUNT: items, 10000 by default (`10000 100000 1000000` is the whole comparison; archives are kept below the system's
temporary folder, a million items make 2.3 GB and take some minutes to load). Four questions: a bbox of 5 degrees;
bbox, four weeks and a collection; CQL2 with an order; one item. Ours serves from the embedded store.

`--peer` also measures stac-fastapi-pgstac with the same items, questions and number of worker processes. Its recipe:
PostgreSQL with PostGIS (tools/system_packages.sh), a cluster of its own as tests/stac/conftest.py makes one, pgSTAC by
pypgstac, and the packages `stac-fastapi-pgstac` and `uvicorn[standard]` in an environment that is made once beside the
archives. Both servers, the database and the clients share this machine: read the ratio, not the numbers.
"""

import argparse
import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

CACHE = Path(tempfile.gettempdir(), f"terrafair-benchmarks-{os.getuid()}")
PEER = "stac-fastapi-pgstac"
BATCH = 2_000
PLATFORMS = ("sentinel-2a", "sentinel-2b", "landsat-8", "landsat-9")
START_SECONDS = 60

Request = tuple[str, str, bytes]
"""Method, path, body."""


def item(n: int) -> dict[str, Any]:
    """A scene of one degree, leaning as scenes do, somewhere in ten years."""
    made = random.Random(n)
    x, y = made.uniform(-180, 178), made.uniform(-85, 83)
    ring = [[x, y], [x + 1, y + 0.1], [x + 1, y + 1.1], [x, y + 1], [x, y]]
    when = datetime(2015, 1, 1, tzinfo=UTC) + timedelta(seconds=made.randrange(10 * 365 * 86400))
    bands = ("B02", "B03", "B04", "B08", "SCL", "AOT", "WVP", "visual")
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": f"scene-{n:07}",
        "collection": "scenes",
        "bbox": [x, y, x + 1, y + 1.1],
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "datetime": when.isoformat().replace("+00:00", "Z"),
            "eo:cloud_cover": made.randrange(10_000) / 100,
            "platform": made.choice(PLATFORMS),
            "gsd": 10,
            "instruments": ["msi"],
            "proj:epsg": 32601 + n % 60,
        },
        "assets": {
            band: {"href": f"s3://archive/{n}/{band}.tif", "type": "image/tiff; application=geotiff", "roles": ["data"]}
            for band in bands
        },
        "links": [],
    }


def collection() -> dict[str, Any]:
    extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [["2015-01-01T00:00:00Z", None]]}}
    about = {
        "type": "Collection",
        "stac_version": "1.0.0",
        "id": "scenes",
        "description": "Made.",
        "license": "CC0-1.0",
    }
    return {**about, "extent": extent, "links": []}


def questions(count: int) -> dict[str, Callable[[int], Request]]:
    """The four kinds of request, each by its number."""

    def box(n: int) -> list[float]:
        made = random.Random(n)
        x, y = made.uniform(-180, 174), made.uniform(-80, 74)
        return [x, y, x + 5, y + 5]

    def search(body: dict[str, Any]) -> Request:
        return "POST", "/search", json.dumps({"limit": 10, **body}).encode()

    def month(n: int) -> str:
        first = datetime(2015, 1, 1, tzinfo=UTC) + timedelta(days=n * 37 % 3600)
        return f"{first:%Y-%m-%dT%H:%M:%SZ}/{first + timedelta(days=28):%Y-%m-%dT%H:%M:%SZ}"

    def clear(n: int) -> dict[str, Any]:
        cloud = {"op": "<", "args": [{"property": "eo:cloud_cover"}, 1 + n % 30]}
        platform = {"op": "=", "args": [{"property": "platform"}, PLATFORMS[n % 4]]}
        order = [{"field": "properties.eo:cloud_cover", "direction": "asc"}]
        return {"filter-lang": "cql2-json", "filter": {"op": "and", "args": [cloud, platform]}, "sortby": order}

    return {
        "bbox": lambda n: search({"bbox": box(n)}),
        "bbox, time, collection": lambda n: search({"bbox": box(n), "datetime": month(n), "collections": ["scenes"]}),
        "CQL2 and order": lambda n: search({**clear(n), "collections": ["scenes"]}),
        "one item": lambda n: ("GET", f"/collections/scenes/items/scene-{n * 7919 % count:07}", b""),
    }


def archive(count: int) -> Path:
    """The embedded store with so many items; made once."""
    from terrafair.catalogue.items.sqlite.store import SqliteItems

    path = CACHE / f"items-{count}.db"
    if not path.with_suffix(".ready").exists():
        for old in CACHE.glob(f"items-{count}.db*"):
            old.unlink()
        CACHE.mkdir(mode=0o700, exist_ok=True)
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
    from terrafair.catalogue.items.sqlite.store import SqliteItems

    return built(Service(SqliteItems(Path(os.environ["BENCH_ITEMS"]))))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def serving(python: str, target: list[str], workers: int, environment: dict[str, str]) -> Iterator[int]:
    """uvicorn with worker processes; gives the port."""
    port = free_port()
    command = [python, "-m", "uvicorn", *target, "--port", str(port), "--workers", str(workers)]
    process = subprocess.Popen([*command, "--log-level", "error", "--no-access-log"], env={**os.environ, **environment})
    try:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.2)
        time.sleep(3)  # the other workers
        yield port
    finally:
        process.terminate()
        process.wait(20)


async def _client(
    port: int, asked: Callable[[int], Request], numbers: Iterator[int], until: float, times: list[float]
) -> None:
    """One connection that asks and waits, in the fewest steps: the clients share the machine with the server."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        method, path, body = asked(next(numbers))
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
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


def measure(port: int, asked: Callable[[int], Request], clients: int, seconds: float) -> tuple[float, float, float]:
    """Requests a second, p50 and p99 in milliseconds."""

    async def run(length: float) -> list[float]:
        times: list[float] = []
        numbers = iter(range(10**9))
        until = time.perf_counter() + length
        await asyncio.gather(*(_client(port, asked, numbers, until, times) for _ in range(clients)))
        return times

    asyncio.run(run(min(1.0, seconds)))
    begun = time.perf_counter()
    times = asyncio.run(run(seconds))
    rate = len(times) / (time.perf_counter() - begun)
    return rate, statistics.median(times) * 1000, statistics.quantiles(times, n=100)[98] * 1000


def report(name: str, port: int, count: int, options: argparse.Namespace) -> dict[str, float]:
    rates = {}
    for kind, asked in questions(count).items():
        rate, p50, p99 = measure(port, asked, options.clients, options.seconds)
        print(f"{name}, {count} items, {kind}: {rate:.0f} requests/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms", flush=True)
        rates[kind] = rate
    return rates


def peer_python() -> str:
    """The peer's environment, made once."""
    folder = CACHE / PEER
    python = folder / "bin/python"
    if not (folder / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        names = [PEER, "uvicorn[standard]", "psycopg[binary,pool]"]
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *names], check=True)
        (folder / "installed").touch()
    return str(python)


@contextmanager
def peer(count: int, workers: int) -> Iterator[int]:
    """stac-fastapi-pgstac on a cluster of its own; gives its port."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests/stac"))
    from cluster import cluster

    from terrafair.catalogue.items.pgstac.connections import Connections, prepare

    python = peer_python()
    with cluster(CACHE / f"cluster-{count}") as url:
        prepare(url)
        connections = Connections(url)
        with connections.transaction() as cursor:
            cursor.execute("SELECT count(*) FROM items")
            (there,) = cursor.fetchone()
        for first in range(there, count, BATCH):
            with connections.transaction() as cursor:
                if first == 0:
                    cursor.execute("SELECT upsert_collection(%s::jsonb)", (json.dumps(collection()),))
                made = json.dumps([item(n) for n in range(first, min(first + BATCH, count))])
                cursor.execute("SELECT create_items(%s::jsonb)", (made,))
        with connections.transaction() as cursor:
            cursor.execute("ANALYZE items")
        connections.close()
        host, _, port = url.rpartition("@")[2].partition("/")[0].partition(":")
        environment = {
            "PGUSER": "tester",
            "PGPASSWORD": "none",
            "PGHOST": host,
            "PGPORT": port,
            "PGDATABASE": "postgres",
        }
        with serving(python, ["stac_fastapi.pgstac.app:create_app", "--factory"], workers, environment) as served:
            yield served


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("counts", nargs="*", type=int, default=[10_000])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--peer", action="store_true")
    options = parser.parse_args()
    for count in options.counts:
        environment = {"BENCH_ITEMS": str(archive(count))}
        with serving(
            sys.executable,
            ["stac:application", "--factory", "--app-dir", str(Path(__file__).parent)],
            options.workers,
            environment,
        ) as port:
            ours = report("terrafair", port, count, options)
        if options.peer:
            with peer(count, options.workers) as port:
                theirs = report(PEER, port, count, options)
            for kind, rate in ours.items():
                print(f"{count} items, {kind}: {rate / theirs[kind]:.1f} x")


if __name__ == "__main__":
    main()
