"""Jobs as a service: accepted in one transaction, watched by anyone, changed only through the lifecycle."""

import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

from terrafair import events, tracing
from terrafair.database import reading, transaction
from terrafair.errors import Conflict, NotFound, Problem
from terrafair.execution import callbacks, logs, record, traced
from terrafair.execution.job import (
    ENDED,
    CancelAsked,
    Discarded,
    Happening,
    Instruction,
    Job,
    JobRequest,
    Owner,
    Results,
    State,
    Usage,
    step,
)
from terrafair.execution.logs import Line
from terrafair.identity import asking
from terrafair.identity.access import Action, Visibility, may, require
from terrafair.identity.projects import visible

TABLE = sa.table(
    "jobs",
    *(
        sa.column(name, sa.String)
        for name in ("id", "state", "subject", "process", "type", "created", "started", "finished")
    ),
    *(sa.column(name, sa.String) for name in ("project", "author", "visibility", "trace")),
    *(sa.column(name, sa.Text) for name in ("request", "message", "problems", "results", "usage")),
    *(sa.column(name, sa.Integer) for name in ("number", "restarts")),
    sa.column("progress", sa.Float),
    sa.column("cancelling", sa.Boolean),
)
_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"


class Queue(Protocol):
    """Where accepted jobs wait for a worker."""

    def enqueue(self, connection: sa.Connection, job: str) -> None:
        """Add a job within the transaction that accepts it."""
        ...


class Budget(Protocol):
    """What jobs may cost."""

    def reserve(self, connection: sa.Connection, job: Job) -> None:
        """Hold what a job may cost, in the transaction that accepts it; raises `OverBudget`."""
        ...

    def settle(self, connection: sa.Connection, job: Job) -> None:
        """Charge what it has cost, in the transaction that ends it."""
        ...

    def spent(self, connection: sa.Connection, job: Job, usage: Usage) -> Any:
        """`Spending`: what it has cost so far, what is held for it, what it was charged."""
        ...


@dataclass(frozen=True, slots=True)
class Selection:
    """Which jobs are wanted; empty fields do not restrict."""

    states: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    created: tuple[str, str] = ("", "")
    """First and last instant, RFC 3339 in UTC."""
    seconds: tuple[float | None, float | None] = (None, None)
    """Shortest and longest time that an ended job took, or that a running one has taken so far."""
    types: tuple[str, ...] = ()
    """Of workflow."""
    projects: tuple[str, ...] = ()
    text: str = ""
    """In the id of the job or of what it ran, whatever the case."""
    subject: str = ""
    """Exactly what was run."""


