"""A keeper over a real ledger, with a hub that the test holds: what is opened, watched, closed and charged, once."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from terrafair.database import migrate, open_engine, reading, transaction
from terrafair.errors import InvalidInput, NotFound, TerrafairError, Unreachable
from terrafair.identity import ledger
from terrafair.identity.access import Actor, Role
from terrafair.identity.credits import Prices
from terrafair.identity.ledger import ALLOCATIONS, LEDGER, OverBudget
from terrafair.workspaces.hub import Hub, Server
from terrafair.workspaces.keeper import Keeper
from terrafair.workspaces.store import Store
from terrafair.workspaces.workspace import USUAL, State, Workspace
from terrafair.workspaces.workspaces import Offer, Workspaces

from ..databases import control_database

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ADA = Actor("uada", {"glaciers": Role.OWNER})
OFFER = Offer(USUAL, Prices(), 12)
IDLE = timedelta(minutes=30)


class Held:
    """A hub without a process."""

    def __init__(self) -> None:
        self.found: dict[str, Server] = {}
        self.computing, self.pid = False, 1
        self.fault: TerrafairError | None = None

    def ensure(self) -> None:
        pass

    def servers(self, _: str) -> dict[str, Server]:
        if self.fault:
            raise self.fault
        return dict(self.found)

    def open(self, _: str, project: str) -> None:
        self.found[project] = Server(False, "spawn", "")

    def close(self, _: str, project: str) -> None:
        self.found.pop(project)

    def active(self, _: str, project: str, since: datetime) -> bool:
        assert since > datetime.fromisoformat(self.found[project].last_activity)
        return self.computing


@dataclass
class Given:
    """Equipment that remembers."""

    lacking: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None
    fault: Exception | None = None

    def lacks(self, _: Workspace) -> str:
        return self.lacking.pop(0) if self.lacking else ""

    def renew(self, workspace: Workspace) -> None:
        self.renewed.append(workspace.id)

    def give(self, workspace: Workspace) -> Workspace:
        if self.fault:
            raise self.fault
        self.meanwhile()
        return replace(workspace, token="t-1", keys="k-1", path="a.ipynb", reason="")

    def take(self, workspace: Workspace) -> None:
        self.taken.append(workspace.token)


@dataclass
class House:
    engine: sa.Engine
    workspaces: Workspaces
    keeper: Keeper
    hub: Held
    given: Given
    runs: Path
    moment: datetime = NOW

    def look(self) -> Workspace:
        """One look of a keeper; gives the latest as it is after it."""
        for each in Store(self.engine).alive():
            self.keeper._step(each)
        return Store(self.engine).latest("uada")[0]

    def opened(self) -> Workspace:
        made = self.workspaces.open(ADA, "glaciers", hours=2)
        self.look()
        self.hub.found["glaciers"] = Server(True, "", self.moment.isoformat().replace("+00:00", "Z"))
        assert self.look().state is State.RUNNING
        return made

    def restarted(self) -> None:
        """A platform that was down: a keeper that knows nothing of the one before."""
        self.keeper = replace(self.keeper, _asked={}, _since=self.moment)

    def entries(self) -> list[tuple[str, int, int]]:
        with reading(self.engine) as connection:
            ledger.verify(connection)
            return [(row.kind, row.reserved, row.spent) for row in connection.execute(sa.select(LEDGER))]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    engine = open_engine(control_database(tmp_path))
    migrate(engine)
    given, hub, runs = Given(), Held(), tmp_path / "runs"
    clock: Callable[[], datetime] = lambda: found.moment  # noqa: E731 - the house comes after it
    keeper = Keeper(engine, cast("Hub", hub), OFFER, given, lambda _: ADA, runs, IDLE, 10**9, clock)
    workspaces = Workspaces(engine, OFFER, lambda _: None, lambda _: "", now=clock)
    found = House(engine, workspaces, keeper, hub, given, runs / "uada--glaciers")
    found.runs.mkdir(parents=True)
    yield found
    engine.dispose()


def grant(house: House, credits: float) -> None:
    row: dict[str, Any] = dict.fromkeys(("reference", "sponsor", "service", "note"), "NoR")
    row |= {"id": "a-1", "project": "glaciers", "stage": "active", "documents": "[]", "credits": int(credits * 1000)}
    row |= {"period_start": "2026-01-01", "period_end": "2026-12-31", "reserved": 0, "spent": 0}
    with transaction(house.engine) as connection:
        columns = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        connection.execute(sa.text(f"INSERT INTO allocations ({columns}) VALUES ({values})"), row)


def ended(house: House, seconds: float, cpu_seconds: float) -> None:
    """Its server has gone by itself, and its supervisor has said so."""
    said = {"ended": "exited", "seconds": seconds, "cpu_seconds": cpu_seconds}
    (house.runs / "exit.json").write_text(json.dumps(said))
    house.hub.found.clear()


def test_reserved_when_opened_and_settled_once_when_closed(house: House) -> None:
    grant(house, 1000)
    most = int(OFFER.cost(USUAL[0], 2))
    made = house.opened()
    assert house.entries() == [("reserve", most, 0)]
    assert house.workspaces.open(ADA, "glaciers").id == made.id, "the one that is open is given again"
    house.moment += timedelta(hours=1)
    house.workspaces.close(ADA, made.id)
    assert house.look().state is State.CLOSING
    ended(house, 3600, 100)
    closed = house.look()
    spent = int(USUAL[0].spent(OFFER.prices, timedelta(hours=1), 100))
    assert (closed.state, closed.reason) == (State.CLOSED, "closed by its person") and 0 < spent < most
    for _ in range(3):
        house.look()
    assert house.entries() == [("reserve", most, 0), ("settle", -most, spent)]
    assert house.given.taken == ["t-1"]


def test_nobody_pays_for_the_time_after_its_end_while_the_platform_was_down(house: House) -> None:
    grant(house, 1000)
    house.opened()
    house.moment += timedelta(days=2)
    ended(house, 600, 5)
    house.restarted()
    assert house.look().reason == "its server ended"
    spent = int(USUAL[0].spent(OFFER.prices, timedelta(minutes=10), 5))
    assert [row[2] for row in house.entries()] == [0, spent]


def test_what_was_opening_when_the_platform_was_killed_opens_and_is_paid_once(house: House) -> None:
    grant(house, 1000)
    house.workspaces.open(ADA, "glaciers", hours=2)
    house.look()
    house.hub.found.clear()
    house.restarted()
    house.look()
    house.hub.found["glaciers"] = Server(True, "", "")
    assert house.look().state is State.RUNNING
    assert [row[0] for row in house.entries()] == ["reserve"]


def test_a_hub_killed_while_it_opens_is_followed_by_one_that_is_asked_anew(house: House) -> None:
    """Each takes the order with it; where three did, it says what the last words were."""
    house.workspaces.open(ADA, "glaciers")
    for hub in (1, 2, 3):
        house.hub.pid = hub
        house.hub.found.clear()
        assert house.look().state is State.OPENING and list(house.hub.found) == ["glaciers"]
    house.hub.pid = 4
    house.hub.found.clear()
    assert "did not start" in house.look().reason


def test_a_server_that_does_not_start_is_not_asked_for_again_of_the_same_hub(house: House) -> None:
    house.workspaces.open(ADA, "glaciers")
    house.look()
    house.hub.found.clear()
    closed = house.look()
    assert closed.state is State.CLOSED and "did not start" in closed.reason and not house.hub.found


def test_what_never_opened_costs_nothing(house: House) -> None:
    grant(house, 1000)
    house.given.fault = OSError(28, "No space left on device")
    house.workspaces.open(ADA, "glaciers")
    closed = house.look()
    assert closed.state is State.CLOSED and "failed at opening it" in closed.reason
    assert sum(spent for *_, spent in house.entries()) == 0 == sum(held for _, held, _ in house.entries())


def test_budgets_that_do_not_hold_it_say_what_would_fit(house: House) -> None:
    hour = OFFER.cost(USUAL[0], 1) / 1000
    grant(house, 3.5 * hour)
    with pytest.raises(
        OverBudget, match=r"Open for 12 hours it may cost .* are free\. .* are missing\. .*Small for 3 h or less"
    ):
        house.workspaces.open(ADA, "glaciers", hours=12)
    with pytest.raises(OverBudget, match=r"Small for 3 h"):
        house.workspaces.open(ADA, "glaciers", profile="large", hours=1)
    assert house.workspaces.free(ADA) == {"glaciers": int(3500 * hour)}
    house.workspaces.open(ADA, "glaciers", hours=3)
    house.look()
    with pytest.raises(NotFound):
        house.workspaces.open(ADA, "forests")
    with pytest.raises(InvalidInput):
        Workspaces(house.engine, OFFER, lambda _: None, lambda _: "").open(ADA, "glaciers", hours=13)


def test_an_allocation_that_is_used_up_by_workspaces_says_so_and_refuses(house: House) -> None:
    """As jobs do it: its owners are warned, and its stage follows."""
    most = int(OFFER.cost(USUAL[0], 2))
    grant(house, most / 1000)
    made = house.opened()
    house.moment += timedelta(hours=2)
    ended(house, 7200, 1e9)
    house.workspaces.close(ADA, made.id)
    house.look()
    with reading(house.engine) as connection:
        row = connection.execute(sa.select(ALLOCATIONS)).one()
    assert (row.spent, row.stage) == (most, "exhausted")
    with pytest.raises(OverBudget, match="let an owner of this one ask for more"):
        house.workspaces.open(ADA, "glaciers", hours=1)


def test_idle_ones_are_closed_and_what_computes_is_not(house: House) -> None:
    house.opened()
    house.moment += IDLE * 3
    house.hub.computing = True
    assert house.look().state is State.RUNNING
    house.hub.computing = False
    assert house.look().state is State.CLOSING


def test_while_the_platform_was_down_nobody_was_idle(house: House) -> None:
    house.opened()
    house.moment += timedelta(hours=2)
    house.restarted()
    assert house.look().state is State.RUNNING
    house.moment += IDLE
    assert house.look().reason == f"idle for {IDLE}"


def test_what_is_being_made_is_said_and_waited_for(house: House) -> None:
    house.given.lacking = ["Resolving.", "Resolving.", "Building."]
    house.workspaces.open(ADA, "glaciers")
    said = [house.look().reason for _ in range(4)]
    assert said == ["Resolving.", "Resolving.", "Building.", ""] and list(house.hub.found) == ["glaciers"]


def test_closed_while_it_is_made_ready_it_holds_nothing(house: House) -> None:
    """Whenever its person closes it: before, and just while it is given what it needs."""
    house.given.lacking = ["Building."]
    made = house.workspaces.open(ADA, "glaciers")
    assert house.look().reason == "Building."
    house.workspaces.close(ADA, made.id)
    assert house.look().reason == "closed by its person"
    again = house.workspaces.open(ADA, "glaciers")
    house.given.meanwhile = lambda: house.workspaces.close(ADA, again.id)
    assert house.look().state is State.CLOSING and house.given.taken[-1] == "t-1" and not house.hub.found
    assert house.look().state is State.CLOSED


def test_a_hub_that_fails_ends_nothing(house: House) -> None:
    house.opened()
    house.hub.fault = Unreachable("The hub of the workspaces does not answer.")
    house.moment += IDLE * 3
    assert house.look().state is State.RUNNING
