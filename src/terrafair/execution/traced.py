"""What traces tell of a job: accepted, waited, attempted, and what its program says of its own steps."""

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any

import structlog

from terrafair import tracing
from terrafair.execution.job import ENDED, Job, State
from terrafair.execution.process import Exit
from terrafair.tracing import Name, Span

STEPS = 200
"""Steps of one program that are told."""
LONGEST = 10 * 365 * 86_400


def accepting(id: str) -> AbstractContextManager[Span]:  # noqa: A002 - the field's word
    """A job goes into the queue."""
    return tracing.span(Name.ACCEPT, _message(id, "send"))


@contextmanager
def attempting(job: Job, begun: str) -> Iterator[Span]:
    """A worker has taken a job up at the instant `begun`; the first one to do so tells how long it has waited."""
    if not tracing.on():
        with tracing.NOTHING as nothing:
            yield nothing
        return
    about = {**_message(job.id, "process"), "terrafair.attempt": job.restarts}
    if job.started == begun:
        tracing.record(Name.WAIT, _instant(job.created), _instant(begun), {"terrafair.job": job.id}, parent=job.trace)
    below = tracing.span(Name.ATTEMPT, about, parent=job.trace or None)
    with below as attempt, structlog.contextvars.bound_contextvars(trace=tracing.trace()):
        yield attempt


def attempted(attempt: Span, job: Job) -> None:
    """How an attempt has left its job."""
    attempt.note({"terrafair.job.state": job.state.value, "terrafair.workflow.type": job.type})
    if job.state is State.FAILED:
        attempt.fail(State.FAILED.value)
    elif job.state not in ENDED:
        attempt.fail("infrastructure")


def ran(ended: Exit, details: Mapping[str, Any], until: float) -> None:
    """A program has ended at the instant `until`; what it says of its steps comes out of the sandbox."""
    if not tracing.on():
        return
    about = {"terrafair.cpu_seconds": round(ended.cpu_seconds, 3), "terrafair.peak_memory": ended.peak_memory}
    failed = "" if ended.ended == "exited" and ended.code == 0 else ended.ended
    run = tracing.record(Name.RUN, until - ended.seconds, until, about, failed=failed)
    found = details.get("steps")
    for step in found[:STEPS] if isinstance(found, list) else ():
        try:
            begun, seconds, name = float(step["begun"]), float(step["seconds"]), str(step["step"])
        except (TypeError, ValueError, KeyError, OverflowError):
            continue
        if until - LONGEST < begun <= until and 0 <= seconds < LONGEST:
            tracing.record(Name.STEP, begun, begun + seconds, {"terrafair.step": name[:100]}, parent=run)


def now() -> float:
    """This instant in seconds since 1970."""
    return time.time()


def _message(id: str, operation: str) -> dict[str, str | int]:  # noqa: A002
    return {
        "messaging.system": "dbos",
        "messaging.destination.name": "jobs",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.message.id": id,
        "terrafair.job": id,
    }


def _instant(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
