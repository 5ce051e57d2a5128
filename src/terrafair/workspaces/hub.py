"""The hub's process beside the platform, and its interface."""

import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from terrafair.errors import NotFound, Refused, TerrafairError, Unreachable
from terrafair.workspaces import orders
from terrafair.workspaces.orders import HUB, HubOrder

START_SECONDS = 60.0
CONFIGURATION = "jupyterhub_config.py"
BASE = "/workspaces/hub/api"
NEEDED = ("jupyterhub", "jupyterlab", "websockets")


@dataclass(frozen=True, slots=True)
class Server:
    """One server as the hub sees it."""

    ready: bool
    pending: str
    """`spawn`, `stop` or empty."""
    last_activity: str


def missing() -> tuple[str, ...]:
    """Packages of the extra `workspaces` that are not installed."""
    return tuple(name for name in NEEDED if importlib.util.find_spec(name) is None)


class Hub:
    """Started when it is first needed; its servers go on without it and are found again."""

    def __init__(
        self,
        folder: Path,
        *,
        spawner: str = "",
        options: Mapping[str, Any] | None = None,
        connect_url: str = "",
        isolation: str = "auto",
    ) -> None:
        self._folder = folder
        self._wanted = HubOrder(
            str(folder), 0, "", "", spawner=spawner, options=options or {}, connect_url=connect_url, isolation=isolation
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx2.Client(timeout=30, trust_env=False)

    @property
    def order(self) -> HubOrder:
        """How it runs; raises `NotFound` before it was first started."""
        return orders.read_hub(self._folder / HUB)

    def ensure(self) -> None:
        """Have it run; raises `Unreachable` with the end of its log."""
        if self._process is not None and self._process.poll() is None:
            return
        if lacking := missing():
            raise Unreachable(
                f"Workspaces need {' and '.join(lacking)}.", remedy="pip install 'terrafair[workspaces]'."
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        self._end_old()
        self._write()
        with (self._folder / "hub.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", str(self._folder / CONFIGURATION)],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        (self._folder / "hub.pid").write_text(json.dumps([self._process.pid, _born(self._process.pid)]))
        self._await()

    def stop(self) -> None:
        """End the hub; its servers go on."""
        if self._process is not None:
            _end(self._process.pid, self._process)
            self._process = None
        self._http.close()

    @property
    def pid(self) -> int:
        """Of its process; 0: it does not run."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if running and self._process else 0

    def open(self, person: str, project: str) -> None:
        """Begin to start a server; one that is there already stays."""
        with suppress(Refused):
            self._ask("POST", f"/users/{person}")
        self._ask("POST", f"/users/{person}/servers/{project}", json={})

    def servers(self, person: str) -> dict[str, Server]:
        """A person's servers by project."""
        try:
            found = self._ask("GET", f"/users/{person}").get("servers", {})
        except NotFound:
            return {}
        return {
            name: Server(bool(each["ready"]), each.get("pending") or "", each.get("last_activity") or "")
            for name, each in found.items()
            if each.get("ready") or each.get("pending")
        }

    def close(self, person: str, project: str) -> None:
        """Begin to end a server; one that is gone is no error."""
        with suppress(NotFound):
            self._ask("DELETE", f"/users/{person}/servers/{project}", json={"remove": False})

    def active(self, person: str, project: str, since: datetime) -> bool:
        """Whether a kernel of a server computes just now, or anything has happened in it since then.

        What the hub knows of it is up to a minute old: a computation of hours may have ended a second ago. A server
        that does not say may be at work, or is ending by itself.
        """
        routes = json.loads((self._folder / orders.ROUTES).read_text("utf-8"))
        path = f"/workspaces/user/{person}/{project}/"
        with suppress(httpx2.HTTPError, ValueError, KeyError, TypeError):
            server = f"{routes[path]['target']}{path}api"
            if _moment(self._look(f"{server}/status")["last_activity"]) > since:
                return True
            return any(each["execution_state"] == "busy" for each in self._look(f"{server}/kernels"))
        return True

    def _look(self, url: str) -> Any:
        """Without being taken for the person."""
        reply = self._http.get(url, params={"no_track_activity": "1"}, headers=self._authorization)
        return reply.raise_for_status().json()

    @property
    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"token {self.order.token}"}

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        url = f"http://127.0.0.1:{self.order.port}{BASE}{path}"
        try:
            reply = self._http.request(method, url, headers=self._authorization, **options)
        except httpx2.TransportError as fault:
            raise Unreachable("The hub of the workspaces does not answer.", str(fault)) from fault
        if reply.is_success:
            return reply.json() if reply.content else None
        why = reply.text[:300]
        with suppress(ValueError, AttributeError):
            why = str(reply.json().get("message", why))
        if reply.status_code == httpx2.codes.NOT_FOUND:
            raise NotFound("The hub does not know this.", why)
        raise Refused(f"The hub of the workspaces answers {reply.status_code}.", why)

    def _write(self) -> None:
        """The order of the last time with its secrets and its port, since servers that go on know them."""
        try:
            old = self.order
        except NotFound:
            old = replace(self._wanted, port=_free(), secret=secrets.token_hex(32), token=secrets.token_hex(32))
        # Servers on other machines come to the port that the operator has named.
        port = urlsplit(self._wanted.connect_url).port or old.port
        orders.write(self._folder / HUB, replace(self._wanted, port=port, secret=old.secret, token=old.token))
        text = (
            "# Made by terrafair at each start: change the settings workspace_... instead.\n"
            "from terrafair.workspaces.jupyter.configuration import configure\n\n"
            f"configure(get_config(), {str(self._folder / HUB)!r})  # noqa: F821\n"
        )
        (self._folder / CONFIGURATION).write_text(text, "utf-8")

    def _await(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            with suppress(TerrafairError):
                self._ask("GET", "/info")
                return
            time.sleep(0.1)
        log = (self._folder / "hub.log").read_text("utf-8", "replace")[-800:]
        raise Unreachable("The hub of the workspaces does not start.", log, f"Its log: {self._folder / 'hub.log'}.")

    def _end_old(self) -> None:
        """A hub of a platform that was killed would keep the port."""
        try:
            pid, born = json.loads((self._folder / "hub.pid").read_text())
        except (OSError, ValueError):
            return
        if born and _born(pid) == born:
            _end(pid)


def _end(pid: int, process: "subprocess.Popen[bytes] | None" = None) -> None:
    for number, seconds in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if (process.poll() is not None) if process else not _born(pid):
                return
            time.sleep(0.05)


def _born(pid: int) -> str:
    """When a process was started: with the pid it names it for good; empty if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _free() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])
