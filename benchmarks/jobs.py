"""What a job costs beside its work: a no-op from accepted over running to successful, ours and pygeoapi's.

    python benchmarks/jobs.py [JOBS]

Ours goes the whole way on the embedded defaults: SQLite, the durable queue, a worker in a process of its own, the
supervisor, bubblewrap. pygeoapi runs its `hello-world` asynchronously with its TinyDB manager: in a thread of its own
process, neither isolated nor found again after a crash. Neither goes through HTTP. Ours is asked for its state every
2 ms, as a client would; pygeoapi is not, since whoever asks holds TinyDB's lock and makes it slower: its times are
taken where it has stored the state. It is installed once from PyPI into a cache below the system's temporary folder.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PYGEOAPI = "pygeoapi==0.21.0"
JOBS = 100
WARM_UP = 5
POLL_SECONDS = 0.002
START_SECONDS = 60

DRIVER = """
import json, sys, tempfile, threading, time
from pygeoapi.process.manager.tinydb_ import TinyDBManager
from pygeoapi.util import RequestedProcessExecutionMode as Mode
seen, ended = {}, threading.Event()
class Watched(TinyDBManager):
    def update_job(self, job, changes):
        stored = super().update_job(job, changes)
        seen[changes["status"]] = time.perf_counter()
        if changes["status"] in ("successful", "failed"):
            ended.set()
        return stored
def measure():
    seen.clear()
    ended.clear()
    begun = time.perf_counter()
    manager.execute_process("hello-world", {"name": "x"}, execution_mode=Mode.respond_async)
    ended.wait()
    return seen["running"] - begun, seen["successful"] - begun
with tempfile.TemporaryDirectory() as folder:
    manager = Watched({"name": "TinyDB", "connection": folder + "/jobs.db", "output_dir": folder,
        "processes": {"hello-world": {"type": "process", "processor": {"name": "HelloWorld"}}}})
    print(json.dumps([measure() for _ in range(int(sys.argv[1]))]))
"""
Times = Sequence[tuple[float, float]]


def runner(home: Path) -> tuple[Any, Any]:
    """The platform's own pipeline, and its jobs; only what the job does is nothing."""
    from terrafair.database import open_engine
    from terrafair.errors import Problem
    from terrafair.execution.command import Command, Limits
    from terrafair.execution.engines.engine import Say
    from terrafair.execution.job import Job, Results, Usage
    from terrafair.execution.jobs import Jobs
    from terrafair.execution.queue import DurableQueue
    from terrafair.execution.sandbox import probe
    from terrafair.execution.task import JobFolder, Outcome
    from terrafair.execution.worker import Runner
    from terrafair.workflows.workflow import Resolution, WorkflowType

    class NoOperation:
        type = WorkflowType.COMMAND

        def check(self, _: Resolution) -> Sequence[Problem]:
            return ()

        def prepare(self, _: Resolution, __: Mapping[str, Any], folder: JobFolder, limits: Limits, ___: Say) -> Command:
            writable = (folder.work, folder.outputs)
            return Command((shutil.which("true") or "true",), directory=folder.work, writable=writable, limits=limits)

    def package(job: Job, _: Resolution, __: JobFolder, ___: Outcome, ____: Usage) -> Results:
        return Results(prefix=job.id)

    url = f"sqlite:///{home / 'platform.db'}"
    jobs = Jobs(open_engine(url), DurableQueue(url), home / "jobs")
    resolution = Resolution("no-op", "workflow", type=WorkflowType.COMMAND)
    engines = {WorkflowType.COMMAND: NoOperation()}
    sandbox = probe(home, "auto")
    found = Runner(
        jobs, lambda _: resolution, lambda _, given: given, engines, sandbox, package, lambda *_: None, Limits()
    )
    return found, jobs


def work(home: Path) -> None:
    """The worker's process."""
    from terrafair.execution.queue import consuming

    parent = os.getppid()
    found, _ = runner(home)
    with consuming(f"sqlite:///{home / 'platform.db'}", "worker-0", 2, found.run):
        (home / "ready").touch()
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(0)


def ours(home: Path, count: int) -> Times:
    """Times of our no-op jobs."""
    from terrafair.database import migrate, open_engine
    from terrafair.execution import queue

    url = f"sqlite:///{home / 'platform.db'}"
    migrate(open_engine(url))
    queue.prepare(url)
    found, jobs = runner(home)
    print(f"isolation: {found.sandbox.reason}")
    worker = subprocess.Popen([sys.executable, __file__, "--worker", str(home)])
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (home / "ready").exists():
            if worker.poll() is not None or time.monotonic() > deadline:
                sys.exit("The worker did not start.")
            time.sleep(0.05)
        return [_measure(jobs) for _ in range(count)]
    finally:
        worker.kill()
        worker.wait()


def _measure(jobs: Any) -> tuple[float, float]:
    """Seconds until running was seen and until the end."""
    from terrafair.execution.job import ENDED, JobRequest, State

    begun = time.perf_counter()
    job, running = jobs.submit(JobRequest("no-op", "workflow")).id, 0.0
    while True:
        state = jobs.get(job).state
        now = time.perf_counter() - begun
        if not running and state is not State.ACCEPTED:
            running = now
        if state in ENDED:
            if state is not State.SUCCESSFUL:
                sys.exit(f"A job is {state.value}: {jobs.get(job).problems}")
            return running, now
        time.sleep(POLL_SECONDS)


def pygeoapi(count: int) -> Times | str:
    """Times of pygeoapi's no-op jobs, or why there are none."""
    folder = Path(tempfile.gettempdir(), f"terrafair-benchmarks-{os.getuid()}", PYGEOAPI.replace("==", "-"))
    python = folder / "bin/python"
    if not (folder / "installed").exists():
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        for line in (
            [sys.executable, "-m", "venv", "--clear", str(folder)],
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PYGEOAPI],
        ):
            done = subprocess.run(line, capture_output=True, text=True, check=False)
            if done.returncode:
                return f"{PYGEOAPI} cannot be installed: {done.stderr.strip()[-300:] or done.returncode}"
        (folder / "installed").touch()
    done = subprocess.run([str(python), "-c", DRIVER, str(count)], capture_output=True, text=True, check=False)
    if done.returncode:
        return f"{PYGEOAPI} does not run: {done.stderr.strip()[-300:]}"
    return [(running, end) for running, end in json.loads(done.stdout)]


def report(name: str, times: Times | str) -> None:
    """One line for each step: p50 and p95 in milliseconds."""
    if isinstance(times, str):
        print(f"{name}: not measured: {times}")
        return
    counted = times[WARM_UP:]
    steps = {
        "accepted -> running": [running for running, _ in counted],
        "running -> successful": [end - running for running, end in counted],
        "accepted -> running -> successful": [end for _, end in counted],
    }
    for step, seconds in steps.items():
        p95 = statistics.quantiles(seconds, n=20)[18]
        p50 = statistics.median(seconds)
        print(f"{name}, {step}: p50 {p50 * 1000:.1f} ms, p95 {p95 * 1000:.1f} ms ({len(counted)} jobs)")


def main() -> None:
    count = WARM_UP + max(int(sys.argv[1]) if len(sys.argv) > 1 else JOBS, 2)
    with tempfile.TemporaryDirectory() as folder:
        report("terrafair", ours(Path(folder), count))
    report("pygeoapi", pygeoapi(count))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(Path(sys.argv[2]))
    else:
        main()
