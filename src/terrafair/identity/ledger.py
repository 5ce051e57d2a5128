"""The ledger: append-only entries in milli-credits, and what of each allocation they leave free.

Reserve in the transaction that accepts a job, settle when it ends. Each entry changes two sums of its allocation,
`reserved` and `spent`; the sums are kept beside the allocation and can be checked against the entries at any time.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from terrafair import events
from terrafair.errors import Conflict, Damaged
from terrafair.identity.credits import MilliCredits, shown

ALLOCATIONS = sa.table(
    "allocations",
    *(sa.column(name, sa.String) for name in ("id", "project", "stage", "period_start", "period_end")),
    *(sa.column(name, sa.BigInteger) for name in ("credits", "reserved", "spent")),
)
LEDGER = sa.table(
    "ledger",
    sa.column("number", sa.Integer),
    *(sa.column(name, sa.String) for name in ("time", "allocation", "project", "job", "kind", "note")),
    *(sa.column(name, sa.BigInteger) for name in ("reserved", "spent")),
)

NOTHING = MilliCredits(0)
_JOB, _PROJECT, _ALLOCATION = (sa.bindparam(name, type_=sa.String) for name in ("job", "project", "allocation"))
_ENTRIES = sa.select(LEDGER).where(LEDGER.c.job == _JOB).order_by(LEDGER.c.number)
_BALANCE = sa.select(ALLOCATIONS).where(ALLOCATIONS.c.id == _ALLOCATION).with_for_update()
_ACTIVE = (
    sa.select(
        ALLOCATIONS, sa.select(LEDGER.c.number).where(LEDGER.c.job == _JOB).limit(1).scalar_subquery().label("entered")
    )
    .where(ALLOCATIONS.c.project == _PROJECT, ALLOCATIONS.c.stage == "active")
    .order_by(ALLOCATIONS.c.period_end, ALLOCATIONS.c.id)
    # On PostgreSQL two acceptances could read the same sums; SQLite has one writer at a time.
    .with_for_update(of=ALLOCATIONS)
)
_ENTER = LEDGER.insert().values(
    {name: sa.bindparam(name) for name in ("time", "allocation", "project", "job", "kind", "reserved", "spent", "note")}
)
_ADD = (
    ALLOCATIONS.update()
    .where(ALLOCATIONS.c.id == _ALLOCATION)
    .values(
        reserved=ALLOCATIONS.c.reserved + sa.bindparam("more_reserved", type_=sa.BigInteger),
        spent=ALLOCATIONS.c.spent + sa.bindparam("more_spent", type_=sa.BigInteger),
    )
)
"""Made once: to build a statement takes longer than to execute it."""


class EntryKind(StrEnum):
    """What an entry records."""

    RESERVE = "reserve"
    SETTLE = "settle"
    REFUND = "refund"
    """A correction in favour of the project."""
    CHARGE = "charge"
    """Without reservation: storage, egress."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One change; amounts are signed."""

    time: str
    allocation: str
    project: str
    job: str
    kind: EntryKind
    reserved: MilliCredits
    spent: MilliCredits
    note: str = ""


@dataclass(frozen=True, slots=True)
class Balance:
    """One allocation's sums."""

    allocation: str
    credits: MilliCredits
    reserved: MilliCredits
    spent: MilliCredits

    @property
    def free(self) -> MilliCredits:
        """What can still be reserved."""
        return MilliCredits(self.credits - self.reserved - self.spent)


class OverBudget(Conflict):
    """The project's allocations do not hold what is asked for."""

    code = "over-budget"


def reserve(connection: sa.Connection, project: str, job: str, amount: MilliCredits) -> Balance:
    """Take an amount from the active allocation that ends first and still holds it.

    Raises `OverBudget` with the figure that is missing. A second call for the same job changes nothing.
    """
    rows = connection.execute(_ACTIVE, {"project": project, "job": job}).all()
    if (not rows or rows[0].entered is not None) and (held := _reservation(connection, job)) is not None:
        return balance(connection, held.allocation)
    found = [_read(row) for row in rows]
    chosen = next((each for each in found if each.free >= amount), None)
    if chosen is None:
        most = max((each.free for each in found), default=0)
        raise OverBudget(
            f"The job may cost {shown(amount)} credits, and {shown(max(most, 0))} are free.",
            f"{shown(amount - max(most, 0))} credits are missing in the allocations of {project}."
            if found
            else f"The project {project} has no active allocation.",
            "Ask for less (area, time, resolution), or let an owner of the project request more from the sponsor.",
            "budget",
        )
    _enter(connection, chosen.allocation, project, job, EntryKind.RESERVE, reserved=amount)
    return replace(chosen, reserved=MilliCredits(chosen.reserved + amount))


