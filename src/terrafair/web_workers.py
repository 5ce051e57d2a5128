"""Web processes beside the platform's first one: they accept from the same socket, and what is single stays with it."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from terrafair.api.shared import SharedMemory
from terrafair.publishing.standins.embedded import ArchiveAccess, ForgeAccess, archive_elsewhere, forge_elsewhere

if TYPE_CHECKING:
    from terrafair.config import Config

MEMORY = "web.shared"
RATES = 2
LOCK = "web.lock"
WATCH_SECONDS = 1.0
PARENT_SECONDS = 0.5
END_SECONDS = 6.0
GRACE_SECONDS = 3
"""What is being answered may take so long to end."""


@dataclass(frozen=True, slots=True)
class Word:
    """What a process is told by the first one, on its standard input: some of it is no business of a process list."""

    seat: int
    parent: int
    """Process id of the first; it may be gone before this one has started."""
    listening: int
    """Descriptor of the socket."""
    url: str
    host: str
    demo: bool
    issuers: Mapping[str, str]
    clients: Mapping[str, str]
    forge: str
    """Address of the embedded forge, or empty."""
    archive: str


class WebWorkers:
    """Starts them, starts again what ends, and ends all."""

    def __init__(self, home: Path, words: list[Word], say: Callable[[str], None]) -> None:
        self._home = home
        self._words = words
        self._say = say
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="web-watch", daemon=True)

    def start(self) -> None:
        """Returns at once; each takes its first request when it is ready."""
        self._thread.start()

    def stop(self) -> None:
        """End them all; what they are answering is ended first."""
        self._ending.set()
        self._thread.join(END_SECONDS + 5)

    def _keep(self) -> None:
        running: list[tuple[Word, subprocess.Popen[bytes]]] = [(word, self._launch(word)) for word in self._words]
        while not self._ending.wait(WATCH_SECONDS):
            for place, (word, process) in enumerate(running):
                if process.poll() is not None:
                    self._say(f"Web process {word.seat} ended with {process.returncode}; it is started again.")
                    running[place] = word, self._launch(word)
        for _, process in running:
            process.terminate()
        deadline = time.monotonic() + END_SECONDS
        for _, process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            process.kill()
            process.wait()

    def _launch(self, word: Word) -> "subprocess.Popen[bytes]":
        with (self._home / f"web-{word.seat}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "terrafair", "web-worker"],
                env={**os.environ, "TERRAFAIR_HOME": str(self._home)},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(word.listening,),
                start_new_session=True,
            )
        assert process.stdin is not None  # noqa: S101 - a pipe was asked for
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(asdict(word)).encode())
            process.stdin.close()
        return process


def words(
    config: "Config", listening: socket.socket, url: str, forge: ForgeAccess | None, archive: ArchiveAccess | None
) -> list[Word]:
    """One for each process beside the first."""
    addresses = forge.url if forge else "", archive.url if archive else ""
    about = config.host, config.demo, dict(config.issuers), dict(config.clients)
    return [
        Word(seat, os.getpid(), listening.fileno(), url, *about, *addresses) for seat in range(1, config.web_workers)
    ]


def serve_beside(config: "Config") -> None:
    """Answer requests until the first process ends, or asks for the end."""
    import uvicorn

    from terrafair.app import Parts
    from terrafair.interfaces import build

    end_in_order()
    word = Word(**json.loads(sys.stdin.read()))
    config = replace(config, host=word.host, demo=word.demo, issuers=word.issuers, clients=word.clients)
    with ExitStack() as stack:
        lock = stack.enter_context((config.home / LOCK).open("a"))
        fcntl.flock(lock, fcntl.LOCK_SH)
        memory = SharedMemory(config.home / MEMORY, RATES)
        stack.callback(memory.close)
        parts = Parts(config, word.seat, memory)
        forge = forge_elsewhere(config.home, word.forge) if word.forge else None
        archive = archive_elsewhere(config.home, word.archive, parts.store_access) if word.archive else None
        app = build(parts, stack, forge, archive)
        app.state.url = word.url
        server = uvicorn.Server(settings(app))
        threading.Thread(target=_end_with, args=(word.parent, server), name="parent-watch", daemon=True).start()
        server.run(sockets=[socket.socket(fileno=word.listening)])


def end_in_order() -> None:
    """Have SIGTERM unwind what is open: uvicorn sends it once more when it has ended, to whoever listened before."""

    def end(*_: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)


def settings(app: Any) -> Any:
    """How every web process serves."""
    import uvicorn

    return uvicorn.Config(
        app,
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=GRACE_SECONDS,
        access_log=False,
        log_config=None,
    )


def _end_with(parent: int, server: Any) -> None:
    """A first process that was killed could not say so; and the port has to be free for the next."""
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    server.should_exit = True
    time.sleep(GRACE_SECONDS + 1)
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for_old(home: Path) -> None:
    """Until the web processes of a platform that was killed have noticed."""
    deadline = time.monotonic() + GRACE_SECONDS + 3
    with (home / LOCK).open("a") as file:
        while time.monotonic() < deadline:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                time.sleep(0.1)
            else:
                return
