"""Credits, prices and the life of an allocation."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrafair.errors import Conflict, InvalidInput
from terrafair.identity.allocation import (
    Allocation,
    Approved,
    DayBegun,
    Rejected,
    Spent,
    Stage,
    ToppedUp,
    crossed,
    step,
)
from terrafair.identity.credits import MilliCredits, Prices, Resources, shown

ASKED = Allocation("a1", "home", "", "ESA NoR", "terrafair", MilliCredits(100_000), date(2026, 1, 1), date(2026, 6, 30))
TODAY = date(2026, 2, 1)


def active() -> Allocation:
    return step(step(ASKED, Approved("NoR-1")), DayBegun(TODAY))


def test_from_request_to_expiry() -> None:
    approved = step(ASKED, Approved(" NoR-1 ", MilliCredits(50_000)))
    assert (approved.stage, approved.reference, approved.credits) == (Stage.APPROVED, "NoR-1", 50_000)
    assert step(approved, DayBegun(date(2025, 12, 31))).stage is Stage.APPROVED
    begun = step(approved, DayBegun(date(2026, 1, 1)))
    assert begun.stage is Stage.ACTIVE
    assert step(begun, DayBegun(date(2026, 6, 30))).stage is Stage.ACTIVE
    assert step(begun, DayBegun(date(2026, 7, 1))).stage is Stage.EXPIRED


def test_exhausted_and_active_again() -> None:
    spent = step(active(), Spent(MilliCredits(100_000), TODAY))
    assert spent.stage is Stage.EXHAUSTED
    assert step(spent, ToppedUp(MilliCredits(5))).stage is Stage.ACTIVE
    assert step(spent, Spent(MilliCredits(99_999), TODAY)).stage is Stage.ACTIVE
    assert step(spent, Spent(MilliCredits(99_999), date(2026, 7, 1))).stage is Stage.EXHAUSTED
    assert step(active(), Spent(MilliCredits(99_999), TODAY)).stage is Stage.ACTIVE


@pytest.mark.parametrize("late", [Approved("NoR-2"), Rejected("no")])
def test_what_is_decided_stays_decided(late: Approved | Rejected) -> None:
    with pytest.raises(Conflict, match="is active"):
        step(active(), late)
    assert step(ASKED, Rejected("no money")).note == "no money"
    with pytest.raises(Conflict):
        step(step(ASKED, Rejected("no")), ToppedUp(MilliCredits(1)))


@pytest.mark.parametrize(
    "wrong", [{"credits": MilliCredits(0)}, {"credits": MilliCredits(-1)}, {"end": date(2025, 1, 1)}]
)
def test_no_allocation(wrong: dict[str, object]) -> None:
    from dataclasses import replace

    with pytest.raises(InvalidInput):
        replace(ASKED, **wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="reference"):
        step(ASKED, Approved(" "))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [(0, 79, ()), (79, 80, (80,)), (80, 94, ()), (0, 100, (80, 95, 100)), (95, 100, (100,)), (100, 60, ())],
)
def test_warnings(before: int, after: int, told: tuple[int, ...]) -> None:
    assert crossed(100, before, after) == told


@pytest.mark.parametrize(("amount", "text"), [(0, "0"), (1, "0.001"), (1500, "1.5"), (-20, "-0.02"), (123_000, "123")])
def test_amounts_as_people_read_them(amount: int, text: str) -> None:
    assert shown(amount) == text


AMOUNTS = st.floats(0, 1e9, allow_nan=False)


@given(AMOUNTS, AMOUNTS, AMOUNTS)
def test_costs_are_whole_and_grow(cpu: float, memory: float, more: float) -> None:
    prices = Prices()
    one = prices.cost(Resources(cpu, memory), jobs=1)
    assert isinstance(one, int) and one >= 1
    assert prices.cost(Resources(cpu + more, memory), jobs=1) >= one


def test_a_job_is_charged_for_what_it_took() -> None:
    prices = Prices(cpu_second=2, memory_gb_second=1, job=3)
    assert prices.cost(Resources.of_job(10, 5, 2 * 10**9), jobs=1) == 20 + 10 + 3


@pytest.mark.parametrize("wrong", [{"cpu": 1}, {"job": "much"}, {"job": True}, {"job": -1}, {"job": float("nan")}])
def test_wrong_prices(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        Prices.read(wrong)
    assert Prices.read({"job": "2.5"}).job == 2.5
