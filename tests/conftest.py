"""What many tests need: the real data, where it is there, and a running platform."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

import terrafair
from terrafair.identity import oidc_provider

SHARED = Path(os.environ.get("TERRAFAIR_SHARED") or Path(__file__).parents[1].parent / "shared")


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


@dataclass(frozen=True)
class Live:
    """A platform that runs in processes of its own."""

    url: str
    home: Path


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """`terrafair serve` with its demo on an empty home and the local identity provider; one for all tests."""
    home = tmp_path_factory.mktemp("home")
    with ExitStack() as stack:
        settings: dict[str, str] = {}
        if oidc_provider.available():
            provider = stack.enter_context(oidc_provider.LocalProvider())
            settings = {
                "TERRAFAIR_ISSUERS": f"local={provider.issuer}",
                "TERRAFAIR_CLIENTS": f"local={provider.client}",
            }
        yield from serving(home, settings)


def serving(home: Path, settings: Mapping[str, str]) -> Iterator[Live]:
    """Run a platform until the generator is closed."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TERRAFAIR_")}
    environment = {**plain, "TERRAFAIR_HOME": str(home), **settings}
    package = str(Path(terrafair.__file__).parents[1])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    said = home.parent / f"{home.name}.log"
    with said.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "terrafair", "serve", "--port", "0"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 120
        while not (home / "serving.json").exists():
            assert process.poll() is None and time.monotonic() < deadline, said.read_text()
            time.sleep(0.1)
        yield Live(json.loads((home / "serving.json").read_text())["url"], home)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
