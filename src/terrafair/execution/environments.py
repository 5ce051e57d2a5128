"""Python environments built from what a workflow published, once for each content.

    HOME/environments/
      locks/KEY.txt     the requirements that a specification resolved to the first time; later runs get the same
      DIGEST/           the environment; DIGEST = sha256 of the lock and the interpreter's version
      cache/            uv's own cache, on the same file system, so that environments are hard links

Only wheels are installed: a build script is code, and would run outside the sandbox.
"""

import fcntl
import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from terrafair.errors import InvalidInput, InvalidInputs, Problem, TerrafairError, Unreachable
from terrafair.execution.interpreters import Interpreter, choose, find
from terrafair.workflows.workflow import EnvironmentSpec

_OFFLINE = re.compile(
    r"dns error|failed to lookup|connection refused|error sending request|timed? ?out|network is unreachable|"
    r"failed to fetch|request failed",
    re.IGNORECASE,
)
_BUILD_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class Built:
    """An environment that is ready to run."""

    python: Path
    prefix: Path
    lock: str
    """Exact requirements with hashes, one a line; of the platform's own environment names and versions."""
    digest: str
    """sha256 of the lock and the interpreter's version, hex."""
    version: str = ""
    """Full version of the interpreter."""
    readable: tuple[Path, ...] = ()
    """Folders that a sandbox must show for the environment to work."""
    remarks: tuple[Problem, ...] = ()
    """What differs from the specification without stopping the run."""


