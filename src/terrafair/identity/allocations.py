"""Allocations in the database, with what is reserved and spent of them, and the report to the Network of Resources."""

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from terrafair import events
from terrafair.database import reading, transaction
from terrafair.errors import NotFound
from terrafair.identity import ledger
from terrafair.identity.access import Action, Actor, Kind, Thing, may, require
from terrafair.identity.allocation import Allocation, DayBegun, Happening, Spent, Stage, crossed, step
from terrafair.identity.credits import MilliCredits
from terrafair.identity.ledger import ALLOCATIONS, LEDGER, Balance

TABLE = sa.table(
    "allocations",
    *(
        sa.column(name, sa.String)
        for name in (
            "id", "project", "reference", "sponsor", "service", "stage", "period_start", "period_end", "documents",
            "note",
        )
    ),
    *(sa.column(name, sa.BigInteger) for name in ("credits", "reserved", "spent")),
)  # fmt: skip
_RESOURCE = sa.case(
    (LEDGER.c.kind != "charge", "jobs"), (LEDGER.c.job.like("egress-%"), "egress"), else_="storage"
).label("resource")
"""What is charged without a reservation says by its word `once` what it is for."""


@dataclass(frozen=True, slots=True)
class Account:
    """An allocation with its sums."""

    allocation: Allocation
    balance: Balance


@dataclass(frozen=True, slots=True)
class MonthlyUsage:
    """What one project spent of one allocation in one month."""

    month: str
    """`YYYY-MM`."""
    allocation: str
    reference: str
    project: str
    kind: str
    """`settle`, `charge` or `refund`."""
    resource: str
    """`jobs`, `storage` or `egress`."""
    entries: int
    spent: MilliCredits


