"""One repository of each type, made once."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from terrafair.development.manifest import TYPES
from terrafair.development.new import create


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    for kind in TYPES:
        create(kind, f"water-{kind}", folder, "Ada")
    return folder


@pytest.fixture
def repository(made: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a new repository that the test may change."""

    def copy(kind: str) -> Path:
        return Path(shutil.copytree(made / f"water-{kind}", tmp_path / f"water-{kind}"))

    return copy
