"""An allocation of the Network of Resources and its life: pure values and one pure function."""

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from terrafair.errors import Conflict, InvalidInput
from terrafair.identity.credits import MilliCredits, shown

WARNINGS = (80, 95, 100)
"""Per cent of the credits at which owners are told."""


class Stage(StrEnum):
    """Where an allocation is in its life."""

    REQUESTED = "requested"
    APPROVED = "approved"
    """Its period has not begun."""
    ACTIVE = "active"
    EXHAUSTED = "exhausted"
    EXPIRED = "expired"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Allocation:
    """Resources that a sponsor gives to a project."""

    id: str
    project: str
    reference: str
    """Of the Network of Resources, e.g. `NoR-2026-0123`; empty while it is only asked for."""
    sponsor: str
    service: str
    credits: MilliCredits
    start: date
    end: date
    """The last day."""
    stage: Stage = Stage.REQUESTED
    documents: tuple[str, ...] = ()
    """URLs: the sponsorship's letter, the offer ..."""
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse what no allocation can be."""
        if self.credits <= 0:
            raise InvalidInput(f"An allocation of {shown(self.credits)} credits is none.", where="credits")
        if self.end < self.start:
            raise InvalidInput(f"The period ends {self.end} before it starts {self.start}.", where="end")


@dataclass(frozen=True, slots=True)
class Approved:
    """The sponsor has said yes."""

    reference: str
    credits: MilliCredits | None = None
    """Where it is another amount than asked for."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The sponsor has said no."""

    why: str


@dataclass(frozen=True, slots=True)
class ToppedUp:
    """The sponsor gives more."""

    credits: MilliCredits


@dataclass(frozen=True, slots=True)
class DayBegun:
    """A new day, on which periods begin and end."""

    today: date


@dataclass(frozen=True, slots=True)
class Spent:
    """What has been spent of it in all, after a change."""

    amount: MilliCredits
    today: date


Happening = Approved | Rejected | ToppedUp | DayBegun | Spent


def step(allocation: Allocation, happening: Happening) -> Allocation:
    """The allocation after something happened; raises `Conflict` where it cannot happen now."""
    stage = allocation.stage
    match happening:
        case Approved(reference, credits):
            _only(allocation, Stage.REQUESTED)
            if not reference.strip():
                raise InvalidInput("An approval needs the reference of the Network of Resources.", where="reference")
            return replace(
                allocation, stage=Stage.APPROVED, reference=reference.strip(), credits=credits or allocation.credits
            )
        case Rejected(why):
            _only(allocation, Stage.REQUESTED)
            return replace(allocation, stage=Stage.REJECTED, note=why)
        case ToppedUp(credits):
            _only(allocation, Stage.APPROVED, Stage.ACTIVE, Stage.EXHAUSTED)
            more = replace(allocation, credits=MilliCredits(allocation.credits + credits))
            return replace(more, stage=Stage.ACTIVE) if stage is Stage.EXHAUSTED else more
        case DayBegun(today):
            if stage in {Stage.APPROVED, Stage.ACTIVE, Stage.EXHAUSTED} and today > allocation.end:
                return replace(allocation, stage=Stage.EXPIRED)
            begun = stage is Stage.APPROVED and allocation.start <= today
            return replace(allocation, stage=Stage.ACTIVE) if begun else allocation
        case Spent(amount, today):
            if stage is Stage.ACTIVE and amount >= allocation.credits:
                return replace(allocation, stage=Stage.EXHAUSTED)
            refunded = stage is Stage.EXHAUSTED and amount < allocation.credits and today <= allocation.end
            return replace(allocation, stage=Stage.ACTIVE) if refunded else allocation


def crossed(granted: int, before: int, after: int) -> tuple[int, ...]:
    """The warnings that a change from one amount spent to another calls for, in per cent."""
    return tuple(share for share in WARNINGS if before * 100 < share * granted <= after * 100)


def _only(allocation: Allocation, *stages: Stage) -> None:
    if allocation.stage not in stages:
        raise Conflict(
            f"The allocation {allocation.reference or allocation.id} is {allocation.stage}.",
            f"This can be done with one that is {' or '.join(stages)}.",
            where="allocation",
        )
