"""Carries workspaces through their states: starts servers, watches them, ends idle ones, settles what they cost."""

import json
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
import structlog

from terrafair.database import transaction
from terrafair.errors import TerrafairError
from terrafair.identity import allocations
from terrafair.identity.access import Action, Actor, may
from terrafair.workspaces.hub import Hub, Server
from terrafair.workspaces.store import Store
from terrafair.workspaces.workspace import State, Workspace
from terrafair.workspaces.workspaces import LOST, Offer, thing

SECONDS = 1.0
"""Between two looks while something changes."""
CALM_SECONDS = 5.0
HUBS = 3
"""So many are asked for one server: a hub that is killed while it opens one takes the order with it."""
NEVER = datetime.min.replace(tzinfo=UTC)
FAULT = "The platform failed at opening it; its operator finds why in the log."


class Equipment(Protocol):
    """What a workspace is given and what is taken from it again."""

    def lacks(self, workspace: Workspace) -> str:
        """What is being made for it yet, in words, which may take minutes; empty: nothing. The first call begins it."""
        ...

    def renew(self, workspace: Workspace) -> None:
        """Lead what is open to where platform and store are now: they may have been started on other ports."""
        ...

    def give(self, workspace: Workspace) -> Workspace:
        """Home, seed, token, keys and the order for its server; gives it with what it holds."""
        ...

    def take(self, workspace: Workspace) -> None:
        """End its token and keys; what has ended already is no error."""
        ...


