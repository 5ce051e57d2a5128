"""Many people at once on a whole platform: times of each kind of request, errors, and memory of every process.

    python benchmarks/load.py [--users 200] [--minutes 5] [--pause 2.4] [--web-workers 1] [--database URL]

An hour of 200 people who do something every half minute, compressed to five minutes: each waits PAUSE seconds on
average between two requests. They search (STAC, records, the page Find), look at map tiles of a result, submit jobs,
and follow the log of a job as server-sent events to its end. The platform is `terrafair serve` on a fresh home, in
processes of its own; clients, server, workers and object store share this machine. Exit code 1 for any error, for a
job that was accepted and not done, and where memory grows.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from terrafair.data.tiles.mercator import HALF, metres

START_SECONDS = 120
SAMPLE_SECONDS = 2.0
GROWTH, GROWTH_MB = 1.15, 40
"""Memory grows where the last fifth's mean is above the second fifth's by that factor and by that much."""
ZOOMS = (9, 10, 11, 12, 13)
MIX = {"search": 50, "tile": 38, "submit": 4, "log": 8}
"""Kinds of requests, in parts of a hundred."""
WORDS = ("water", "ndvi", "season", "surface", "demo", "phenology", "greenest", "map")


@dataclass
class Told:
    """What was seen."""

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)
    memory: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """MB by process, one for each sample."""


@dataclass
class Crowd:
    """The people."""

    client: aiohttp.ClientSession
    result: str
    """A job whose files are looked at."""
    bounds: tuple[float, float, float, float]
    told: Told
    jobs: list[str]

    async def person(self, seed: int, until: float, pause: float) -> None:
        """One of them, until the time is over."""
        chance = random.Random(seed)
        acts: dict[str, Callable[[random.Random], Awaitable[None]]] = {
            "search": self.search,
            "tile": self.tile,
            "submit": self.submit,
            "log": self.log,
        }
        await asyncio.sleep(chance.uniform(0, pause))
        while time.monotonic() < until:
            kind = chance.choices(list(MIX), list(MIX.values()))[0]
            try:
                await acts[kind](chance)
            except (aiohttp.ClientError, TimeoutError) as fault:
                self.told.errors[f"{kind}: {type(fault).__name__}"] += 1
            await asyncio.sleep(chance.expovariate(1 / pause))

    async def ask(self, kind: str, method: str, path: str, **more: object) -> bytes:
        """One request; what is no success counts as an error."""
        begun = time.perf_counter()
        async with self.client.request(method, path, **more) as reply:  # type: ignore[arg-type]
            content = await reply.read()
        self.told.times[kind].append(time.perf_counter() - begun)
        if not reply.ok:
            self.told.errors[f"{kind}: {reply.status} {content[:150].decode('utf-8', 'replace')}"] += 1
        return content

    async def search(self, chance: random.Random) -> None:
        """By place and time, by words, or as a page."""
        word = chance.choice(WORDS)
        west, south = chance.uniform(-180, 170), chance.uniform(-90, 80)
        bbox = [west, south, west + 10, south + 10] if chance.random() < 0.5 else list(self.bounds)
        how = chance.randrange(3)
        if how == 0:
            await self.ask("STAC search", "POST", "/stac/search", json={"bbox": bbox, "limit": 20})
        elif how == 1:
            await self.ask("records", "GET", f"/records/collections/workflows/items?q={word}")
        else:
            await self.ask("page Find", "GET", f"/find?q={word}")

    async def tile(self, chance: random.Random) -> None:
        """Somewhere within the picture, in one of some colours."""
        zoom = chance.choice(ZOOMS)
        x, y = metres(chance.uniform(self.bounds[0], self.bounds[2]), chance.uniform(self.bounds[1], self.bounds[3]))
        side = 2 * HALF / 2**zoom
        place = f"{zoom}/{int((x + HALF) // side)}/{int((HALF - y) // side)}.png"
        await self.ask("tile", "GET", f"/tiles/jobs/{self.result}/{place}?range=0,{chance.randrange(1, 20) / 10}")

    async def submit(self, _: random.Random) -> None:
        """A small job."""
        order = {"inputs": {"stringInput": "Value1"}}
        content = await self.ask(
            "submit", "POST", "/processes/echo/execution", json=order, headers={"Prefer": "respond-async"}
        )
        with suppress(ValueError, KeyError):
            self.jobs.append(json.loads(content)["jobID"])

    async def log(self, chance: random.Random) -> None:
        """Follow one of the last jobs until it is said to have ended."""
        job = chance.choice(self.jobs[-20:])
        begun, first, last = time.perf_counter(), 0.0, ""
        async with self.client.get(f"/results/{job}/log") as reply:
            async for line in reply.content:
                first = first or time.perf_counter() - begun
                last = line.decode().strip() or last
        self.told.times["log, first event"].append(first)
        self.told.times["log, to the job's end"].append(time.perf_counter() - begun)
        if "successful" not in last:
            self.told.errors[f"log: {reply.status} ends with {last[:80]!r}"] += 1


def descendants(root: int) -> dict[int, str]:
    """Processes below one, with the words that tell them apart."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = {root}
    while more := {process for process, parent in parents.items() if parent in found} - found:
        found |= more
    return {process: named(process) for process in sorted(found)}


def named(process: int) -> str:
    """A short name of what runs there; empty: it has ended."""
    with suppress(OSError):
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        known = ("oidc_provider", "jupyterhub", "painter", "web-worker", "worker", "serve", "weed")
        return next((name for name in known if any(name in word for word in words)), Path(words[0]).name)
    return ""


