"""The workspaces of one platform for those who ask: open, look, close. The keeper does the rest."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from terrafair.database import reading, transaction
from terrafair.errors import Conflict, InvalidInput, NotFound
from terrafair.identity import allocations, ledger
from terrafair.identity.access import Action, Actor, Kind, Thing, may, require
from terrafair.identity.credits import MilliCredits, Prices, shown
from terrafair.identity.ledger import OverBudget
from terrafair.identity.person import absent
from terrafair.workspaces.store import Store
from terrafair.workspaces.workspace import SEEDS, Profile, Seed, State, Workspace

INSTALL = "The operator installs them: pip install 'terrafair[workspaces]'."
LOST = "its person may no longer work in the project"


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be chosen."""

    profiles: tuple[Profile, ...]
    prices: Prices
    hours: int
    """The longest time."""

    def profile(self, name: str) -> Profile:
        """By its name, the first by default; raises `InvalidInput`."""
        found = next((each for each in self.profiles if each.name == (name or self.profiles[0].name)), None)
        if found is None:
            known = ", ".join(each.name for each in self.profiles)
            raise InvalidInput(f"There is no workspace profile {name[:40]!r}.", f"Known: {known}.", where="profile")
        return found

    def cost(self, profile: Profile, hours: int) -> MilliCredits:
        """The most that so many hours may cost."""
        return profile.cost(self.prices, timedelta(hours=hours))


class Workspaces:
    """Every call says who asks."""

    def __init__(
        self,
        engine: sa.Engine,
        offer: Offer,
        look: Callable[[Seed], object],
        plant: Callable[[Workspace], str],
        lacking: tuple[str, ...] = (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`look` raises for a seed that is not there, or not the asker's; `plant` puts one into a home that is open.

        `lacking`: what keeps workspaces from being offered here.
        """
        self._engine = engine
        self._store = Store(engine)
        self._look = look
        self._plant = plant
        self._lacking = lacking
        self._now = now
        self.offer = offer

    def open(self, actor: Actor, project: str, *, profile: str = "", hours: int = 0, seed: Seed = Seed()) -> Workspace:  # noqa: B008 - frozen
        """One's workspace in a project: the one that is open, with the seed beside what it has, else a new one.

        Raises `OverBudget` where the project's allocations do not hold what it may cost.
        """
        if self._lacking:
            what, remedy = f"There are no workspaces here for lack of {' and '.join(self._lacking)}.", INSTALL
            raise Conflict(what, remedy=remedy, code="no-workspaces")
        if not actor.person:
            raise absent()
        if project not in actor.roles:
            raise NotFound(f"There is no project {project[:80]!r} of yours.", where="project")
        require(actor, Action.CREATE, thing(actor.person, project))
        if seed.kind not in SEEDS:
            raise InvalidInput(f"No workspace opens on a {seed.kind[:40]!r}.", f"Known: {', '.join(sorted(SEEDS))}.")
        self._look(seed)
        chosen, longest = self.offer.profile(profile), self.offer.hours
        hours = hours or min(4, longest)
        if not 1 <= hours <= longest:
            raise InvalidInput(f"The workspace would be open for {hours} hours.", f"1 to {longest}.", where="hours")
        with transaction(self._engine) as connection:
            found = self._store.alive(connection, person=actor.person, project=project)
            if not found:
                name, created = f"w-{secrets.token_hex(8)}", self._now().isoformat(timespec="milliseconds")
                made = Workspace(name, actor.person, project, chosen.name, hours, State.OPENING, created, seed)
                if allocations.metered(connection, project):
                    self._reserve(connection, made)
                self._store.add(connection, made)
                return made
        if found[0].state is not State.RUNNING or not seed.kind:
            return found[0]
        again = replace(found[0], seed=seed)
        again = replace(again, path=self._plant(again))
        self._store.put_if(State.RUNNING, again)
        return again

    def _reserve(self, connection: sa.Connection, made: Workspace) -> None:
        chosen = self.offer.profile(made.profile)
        most = self.offer.cost(chosen, made.hours)
        try:
            ledger.reserve(connection, made.project, made.id, most)
        except OverBudget:
            free = self._free(connection, made.project)
            raise OverBudget(
                f"Open for {made.hours} hours it may cost {shown(most)} credits, and {shown(free)} are free.",
                f"So much is reserved of the project's allocation first: {shown(most - free)} credits are missing.",
                self._fitting(chosen, free),
                "budget",
            ) from None

    def _fitting(self, chosen: Profile, free: MilliCredits) -> str:
        """What can be had for so much."""
        cheapest = min(self.offer.profiles, key=lambda each: self.offer.cost(each, 1))
        for each in (chosen, cheapest):
            if hours := int(free // max(self.offer.cost(each, 1), 1)):
                return f"What is free does for the size {each.title} for {min(hours, self.offer.hours)} h or less."
        return "Choose another project, or let an owner of this one ask for more on its page."

    @staticmethod
    def _free(connection: sa.Connection, project: str) -> MilliCredits:
        return max(
            (max(each.free, ledger.NOTHING) for each in ledger.active(connection, project)), default=ledger.NOTHING
        )

    def free(self, actor: Actor) -> dict[str, MilliCredits]:
        """What the actor's projects can still reserve; those that are not limited are left out."""
        with reading(self._engine) as connection:
            limited = [project for project in actor.roles if allocations.metered(connection, project)]
            return {project: self._free(connection, project) for project in limited}

    def close(self, actor: Actor, id: str) -> Workspace:  # noqa: A002 - the field's word
        """End one; its files stay."""
        found = self.get(actor, id)
        require(actor, Action.CHANGE, thing(found.person, found.project))
        self._store.close(found.id, "closed by its person")
        return self._store.get(found.id)

    def get(self, actor: Actor, id: str) -> Workspace:  # noqa: A002
        """One of the actor's, or of the platform's for its operator."""
        found = self._store.get(id)
        if not (actor.operator or actor.person == found.person):
            raise NotFound(f"There is no workspace {id[:40]!r}.", where="workspace")
        return found

    def listing(self, actor: Actor) -> list[Workspace]:
        """The actor's own, newest first."""
        return self._store.latest(actor.person) if actor.person else []

    def admits(self, actor: Actor, person: str, project: str) -> bool:
        """Whether the actor may reach a server."""
        return bool(person) and actor.person == person and may(actor, Action.CHANGE, thing(person, project))


def thing(person: str, project: str) -> Thing:
    """A workspace as the table of rights knows it."""
    return Thing(Kind.WORKSPACE, project, author=person)
