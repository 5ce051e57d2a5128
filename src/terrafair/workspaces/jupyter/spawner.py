"""Starts each server in the platform's sandbox, under the supervisor that watches jobs: it outlives the hub."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from jupyterhub.spawner import Spawner
from traitlets import Unicode

from terrafair.execution.command import Command, Limits
from terrafair.execution.process import Process
from terrafair.execution.sandbox import Sandbox, probe
from terrafair.workspaces import gate
from terrafair.workspaces.egress import Egress
from terrafair.workspaces.orders import Order, order_file, read

SERVER_PORT = 8888
"""Inside; each workspace has its own."""
PROCESSES = 512
STOP_SECONDS = 15.0
_SANDBOX: dict[str, Sandbox] = {}


class SandboxSpawner(Spawner):
    """Implements JupyterHub's port for spawners."""

    folder = Unicode(config=True, help="Where orders and runs lie.")
    isolation = Unicode("auto", config=True, help="The platform's setting.")

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._attempt = 0
        self._port = 0
        self._gate: gate.Gate | None = None

    def load_state(self, state: dict[str, Any]) -> None:
        """Find a server that an earlier hub has started."""
        super().load_state(state)
        self._attempt, self._port = state.get("attempt", 0), state.get("port", 0)

    def get_state(self) -> dict[str, Any]:
        """What finds it again."""
        return {**super().get_state(), "attempt": self._attempt, "port": self._port}

    def clear_state(self) -> None:
        """It has ended."""
        super().clear_state()
        self._attempt = self._port = 0

    async def start(self) -> tuple[str, int]:
        """Start it; gives where it is called."""
        order, sandbox = self._order(), self._sandbox()
        run = self._run
        (run / "gate").mkdir(parents=True, exist_ok=True)
        self._attempt = _next_attempt(run)
        self._port = await self._open(order, 0)
        command = self._command(order, run)
        for name in ("log.jsonl", "exit.json"):
            (run / name).unlink(missing_ok=True)
        # First, since what runs yet could put links where files are made ready.
        await asyncio.to_thread(self._process.end_leftovers)
        await asyncio.to_thread(sandbox.make_ready, command)
        await asyncio.to_thread(self._process.launch, command, sandbox)
        return "127.0.0.1", self._port

    async def poll(self) -> int | None:
        """None while it runs; else how it ended."""
        if not self._attempt or not self._process.alive:
            await self._close()
            found = self._process.exit() if self._attempt else None
            return found.code if found else 0
        if self._gate is None:
            self._port = await self._open(self._order(), self._port)
        return None

    async def stop(self, now: bool = False) -> None:  # noqa: ARG002 - the port's
        """End it with all its processes."""
        self._process.stop()
        for _ in range(int(STOP_SECONDS / 0.1)):
            if not self._process.alive:
                break
            await asyncio.sleep(0.1)
        await asyncio.to_thread(self._process.end_leftovers)
        await self._close()

    @property
    def _run(self) -> Path:
        return Path(self.folder) / "runs" / f"{self.user.name}--{self.name}"

    @property
    def _process(self) -> Process:
        return Process(self._run, self._attempt)

    def _order(self) -> Order:
        return read(order_file(Path(self.folder), self.user.name, self.name))

    def _sandbox(self) -> Sandbox:
        if self.folder not in _SANDBOX:
            found = probe(Path(self.folder), self.isolation)
            if not found.isolated:
                raise RuntimeError(f"Workspaces need the sandbox. {found.reason}")
            _SANDBOX[self.folder] = found
        return _SANDBOX[self.folder]

    async def _open(self, order: Order, port: int) -> int:
        self._gate = gate.Gate(self._run / "gate")
        ways = {int(inside): gate.to_port(*way) for inside, way in order.ways.items()}
        admitted = frozenset((str(host), int(number)) for host, number in order.admitted)
        ways[gate.EGRESS] = Egress(admitted, public=order.public)
        return await self._gate.open(ways, port)

    async def _close(self) -> None:
        if self._gate is not None:
            await self._gate.close()
            self._gate = None

    def _command(self, order: Order, run: Path) -> Command:
        # Beside the gate's folder: in it the program may have put a link in the file's place.
        home, about = Path(order.home), run / "spec.json"
        server = [sys.executable, "-m", "jupyterhub.singleuser", "--ip=127.0.0.1", f"--port={SERVER_PORT}"]
        spec = {
            "gate": str(run / "gate"),
            "ports": [*map(int, order.ways), gate.EGRESS],
            "server": SERVER_PORT,
            "directory": str(home),
            "command": [*server, *order.arguments],
        }
        about.write_text(json.dumps(spec), "utf-8")
        about.chmod(0o644)
        own = {**self.get_env(), **order.environment}
        # It is called on the port that the hub knows, and listens on another inside.
        prefix = own.get("JUPYTERHUB_SERVICE_PREFIX", "/")
        own["JUPYTERHUB_SERVICE_URL"] = f"http://127.0.0.1:{SERVER_PORT}{prefix}"
        return Command(
            (sys.executable, "-I", "-S", gate.__file__, str(about)),
            home,
            readable=(about, *map(Path, order.readable)),
            writable=(home, run / "gate"),
            environment=own,
            limits=Limits(order.seconds, order.memory, PROCESSES, disk=order.disk, files=order.files),
        )


def _next_attempt(run: Path) -> int:
    file = run / "attempt"
    number = int(file.read_text()) + 1 if file.exists() else 1
    file.write_text(str(number))
    return number
