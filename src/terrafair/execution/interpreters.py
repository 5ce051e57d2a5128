"""The Python interpreters of this machine, and which of them a published version asks for."""

import functools
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from terrafair.errors import InvalidInput

_QUESTION = (
    "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.base_prefix); print(sys.implementation.name)"
)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """One Python that can be started here."""

    path: Path
    version: str
    """Full version such as `3.11.7`."""
    prefix: Path
    """Where its standard library lies; the sandbox must be able to read it."""

    @property
    def minor(self) -> str:
        """What decides about compatible packages, e.g. `3.11`."""
        return ".".join(self.version.split(".")[:2])


def find(folders: Iterable[Path] | None = None) -> tuple[Interpreter, ...]:
    """Give the interpreters on this machine, the platform's own first, one for each version."""
    own = Interpreter(Path(sys.executable), ".".join(map(str, sys.version_info[:3])), Path(sys.base_prefix))
    found = {own.version: own}
    for path in _candidates(_search_path() if folders is None else folders):
        interpreter = _ask(path)
        if interpreter and interpreter.version not in found:
            found[interpreter.version] = interpreter
    return tuple(found.values())


def choose(wanted: str, available: Sequence[Interpreter]) -> Interpreter:
    """Pick the interpreter for a published version: `3.10`, `3.10.4`, `3`, `>=3.9,<3.12`, `3.10.*` or nothing.

    The minor version is what packages are built for, so it is exact where one is named; the patch level is the nearest.
    Raises `InvalidInput` that lists what exists.
    """
    matching = [interpreter for interpreter in available if matches(wanted, interpreter.version)]
    if not matching:
        versions = ", ".join(sorted({interpreter.minor for interpreter in available}, key=Version))
        raise InvalidInput(
            f"Python {wanted} is not on this machine.",
            why=f"Installed here: {versions}; interpreters are never downloaded for a job.",
            remedy="Install that version, or state in the environment file which of these versions works too.",
            code="interpreter-missing",
        )
    exact = re.sub(r"^=+\s*", "", wanted.strip())
    return min(matching, key=lambda interpreter: interpreter.version != exact)


def matches(wanted: str, version: str) -> bool:
    """Tell whether a published version accepts that interpreter; raises `InvalidInput` for what is no version."""
    text = wanted.strip().lower().removeprefix("python").strip()
    text = re.sub(r"^=(?!=)", "==", text)
    try:
        if text in {"", "*", "any"}:
            return True
        if re.fullmatch(r"(==)?\s*\d+(\.\d+)*(\.\*)?", text):
            numbers = re.findall(r"\d+", text)[:2]
            return version.split(".")[: len(numbers)] == numbers
        return SpecifierSet(text).contains(version, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        raise InvalidInput(f"{wanted!r} is no Python version.", remedy="Write it as 3.11 or >=3.10,<3.13.") from None


def _search_path() -> list[Path]:
    folders = [Path(part) for part in os.environ.get("PATH", "").split(os.pathsep) if part]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    # pyenv's shims only answer for the versions that are switched on; the versions themselves always work.
    folders = [folder for folder in folders if folder.name != "shims"]
    return [*folders, Path("/usr/local/bin"), Path("/usr/bin"), *_listed(pyenv, "versions/*/bin")]


def _candidates(folders: Iterable[Path]) -> Iterator[Path]:
    seen = {Path(sys.executable).resolve()}
    for folder in folders:
        for path in _listed(folder, "python3.*"):
            if re.fullmatch(r"python3\.\d+", path.name) and os.access(path, os.X_OK) and path.resolve() not in seen:
                seen.add(path.resolve())
                yield path


def _listed(folder: Path, pattern: str) -> list[Path]:
    """What a folder has; one that may not be read, such as that of whoever started the service, has nothing for us."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


@functools.lru_cache(maxsize=64)
def _ask(path: Path) -> Interpreter | None:
    try:
        answer = subprocess.run([path, "-I", "-c", _QUESTION], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    version, prefix, implementation = answer.stdout.splitlines()
    return Interpreter(path, version, Path(prefix)) if implementation == "cpython" else None