class Jobs:
    """All jobs of one platform."""

    def __init__(
        self,
        engine: sa.Engine,
        queue: Queue,
        folder: Path,
        budget: Budget | None = None,
        *,
        guarded: bool = False,
        announce: Callable[[], None] = lambda: None,
        fence: Callable[[sa.Connection], None] = lambda _: None,
        room: Callable[[], None] = lambda: None,
    ) -> None:
        """`guarded`: whoever asks (`identity.asking`) sees and changes only what `access.may` lets them.

        `announce` is called once a job has been accepted; `fence` within each transaction that changes one, and raises
        where whoever changes it may not any more. `room` raises while no job can be taken for want of it.
        """
        self._room = room
        self._fence = fence
        self._announce = announce
        self._engine = engine
        self._queue = queue
        self._folder = folder
        self._budget = budget
        self._guarded = guarded

    def submit(
        self, request: JobRequest, subscriber: Mapping[str, str] | None = None, owner: Owner | None = None
    ) -> Job:
        """Accept a job: once this returns, no crash loses it, nor the calls that its subscriber is owed.

        Without an owner it is the asker's. Raises `Refused` where they may not run anything in the project, and
        `OverBudget` where the project's allocations do not hold what it may cost.
        """
        owner = owner or own(asking.asker())
        if self._guarded:
            require(asking.actor(), Action.CREATE, owner.thing)
        id = _new_id()  # noqa: A001 - the field's word
        with traced.accepting(id):
            job = Job(id=id, request=request, created=events.now(), owner=owner, trace=tracing.traceparent())
            with transaction(self._engine) as connection:
                connection.execute(TABLE.insert().values(**_row(job)))
                callbacks.subscribe(connection, job.id, subscriber or {})
                if not request.held:
                    self._begin(connection, job)
        self._announce()
        return job

    def _begin(self, connection: sa.Connection, job: Job) -> None:
        self._room()
        if self._budget:
            self._budget.reserve(connection, job)
        events.record(connection, events.JobAccepted(job.id, job.request.subject))
        self._queue.enqueue(connection, job.id)

    def amend(self, id: str, request: JobRequest) -> Job:  # noqa: A002 - the field's word
        """Change what a job will do that is held, or let it go; raises `Conflict` for one that is not."""
        self.admit(id, Action.CHANGE)
        with traced.accepting(id), transaction(self._engine) as connection:
            before = self._load(connection, id)
            if before.state is not State.ACCEPTED or not before.request.held:
                why = f"It is {before.state.value}."
                raise Conflict(f"Job {id} cannot be changed any more.", why, "Make a new one.", "jobID", "locked")
            # It runs in the trace of whoever lets it go.
            job = replace(before, request=request, trace=tracing.traceparent() or before.trace)
            connection.execute(TABLE.update().where(TABLE.c.id == id).values(**_row(job)))
            if not request.held:
                self._begin(connection, job)
        self._announce()
        return job

    def get(self, id: str) -> Job:  # noqa: A002 - the field's word
        """A job as it is now; raises `NotFound`."""
        with reading(self._engine) as connection:
            job = self._load(connection, id)
        self.admit_reader(job)
        return job

    def admit_reader(self, job: Job) -> None:
        """Raise `NotFound` for a job that the asker may not see."""
        if self._guarded and not may(asking.actor(), Action.READ, job.owner.thing):
            raise missing(job.id)

    def listing(self, *, state: str = "", subject: str = "", limit: int = 100, before: str = "") -> list[Job]:
        """Jobs, newest first; `before` is the id of the last one of the page before."""
        query = sa.select(TABLE).order_by(TABLE.c.number.desc()).limit(min(max(limit, 1), 10_000))
        query = query.where(TABLE.c.state == state) if state else query
        query = query.where(TABLE.c.subject == subject) if subject else query
        query = self._seen(query)
        if before:
            query = query.where(
                TABLE.c.number < sa.select(TABLE.c.number).where(TABLE.c.id == before).scalar_subquery()
            )
        with reading(self._engine) as connection:
            return [_job(row) for row in connection.execute(query)]

    def admit(self, id: str, action: Action) -> None:  # noqa: A002
        """Raise `NotFound` for a job that the asker may not see, `Refused` for what they may not do with it."""
        job = self.get(id)
        if self._guarded:
            require(asking.actor(), action, job.owner.thing)

    def states(self) -> dict[str, int]:
        """How many jobs are in each state."""
        query = sa.select(TABLE.c.state, sa.func.count()).group_by(TABLE.c.state).order_by(TABLE.c.state)
        with reading(self._engine) as connection:
            return {row[0]: row[1] for row in connection.execute(self._seen(query))}

    def select(self, wanted: Selection, limit: int, before: str = "") -> list[Job]:
        """Jobs that fit, newest first; `before` as in `listing`."""
        query = self._seen(sa.select(TABLE)).order_by(TABLE.c.number.desc())
        query = query.where(TABLE.c.state.in_(wanted.states)) if wanted.states else query
        query = query.where(TABLE.c.process.in_(wanted.processes)) if wanted.processes else query
        query = query.where(TABLE.c.type.in_(wanted.types)) if wanted.types else query
        query = query.where(TABLE.c.project.in_(wanted.projects)) if wanted.projects else query
        query = query.where(TABLE.c.subject == wanted.subject) if wanted.subject else query
        for word in wanted.text.split():
            named = (TABLE.c.subject.icontains(word, autoescape=True), TABLE.c.id.icontains(word, autoescape=True))
            query = query.where(sa.or_(*named))
        start, end = wanted.created
        # Milliseconds are compared as texts: what ends on a whole second includes all of it.
        query = query.where(TABLE.c.created >= start.removesuffix("Z")) if start else query
        query = query.where(TABLE.c.created <= end.removesuffix("Z") + "~") if end else query
        if before:
            last = sa.select(TABLE.c.number).where(TABLE.c.id == before).scalar_subquery()
            query = query.where(TABLE.c.number < last)
        found: list[Job] = []
        # How long a job took is no column: rows are looked at until enough of them fit.
        rows = query.execution_options(yield_per=200)
        with reading(self._engine) as connection, connection.execute(rows) as result:
            for row in result:
                job = _job(row)
                if _took(job, wanted.seconds):
                    found.append(job)
                if len(found) == limit:
                    break
        return found

    def known(self) -> dict[str, list[str]]:
        """`{types, projects}` that the jobs have which the asker may see."""
        with reading(self._engine) as connection:
            found = {
                name: connection.execute(self._seen(sa.select(column).distinct())).scalars().all()
                for name, column in (("types", TABLE.c.type), ("projects", TABLE.c.project))
            }
        return {name: sorted(filter(None, values)) for name, values in found.items()}

    def discard(self, id: str) -> Job:  # noqa: A002
        """Forget the results of a job that has ended; the job itself and its log stay."""
        return self.apply(id, Discarded(events.now()))[0]

    def cancel(self, id: str) -> Job:  # noqa: A002
        """Ask for a job's end; one that waits is dismissed at once, one that runs as soon as its processes are gone."""
        if self._guarded:
            require(asking.actor(), Action.CHANGE, self.get(id).owner.thing)
        return self.apply(id, CancelAsked(events.now()))[0]

    def apply(self, id: str, happening: Happening) -> tuple[Job, tuple[Instruction, ...]]:  # noqa: A002
        """Change a job by what happened to it; gives the job and what to do about it."""
        with transaction(self._engine) as connection:
            self._fence(connection)
            before = self._load(connection, id)
            job, instructions = step(before, happening)
            if job != before:
                connection.execute(TABLE.update().where(TABLE.c.id == id).values(**_row(job)))
            if Instruction.ANNOUNCE_END in instructions:
                events.record(connection, events.JobFinished(id, job.state.value))
                if self._budget:
                    self._budget.settle(connection, job)
            elif Instruction.RUN in instructions:
                events.record(connection, events.JobStarted(id, job.restarts))
        return job, instructions

    def set_type(self, id: str, type: str) -> None:  # noqa: A002
        """Note the workflow type that a job was found to have."""
        with transaction(self._engine) as connection:
            self._fence(connection)
            connection.execute(TABLE.update().where(TABLE.c.id == id).values(type=type))

    def folder(self, id: str) -> Path:  # noqa: A002
        """The job's folder on this machine."""
        return self._folder / id

    def log_file(self, id: str) -> Path:  # noqa: A002
        """The job's log."""
        return self.folder(id) / "log.jsonl"

    def usage_file(self, id: str) -> Path:  # noqa: A002
        """What its program took over time."""
        return self.folder(id) / "usage.jsonl"

    def log(self, id: str, since: int = 0, limit: int = 1000) -> list[Line]:  # noqa: A002
        """Log lines from number `since`."""
        if self._guarded:
            self.get(id)
        return logs.read(self.log_file(id), since, limit)

    def record(self, id: str) -> dict[str, Any]:  # noqa: A002
        """Steps, samples of CPU and memory, and cost of a job; raises `NotFound`."""
        job = self.get(id)
        taken = record.samples(self.usage_file(id))
        usage = record.usage_so_far(job, taken)
        with reading(self._engine) as connection:
            spending = self._budget.spent(connection, job, usage) if self._budget else None
        return {
            "job": id,
            "steps": [step.document() for step in record.steps(job, logs.marks(self.log_file(id)))],
            "samples": [asdict(sample) for sample in taken],
            "usage": asdict(usage),
            "tracked": record.tracked_runs(self.folder(id) / "tracked.json"),
            "cost": asdict(spending) if spending else None,
        }

    def _load(self, connection: sa.Connection, id: str) -> Job:  # noqa: A002
        row = connection.execute(sa.select(TABLE).where(TABLE.c.id == id)).one_or_none()
        if row is None:
            raise missing(id)
        return _job(row)

    def _seen(self, query: "sa.Select[Any]") -> "sa.Select[Any]":
        """The query, for those jobs that the asker may read."""
        if not self._guarded:
            return query
        return query.where(visible(asking.actor(), TABLE.c.project, TABLE.c.author, TABLE.c.visibility))


