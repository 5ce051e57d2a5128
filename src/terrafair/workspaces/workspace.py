"""A workspace: whose it is, how large, and what may become of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from terrafair.errors import Conflict, InvalidInput
from terrafair.identity.credits import GIGABYTE, MilliCredits, Prices, Resources


@dataclass(frozen=True, slots=True)
class Profile:
    """A size to choose."""

    name: str
    title: str
    cores: float
    """For the libraries that ask how many threads they may start, and for the price of an hour."""
    memory: int
    """Bytes; a workspace that takes more is ended."""

    def cost(self, prices: Prices, time: timedelta) -> MilliCredits:
        """The most that so long may cost: every core busy, all memory held."""
        seconds = time.total_seconds()
        return prices.cost(Resources(self.cores * seconds, self.memory / GIGABYTE * seconds))

    def spent(self, prices: Prices, time: timedelta, cpu_seconds: float) -> MilliCredits:
        """What it has cost: the memory that was held for it, and the CPU time that it took."""
        taken = min(cpu_seconds, self.cores * time.total_seconds())
        return prices.cost(Resources(taken, self.memory / GIGABYTE * time.total_seconds()))


USUAL = (Profile("small", "Small", 1, 2 * GIGABYTE), Profile("large", "Large", 4, 8 * GIGABYTE))


def profiles(settings: Mapping[str, Any]) -> tuple[Profile, ...]:
    """From the settings: name -> table of title, cores and memory_gb; the usual two where there are none."""
    found = []
    for name, table in settings.items():
        try:
            given = dict(table)
            cores, memory = float(given.pop("cores")), float(given.pop("memory_gb"))
            title = str(given.pop("title", name))
        except (TypeError, ValueError, KeyError) as fault:
            raise InvalidInput(
                f"The workspace profile {name!r} is {table!r}.", f"{fault}", "It takes cores, memory_gb and title."
            ) from None
        if given or not re.fullmatch(r"[a-z0-9-]{1,40}", name) or cores <= 0 or not 0.25 <= memory < 100_000:
            raise InvalidInput(f"The workspace profile {name!r} is {table!r}.", "Its name or its size is not possible.")
        found.append(Profile(name, title, cores, int(memory * GIGABYTE)))
    return tuple(found) or USUAL


class State(StrEnum):
    """Where a workspace is."""

    OPENING = "opening"
    RUNNING = "running"
    CLOSING = "closing"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Seed:
    """What a workspace is opened on."""

    kind: str = ""
    """`product`, `experiment`, `workflow`, `job`; empty: nothing."""
    id: str = ""


SEEDS = frozenset({"", "product", "experiment", "workflow", "job"})


@dataclass(frozen=True, slots=True)
class Workspace:
    """One session of one person in one project."""

    id: str
    person: str
    project: str
    profile: str
    hours: int
    state: State
    created: str
    seed: Seed = field(default_factory=Seed)
    started: str = ""
    """When its server was there; empty: not yet."""
    ended: str = ""
    reason: str = ""
    """What it waits for while it opens, what is lacking in it, why it is closing or closed; empty: nothing."""
    token: str = ""
    """Id of the personal token that it holds."""
    keys: str = ""
    """Id of the keys to the project's bucket that it holds."""
    path: str = ""
    """What to show first: a notebook in it."""

    @property
    def alive(self) -> bool:
        """Whether it is not closed yet."""
        return self.state is not State.CLOSED

    @property
    def address(self) -> str:
        """Where its JupyterLab is."""
        tree = f"lab/tree/{self.path}" if self.path else "lab"
        return f"/workspaces/user/{self.person}/{self.project}/{tree}"

    def waiting(self, reason: str) -> "Workspace":
        """Something is made for it first, which may take minutes."""
        return replace(self, reason=reason)

    def running(self, moment: datetime) -> "Workspace":
        """Its server is there."""
        if self.state is not State.OPENING:
            raise Conflict(f"The workspace is {self.state}.")
        return replace(self, state=State.RUNNING, started=_text(moment))

    def closing(self, reason: str) -> "Workspace":
        """It is to end; a second reason changes nothing."""
        if self.state in {State.CLOSING, State.CLOSED}:
            return self
        return replace(self, state=State.CLOSING, reason=reason)

    def closed(self, moment: datetime, reason: str = "") -> "Workspace":
        """Its server is gone."""
        why = self.reason if self.state is State.CLOSING else ""
        return replace(self, state=State.CLOSED, ended=_text(moment), reason=why or reason)

    def lasted(self, moment: datetime) -> timedelta:
        """How long its server has run."""
        if not self.started:
            return timedelta(0)
        end = datetime.fromisoformat(self.ended) if self.ended else moment
        return max(end - datetime.fromisoformat(self.started), timedelta(0))


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
