"""What many tests need: the real data, where it is there."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

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
