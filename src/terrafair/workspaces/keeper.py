"""Carries workspaces through their states: starts servers, watches them, ends idle ones, settles what they cost."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
import structlog

from terrafair.database import transaction
from terrafair.errors import TerrafairError
from terrafair.identity import ledger
from terrafair.identity.access import Action, Actor, may
from terrafair.workspaces.hub import Hub, Server
from terrafair.workspaces.store import Store
from terrafair.workspaces.workspace import State, Workspace
from terrafair.workspaces.workspaces import LOST, Offer, thing

SECONDS = 1.0
"""Between two looks while something changes."""
CALM_SECONDS = 5.0


class Equipment(Protocol):
    """What a workspace is given and what is taken from it again."""

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
    _asked: set[str] = field(default_factory=set)

    def keep(self, ended: threading.Event) -> None:
        """Until the end."""
        pause = 0.0
        looked = 0.0
        while not ended.wait(pause):
            pause = SECONDS
            try:
                alive = Store(self.engine).alive()
                moving = any(each.state is not State.RUNNING for each in alive)
                looked += SECONDS
                if alive and (moving or looked >= CALM_SECONDS):
                    looked = 0.0
                    self.hub.ensure()
                    for each in alive:
                        self._step(each)
            except TerrafairError as fault:
                # The database or the hub is away: the next look may find it well.
                structlog.get_logger().warning("workspaces.failed", reason=str(fault)[:500])
                self._give_up(str(fault))

    def _give_up(self, reason: str) -> None:
        """Without a hub what is opening never opens."""
        if self.hub.pid:
            return
        with suppress(TerrafairError):
            for each in Store(self.engine).alive():
                if each.state is State.OPENING:
                    self._close(each, reason[:400])

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
        except TerrafairError as fault:
            structlog.get_logger().warning("workspace.failed", workspace=workspace.id, reason=str(fault)[:500])
            if workspace.state is State.OPENING and self.hub.pid:
                self._close(workspace, str(fault)[:400])

    def _opening(self, workspace: Workspace, server: Server | None) -> None:
        store = Store(self.engine)
        if server and server.ready:
            store.put(workspace.running(self.now()))
        elif server is None and workspace.id not in self._asked:
            self._asked.add(workspace.id)
            given = store.put(self.equipment.give(workspace))
            self.hub.open(given.person, given.project)
        elif server is None:
            self._close(workspace, f"Its server did not start. {self._last_words(workspace)}"[:400])

    def _running(self, workspace: Workspace, server: Server | None) -> None:
        store, place = Store(self.engine), thing(workspace.person, workspace.project)
        if server is None:
            self._close(workspace, self._why(workspace))
        elif not may(self.actor(workspace.person), Action.CHANGE, place):
            store.put(workspace.closing(LOST))
        elif server.ready and self._idle(workspace, server):
            store.put(workspace.closing(f"idle for {self.idle}"))

    def _closing(self, workspace: Workspace, server: Server | None) -> None:
        if server is None:
            self._close(workspace, "")
        elif server.pending != "stop":
            self.hub.close(workspace.person, workspace.project)

    def _idle(self, workspace: Workspace, server: Server) -> bool:
        seen = max(filter(None, (server.last_activity.replace("Z", "+00:00"), workspace.started)), key=_moment)
        if self.now() - _moment(seen) < self.idle:
            return False
        return not self.hub.busy(workspace.person, workspace.project)

    def _close(self, workspace: Workspace, reason: str) -> None:
        """Its server is gone: take back what it held, and charge what it took."""
        self._asked.discard(workspace.id)
        self.equipment.take(workspace)
        ended = workspace.closed(self.now(), reason)
        profile = next((each for each in self.offer.profiles if each.name == workspace.profile), self.offer.profiles[0])
        spent = profile.spent(self.offer.prices, self._lasted(ended), self._cpu_seconds(workspace))
        with transaction(self.engine) as connection:
            ledger.settle(connection, workspace.id, spent)
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


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
