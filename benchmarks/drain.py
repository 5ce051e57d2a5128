"""10,000 jobs that wait are worked off in fair turns: how fast, and how long each project waits.

    python benchmarks/drain.py [JOBS] [--workers 2] [--database sqlite|postgresql] [--first-come]

Five projects and seven people queue unequal numbers of jobs, the largest project first: for each 10,000 it has 9,000,
the others 500, 300, 190 and 10. A job is the platform's own `echo`, without a sandbox: the real acceptance (one
transaction with its turn, event and place in the queue), the real queue, the real worker in a process of its own with
all of a job's transactions; results stay in that process's memory. `--first-come` gives every job the same turn, so
that the queue goes by age alone: what it is compared with. PostgreSQL is a cluster of its own, as the tests make it.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

JOBS = 10_000
PARTS = {"glaciers": 9_000, "oceans": 500, "fires": 300, "cities": 190, "lakes": 10}
"""Jobs of each project, of 10,000; queued in this order."""
PEOPLE = {
    "glaciers": ("ada", "bob", "cem"),
    "oceans": ("dia",),
    "fires": ("eva",),
    "cities": ("fay",),
    "lakes": ("gil",),
}
START_SECONDS = 120


def work(url: str, home: Path, workers: int) -> None:
    """The worker's process."""
    from terrafair.data.objects import MemoryObjects
    from terrafair.database import open_engine
    from terrafair.execution.builtin import Builtin
    from terrafair.execution.command import Limits
    from terrafair.execution.doorbell import Doorbell
    from terrafair.execution.jobs import Jobs
    from terrafair.execution.queue import DurableQueue, consuming
    from terrafair.execution.sandbox import Sandbox
    from terrafair.execution.worker import Runner

    def unused(*_: Any) -> Any:
        raise AssertionError("an echo needs none of it")

    jobs = Jobs(open_engine(url), DurableQueue(url), home / "jobs")
    sandbox, echo = Sandbox(isolated=False, reason="Nothing of others is run."), Builtin(MemoryObjects())
    runner = Runner(jobs, unused, unused, {}, sandbox, unused, unused, Limits(), builtin=echo)
    parent = os.getppid()
    with consuming(url, "worker-0", workers, runner.run, Doorbell(home / "bell")):
        (home / "ready").touch()
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(0)


def queue_all(url: str, home: Path, count: int, *, first_come: bool) -> tuple[Any, float]:
    """Accept all jobs; gives them and how long it took."""
    from terrafair.database import open_engine
    from terrafair.execution import turns
    from terrafair.execution.builtin import KIND
    from terrafair.execution.job import JobRequest, Owner
    from terrafair.execution.jobs import Jobs
    from terrafair.execution.queue import DurableQueue

    if first_come:
        turns.take = lambda *_: 1
    jobs = Jobs(open_engine(url), DurableQueue(url), home / "jobs")
    request = JobRequest("echo", KIND, process="echo", inputs={"stringInput": "hello"})
    begun = time.monotonic()
    for project, part in PARTS.items():
        people = PEOPLE[project]
        for number in range(max(part * count // JOBS, 1)):
            jobs.submit(request, owner=Owner(project, people[number % len(people)]))
    return jobs, time.monotonic() - begun


def drain(jobs: Any, url: str, home: Path, workers: int) -> tuple[float, float, list[int]]:
    """Start a worker on what waits; gives seconds, its CPU seconds, and its memory in MB over time."""
    import psutil

    command = [sys.executable, __file__, "--work", url, str(home), str(workers)]
    worker = subprocess.Popen(command)
    process, memory, cpu = psutil.Process(worker.pid), [], 0.0
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (home / "ready").exists():
            if worker.poll() is not None or time.monotonic() > deadline:
                sys.exit("The worker did not start.")
            time.sleep(0.02)
        begun, before = time.monotonic(), sum(process.cpu_times()[:2])
        while (states := jobs.states()).get("accepted", 0) + states.get("running", 0):
            memory.append(process.memory_info().rss // 2**20)
            time.sleep(0.5)
        cpu = sum(process.cpu_times()[:2]) - before
        return time.monotonic() - begun, cpu, memory
    finally:
        worker.kill()
        worker.wait()


def order(jobs: Any) -> list[Any]:
    """All jobs in the order in which they were begun."""
    found, before = [], ""
    while page := jobs.listing(limit=2000, before=before):
        found += page
        before = page[-1].id
    if Counter(job.state.value for job in found) != {"successful": len(found)}:
        sys.exit(f"Not all jobs are done: {Counter(job.state.value for job in found)}")
    return sorted(found, key=lambda job: job.started)


def report(jobs: Any, accepting: float, drained: tuple[float, float, list[int]], name: str) -> None:
    """What was seen."""
    seconds, cpu, memory = drained
    found = order(jobs)
    count = len(found)
    print(f"{name}: {count} jobs accepted in {accepting:.1f} s ({count / accepting:.0f} /s), done in {seconds:.1f} s")
    print(f"  {count / seconds:.0f} jobs/s, {1000 * cpu / count:.1f} CPU ms of the worker for each")
    late = memory[len(memory) // 2 :]
    print(f"  memory of the worker: {memory[0]} MB at first, {max(memory)} MB at most, {late[-1]} MB at the end")
    first = datetime.fromisoformat(found[0].started)
    waits, places = defaultdict(list), defaultdict(list)
    for place, job in enumerate(found, 1):
        waits[job.owner.project].append((datetime.fromisoformat(job.started) - first).total_seconds())
        places[job.owner.project].append(place)
    print("  project        jobs   wait p50    longest   begun as number")
    for project, seen in waits.items():
        middle, last = statistics.median(seen), max(seen)
        where = f"{places[project][0]} to {places[project][-1]}"
        print(f"  {project:10} {len(seen):8} {middle:8.1f} s {last:8.1f} s   {where}")


@contextmanager
def database(kind: str, home: Path) -> Iterator[str]:
    """The URL of an empty control database."""
    if kind == "sqlite":
        yield f"sqlite:///{home / 'platform.db'}"
        return
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests/stac"))
    from cluster import cluster, missing

    if why := missing():
        sys.exit(why)
    with cluster() as url:
        yield url


def main() -> None:
    """Queue, drain, tell."""
    from terrafair.database import migrate, open_engine
    from terrafair.execution import queue

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", nargs="?", type=int, default=JOBS)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--first-come", action="store_true")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, database(wanted.database, Path(folder)) as url:
        engine = open_engine(url)
        migrate(engine)
        engine.dispose()
        queue.prepare(url)
        print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        jobs, accepting = queue_all(url, Path(folder), wanted.jobs, first_come=wanted.first_come)
        print(f"accepted in {accepting:.1f} s", flush=True)
        drained = drain(jobs, url, Path(folder), wanted.workers)
        report(jobs, accepting, drained, f"{wanted.database}, {'first come' if wanted.first_come else 'fair turns'}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
