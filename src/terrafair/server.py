"""The running platform: object store, workers and web server, started in order and ended in order."""

import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from terrafair import web_workers
from terrafair.api.shared import SharedMemory
from terrafair.errors import Conflict, InvalidInput, Refused, TerrafairError, Unreachable
from terrafair.operations.metrics import share_between_processes

if TYPE_CHECKING:
    from terrafair.app import Parts
    from terrafair.identity.oidc_provider import LocalProvider
    from terrafair.publishing.standins.embedded import ArchiveAccess, ForgeAccess

SERVING = "serving.json"
WORKER_WATCH_SECONDS = 1.0
SLOT = "worker-0"
PROVIDER_PORT = "local-provider.port"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Server:
    """One platform on one home folder."""

    def __init__(self, parts: "Parts", say: Callable[[str], None]) -> None:
        self._parts = parts
        self._config = parts.config
        self._say = say
        self._ending = threading.Event()
        self._forge: ForgeAccess | None = None
        self._archive: ArchiveAccess | None = None

    def run(self) -> None:
        """Start everything, serve, and end everything; raises `Conflict` when a platform runs on this home already."""
        home = self._config.home
        home.mkdir(parents=True, exist_ok=True)
        web_workers.end_in_order()
        with ExitStack() as stack:
            self._lock(home, stack)
            web_workers.wait_for_old(home)
            listening = stack.enter_context(_listen(self._config.host, self._config.port))
            share_between_processes(home)
            provide = self._begin_provider(stack)
            self._start_objects(stack)
            self._prepare_database()
            self._seed()
            self._start_standins(stack)
            self._warn()
            provide()
            self._start_worker(stack)
            self._serve(listening, stack)

    def _lock(self, home: Path, stack: ExitStack) -> None:
        lock = stack.enter_context((home / "platform.lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Conflict(
                f"A platform runs on {home} already.", remedy="Use it, end it, or set TERRAFAIR_HOME to another folder."
            ) from None

    def _start_objects(self, stack: ExitStack) -> None:
        if self._config.store_url:
            self._ensure_bucket()
            return
        from terrafair.data.seaweedfs import ObjectServer

        server = ObjectServer(self._config.home, self._config.store_bucket, self._say, self._config.store_public_url)
        stack.callback(server.stop)
        server.start()

    def _ensure_bucket(self) -> None:
        """Where it is missing and cannot be made, nothing could be kept: the start ends with the way out."""
        from terrafair.data.bucket_keys import ensure_bucket

        access = self._parts.store_access
        try:
            if ensure_bucket(access):
                self._say(f"The bucket {access.bucket} was missing at {access.endpoint}; it is made.")
        except (Refused, Unreachable) as fault:
            # It may be better in a minute: readiness tells.
            self._say(f"WARNING: {fault}")

    def _prepare_database(self) -> None:
        from terrafair.database import migrate, open_engine
        from terrafair.execution import queue

        engine = open_engine(self._config.database_url)
        migrate(engine)
        engine.dispose()
        queue.prepare(self._config.database_url)

    def _seed(self) -> None:
        """The demo at first start, and the catalogue that this platform is to show."""
        config, catalogue = self._config, self._parts.catalogue
        source = config.catalogue or catalogue.source
        if config.demo:
            from terrafair.demo.seed import seed

            seeded = seed(config.home, self._parts.objects, say=self._say)
            source = source or seeded.catalogue
        if not source:
            self._say("No catalogue yet: bring one in with `terrafair catalogue sync URL_OR_PATH`.")
            return
        try:
            report = catalogue.sync(source, config.branch)
            self._say(f"Catalogue: {report.documents} documents at {report.commit[:12]} from {report.source}.")
            if report.changed:
                from terrafair.local_parts import mark_published

                mark_published(config)
        except TerrafairError as error:
            self._say(f"The catalogue was not brought up to date: {error}")

    def _begin_provider(self, stack: ExitStack) -> Callable[[], None]:
        """The local identity provider, where the settings want it; gives what waits for it, since it takes a second."""
        from terrafair.identity.demo_people import last_port
        from terrafair.identity.oidc_provider import LocalProvider, available

        config = self._config
        named, alone = bool(config.issuers or config.providers), config.host in LOOPBACK
        if config.local_provider == "no" or (
            config.local_provider == "auto" and (named or not alone or not config.demo)
        ):
            return lambda: None
        if not alone:
            raise InvalidInput(
                "The local identity provider lets everybody in, and this platform is reachable from other machines.",
                remedy="Use a real one: setting providers.",
            )
        if config.local_provider == "auto" and not available():
            self._say("Signing in is skipped: the local provider needs Node.js and its package (`make assets`).")
            return lambda: None
        provider = LocalProvider(port=last_port(config.home / PROVIDER_PORT))
        stack.callback(provider.__exit__, None, None, None)
        started = threading.Thread(target=_quietly, args=(provider.__enter__,), name="provider", daemon=True)
        started.start()
        return lambda: self._provide(stack, provider, started)

    def _provide(self, stack: ExitStack, provider: "LocalProvider", started: threading.Thread) -> None:
        started.join()
        if not provider.issuer:
            if self._config.local_provider == "yes":
                raise Unreachable("The local identity provider does not start.", remedy="Set local_provider = no.")
            self._say("Signing in is skipped: the local provider does not start.")
            return
        self._config = self._parts.config = replace(
            self._config,
            issuers={**self._config.issuers, "local": provider.issuer},
            clients={**self._config.clients, "local": provider.client},
        )
        self._sponsor(provider)
        watch = threading.Thread(target=provider.keep, args=(self._ending,), name="provider-watch", daemon=True)
        stack.callback(watch.join, 10)
        stack.callback(self._ending.set)
        watch.start()
        names = " or ".join(person.name for person in provider.people)
        self._say(f"Sign in as {names}, without a password: a local provider, for this machine only.")

    def _sponsor(self, provider: "LocalProvider") -> None:
        """Let its people be who they were, with credits of the demo's."""
        from terrafair.database import open_engine
        from terrafair.identity.demo_people import keep_port, sponsor

        keep_port(self._config.home / PROVIDER_PORT, provider.issuer)
        if self._config.demo:
            engine = open_engine(self._config.database_url)
            sponsor(engine, provider.issuer, provider.people)
            engine.dispose()

    def _start_standins(self, stack: ExitStack) -> None:
        """The forge and the archive, where the settings name no real ones."""
        from terrafair.publishing.standins.embedded import Embedded, ForgeCheck, begin

        config, parts = self._config, self._parts
        embedded = Embedded(config.home, stack)
        if not config.github_url and parts.catalogue.source:
            mirror, check = config.home / "catalogue/mirror.git", ForgeCheck(parts.rules)
            self._forge = begin(self._say, lambda: embedded.forge(parts.catalogue.source, mirror, check))
        if not config.archive_url and config.archive_route == "machine":
            self._archive = begin(self._say, lambda: embedded.archive(parts.objects, parts.store_access))

    def _warn(self) -> None:
        sandbox = self._parts.sandbox
        if not sandbox.isolated:
            self._say("WARNING: jobs run WITHOUT ISOLATION, as plain processes with this user's rights.")
            self._say(f"         {sandbox.reason} Run only code that you trust.")
        if self._config.host not in LOOPBACK and self._config.anonymous == "operator":
            self._say("WARNING: this platform is reachable from other machines, and everybody there is its operator.")

    def _start_worker(self, stack: ExitStack) -> None:
        """Start the workers' process, and start it again whenever it ends."""
        if not self._config.workers:
            return
        _end_old_worker(self._config.home)
        thread = threading.Thread(target=self._keep_worker, name="worker-watch", daemon=True)
        stack.callback(thread.join, 10)
        stack.callback(self._ending.set)
        thread.start()

    def _keep_worker(self) -> None:
        process: subprocess.Popen[bytes] | None = None
        while not self._ending.wait(WORKER_WATCH_SECONDS if process else 0):
            if process is None or process.poll() is not None:
                if process is not None:
                    self._say("The workers ended; they are started again.")
                process = self._launch_worker()
        if process is not None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            process.wait()

    def _launch_worker(self) -> subprocess.Popen[bytes]:
        settings = {f"TERRAFAIR_{name.upper()}": value for name, value in _settings(self._config).items()}
        with (self._config.home / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "terrafair", "worker", "--parent", str(os.getpid())],
                env={**os.environ, **settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        (self._config.home / "worker.json").write_text(json.dumps({"pid": process.pid}))
        return process

    def _serve(self, listening: socket.socket, stack: ExitStack) -> None:
        import uvicorn

        self._share(stack)
        host, port = listening.getsockname()[:2]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        from terrafair.interfaces import build

        app = build(self._parts, stack, self._forge, self._archive)
        app.state.url = url
        server = uvicorn.Server(web_workers.settings(app))
        # Before the first visitor asks: over a real catalogue the verdicts may wait for absent hosts.
        threading.Thread(target=_quietly, args=(app.state.warm,), name="verdicts", daemon=True).start()
        announced = threading.Thread(target=self._announce, args=(server, url), daemon=True)
        announced.start()
        file = self._config.home / SERVING
        stack.callback(file.unlink, missing_ok=True)
        beside = web_workers.words(self._config, listening, url, self._forge, self._archive)
        others = web_workers.WebWorkers(self._config.home, beside, self._say)
        stack.callback(others.stop)
        others.start()
        server.run(sockets=[listening])

    def _share(self, stack: ExitStack) -> None:
        """With several web processes, what they have to know of each other."""
        if self._config.web_workers > 1:
            memory = SharedMemory(self._config.home / web_workers.MEMORY, web_workers.RATES, make=True)
            stack.callback(memory.close)
            self._parts.shared = memory

    def _announce(self, server: Any, url: str) -> None:
        while not server.started:
            time.sleep(0.02)
        (self._config.home / SERVING).write_text(json.dumps({"url": url, "pid": os.getpid()}))
        self._say("")
        self._say(f"terrafair runs at {url}")
        self._say(f"Everything it keeps lies in {self._config.home}")
        if self._config.demo and str(self._parts.catalogue.source).startswith(str(self._config.home)):
            self._say("")
            self._say("Run a published experiment again, in a second shell:")
            for record in self._parts.catalogue.records("experiment"):
                self._say(f"    {_command()} run {record.id:16} # {record.title}")
            self._say(f"and compare with what was published:  {_command()} reproduce demo-ndvi")
        self._say("Ctrl-C ends it.")


def _quietly(compute: Callable[[], object]) -> None:
    """Compute ahead; whoever asks for it later meets the fault, if there is one."""
    with suppress(Exception):
        compute()


def _end_old_worker(home: Path) -> None:
    """A worker whose server was killed notices within half a second; wait for it, so that its jobs are free."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with (home / f"{SLOT}.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                time.sleep(0.1)
            else:
                return


def _settings(config: Any) -> dict[str, str]:
    """The settings that the command line may have changed, for the workers' environment."""
    return {"HOME": str(config.home), "DEMO": "yes" if config.demo else "no"}


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as fault:
        listening.close()
        raise Unreachable(
            f"The platform cannot listen on {host}:{port}: {fault.strerror}.",
            remedy="End what uses the port, or choose another: `terrafair serve --port 0` takes a free one.",
            code="port-taken",
        ) from None
    return listening


def _command() -> str:
    """How the command line is called from where the person stands."""
    beside = Path(sys.executable).with_name("terrafair")
    with suppress(ValueError):
        return str(beside.relative_to(Path.cwd()))
    return "terrafair"
