"""What many tests need: the real data, where it is there, and whole platforms."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from terrafair.identity import oidc_provider

from . import databases, stores

START_SECONDS = 300
"""A busy machine may take minutes to start a platform."""
SHARED = Path(os.environ.get("TERRAFAIR_SHARED") or Path(__file__).parents[1].parent / "shared")


@pytest.fixture(scope="session", autouse=True)
def _database_server() -> Iterator[None]:
    """PostgreSQL for the whole session, where it is wanted."""
    with databases.server():
        yield
        stores.rest_all()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data; the test is skipped where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"no real data at {SHARED}; set TERRAFAIR_SHARED")
    return SHARED / "data"


@pytest.fixture(scope="session")
def osc(shared: Path) -> Path:
    """The real Open Science Catalog."""
    return shared / "open-science-catalog"


@pytest.fixture
def git() -> Callable[..., str]:
    """Run git in a folder as a fixed author."""

    def run(folder: Path, *arguments: str) -> str:
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"]
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True, timeout=60
        )
        return done.stdout.strip()

    return run


@dataclass
class Platform:
    """A whole platform on a home folder of its own: server, object store, workers, as a person starts it."""

    home: Path
    settings: dict[str, str] = field(default_factory=dict)
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TERRAFAIR_")}
        elsewhere = {} if "TERRAFAIR_DATABASE" in self.settings else databases.settings(self.home)
        return {**kept, "TERRAFAIR_HOME": str(self.home), **elsewhere, **self.settings}

    @property
    def url(self) -> str:
        return str(self.serving["url"])

    @property
    def serving(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.home / "serving.json").read_text())
        return document

    def start(self, *arguments: str) -> "Platform":
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "serving.json").unlink(missing_ok=True)
        command = [sys.executable, "-m", "terrafair", "serve", "--port", "0", *arguments]
        with (self.home / "serve.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not (self.home / "serving.json").exists():
            told = (self.home / "serve.log").read_text()
            assert self._process.poll() is None, f"the platform ended: {told}"
            assert time.monotonic() < deadline, f"the platform did not start: {told}"
            time.sleep(0.05)
        return self

    def cli(self, *arguments: str, code: int | None = 0, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """The command line on this platform; `code` None: whatever it ends with."""
        command = [sys.executable, "-m", "terrafair", *arguments]
        done = subprocess.run(
            command, env=self.environment, input=stdin, capture_output=True, text=True, timeout=280, check=False
        )
        assert code is None or done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def json(self, *arguments: str, code: int | None = 0) -> Any:
        return json.loads(self.cli(*arguments, "--json", code=code).stdout)

    def kill(self) -> None:
        """Server and workers, as a power cut does it; what a job runs in goes on by itself."""
        worker = json.loads((self.home / "worker.json").read_text())["pid"]
        self.crash()
        os.kill(worker, signal.SIGKILL)

    def crash(self) -> None:
        """The server alone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        stores.rest(self.home)


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One platform with the demo, for all tests that only use it; people sign in at a local identity provider."""
    with ExitStack() as stack:
        settings: dict[str, str] = {}
        if oidc_provider.available():
            provider = stack.enter_context(oidc_provider.LocalProvider())
            settings = {
                "TERRAFAIR_ISSUERS": f"local={provider.issuer}",
                "TERRAFAIR_CLIENTS": f"local={provider.client}",
            }
        platform = Platform(tmp_path_factory.mktemp("platform") / "home", settings)
        stack.callback(platform.stop)
        yield platform.start()


@pytest.fixture
def own_platform(tmp_path: Path) -> Iterator[Platform]:
    """A platform that the test may start, kill and configure; not started yet."""
    platform = Platform(tmp_path / "home")
    yield platform
    platform.stop()
