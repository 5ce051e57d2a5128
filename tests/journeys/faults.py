"""Faults on a whole platform under a light, steady load: what people see meanwhile, and what becomes of their jobs.

Used by the test here, and by `benchmarks/faults.py`, which makes all of them.
"""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import httpx2
import sqlalchemy as sa

from terrafair.database import open_engine, reading
from terrafair.errors import TerrafairError
from terrafair.events import since
from terrafair.execution.jobs import TABLE as JOBS

from ..conftest import Platform

PAUSE = 0.4
PATIENCE = 40.0
"""Seconds until a request counts as hanging."""
BACK_SECONDS = 120.0
NO_ANSWER = 0
SLOW = """
import os, time
from pathlib import Path
print("begun", flush=True)
time.sleep(SECONDS)
Path(os.environ["TERRAFAIR_OUTPUTS"], "done.txt").write_text("ended by itself")
"""


def notebook(path: Path, seconds: float) -> Path:
    """A job that says when it has begun, and ends after so long."""
    cell = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "id": "a"}
    cell["source"] = SLOW.replace("SECONDS", str(seconds)).splitlines(keepends=True)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.write_text(json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
    return path


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request came to."""

    kind: str
    begun: float
    """Of the monotonic clock."""
    seconds: float
    status: int
    words: str
    """What was said, of all that is no success."""

    @property
    def well(self) -> bool:
        return 200 <= self.status < 400

    @property
    def fault(self) -> str:
        """What nobody should ever see; empty: nothing of the kind."""
        if self.status == NO_ANSWER:
            return f"no answer within {PATIENCE:g} s" if "Timeout" in self.words else ""
        if "Traceback" in self.words or 'File "/' in self.words:
            return "a traceback"
        if self.status == 500 or (self.status > 500 and len(self.words) < 20):
            return "an error without a clear message"
        return ""


def asked(kind: str, ask: Callable[[], httpx2.Response]) -> Answer:
    """Do a request."""
    begun = time.monotonic()
    try:
        reply = ask()
    except httpx2.HTTPError as fault:
        return Answer(kind, begun, time.monotonic() - begun, NO_ANSWER, type(fault).__name__)
    words = "" if reply.is_success or reply.is_redirect else said(reply.text)
    return Answer(kind, begun, time.monotonic() - begun, reply.status_code, words)


def said(text: str) -> str:
    """The words of an error, as a person reads them."""
    try:
        document = json.loads(text)
    except ValueError:
        found = re.search(r"<main.*?</main>", text, re.S)
        plain = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[0] if found else text)).strip()
        return plain.removeprefix("That did not work ")[:400]
    if not isinstance(document, dict):
        return str(document)[:400]
    return str(document.get("detail") or document.get("message") or document.get("title") or "")[:400]


def below(root: int) -> dict[int, str]:
    """Processes that descend from one, with their command lines."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found, known = {root}, {root}
    while found := {process for process, parent in parents.items() if parent in found} - known:
        known |= found
    lines = {}
    for process in sorted(known - {root}):
        with suppress(OSError):
            lines[process] = Path(f"/proc/{process}/cmdline").read_bytes().decode("utf-8", "replace")
    return {process: line for process, line in lines.items() if line}


@dataclass
class Crowd:
    """People who search, look at tiles, submit small jobs and read logs, one request each PAUSE seconds a kind."""

    url: str
    result: str
    """A job whose files are looked at."""
    picture: str
    answers: list[Answer] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        for kind, ask in self.kinds.items():
            thread = threading.Thread(target=self._keep_asking, args=(kind, ask), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(PATIENCE + 5)

    @property
    def kinds(self) -> Mapping[str, Callable[[httpx2.Client, int], httpx2.Response]]:
        return {
            "search": lambda web, _: web.post("/stac/search", json={"bbox": [10, 47, 12, 48], "limit": 5}),
            "page Find": lambda web, _: web.get("/find?text=ndvi", headers={"Accept": "text/html"}),
            # Each of other colours: none is kept yet.
            "map tiles": lambda web, turn: web.get(
                f"/tiles/jobs/{self.result}/{self.picture}/10/543/358.png?range=0,{1 + turn / 1000:.3f}"
            ),
            "result files": lambda web, _: web.get(f"/api/jobs/{self.result}/files/{self.picture}"),
            "logs": lambda web, _: web.get(f"/api/jobs/{self.result}/log"),
            "submitting": lambda web, _: self._submit(web),
        }

    def _submit(self, web: httpx2.Client) -> httpx2.Response:
        order = {"inputs": {"stringInput": "Value1"}}
        reply = web.post("/processes/echo/execution", json=order, headers={"Prefer": "respond-async"})
        if reply.status_code == 201:
            self.accepted.append(reply.json()["jobID"])
        return reply

    def _keep_asking(self, kind: str, ask: Callable[[httpx2.Client, int], httpx2.Response]) -> None:
        turn = 0
        with httpx2.Client(base_url=self.url, timeout=PATIENCE, trust_env=False) as web:
            while not self._ended.wait(PAUSE):
                turn += 1
                self.answers.append(asked(kind, lambda: ask(web, turn)))  # noqa: B023 - called at once

    def well(self, after: float) -> bool:
        """Whether each kind was answered well, by a request that was begun after that moment."""
        done = {answer.kind for answer in list(self.answers) if answer.begun > after and answer.well}
        return done >= set(self.kinds)

    def between(self, first: float, last: float) -> list[Answer]:
        return [answer for answer in list(self.answers) if first <= answer.begun <= last]


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of one accepted job."""

    state: str
    seconds: float
    """From its acceptance to its end."""
    restarts: int
    ends: int
    """How often its end was told."""


@dataclass
class Site:
    """A platform, the people on it, and what the tester knows of it."""

    platform: Platform
    folder: Path
    crowd: Crowd
    database: str
    running: str = ""
    """The job that ran when the fault came."""

    @property
    def web(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.crowd.url, timeout=PATIENCE, trust_env=False)

    def jobs(self, ids: list[str]) -> dict[str, Ended]:
        """By the control database itself."""
        engine = open_engine(self.database)
        try:
            with reading(engine) as connection:
                rows = {row.id: row for row in connection.execute(sa.select(JOBS).where(JOBS.c.id.in_(ids)))}
                ends: Counter[str] = Counter()
                last, more = 0, True
                while more:
                    page = list(since(connection, last, 5_000))
                    ends.update(thing for _, kind, thing, _ in page if kind == "JobFinished")
                    last, more = (page[-1][0], True) if page else (last, False)
        finally:
            engine.dispose()
        found = {}
        for id, row in rows.items():  # noqa: A001
            until = datetime.fromisoformat(row.finished) if row.finished else datetime.now(UTC)
            seconds = (until - datetime.fromisoformat(row.created)).total_seconds()
            found[id] = Ended(row.state, seconds, row.restarts, ends[id])
        return found

    def begin_job(self, seconds: float) -> str:
        """A job in its sandbox that has begun."""
        file = notebook(self.folder / "slow.ipynb", seconds)
        self.running = self.platform.json("run", str(file), "--detach")["job"]
        self.crowd.accepted.append(self.running)
        log = self.platform.home / "jobs" / self.running / "log.jsonl"
        deadline = time.monotonic() + BACK_SECONDS
        while not log.exists() or "begun" not in log.read_text():
            assert time.monotonic() < deadline, log.read_text() if log.exists() else "it has no log"
            time.sleep(0.05)
        return self.running


@dataclass(frozen=True)
class Fault:
    """Something that breaks, for a while."""

    name: str
    begin: Callable[[Site], object]
    end: Callable[[Site], object] = lambda _: None
    """Whatever an operator, systemd or the outage's own end does; else the platform heals itself."""
    lasts: float = 0.0
    back: Callable[[Site], bool] = lambda _: True
    """Beside that everything is answered: whether it is over."""
    asks: Mapping[str, Callable[[httpx2.Client], httpx2.Response]] = field(default_factory=dict)
    """What else people do meanwhile."""
    job_seconds: float = 4.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What a fault came to."""

    name: str
    works: tuple[str, ...]
    sees: Mapping[str, tuple[int, str, int]]
    """By kind: (status, words) that most saw, and how many saw something of the sort."""
    slowest: float
    """Seconds that somebody waited for an answer."""
    back: float
    """Seconds from its end, or its beginning where nobody has to end it, until all was well."""
    accepted: int
    waited: float
    """Seconds that the slowest of the jobs took that were accepted meanwhile."""
    running: Ended
    lost: tuple[str, ...]
    twice: tuple[str, ...]
    wrong: tuple[str, ...]
    """What should not have been seen."""


def suffer(site: Site, fault: Fault) -> Seen:
    """Make a fault, and watch until all is well and every job that was accepted has ended."""
    crowd, before = site.crowd, len(site.crowd.accepted)
    site.begin_job(fault.job_seconds)
    begun = time.monotonic()
    fault.begin(site)
    told = []
    if fault.asks:
        with site.web as web:
            told = [asked(kind, lambda: ask(web)) for kind, ask in fault.asks.items()]  # noqa: B023 - called at once
    time.sleep(max(0.0, begun + fault.lasts - time.monotonic()))
    fault.end(site)
    ended = time.monotonic()
    deadline = ended + BACK_SECONDS
    while not (crowd.well(ended) and _ready(site) and fault.back(site)):
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    over = time.monotonic()
    # What was begun before the end is part of it, and may have its answer only now.
    answers = [*crowd.between(begun, over), *told]
    accepted = crowd.accepted[before:]
    jobs = _ends(site, accepted, time.monotonic() + BACK_SECONDS)
    missing = [id for id in accepted if id not in jobs]  # noqa: A001
    lost = [*missing, *(id for id, job in jobs.items() if job.state != "successful" or not job.ends)]  # noqa: A001
    wrong = {f"{each.kind}: {each.fault}, {each.status} {each.words[:200]}" for each in answers if each.fault}
    if over > deadline:
        wrong.add(f"not well {BACK_SECONDS:g} s later: {_unwell(crowd, ended)}")
    bad = {answer.kind for answer in answers if not answer.well}
    others = [job.seconds for id, job in jobs.items() if id != site.running]  # noqa: A001
    return Seen(
        fault.name,
        tuple(kind for kind in (*crowd.kinds, *fault.asks) if kind not in bad),
        {kind: _most([each for each in answers if each.kind == kind and not each.well]) for kind in sorted(bad)},
        max((answer.seconds for answer in answers), default=0.0),
        over - ended,
        len(others),
        max(others, default=0.0),
        jobs.get(site.running, Ended("lost", 0, 0, 0)),
        tuple(lost),
        tuple(id for id, job in jobs.items() if job.ends > 1),  # noqa: A001
        tuple(sorted(wrong)),
    )


def _most(answers: list[Answer]) -> tuple[int, str, int]:
    # Words that name things differ from request to request.
    (status, words), _ = Counter((answer.status, answer.words) for answer in answers).most_common(1)[0]
    return status, words, len(answers)


def _unwell(crowd: Crowd, after: float) -> str:
    last = {answer.kind: answer for answer in list(crowd.answers)}
    return "; ".join(f"{a.kind} {a.status} {a.words[:150]}" for a in last.values() if not a.well or a.begun < after)


def _ready(site: Site) -> bool:
    try:
        return httpx2.get(f"{site.crowd.url}/health/ready", timeout=5, trust_env=False).status_code == 200
    except httpx2.HTTPError:
        return False


def _ends(site: Site, ids: list[str], deadline: float) -> dict[str, Ended]:
    while True:
        try:
            found = site.jobs(ids)
        except TerrafairError:
            found = {}
        if len(found) == len(ids) and all(job.ends for job in found.values()):
            return found
        if time.monotonic() > deadline:
            return found
        time.sleep(0.3)


def result(platform: Platform) -> tuple[str, str]:
    """A finished job of the demo, and the picture in it."""
    found: dict[str, Any] = platform.json("run", "demo-ndvi")
    names = [str(asset["name"]) for asset in found["results"]]
    return str(found["job"]), next(name for name in names if name.endswith(".tif"))
