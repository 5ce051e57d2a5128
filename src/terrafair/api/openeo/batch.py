"""Batch jobs: a submission that waits until it is started, and the terrafair job that it then becomes."""

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from terrafair.api.openeo.asking import Document
from terrafair.api.openeo.assembly import Assembled, Assembly
from terrafair.api.openeo.faults import OpenEOFault
from terrafair.api.openeo.shelf import Kept, Shelf
from terrafair.api.openeo.submission import Submission
from terrafair.api.runs import UPLOADS, Runs
from terrafair.data.objects import ObjectStore
from terrafair.errors import Conflict, InvalidInputs, NotFound
from terrafair.execution.engines.openeo.validation import LOADED_LIMIT, Review
from terrafair.execution.job import ENDED, Job, State
from terrafair.execution.jobs import Jobs
from terrafair.identity.person import Person

STOP_SECONDS = 5.0
"""How long a stop waits for the processes' end."""


class Check(Protocol):
    """Looks at a process without running it."""

    def __call__(self, assembled: Assembled, byte_limit: int = LOADED_LIMIT) -> Review:
        """Every problem, and an estimate; what loads more than the limit is a problem."""
        ...


def status_of(job: Job | None) -> str:
    """openEO's word for the state of a batch job; None: it was never started."""
    if job is None:
        return "created"
    if job.cancelling and job.state not in ENDED:
        return "canceled"
    match job.state:
        case State.ACCEPTED:
            return "queued"
        case State.RUNNING:
            return "running"
        case State.SUCCESSFUL:
            return "finished"
        case State.FAILED:
            return "error"
        case State.DISMISSED:
            # Nothing was computed yet: it is as if it had not been started.
            return "canceled" if job.usage.wall_seconds else "created"


@dataclass(frozen=True, slots=True)
class BatchJob:
    """A submission with the run that it came to."""

    kept: Kept
    job: Job | None

    @property
    def id(self) -> str:
        """Stays over restarts."""
        return self.kept.id

    @property
    def submission(self) -> Submission:
        """What is to be computed."""
        return Submission.of(self.kept.document)

    @property
    def status(self) -> str:
        """openEO's word."""
        return status_of(self.job)

    @property
    def active(self) -> bool:
        """It waits for a worker, or runs."""
        return self.job is not None and self.job.state not in ENDED

    def document(self, base: str, *, whole: bool) -> Document:
        """As the API shows it; `base` is the API's address."""
        found: Document = {"id": self.id, "status": self.status, "created": self.kept.created}
        found |= {"updated": self.kept.updated, **self.submission.shown(whole=whole)}
        job = self.job
        if job is None or self.status == "created":
            return found
        found["progress"] = 100 if job.state is State.SUCCESSFUL else min(round(job.progress * 100, 1), 99.9)
        if self.status == "queued":
            found["progress"] = 0
        found["updated"] = max(filter(None, (self.kept.updated, job.started, job.finished)))
        if job.usage.wall_seconds:
            found["usage"] = usage_of(job)
        if whole:
            place = f"{base}/jobs/{self.id}"
            found["links"] = [{"rel": "monitor", "href": f"{place}/logs", "type": "application/json"}]
            if job.results.prefix:
                found["links"].append({"rel": "result", "href": f"{place}/results", "type": "application/json"})
        return found


def usage_of(job: Job) -> Document:
    """What a run took, as openEO counts it."""
    return {
        "cpu": {"value": round(job.usage.cpu_seconds, 2), "unit": "cpu-seconds"},
        "duration": {"value": round(job.usage.wall_seconds, 2), "unit": "seconds"},
        "memory": {"value": round(job.usage.peak_memory / 2**20, 1), "unit": "mb"},
    }