def ended_of(engine: sa.Engine, ids: Iterable[str]) -> set[str]:
    """Those of some jobs that have ended, or that there are none of."""
    asked = set(ids)
    going = sa.select(TABLE.c.id).where(TABLE.c.id.in_(asked), TABLE.c.state.not_in([state.value for state in ENDED]))
    with reading(engine) as connection:
        return asked - set(connection.execute(going).scalars())


def missing(id: str) -> NotFound:  # noqa: A002
    """The same words for a job that is not there and for one that is not the asker's: ids tell nothing."""
    return NotFound(f"There is no job {id[:80]!r}.", remedy="`terrafair jobs` lists them.", where="job")


def own(who: asking.Asker) -> Owner:
    """The owner of what somebody makes without saying whose it is to be."""
    return Owner(who.project or who.actor.person, who.actor.person)


def _new_id() -> str:
    """Readable, sortable by day, and not guessable: 50 random bits."""
    return f"{datetime.now(UTC):%Y%m%d}-{''.join(secrets.choice(_LETTERS) for _ in range(10))}"


def _took(job: Job, bounds: tuple[float | None, float | None]) -> bool:
    shortest, longest = bounds
    if shortest is None and longest is None:
        return True
    if not job.started:
        return False
    end = datetime.fromisoformat(job.finished) if job.finished else datetime.now(UTC)
    seconds = (end - datetime.fromisoformat(job.started)).total_seconds()
    return (shortest is None or seconds >= shortest) and (longest is None or seconds <= longest)


def _row(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "state": job.state.value,
        "subject": job.request.subject[:500],
        "process": job.request.process[:500],
        "request": job.request.json(),
        "progress": job.progress,
        "message": job.message,
        "problems": json.dumps([asdict(problem) for problem in job.problems]),
        "results": json.dumps(asdict(job.results)),
        "usage": json.dumps(asdict(job.usage)),
        "type": job.type,
        "restarts": job.restarts,
        "cancelling": job.cancelling,
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "project": job.owner.project,
        "author": job.owner.author,
        "visibility": job.owner.visibility.value,
        "trace": job.trace,
    }


def _job(row: Any) -> Job:
    return Job(
        id=row.id,
        request=JobRequest(**json.loads(row.request)),
        created=row.created,
        state=State(row.state),
        type=row.type,
        started=row.started,
        finished=row.finished,
        progress=row.progress,
        message=row.message,
        problems=tuple(Problem(**problem) for problem in json.loads(row.problems)),
        results=Results.read(json.loads(row.results)),
        usage=Usage(**json.loads(row.usage)),
        restarts=row.restarts,
        cancelling=bool(row.cancelling),
        owner=Owner(row.project, row.author, Visibility(row.visibility)),
        trace=row.trace,
    )
