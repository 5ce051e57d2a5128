"""The files of a workflow's repository, read once and within bounds."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from terrafair.development.manifest import Manifest

LIMIT = 16 * 2**20
LEFT_OUT = frozenset({".git", "__pycache__", ".ipynb_checkpoints", "dist", ".venv", "node_modules", ".mypy_cache"})
FILES = 20_000


@dataclass
class Sources:
    """One repository's working tree."""

    folder: Path
    manifest: Manifest

    @cached_property
    def files(self) -> tuple[str, ...]:
        """Paths of the plain files below the root, sorted; links and what tools leave behind are left out."""
        return tuple(sorted(walk(self.folder)))

    def has(self, path: str) -> bool:
        """Whether there is a plain file of that path, inside the repository."""
        return path in self.files

    def read(self, path: str) -> bytes:
        """A file; empty where there is none, or where it is too large to be a source."""
        file = self.folder / path
        if not self.has(path) or file.stat().st_size > LIMIT:
            return b""
        return file.read_bytes()

    def text(self, path: str) -> str:
        """A file's text."""
        return self.read(path).decode("utf-8", "replace")

    @cached_property
    def python(self) -> tuple[str, ...]:
        """The Python files that go into the environment."""
        below = f"{self.manifest.modules}/" if self.manifest.modules else ""
        return tuple(path for path in self.files if path.endswith(".py") and below and path.startswith(below))

    @cached_property
    def modules(self) -> frozenset[str]:
        """Names of the top-level modules that the repository itself brings."""
        prefix = f"{self.manifest.modules}/" if self.manifest.modules else ""
        inner = [path.removeprefix(prefix) for path in self.files if path.startswith(prefix)]
        return frozenset(path.split("/")[0].removesuffix(".py") for path in inner if path.endswith(".py"))


def walk(folder: Path) -> Iterator[str]:
    """Relative paths of the plain files below a folder."""
    count = 0
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT and not Path(root, name).is_symlink())
        for name in names:
            path = Path(root, name)
            if path.is_file() and not path.is_symlink():
                count += 1
                if count > FILES:
                    return
                yield path.relative_to(folder).as_posix()


def line_with(text: str, *needles: str) -> int:
    """The first line that holds all of the texts; 0: none does."""
    for number, line in enumerate(text.splitlines(), 1):
        if all(needle in line for needle in needles):
            return number
    return 0
