"""Computing at once: `/result` runs a job within tight limits, waits for it and sends what it made."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from terrafair.api.openeo.asking import Document, base, body, signed_in
from terrafair.api.openeo.batch import BatchJobs
from terrafair.api.openeo.delivery import deliver, streamed
from terrafair.api.openeo.faults import CODES, OpenEOFault, answer, code_of
from terrafair.api.openeo.submission import Submission
from terrafair.execution.job import ENDED, Job, State
from terrafair.identity.person import Authenticator, Person

POLL_SECONDS = 0.05
MOST = 16
"""Requests that wait at the same time."""
MOST_OF_ONE = 4
"""Those of one person."""

BYTES = 16 * 2**30
"""What one process may load, uncompressed; larger ones are for batch jobs."""

Gone = Callable[[], Awaitable[bool]]


@dataclass(slots=True)
class Synchronous:
    """Runs processes while their callers wait."""

    batch: BatchJobs
    seconds: float
    """Wall-clock limit of one run."""
    _waiting: dict[str, int] = field(default_factory=dict)

    async def run(self, person: Person, process: Mapping[str, Any], here: str, gone: Gone) -> Job:
        """The job at its end; it is cancelled when its caller has gone, or when it takes too long."""
        if sum(self._waiting.values()) >= MOST or self._waiting.get(person.id, 0) >= MOST_OF_ONE:
            raise OpenEOFault("InfrastructureBusy", "Too many processes are computed at once; use a batch job.")
        self._waiting[person.id] = self._waiting.get(person.id, 0) + 1
        try:
            limits: dict[str, Any] = {"timeout": self.seconds, "byte_limit": BYTES}
            job = await run_in_threadpool(self.batch.submit, person, process, here, name="synchronous", **limits)
            return await self._ended(job, gone)
        finally:
            left = self._waiting[person.id] - 1
            self._waiting.pop(person.id) if not left else self._waiting.update({person.id: left})

    async def _ended(self, id: str, gone: Gone) -> Job:  # noqa: A002
        deadline = time.monotonic() + self.seconds
        pause = POLL_SECONDS
        try:
            while True:
                job = await run_in_threadpool(self.batch.jobs.get, id)
                if job.state in ENDED:
                    return job
                if time.monotonic() > deadline:
                    raise OpenEOFault("RequestTimeout", f"The limit is {self.seconds:g} s; use a batch job.")
                if await gone():
                    raise OpenEOFault("RequestTimeout", "The caller has gone.")
                await asyncio.sleep(pause)
                pause = min(pause * 1.2, 0.5)
        except BaseException:
            await asyncio.shield(run_in_threadpool(self.batch.jobs.cancel, id))
            raise


def router(synchronous: Synchronous, authenticator: Authenticator) -> APIRouter:
    """The route."""
    routes = APIRouter()
    person = signed_in(authenticator)

    @routes.post("/result")
    async def compute(
        request: Request, who: Annotated[Person, Depends(person)], document: Annotated[Document, Depends(body)]
    ) -> Response:
        """The result of a process, as its files."""
        submission = await run_in_threadpool(Submission.read, document)
        job = await synchronous.run(who, submission.process, base(request), request.is_disconnected)
        if job.state is not State.SUCCESSFUL:
            return failed(job)
        sent = await run_in_threadpool(deliver, synchronous.batch.objects, job)
        headers = {**streamed(sent.name), "Content-Length": str(sent.content.size), "OpenEO-Costs": "0"}
        return StreamingResponse(sent.content.chunks, media_type=sent.content.media_type, headers=headers)

    return routes


def failed(job: Job) -> Response:
    """Why a run did not end well: the process's fault where it is, else ours."""
    if job.state is State.DISMISSED:
        return answer(*CODES["RequestTimeout"][:1], "RequestTimeout", "The run was cancelled.")
    message = "\n".join(str(problem) for problem in job.problems) or "The process failed."
    first = job.problems[0].code if job.problems else "internal"
    if first in {"timed-out"}:
        return answer(408, "RequestTimeout", message)
    if first in {"internal", "unreachable", "damaged", "process-failed", "workflow-failed", "program-killed"}:
        return answer(500, "Internal", CODES["Internal"][1].format(message=message))
    code = code_of(job.problems[0])
    status = CODES[code][0] if code in CODES else 400
    return answer(400 if status == 404 else status, code, message)
