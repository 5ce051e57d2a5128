"""Credits: held, charged, missing, and used up."""

from datetime import UTC, date, datetime

import pytest

from terrafair import events
from terrafair.database import reading
from terrafair.execution.job import JobRequest, Owner, Results, Started, Succeeded, Usage
from terrafair.identity import ledger
from terrafair.identity.allocation import Approved
from terrafair.identity.allocations import Allocations
from terrafair.identity.credits import MilliCredits
from terrafair.identity.people import People
from terrafair.identity.projects import Projects
from terrafair.identity_parts import budget

from .world import World


def test_credits_are_held_and_charged(world: World) -> None:
    today = datetime.now(UTC).date()
    period = {"start": str(today), "end": str(date(today.year + 1, 1, 1))}
    asked = world.client("dee").post("/api/allocations", json={"project": "forests", "credits": 1, **period})
    assert asked.status_code == 201, asked.text
    name = asked.json()["id"]
    decision = {"decision": "approve", "reference": "NoR-2026-1"}
    assert world.client("dee").post(f"/api/allocations/{name}/decision", json=decision).status_code == 403
    assert world.client("eve").post(f"/api/allocations/{name}/decision", json=decision).json()["stage"] == "active"
    job = world.job("dee", "forests")
    with reading(world.engine) as connection:
        ledger.verify(connection)
        balance = ledger.allocation_of(connection, job)
    assert balance is not None
    # 2 CPU seconds, 1 GB for 1 second, 1 job: 0.04 + 0.005 + 1, rounded up.
    assert (balance.reserved, balance.spent) == (0, 2)
    rows = world.client("dee").get("/api/usage").json()
    assert (rows["total"], rows["usage"][0]["nor_reference"]) == (2, "NoR-2026-1")
    assert "NoR-2026-1" in world.client("dee").get("/api/usage?format=csv").text
    assert world.client("ada").get("/api/usage").json()["usage"] == []
    assert world.client("ada").get("/api/allocations?project=forests").json() == []
    estimate = world.client("dee").post("/api/estimate", json={"id": "secret-workflow", "project": "forests"}).json()
    assert estimate["metered"]
    assert estimate["free"] == 998


def test_a_job_over_budget_is_refused_with_what_is_missing(world: World) -> None:
    today = datetime.now(UTC).date()
    allocations = Allocations(world.engine)
    eve = People(world.engine, ["test#eve"]).actor(world.ids["eve"])
    Projects(world.engine).create(eve, "deserts", "Deserts")
    asked = allocations.request(eve, "deserts", MilliCredits(100), today, today)
    allocations.decide(eve, asked.id, Approved("NoR-2"))
    with pytest.raises(ledger.OverBudget, match=r"0\.228 credits, and 0\.1 are free\. 0\.128 credits are missing"):
        world.jobs.submit(JobRequest("dear"), owner=Owner("deserts", world.ids["eve"]))
    assert world.jobs.listing(subject="dear") == []


def test_an_exhausted_allocation_stops_new_jobs_and_no_running_ones(world: World) -> None:
    """The first job spends what it reserved; the second runs on to its end; new ones are told that nothing is left."""
    eve = People(world.engine, world.parts.config.operators).actor(world.ids["eve"])
    Projects(world.engine).create(eve, "dunes", "Dunes")
    today, owner = datetime.now(UTC).date(), Owner("dunes", world.ids["eve"])
    allocations, request = Allocations(world.engine), JobRequest("dune", timeout=100)
    with reading(world.engine) as connection:
        expected = budget(world.parts).estimate(connection, request).cost
    asked = allocations.request(eve, "dunes", MilliCredits(2 * expected), today, today)
    allocations.decide(eve, asked.id, Approved("NoR-5"))
    first, second = (world.jobs.submit(request, owner=owner).id for _ in range(2))
    results, dear = Results("jobs/none", "jobs/none/collection.json", (), ()), Usage(10.0**9, 100.0, 10**9)

    def warned() -> list[int]:
        with reading(world.engine) as connection:
            trail = list(events.trail(connection, 0))
        return [row["per_cent"] for row in trail if row["kind"] == "Warned" and row["thing"] == asked.id]

    for job in (first, second):
        world.jobs.apply(job, Started("2026-01-01T00:00:00.000Z"))
    world.jobs.apply(first, Succeeded("2026-01-01T00:01:00.000Z", results, dear))
    assert warned() == []
    with pytest.raises(ledger.OverBudget):
        world.jobs.submit(request, owner=owner)
    assert world.jobs.get(second).state.value == "running"
    world.jobs.apply(second, Succeeded("2026-01-01T00:02:00.000Z", results, dear))
    assert world.jobs.get(second).state.value == "successful"
    assert warned() == [80, 95, 100]
    (account,) = allocations.listing(eve, "dunes")
    assert (account.allocation.stage.value, account.balance.spent) == ("exhausted", 2 * expected)
    with pytest.raises(ledger.OverBudget, match="no active allocation"):
        world.jobs.submit(request, owner=owner)
    with reading(world.engine) as connection:
        ledger.verify(connection)