def sample(root: int, memory: dict[str, list[float]]) -> None:
    """Add what each long-lived process holds now, in MB."""
    for process, name in descendants(root).items():
        with suppress(OSError, StopIteration):
            lines = Path(f"/proc/{process}/status").read_text().splitlines()
            resident = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
            memory[f"{name} ({process})"].append(resident / 1024)


@contextmanager
def serving(home: Path, settings: dict[str, str], web_workers: int) -> Iterator[tuple[str, int]]:
    """A platform of its own; gives its address and its first process."""
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TERRAFAIR_")}
    environment = {**kept, **settings, "TERRAFAIR_HOME": str(home), "TERRAFAIR_WEB_WORKERS": str(web_workers)}
    with (home / "serve.log").open("ab") as log:
        command = [sys.executable, "-m", "terrafair", "serve", "--port", "0"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (home / "serving.json").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit((home / "serve.log").read_text())
            time.sleep(0.1)
        yield json.loads((home / "serving.json").read_text())["url"], process.pid
    finally:
        process.terminate()
        process.wait(30)


async def prepared(client: aiohttp.ClientSession) -> tuple[str, str, tuple[float, float, float, float]]:
    """A result with a picture: its job, the picture's place, its bounds."""
    async with client.post("/api/jobs", json={"id": "demo-ndvi"}) as reply:
        job = (await reply.json())["id"]
    deadline = time.monotonic() + START_SECONDS
    while True:
        async with client.get(f"/api/jobs/{job}") as reply:
            status = (await reply.json())["status"]
        if status == "successful":
            break
        if status not in {"accepted", "running"} or time.monotonic() > deadline:
            sys.exit(f"The job is {status}.")
        await asyncio.sleep(0.3)
    async with client.get(f"/api/jobs/{job}/results") as reply:
        files = (await reply.json())["files"]
    picture = next(file["name"] for file in files if file["name"].endswith(".tif"))
    async with client.get("/stac/collections/" + f"{job}") as reply:
        found = (await reply.json()) if reply.ok else {}
    box = found.get("extent", {}).get("spatial", {}).get("bbox", [[10.9, 47.3, 11.1, 47.5]])[0]
    west, south, east, north = box if len(box) == 4 else (box[0], box[1], box[3], box[4])
    return job, f"{job}/{picture}", (west, south, east, north)


async def crowd(url: str, root: int, options: argparse.Namespace) -> Told:
    """Let them all in, and watch."""
    told = Told()
    connector = aiohttp.TCPConnector(limit=0)
    patience = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(url, connector=connector, timeout=patience) as client:
        job, picture, bounds = await prepared(client)
        until = time.monotonic() + options.minutes * 60
        people = Crowd(client, picture, bounds, told, [job])

        async def watch() -> None:
            while time.monotonic() < until:
                await asyncio.to_thread(sample, root, told.memory)
                await asyncio.sleep(SAMPLE_SECONDS)

        await asyncio.gather(watch(), *(people.person(seed, until, options.pause) for seed in range(options.users)))
        # What was accepted is done, whatever came in between.
        for accepted in people.jobs:
            await people.ask("afterwards", "GET", f"/api/jobs/{accepted}")
            async with client.get(f"/results/{accepted}/log") as reply:
                if b'"successful"' not in await reply.read():
                    told.errors["a job was lost"] += 1
    return told


def report(told: Told, seconds: float) -> bool:
    """Print both tables; gives whether all is well."""
    print("| kind | requests | per second | p50 ms | p95 ms | p99 ms | slowest ms |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for kind, times in sorted(told.times.items()):
        if kind != "afterwards" and len(times) > 1:
            cuts = [1000 * cut for cut in statistics.quantiles(times, n=100)]
            figures = (cuts[49], cuts[94], cuts[98], 1000 * max(times))
            row = " | ".join(f"{figure:.0f}" for figure in figures)
            print(f"| {kind} | {len(times)} | {len(times) / seconds:.1f} | {row} |")
    print(f"\nerrors: {sum(told.errors.values())}")
    for error, count in told.errors.most_common(20):
        print(f"    {count} x {error}")
    print("\n| process | second fifth, MB | last fifth, MB | most, MB |\n| --- | --- | --- | --- |")
    flat, samples = True, max(map(len, told.memory.values()))
    for name, values in told.memory.items():
        if len(values) < max(0.8 * samples, 5):
            continue
        fifth = len(values) // 5
        early, late = statistics.mean(values[fifth : 2 * fifth]), statistics.mean(values[-fifth:])
        grows = late > early * GROWTH and late > early + GROWTH_MB
        flat = flat and not grows
        print(f"| {name} | {early:.0f} | {late:.0f}{' GROWS' if grows else ''} | {max(values):.0f} |")
    return flat and not told.errors


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--pause", type=float, default=2.4)
    parser.add_argument("--web-workers", type=int, default=1)
    parser.add_argument("--database", default="", help="URL of an empty PostgreSQL database")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = {"TERRAFAIR_DATABASE": options.database} if options.database else {}
        with serving(Path(folder, "home"), settings, options.web_workers) as (url, root):
            busy = os.getloadavg()[0]
            told = asyncio.run(crowd(url, root, options))
        print(f"{options.users} people, {options.minutes:g} minutes, load of the machine before: {busy:.1f}\n")
        return 0 if report(told, options.minutes * 60) else 1


if __name__ == "__main__":
    sys.exit(main())