class Environments:
    """Builds and keeps environments below one folder."""

    def __init__(
        self, folder: Path, uv_options: Sequence[str] = (), interpreters: Sequence[Interpreter] | None = None
    ) -> None:
        self._folder = folder
        self._options = tuple(uv_options)
        self._interpreters = interpreters

    def check(self, spec: EnvironmentSpec) -> list[Problem]:
        """Tell why it cannot be built as far as that shows without an index; never raises."""
        if spec.kind != "python":
            return []
        try:
            _requirements(spec.requirements)
            choose(spec.python, self._available())
        except TerrafairError as error:
            return list(error.problems)
        return []

    def build(
        self, spec: EnvironmentSpec, extra: Sequence[str] = (), say: Callable[[str], None] | None = None
    ) -> Built:
        """Give the environment of a specification, from the store where it is there already.

        `extra` are requirements that the engine adds. Raises `InvalidInput` for requirements that do not resolve, with
        uv's own reason, and `Unreachable` when the index does not answer.
        """
        if spec.kind != "python":
            return platform_environment(_remarks(spec))
        lines = _requirements((*spec.requirements, *extra))
        interpreter = choose(spec.python, self._available())
        say = say or (lambda _: None)
        for remark in (remarks := _remarks(spec, interpreter)):
            say(str(remark))
        return self._built(self._lock(lines, interpreter, say), interpreter, remarks, say)

    def lock(self, spec: EnvironmentSpec) -> str:
        """Give the exact requirements with hashes that a specification comes to; raises as `build` does."""
        return self._lock(_requirements(spec.requirements), choose(spec.python, self._available()), lambda _: None)

    def from_lock(self, lock: str, python: str = "", say: Callable[[str], None] | None = None) -> Built:
        """Give the environment of a lock that somebody keeps; every package in it must have a hash.

        Raises `InvalidInputs` for lines that ask for anything but a package and version, else as `build` does.
        """
        _requirements(_plain(lock))
        return self._built(lock, choose(python, self._available()), (), say or (lambda _: None))

    def _built(
        self, lock: str, interpreter: Interpreter, remarks: tuple[Problem, ...], say: Callable[[str], None]
    ) -> Built:
        digest = hashlib.sha256(f"python=={interpreter.version}\n{lock}".encode()).hexdigest()
        prefix = self._folder / digest
        with self._alone(digest):
            if not prefix.exists():
                say(f"Building the Python {interpreter.version} environment: {_count(lock)} packages.")
                self._install(lock, interpreter, prefix)
            else:
                say(f"Environment {digest[:12]} is ready.")
        readable = (prefix, interpreter.prefix)
        return Built(prefix / "bin/python", prefix, lock, digest, interpreter.version, readable, remarks)

    def _available(self) -> Sequence[Interpreter]:
        if self._interpreters is None:
            self._interpreters = find()
        return self._interpreters

    def _lock(self, lines: Sequence[str], interpreter: Interpreter, say: Callable[[str], None]) -> str:
        text = "\n".join(lines) + "\n"
        key = hashlib.sha256("\n".join((interpreter.version, *self._options, text)).encode()).hexdigest()
        path = self._folder / "locks" / f"{key}.txt"
        with self._alone(key):
            if path.exists():
                return path.read_text("utf-8")
            say(f"Resolving {len(lines)} requirements.")
            options = ["--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url"]
            options += ["--no-emit-find-links", "--only-binary", ":all:", "--python", str(interpreter.path), "-"]
            lock = self._uv("pip", "compile", *self._options, *options, text=text)
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            partial.write_text(lock, "utf-8")
            partial.replace(path)
            return lock

    def _install(self, lock: str, interpreter: Interpreter, prefix: Path) -> None:
        partial = Path(tempfile.mkdtemp(prefix="partial-", dir=self._folder))
        try:
            partial.chmod(0o755)
            # Relocatable, or the scripts would name the temporary folder in their first line.
            self._uv("venv", "--quiet", "--relocatable", "--allow-existing", "--python", str(interpreter.path), partial)
            listing = partial / "lock.txt"
            listing.write_text(lock, "utf-8")
            if lock.strip():
                target = ("--python", str(partial / "bin/python"))
                strict = ("--require-hashes", "--only-binary", ":all:", "--no-deps", "--compile-bytecode")
                self._uv("pip", "install", "--quiet", *self._options, *target, *strict, "-r", str(listing))
            partial.rename(prefix)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _uv(self, *arguments: str | Path, text: str = "") -> str:
        import uv

        self._folder.mkdir(parents=True, exist_ok=True)
        surroundings = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
        surroundings |= {"UV_CACHE_DIR": str(self._folder / "cache"), "UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1"}
        line = [uv.find_uv_bin(), *map(str, arguments)]
        try:
            done = subprocess.run(
                line,
                input=text,
                capture_output=True,
                text=True,
                env=surroundings,
                cwd=self._folder,
                timeout=_BUILD_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            what = f"The environment was not built within {_BUILD_SECONDS // 60} minutes."
            raise Unreachable(what, remedy="Try again; the downloads so far are kept.") from None
        if done.returncode:
            raise _fault(done.stderr)
        return done.stdout

    @contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        folder = self._folder / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{key}.busy").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def platform_environment(remarks: tuple[Problem, ...] = ()) -> Built:
    """Give the platform's own environment, with what is installed in it as the lock."""
    installed = {
        f"{distribution.metadata['Name']}=={distribution.version}"
        for distribution in importlib.metadata.distributions()
        if distribution.metadata["Name"]
    }
    lock = "\n".join(sorted(installed, key=str.lower)) + "\n"
    version = ".".join(map(str, sys.version_info[:3]))
    digest = hashlib.sha256(f"python=={version}\n{lock}".encode()).hexdigest()
    prefix = Path(sys.prefix)
    return Built(Path(sys.executable), prefix, lock, digest, version, (prefix, Path(sys.base_prefix)), remarks)


def _requirements(lines: Sequence[str]) -> list[str]:
    """Check the lines: names with versions from the index only, since uv runs outside the sandbox."""
    problems, kept = [], []
    for line in (raw.strip() for raw in lines):
        if not line or line.startswith("#"):
            continue
        try:
            requirement = Requirement(line.split(" #")[0])
        except InvalidRequirement as fault:
            option = line.startswith(("-", ".", "/"))
            why = "Options and paths are not taken over." if option else str(fault).splitlines()[0]
            problems.append(_refused(line, why, "Name a package and a version."))
            continue
        if requirement.url:
            why = "Packages come from this platform's package index only."
            remedy = f"Ask for a released version, e.g. {requirement.name}>=1.0."
            problems.append(_refused(line, why, remedy))
            continue
        kept.append(str(requirement))
    if problems:
        raise InvalidInputs(problems)
    return sorted(set(kept), key=str.lower)


def _plain(lock: str) -> list[str]:
    """The requirements of a lock without their hashes; any other option stays, to be refused."""
    joined = re.sub(r"\\\r?\n", " ", lock)
    return [re.sub(r"\s--hash=sha256:[0-9a-f]{64}\b", "", line).strip() for line in joined.splitlines()]


def _refused(line: str, why: str, remedy: str) -> Problem:
    return Problem(f"The requirement {line!r} cannot be installed.", why, remedy, code="requirement-refused")


def _remarks(spec: EnvironmentSpec, interpreter: Interpreter | None = None) -> tuple[Problem, ...]:
    remarks = []
    if spec.unmapped:
        names = ", ".join(spec.unmapped)
        why = "They come from conda channels and have no counterpart that pip could install."
        remarks.append(Problem(f"Left out of the environment: {names}.", why, where=spec.source, code="conda-unmapped"))
    exact = re.fullmatch(r"=*\s*(\d+\.\d+\.\d+)", spec.python.strip())
    if interpreter and exact and exact[1] != interpreter.version:
        what = f"Python {interpreter.version} stands in for {exact[1]}."
        remarks.append(Problem(what, "The patch level is not on this machine.", where=spec.source, code="python-patch"))
    return tuple(remarks)


def _fault(stderr: str) -> TerrafairError:
    reason = _short(stderr)
    if _OFFLINE.search(stderr) and "No solution found" not in stderr:
        remedy = "Try again when the index answers."
        return Unreachable(f"The package index does not answer: {reason}", remedy=remedy, code="index-unreachable")
    remedy = "Mend the environment file: versions that exist as wheels for this Python."
    return InvalidInput(f"The environment cannot be built: {reason}", remedy=remedy, code="environment-unsolvable")


def _short(stderr: str) -> str:
    """Take uv's reason out of its report: the causes, else the error line, without drawing characters."""
    lines = [re.sub(r"^[\s×╰─▶│├✗]+", "", line) for line in stderr.splitlines()]
    text = " ".join(line for line in lines if line and not line.startswith("warning:"))
    text = re.sub(r"^error: ", "", re.sub(r"\s*hint:.*", "", text))
    text = re.sub(r"^.*?No solution found when resolving dependencies:?\s*", "", text)
    text = re.sub(r"^cause:\s*", "", text)
    text = re.sub(r"https?://\S+", "the index", text)
    return text if len(text) < 500 else text[:497] + "..."


def _count(lock: str) -> int:
    return sum("==" in line for line in lock.splitlines())
