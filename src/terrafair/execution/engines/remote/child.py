"""Watches a job at a target to its end: found again after any restart, its log mirrored, its results brought home."""

import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from terrafair.errors import Problem, TerrafairError, Unreachable
from terrafair.execution.engines.remote.engine import CREDENTIAL
from terrafair.execution.engines.remote.home import Home
from terrafair.execution.engines.remote.server import Plan, Server, Status, connect
from terrafair.execution.engines.remote.target import Connection, Target
from terrafair.execution.engines.remote.values import Handover
from terrafair.execution.engines.report import Report
from terrafair.execution.task import JobFolder, Outcome, Task

PATIENCE_SECONDS = 900.0
"""How long a target may be away before its job is given up."""
SHORTEST, LONGEST = 0.3, 10.0
"""Seconds between two looks at the job."""
ENDED = frozenset({"successful", "failed", "dismissed"})


class Stopped(BaseException):
    """Somebody cancelled the job here."""


def main() -> int:
    """Work off the task."""
    task = Task.read(Path(sys.argv[1]))
    folder, report = JobFolder(Path(task.folder)), Report()
    signal.signal(signal.SIGTERM, _stop)
    try:
        outcome = run(task, folder, report)
    except TerrafairError as error:
        outcome = Outcome(False, error.problems)
    for problem in outcome.problems:
        report.say(str(problem), "error")
    outcome.write(folder.outcome)
    return 0 if outcome.successful else 1


def _stop(_: int, __: FrameType | None) -> None:
    raise Stopped


def run(task: Task, folder: JobFolder, report: Report) -> Outcome:
    """From the start there to the results here."""
    options = task.options
    target = Target(options["target"], options["url"], _token(folder))
    allow, trace = options["allow_private"], str(options.get("traceparent", ""))
    with Connection(target, allow_private=allow, trace=trace) as connection:
        server = _patiently(lambda: connect(connection), report, "connect")
        watch = Watch(server, report, target.name)
        job = ""
        try:
            job = _job(task, folder, server, report)
            status = watch.until_ended(job)
        except Stopped:
            if job:
                server.dismiss(job)
                report.say(f"{target.name}: the job was dismissed there.")
            raise SystemExit(143) from None
        details = {"target": target.name, "url": target.url, "remote_job": job, "kind": server.kind}
        if status.state != "successful":
            problems = status.problems or (Problem(f"The job was {status.state} at {target.name}."),)
            return Outcome(False, tuple(_there(problem, target.name) for problem in problems), details=details)
        home = Home(connection, folder.outputs, options["limit"], report)
        _patiently(lambda: home.bring(server.outputs(job)), report, "results")
        return Outcome(True, (), home.paths, {**details, "values": home.values, "referenced": home.referenced})


def _token(folder: JobFolder) -> str:
    """The credential, which is then kept in memory only; an attempt after this one gets it anew."""
    path = folder.path / CREDENTIAL
    try:
        token = str(json.loads(path.read_text("utf-8"))["token"])
    except FileNotFoundError:
        return ""
    path.unlink()
    return token


def _job(task: Task, folder: JobFolder, server: Server, report: Report) -> str:
    """The job's address there; one that an earlier attempt started is found again."""
    memory = folder.path / "remote.json"
    if memory.is_file():
        known = json.loads(memory.read_text("utf-8"))
        if known.get("url") == task.options["url"]:
            report.say(f"The job {known['job']} is found again.")
            return str(known["job"])
    stac, data = frozenset(task.options["stac"]), frozenset(task.options["data"])
    values = Handover(server, task.sources, stac, report, data).values(task.values)
    job = server.start(Plan(**task.options["plan"]), values, str(task.options["title"]))
    partial = memory.with_suffix(".partial")
    partial.write_text(json.dumps({"url": task.options["url"], "job": job}), "utf-8")
    partial.replace(memory)
    report.say(f"It is {job} there.")
    return job


def _patiently(work: Callable[[], Any], report: Report, what: str) -> Any:
    """Do it, and again while the target is away."""
    begun, pause = time.monotonic(), 1.0
    while True:
        try:
            return work()
        except Unreachable as fault:
            if time.monotonic() - begun > PATIENCE_SECONDS:
                raise
            report.say(f"{fault} Trying again ({what}).", "warning")
            time.sleep(pause)
            pause = min(pause * 2, 30.0)


@dataclass(slots=True)
class Watch:
    """Mirrors a job's state and log."""

    server: Server
    report: Report
    name: str
    _mark: str = ""
    _said: str = ""
    _share: float = 0.0

    def until_ended(self, job: str) -> Status:
        """The last status."""
        pause = SHORTEST
        while True:
            status: Status = _patiently(lambda: self.server.status(job), self.report, "status")
            self._mirror(job, status)
            if status.state in ENDED:
                return status
            time.sleep(pause)
            pause = min(pause * 1.2, LONGEST)

    def _mirror(self, job: str, status: Status) -> None:
        try:
            while True:
                lines, mark = self.server.log(job, self._mark)
                for line in lines:
                    self.report.say(f"{self.name}: {line}")
                if mark == self._mark:
                    break
                self._mark = mark
        except Unreachable:
            # The next look tells.
            return
        # The last hundredth is the way home.
        share = min(status.progress, 0.99)
        # A server with a log has said its message there.
        told = status.state if self._mark else status.message or status.state
        if told != self._said:
            self._said, self._share = told, share
            self.report.progress(share, f"{self.name}: {told}")
        elif share - self._share >= 0.01:
            self._share = share
            self.report.progress(share)


def _there(problem: Problem, name: str) -> Problem:
    return Problem(f"{name}: {problem.what}", problem.why, problem.remedy, problem.where, problem.code)


if __name__ == "__main__":
    sys.exit(main())