class Allocations:
    """All allocations of one platform; every call says who asks."""

    def __init__(self, engine: sa.Engine, today: Callable[[], date] = lambda: datetime.now(UTC).date()) -> None:
        self._engine = engine
        self._today = today

    def request(
        self,
        actor: Actor,
        project: str,
        credits: MilliCredits,  # noqa: A002 - the field's word
        start: date,
        end: date,
        *,
        sponsor: str = "ESA Network of Resources",
        service: str = "terrafair",
        documents: Sequence[str] = (),
        note: str = "",
    ) -> Allocation:
        """Ask for resources."""
        require(actor, Action.REQUEST, Thing(Kind.ALLOCATION, project))
        name = f"a-{secrets.token_hex(6)}"
        asked = Allocation(
            name, project, "", sponsor, service, credits, start, end, documents=tuple(documents), note=note
        )
        with transaction(self._engine) as connection:
            connection.execute(TABLE.insert().values(**_row(asked), reserved=0, spent=0))
        return asked

    def decide(self, actor: Actor, id: str, happening: Happening) -> Allocation:  # noqa: A002
        """What the sponsor or the operator says of it."""
        with transaction(self._engine) as connection:
            account = self._load(connection, id)
            require(actor, Action.GRANT, Thing(Kind.ALLOCATION, account.allocation.project))
            decided = step(step(account.allocation, happening), DayBegun(self._today()))
            connection.execute(TABLE.update().where(TABLE.c.id == id).values(**_row(decided)))
        return decided

    def listing(self, actor: Actor, project: str = "") -> list[Account]:
        """Those that the actor may see, those that end first coming first."""
        query = sa.select(TABLE).order_by(TABLE.c.period_end, TABLE.c.id)
        query = query.where(TABLE.c.project == project) if project else query
        with reading(self._engine) as connection:
            found = [_account(row) for row in connection.execute(query)]
        return [each for each in found if may(actor, Action.READ, Thing(Kind.ALLOCATION, each.allocation.project))]

    def free(self, project: str) -> MilliCredits:
        """What a new job of the project can reserve at the most."""
        query = sa.select(ALLOCATIONS).where(
            ALLOCATIONS.c.project == project, ALLOCATIONS.c.stage == Stage.ACTIVE.value
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return MilliCredits(max((row.credits - row.reserved - row.spent for row in rows), default=0))

    def metered(self, project: str) -> bool:
        """Whether the project has ever been given an allocation; without one its use is not limited by credits."""
        with reading(self._engine) as connection:
            return metered(connection, project)

    def begin_day(self) -> list[Allocation]:
        """Let periods begin and end; gives what changed."""
        return self._advance(lambda _: DayBegun(self._today()))

    def note_spent(self) -> list[tuple[Allocation, tuple[int, ...]]]:
        """Follow the ledger: what is exhausted, and the warnings that each allocation has reached, in per cent."""
        self._advance(lambda account: Spent(account.balance.spent, self._today()))
        told = []
        with reading(self._engine) as connection:
            for row in connection.execute(sa.select(TABLE)):
                account = _account(row)
                reached = crossed(account.allocation.credits, 0, account.balance.spent)
                if reached and account.allocation.stage in {Stage.ACTIVE, Stage.EXHAUSTED}:
                    told.append((account.allocation, reached))
        return told

    def usage(self, actor: Actor, *, month: str = "") -> list[MonthlyUsage]:
        """Per allocation, month, kind and resource, of what the actor may see."""
        label = sa.func.substr(LEDGER.c.time, 1, 7).label("month")
        query = (
            sa.select(
                label, LEDGER.c.allocation, TABLE.c.reference, LEDGER.c.project, LEDGER.c.kind, _RESOURCE,
                sa.func.count().label("entries"), sa.func.sum(LEDGER.c.spent).label("spent"),
            )
            .join(TABLE, TABLE.c.id == LEDGER.c.allocation)
            .where(LEDGER.c.kind != "reserve")
            .group_by(label, LEDGER.c.allocation, TABLE.c.reference, LEDGER.c.project, LEDGER.c.kind, _RESOURCE)
            .order_by(label, LEDGER.c.allocation, LEDGER.c.kind, _RESOURCE)
        )  # fmt: skip
        query = query.where(label == month) if month else query
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return [
            MonthlyUsage(
                row.month,
                row.allocation,
                row.reference,
                row.project,
                row.kind,
                row.resource,
                row.entries,
                MilliCredits(int(row.spent)),
            )
            for row in rows
            if may(actor, Action.READ, Thing(Kind.ALLOCATION, row.project))
        ]

    def _advance(self, happening: Callable[[Account], Happening]) -> list[Allocation]:
        changed = []
        with transaction(self._engine) as connection:
            for row in connection.execute(sa.select(TABLE)).all():
                account = _account(row)
                after = step(account.allocation, happening(account))
                if after != account.allocation:
                    connection.execute(TABLE.update().where(TABLE.c.id == after.id).values(stage=after.stage.value))
                    changed.append(after)
        return changed

    def _load(self, connection: sa.Connection, id: str) -> Account:  # noqa: A002
        row = connection.execute(sa.select(TABLE).where(TABLE.c.id == id).with_for_update()).one_or_none()
        if row is None:
            raise NotFound(f"There is no allocation {id[:40]!r}.", where="allocation")
        return _account(row)


def metered(connection: sa.Connection, project: str) -> bool:
    """Whether the project has ever been given an allocation."""
    given = (Stage.APPROVED.value, Stage.ACTIVE.value, Stage.EXHAUSTED.value, Stage.EXPIRED.value)
    query = sa.select(TABLE.c.id).where(TABLE.c.project == project, TABLE.c.stage.in_(given))
    return connection.execute(query).first() is not None


def settle(connection: sa.Connection, work: str, cost: MilliCredits, today: date) -> None:
    """End a reservation with what it really cost, once, and let warnings and the stage follow."""
    charged = ledger.settle(connection, work, cost)
    balance = ledger.allocation_of(connection, work)
    if charged and balance is not None:
        note(connection, replace(balance, spent=MilliCredits(balance.spent - charged)), balance, today)


def note(connection: sa.Connection, before: Balance, after: Balance, today: date) -> None:
    """What a change of an allocation's sums brings about: warnings, and the stage that follows what is spent."""
    if after.spent == before.spent:
        return
    for share in crossed(after.credits, before.spent, after.spent):
        events.record(connection, events.Warned(after.allocation, share))
    follow(connection, after, today)


def follow(connection: sa.Connection, balance: Balance, today: date) -> None:
    """Let an allocation's stage follow what has been spent of it."""
    row = connection.execute(sa.select(TABLE).where(TABLE.c.id == balance.allocation)).one()
    after = step(_account(row).allocation, Spent(balance.spent, today))
    if after.stage.value != row.stage:
        connection.execute(TABLE.update().where(TABLE.c.id == after.id).values(stage=after.stage.value))


def _row(allocation: Allocation) -> dict[str, Any]:
    return {
        "id": allocation.id,
        "project": allocation.project,
        "reference": allocation.reference,
        "sponsor": allocation.sponsor,
        "service": allocation.service,
        "stage": allocation.stage.value,
        "period_start": allocation.start.isoformat(),
        "period_end": allocation.end.isoformat(),
        "documents": json.dumps(allocation.documents),
        "note": allocation.note,
        "credits": allocation.credits,
    }


def _account(row: Any) -> Account:
    allocation = Allocation(
        row.id,
        row.project,
        row.reference,
        row.sponsor,
        row.service,
        MilliCredits(row.credits),
        date.fromisoformat(row.period_start),
        date.fromisoformat(row.period_end),
        Stage(row.stage),
        tuple(json.loads(row.documents)),
        row.note,
    )
    sums = Balance(row.id, allocation.credits, MilliCredits(row.reserved), MilliCredits(row.spent))
    return Account(allocation, sums)
