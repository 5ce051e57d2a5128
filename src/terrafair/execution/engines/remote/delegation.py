"""Whether a target would run what was asked for: the local verdict gives way to the target's."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from terrafair.errors import NotFound, Problem, TerrafairError
from terrafair.execution.engines.remote.server import Plan, connect
from terrafair.execution.engines.remote.target import Connection, Target
from terrafair.workflows.workflow import Resolution, WorkflowType

KEPT_SECONDS = 20.0
HERE_ONLY = frozenset(
    {"application-missing", "workflow-missing", "code-missing", "code-unreachable", "application-unreadable"}
)
"""Reasons that stop a run wherever it would be: nothing is known that could be handed on."""


class Delegation:
    """The targets of one platform."""

    def __init__(
        self,
        targets: Mapping[str, str],
        tokens: Mapping[str, str],
        exchanged: Callable[[str], str] = lambda _: "",
        *,
        allow_private: bool = False,
    ) -> None:
        """`exchanged` gives the token of whoever asks for a target; where it is empty the platform's own one goes."""
        self._exchanged = exchanged
        self._targets = {name: Target(name, url, tokens.get(name, "")) for name, url in targets.items()}
        self._allow_private = allow_private
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str, str, str], tuple[float, Resolution]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Of all targets."""
        return tuple(self._targets)

    def target(self, name: str) -> Target:
        """One target; raises `NotFound`."""
        if name not in self._targets:
            known = ", ".join(self._targets) or "none; set `targets` in the settings"
            what = f"There is no target {name[:80]!r}."
            raise NotFound(what, remedy=f"Known targets: {known}.", where="target", code="unknown-target")
        found = self._targets[name]
        token = self._exchanged(name)
        return replace(found, token=token) if token else found

    def connect(self, name: str) -> Connection:
        """Talk to a target."""
        return Connection(self.target(name), allow_private=self._allow_private)

    def delegate(self, resolution: Resolution, name: str) -> Resolution:
        """What would run at a target; its reasons say why it cannot."""
        digest = resolution.application.digest if resolution.application else resolution.id
        # What one may do there, another may not.
        key = (name, resolution.id, digest, self.target(name).token)
        with self._lock:
            kept = self._kept.get(key)
        if kept and time.monotonic() - kept[0] < KEPT_SECONDS and not kept[1].reasons:
            return replace(kept[1], values=resolution.values)
        found = self._ask(resolution, name)
        with self._lock:
            if len(self._kept) > 200:
                self._kept.clear()
            self._kept[key] = (time.monotonic(), found)
        return found

    def _ask(self, resolution: Resolution, name: str) -> Resolution:
        kind = resolution.type
        stops = [reason for reason in resolution.reasons if reason.code in HERE_ONLY]
        try:
            with self.connect(name) as connection:
                server = connect(connection)
                answer = server.plan(resolution)
        except NotFound as error:
            if error.problem.code == "unknown-target":
                raise
            return replace(resolution, type=WorkflowType.REMOTE, reasons=error.problems)
        except TerrafairError as error:
            return replace(resolution, type=WorkflowType.REMOTE, reasons=error.problems)
        if not isinstance(answer, Plan):
            return replace(resolution, type=WorkflowType.REMOTE, reasons=(*stops, *answer))
        configuration = {"target": name, "kind": server.kind, "plan": asdict(answer), "type": kind.value}
        return replace(resolution, type=WorkflowType.REMOTE, configuration=configuration, reasons=())

    def overview(self) -> list[dict[str, Any]]:
        """Every target: whether it answers, what it is."""
        return [self._overview(name) for name in self._targets]

    def _overview(self, name: str) -> dict[str, Any]:
        document: dict[str, Any] = {"name": name, "url": self._targets[name].url}
        problem: Problem | None = None
        try:
            with self.connect(name) as connection:
                document["kind"] = connect(connection).kind
        except TerrafairError as error:
            problem = error.problem
        return document | {"reachable": problem is None, **({"problem": problem.document()} if problem else {})}
