"""Fair turns: projects that wait are served one after the other, however many jobs each has queued.

Start-time fair queueing (Goyal, Vin, Cheng 1996) with jobs of equal weight: a job's turn is one more than that of its
project's last job in the queue, or the turn that is served now, whichever is later. The queue starts jobs by
their turn. What runs is not stopped for anybody.
"""

import sqlalchemy as sa

JOBS = sa.table(
    "jobs",
    *(sa.column(name, sa.String) for name in ("id", "project", "state")),
    sa.column("turn", sa.BigInteger),
)
LATEST = 2_000_000_000
"""Below the largest priority that the queue's column holds; after so many jobs turns begin anew."""
_WAITING = sa.and_(JOBS.c.state == "accepted", JOBS.c.turn > 0)
_JOB, _PROJECT = sa.bindparam("job", type_=sa.String), sa.bindparam("project", type_=sa.String)
_OWNER = sa.select(JOBS.c.project).where(JOBS.c.id == _JOB)
_STATE = sa.select(
    sa.select(sa.func.max(JOBS.c.turn)).where(_WAITING, JOBS.c.project == _PROJECT).scalar_subquery().label("own"),
    sa.select(sa.func.min(JOBS.c.turn)).where(_WAITING).scalar_subquery().label("served"),
    sa.select(sa.func.max(JOBS.c.turn)).scalar_subquery().label("last"),
)
_TAKE = JOBS.update().where(JOBS.c.id == _JOB)


def turn(own: int | None, served: int | None, last: int | None) -> int:
    """The turn of a new job.

    `own` is the last turn of its project's jobs that wait, `served` the first of all that wait, `last` the last ever
    given; None: there is none.
    """
    now = served if served is not None else (last or 1)
    found = max((own or 0) + 1, now)
    return found if found <= LATEST else 1


def take(connection: sa.Connection, job: str) -> int:
    """Give a job its turn, in the transaction that accepts it; 1 for one that is in no table."""
    project = connection.execute(_OWNER, {"job": job}).scalar_one_or_none()
    if project is None:
        return 1
    state = connection.execute(_STATE, {"project": project}).one()
    mine = turn(state.own, state.served, state.last)
    connection.execute(_TAKE.values(turn=mine), {"job": job})
    return mine