@dataclass(frozen=True, slots=True)
class BatchJobs:
    """All batch jobs; the runs themselves are terrafair jobs like any other."""

    shelf: Shelf
    jobs: Jobs
    runs: Runs
    objects: ObjectStore
    assembly: Assembly
    validate: Check

    def create(self, person: Person, body: Mapping[str, Any]) -> Kept:
        """Keep a submission; nothing is computed yet."""
        return self.shelf.add(person, {**Submission.read(body).document(), "job": ""})

    def get(self, person: Person | None, id: str) -> BatchJob:  # noqa: A002 - the field's word
        """One of a person's; raises `OpenEOFault`."""
        return self._with_job(self.shelf.get(person, id))

    def listing(self, person: Person, limit: int, offset: int) -> list[BatchJob]:
        """A person's, newest first."""
        return [self._with_job(kept) for kept in self.shelf.listing(person, limit, offset)]

    def change(self, person: Person, id: str, body: Mapping[str, Any]) -> None:  # noqa: A002
        """Change a submission that neither waits nor runs."""
        found = self.get(person, id)
        changed = found.submission.changed(body)
        if found.active:
            raise OpenEOFault("JobLocked")
        self.shelf.replace(found.kept, {**found.kept.document, **changed.document()})

    def start(self, person: Person, id: str, base: str) -> None:  # noqa: A002
        """Hand it to the workers, again where it had ended; nothing happens while it waits or runs.

        Raises `InvalidInputs` and `NotExecutable` for what can be known before.
        """
        found = self.get(person, id)
        if found.job is not None and found.active:
            if not found.job.cancelling:
                return
            found = self._stopped(found, STOP_SECONDS)
            if found.active:
                raise OpenEOFault("JobLocked", "It is being cancelled.")
        name = re.sub(r"[^a-z0-9]+", "-", (found.submission.title or "").lower())[:60].strip("-")
        job = self.submit(person, found.submission.process, base, name=name)
        try:
            self.shelf.replace(found.kept, {**found.kept.document, "job": job})
        except Conflict:
            # Somebody started it in the same moment: one run is enough.
            self.jobs.cancel(job)

    def submit(
        self, person: Person, process: Mapping[str, Any], base: str, *, name: str = "", timeout: float | None = None,
        byte_limit: int = LOADED_LIMIT,
    ) -> str:  # fmt: skip
        """Make a terrafair job of a process; gives its id."""
        assembled = self.assembly.assemble(process, person, base)
        if problems := self.validate(assembled, byte_limit).problems:
            raise InvalidInputs(problems)
        content = json.dumps(assembled.document, ensure_ascii=False).encode()
        digest = hashlib.sha256(content).hexdigest()
        key = f"{UPLOADS}/{digest[:24]}/{name or 'process-graph'}.json"
        self.objects.put(key, content, "application/json")
        return str(self.runs.accept("", file=self.objects.url(key), timeout=timeout)["id"])

    def stop(self, person: Person, id: str) -> None:  # noqa: A002
        """End its run; nothing happens when there is none."""
        found = self.get(person, id)
        if found.job is not None and found.active:
            self.jobs.cancel(found.job.id)
            self._stopped(found, STOP_SECONDS)

    def delete(self, person: Person, id: str) -> None:  # noqa: A002
        """End and forget it, with its results."""
        found = self.get(person, id)
        if found.job is not None and found.active:
            self.jobs.cancel(found.job.id)
            self._stopped(found, STOP_SECONDS)
        self.shelf.delete(found.kept)
        if found.job is not None:
            self._discard(found.job)

    def _discard(self, job: Job) -> None:
        if job.results.prefix:
            self.objects.delete(job.results.prefix.rstrip("/") + "/")

    def _stopped(self, found: BatchJob, seconds: float) -> BatchJob:
        deadline = time.monotonic() + seconds
        while True:
            found = self._with_job(found.kept)
            if not found.active or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def _with_job(self, kept: Kept) -> BatchJob:
        job = str(kept.document.get("job") or "")
        try:
            return BatchJob(kept, self.jobs.get(job) if job else None)
        except NotFound:
            return BatchJob(kept, None)