@dataclass(slots=True)
class Keeper:
    """One for a platform, in a thread of its own."""

    engine: sa.Engine
    hub: Hub
    offer: Offer
    equipment: Equipment
    actor: Callable[[str], Actor]
    runs: Path
    """Where the supervisor of each server leaves what it took."""
    idle: timedelta
    disk: int
    """What the files of one may take, in bytes."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _asked: dict[str, set[int]] = field(default_factory=dict)
    """Hubs, by process, that were asked for the server of a workspace."""
    _since: datetime = NEVER
    """When this keeper began: while there was none, nobody could do anything."""

    def keep(self, ended: threading.Event) -> None:
        """Until the end."""
        self._since = self.now()
        renewed = False
        pause = looked = 0.0
        while not ended.wait(pause):
            pause = SECONDS
            try:
                alive = Store(self.engine).alive()
                moving = any(each.state is not State.RUNNING for each in alive)
                looked += SECONDS
                if alive and (moving or looked >= CALM_SECONDS):
                    looked = 0.0
                    if not renewed:
                        self._renew(alive)
                        renewed = True
                    self.hub.ensure()
                    for each in alive:
                        self._step(each)
            except Exception as fault:
                # The database or the hub is away: the next look may find it well.
                structlog.get_logger().warning("workspaces.failed", reason=repr(fault)[:500])
                self._give_up(_words(fault))

    def _renew(self, alive: Sequence[Workspace]) -> None:
        """Before the hub starts, which opens the ways of each server anew."""
        for each in alive:
            self.equipment.renew(each)

    def _give_up(self, reason: str) -> None:
        """Without a hub what is opening never opens."""
        if self.hub.pid:
            return
        with suppress(Exception):
            for each in Store(self.engine).alive():
                if each.state is State.OPENING:
                    self._close(each, reason)

    def _step(self, workspace: Workspace) -> None:
        try:
            server = self.hub.servers(workspace.person).get(workspace.project)
            match workspace.state:
                case State.OPENING:
                    self._opening(workspace, server)
                case State.RUNNING:
                    self._running(workspace, server)
                case State.CLOSING:
                    self._closing(workspace, server)
        except Exception as fault:
            # Whatever is wrong with one, a full disk for instance, the others are looked after.
            structlog.get_logger().warning("workspace.failed", workspace=workspace.id, reason=repr(fault)[:500])
            if workspace.state is State.OPENING and self.hub.pid:
                self._close(workspace, _words(fault))

    def _opening(self, workspace: Workspace, server: Server | None) -> None:
        store, asked = Store(self.engine), self._asked.get(workspace.id, set())
        if server and server.ready:
            store.put_if(State.OPENING, workspace.running(self.now()))
        elif server is None and not asked:
            if lacking := self.equipment.lacks(workspace):
                if lacking != workspace.reason:
                    store.put_if(State.OPENING, workspace.waiting(lacking[:400]))
                return
            self._asked[workspace.id] = {self.hub.pid}
            given = self.equipment.give(workspace)
            if store.put_if(State.OPENING, given):
                self.hub.open(given.person, given.project)
            else:
                self.equipment.take(given)
        elif server is None and self.hub.pid not in asked and len(asked) < HUBS:
            asked.add(self.hub.pid)
            self.hub.open(workspace.person, workspace.project)
        elif server is None:
            self._close(workspace, f"Its server did not start. {self._last_words(workspace)}"[:400])

    def _running(self, workspace: Workspace, server: Server | None) -> None:
        store, place = Store(self.engine), thing(workspace.person, workspace.project)
        if server is None:
            self._close(workspace, self._why(workspace))
        elif not may(self.actor(workspace.person), Action.CHANGE, place):
            store.put_if(State.RUNNING, workspace.closing(LOST))
        elif server.ready and self._idle(workspace, server):
            store.put_if(State.RUNNING, workspace.closing(f"idle for {self.idle}"))

    def _closing(self, workspace: Workspace, server: Server | None) -> None:
        if server is None:
            self._close(workspace, "")
        elif server.pending != "stop":
            self.hub.close(workspace.person, workspace.project)

    def _idle(self, workspace: Workspace, server: Server) -> bool:
        told = filter(None, (server.last_activity.replace("Z", "+00:00"), workspace.started))
        since = self.now() - self.idle
        if max(self._since, *map(datetime.fromisoformat, told)) > since:
            return False
        return not self.hub.active(workspace.person, workspace.project, since)

    def _close(self, workspace: Workspace, reason: str) -> None:
        """Its server is gone: take back what it held, and charge what it took."""
        self._asked.pop(workspace.id, None)
        self.equipment.take(workspace)
        ended = workspace.closed(self.now(), reason)
        profile = next((each for each in self.offer.profiles if each.name == workspace.profile), self.offer.profiles[0])
        spent = profile.spent(self.offer.prices, self._lasted(ended), self._cpu_seconds(workspace))
        with transaction(self.engine) as connection:
            allocations.settle(connection, workspace.id, spent, self.now().date())
            Store(self.engine).put(replace(ended, token="", keys=""), connection)

    def _lasted(self, ended: Workspace) -> timedelta:
        """Until its server ended, which may be long before somebody looked: nobody pays for the platform's absence."""
        longest = min(ended.lasted(self.now()), timedelta(hours=ended.hours, minutes=1))
        with suppress(OSError, ValueError, KeyError):
            took = json.loads((self._run(ended) / "exit.json").read_text())["seconds"]
            return min(longest, timedelta(seconds=float(took)))
        return longest

    def _run(self, workspace: Workspace) -> Path:
        return self.runs / f"{workspace.person}--{workspace.project}"

    def _cpu_seconds(self, workspace: Workspace) -> float:
        with suppress(OSError, ValueError, KeyError):
            return float(json.loads((self._run(workspace) / "exit.json").read_text())["cpu_seconds"])
        with suppress(OSError, ValueError, IndexError):
            return float(json.loads((self._run(workspace) / "usage.jsonl").read_text().splitlines()[-1])[1])
        return 0.0

    def _why(self, workspace: Workspace) -> str:
        kept = "nothing was removed: open it again, delete some"
        words = {
            "memory": "it took more memory than its profile has",
            "timeout": "its time is over",
            "disk": f"its files took more than {self.disk / 1e9:.1f} GB; {kept}",
            "files": f"it has more files than it may; {kept}",
            "depth": "it has folders in folders without end",
            "processes": "it started more processes than it may",
        }
        try:
            ended = str(json.loads((self._run(workspace) / "exit.json").read_text())["ended"])
        except (OSError, ValueError, KeyError):
            return "its server ended"
        return words.get(ended, "its server ended")

    def _last_words(self, workspace: Workspace) -> str:
        try:
            lines = (self._run(workspace) / "log.jsonl").read_text("utf-8").splitlines()
            return str(json.loads(lines[-1])["message"]) if lines else ""
        except (OSError, ValueError, KeyError):
            return ""


def _words(fault: Exception) -> str:
    return (str(fault) if isinstance(fault, TerrafairError) else FAULT)[:400]