def settle(connection: sa.Connection, job: str, cost: MilliCredits) -> MilliCredits | None:
    """End a job's reservation with what it really cost; gives what was charged, None when nothing was reserved.

    More than was reserved is charged only as far as the allocation holds it: a sponsor never pays more than granted.
    A second call changes nothing.
    """
    held = _reservation(connection, job)
    if held is None or held.settled:
        return held.spent if held else None
    sums = balance(connection, held.allocation)
    charged = MilliCredits(max(min(cost, held.reserved + max(sums.free, 0)), 0))
    note = f"{shown(cost - charged)} credits beyond the allocation are not charged." if charged < cost else ""
    _enter(
        connection,
        held.allocation,
        held.project,
        job,
        EntryKind.SETTLE,
        reserved=MilliCredits(-held.reserved),
        spent=charged,
        note=note,
    )
    return charged


def refund(connection: sa.Connection, job: str, amount: MilliCredits, why: str) -> MilliCredits:
    """Give back what a job was charged, all of it at the most; gives how much."""
    held = _reservation(connection, job)
    if held is None or not held.settled:
        raise Conflict(f"The job {job} has not been charged.", where="job")
    given = MilliCredits(max(min(amount, held.spent), 0))
    if given:
        _enter(
            connection,
            held.allocation,
            held.project,
            job,
            EntryKind.REFUND,
            spent=MilliCredits(-given),
            note=why[:500],
        )
    return given


def charge(connection: sa.Connection, project: str, amount: MilliCredits, note: str, *, once: str = "") -> MilliCredits:
    """Charge what needs no reservation, from the allocations in turn; gives what they held of it.

    With the same word `once`, a second call changes nothing and gives 0.
    """
    if once and connection.execute(_ENTRIES, {"job": once}).first() is not None:
        return NOTHING
    left = amount
    for each in active(connection, project):
        part = MilliCredits(min(left, max(each.free, 0)))
        if part > 0:
            _enter(connection, each.allocation, project, once, EntryKind.CHARGE, spent=part, note=note[:500])
            left = MilliCredits(left - part)
    return MilliCredits(amount - left)


def active(connection: sa.Connection, project: str) -> list[Balance]:
    """The sums of a project's active allocations, those that end first coming first."""
    return [_read(row) for row in connection.execute(_ACTIVE, {"project": project, "job": ""})]


def allocation_of(connection: sa.Connection, job: str) -> Balance | None:
    """The sums of the allocation that pays for a job; None: nothing was reserved for it."""
    held = _reservation(connection, job)
    return balance(connection, held.allocation) if held else None


def account_of(connection: sa.Connection, job: str) -> tuple[MilliCredits | None, MilliCredits | None]:
    """What is held for a job, and what it was charged; None: nothing was reserved for it, or it has not ended."""
    held = _reservation(connection, job)
    if held is None:
        return None, None
    return held.reserved, held.spent if held.settled else None


def verify(connection: sa.Connection) -> None:
    """Raise `Damaged` unless the sums beside every allocation are those of its entries, within its credits."""
    sums = sa.select(
        LEDGER.c.allocation,
        sa.func.sum(LEDGER.c.reserved).label("reserved"),
        sa.func.sum(LEDGER.c.spent).label("spent"),
    ).group_by(LEDGER.c.allocation)
    entered = {row.allocation: (int(row.reserved), int(row.spent)) for row in connection.execute(sums)}
    for row in connection.execute(sa.select(ALLOCATIONS)):
        kept = (int(row.reserved), int(row.spent))
        if kept != entered.get(row.id, (0, 0)):
            raise Damaged(f"The ledger of {row.id} does not add up: {kept} beside {entered.get(row.id, (0, 0))}.")
        if row.reserved < 0 or row.spent < 0 or row.reserved + row.spent > row.credits:
            raise Damaged(f"More of {row.id} is taken than was granted.", f"{kept} of {row.credits}.")


@dataclass(frozen=True, slots=True)
class _Held:
    allocation: str
    project: str
    reserved: MilliCredits
    spent: MilliCredits
    settled: bool


def _reservation(connection: sa.Connection, job: str) -> _Held | None:
    rows = connection.execute(_ENTRIES, {"job": job}).all() if job else []
    if not rows:
        return None
    reserved, spent = sum(row.reserved for row in rows), sum(row.spent for row in rows)
    settled = any(row.kind == EntryKind.SETTLE for row in rows)
    return _Held(rows[0].allocation, rows[0].project, MilliCredits(reserved), MilliCredits(spent), settled)


def balance(connection: sa.Connection, allocation: str) -> Balance:
    """The sums of one allocation."""
    return _read(connection.execute(_BALANCE, {"allocation": allocation}).one())


def _read(row: Any) -> Balance:
    return Balance(row.id, MilliCredits(row.credits), MilliCredits(row.reserved), MilliCredits(row.spent))


def _enter(
    connection: sa.Connection,
    allocation: str,
    project: str,
    job: str,
    kind: EntryKind,
    *,
    reserved: MilliCredits = NOTHING,
    spent: MilliCredits = NOTHING,
    note: str = "",
) -> None:
    entry = {"allocation": allocation, "project": project, "job": job, "kind": kind.value, "note": note}
    connection.execute(_ENTER, {**entry, "time": events.now(), "reserved": reserved, "spent": spent})
    connection.execute(_ADD, {"allocation": allocation, "more_reserved": reserved, "more_spent": spent})
