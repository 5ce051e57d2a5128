"""A commit becomes a version: check, lock, image, tests, a run on tiny data, and what a release consists of."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from terrafair.development import bill
from terrafair.development.checks import data
from terrafair.development.checks.check import Checks
from terrafair.development.checks.cwl import FolderCode
from terrafair.development.checks.environment import spec_of
from terrafair.development.checks.sources import Sources
from terrafair.development.execute import STEP, TESTS, Execution, failed
from terrafair.development.findings import Report, Severity, Verdict
from terrafair.development.images import containerfile
from terrafair.development.images.image import Images, StoredImage
from terrafair.development.manifest import Manifest, read
from terrafair.errors import InvalidInputs, NotExecutable, Problem, TerrafairError
from terrafair.execution.command import Command, Limits
from terrafair.execution.engines.engine import Engine
from terrafair.execution.environments import Built, Environments, platform_environment
from terrafair.execution.interpreters import Interpreter, choose, find
from terrafair.execution.task import JobFolder, Outcome
from terrafair.workflows.check import bind
from terrafair.workflows.workflow import Resolution, WorkflowType

STAGES = ("check", "lock", "image", "test", "run", "package")


@dataclass(frozen=True, slots=True)
class Stage:
    """How one stage went."""

    name: str
    state: str
    """`passed`, `failed` or `skipped`."""
    seconds: float
    says: str = ""


@dataclass(slots=True)
class Build:
    """What a build made, as far as it came."""

    name: str = ""
    version: str = ""
    type: str = ""
    commit: str = ""
    """Of the repository; empty where it is none. `-dirty` at its end: with changes that are not committed."""
    digest: str = ""
    """`sha256:...` of the image; of the document for workflows without one."""
    image: str = ""
    """Reference by digest; empty: it needs none."""
    environment: str = ""
    """Digest of the lock and the interpreter's version."""
    stages: list[Stage] = field(default_factory=list)
    report: Report | None = None
    outputs: dict[str, str] = field(default_factory=dict)
    """File that the run on tiny data made -> its sha256."""
    problems: tuple[Problem, ...] = ()

    @property
    def successful(self) -> bool:
        """Whether every stage passed or had nothing to do."""
        return len(self.stages) == len(STAGES) and all(stage.state != "failed" for stage in self.stages)

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        kept = {
            name: getattr(self, name)
            for name in ("name", "version", "type", "commit", "digest", "image", "environment")
        }
        return {
            **kept,
            "successful": self.successful,
            "stages": [asdict(stage) for stage in self.stages],
            "report": self.report.document() if self.report else None,
            "outputs": self.outputs,
            "problems": [problem.document() for problem in self.problems],
        }


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The parts of a build; every part is handed in."""

    checks: Checks
    environments: Environments
    images: Images
    execution: Execution
    engines: Callable[[Path], Mapping[WorkflowType, Engine]]
    """Engines that may read a folder's data in place."""
    resolve: Callable[[bytes, str, str], Resolution]
    """Content, name and entry of a document -> what would run."""
    limits: Limits
    registry: str = ""
    """Prefix of image names, `HOST/NAMESPACE`; empty: `localhost`."""

    def run(self, folder: Path, work: Path, *, version: str = "", keep_lock: bool = True) -> Build:
        """Build the repository in `folder`; everything that is made lies in `work/dist`.

        `keep_lock`: write a new lock back into the repository. Never raises for what is wrong with the workflow: the
        build says it. Raises `Cancelled` and the platform's own faults.
        """
        made = _Run(self, folder, work, Build(), version, keep_lock)
        return made.all()


@dataclass(slots=True)
class _Run:
    """One build under way."""

    by: Pipeline
    folder: Path
    work: Path
    build: Build
    version: str
    keep_lock: bool
    _manifest: Manifest | None = None
    _sources: Sources | None = None
    _lock: str = ""
    _environment: Built | None = None
    _interpreter: Interpreter | None = None
    _image: StoredImage | None = None
    _document: bytes = b""

    @property
    def dist(self) -> Path:
        """What the build leaves."""
        return self.work / "dist"

    @property
    def manifest(self) -> Manifest:
        """Once it has been read."""
        assert self._manifest  # noqa: S101
        return self._manifest

    @property
    def sources(self) -> Sources:
        """Likewise."""
        assert self._sources  # noqa: S101
        return self._sources

    def all(self) -> Build:
        """Each stage in turn, until one fails."""
        shutil.rmtree(self.dist, ignore_errors=True)
        self.dist.mkdir(parents=True)
        try:
            for name in STAGES:
                with self._stage(name) as says:
                    says.append(getattr(self, f"_{name}_stage")())
        except _Stopped:
            pass
        (self.dist / "build.json").write_text(json.dumps(self.build.document(), indent=1), "utf-8")
        return self.build

    @contextmanager
    def _stage(self, name: str) -> Iterator[list[str]]:
        started, says = time.monotonic(), list[str]()
        self.by.execution.say(f"== {name}", STEP)
        try:
            yield says
        except (InvalidInputs, TerrafairError) as fault:
            if fault.code == "cancelled":
                raise
            self._note(name, "failed", started, fault.problems[0].what)
            self.build.problems = fault.problems
            for problem in fault.problems:
                self.by.execution.say(str(problem), "error")
            raise _Stopped from None
        text = says[0] if says else ""
        self._note(name, "skipped" if text.startswith("skipped") else "passed", started, text)

    def _note(self, name: str, state: str, started: float, says: str) -> None:
        self.build.stages.append(Stage(name, state, round(time.monotonic() - started, 3), says))
        self.by.execution.say(f"{name}: {state}. {says}", "error" if state == "failed" else "info")

    def _check_stage(self) -> str:
        # The index is asked by the next stage.
        report = replace(self.by.checks, solve=None, here=None).check(self.folder)
        self.build.report = report
        for finding in report.findings:
            level = {Severity.ERROR: "error", Severity.CHANGE: "warning"}.get(finding.severity, "info")
            self.by.execution.say(str(finding), level)
        if report.verdict is Verdict.CANNOT:
            raise InvalidInputs(
                [_problem(each) for each in report.of_severity(Severity.ERROR)], "The check has found errors."
            )
        self._manifest = read(self.folder)
        if self.version and self.version != self.manifest.version:
            self._manifest = replace(self.manifest, version=self.version)
        self._sources = Sources(self.folder, self.manifest)
        self.build.name, self.build.version, self.build.type = (
            self.manifest.name,
            self.manifest.version,
            self.manifest.type,
        )
        self.build.commit = commit_of(self.folder)
        count = len(report.findings)
        return f"{report.verdict.value}, {count} finding{'s' * (count != 1)}"

    def _lock_stage(self) -> str:
        if not self.manifest.requirements:
            self._environment = platform_environment()
            return "skipped: the platform's own engine runs it"
        kept = self.sources.text(self.manifest.lock) if self.manifest.lock else ""
        say = self._says
        self._interpreter = choose(self.manifest.python, find())
        stale = any(each.rule == "lock-stale" for each in self.build.report.findings) if self.build.report else False
        if kept and not stale:
            self._lock, how = kept, "as the repository has it"
        else:
            self._lock, how = self.by.environments.lock(spec_of(self.sources)), "resolved anew"
            if self.keep_lock:
                (self.folder / (self.manifest.lock or "requirements.lock")).write_text(self._lock, "utf-8")
        self._environment = self.by.environments.from_lock(self._lock, self.manifest.python, say)
        (self.dist / "requirements.lock").write_text(self._lock, "utf-8")
        self.build.environment = self._environment.digest
        return f"{self._lock.count('==')} packages, {how}"

    def _image_stage(self) -> str:
        if not self.manifest.imaged or self._environment is None or self._interpreter is None:
            self._document = self.sources.read(self.manifest.runs)
            self.build.digest = f"sha256:{hashlib.sha256(self._document).hexdigest()}"
            return "skipped: it has no programs of its own"
        labels = {
            "org.opencontainers.image.title": self.manifest.name,
            "org.opencontainers.image.version": self.manifest.version,
            "org.opencontainers.image.licenses": self.manifest.license,
            **({"org.opencontainers.image.revision": self.build.commit} if self.build.commit else {}),
        }
        programs = self._programs()
        image = self.by.images.build(self._environment, self._interpreter, programs, labels, self._says)
        self._image, self.build.digest = image, image.digest
        prefix = (self.by.registry or "localhost").removeprefix("https://").removeprefix("http://").strip("/")
        self.build.image = f"{prefix}/{self.manifest.name}@{image.digest}"
        self._document = pointed(self.sources.text(self.manifest.package), self.manifest, self.build.image).encode()
        return f"{image.digest[7:19]}, {image.size / 2**20:.0f} MiB"

    def _programs(self) -> dict[str, bytes]:
        prefix = f"{self.manifest.modules}/"
        inner = (path for path in self.sources.files if path.startswith(prefix))
        return {path.removeprefix(prefix): (self.folder / path).read_bytes() for path in inner}

    def _test_stage(self) -> str:
        if not self.manifest.test:
            return "skipped: the workflow has no tests"
        folder = self.by.execution.fresh(self.work / "test")
        code = folder / "code"
        FolderCode(self.sources).checkout("", code)
        python = self._python()
        program, *rest = self.manifest.test
        line = (str(python), *rest) if program in {"python", "python3"} else (str(python.parent / program), *rest)
        surroundings = {
            "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": str(code / self.manifest.modules) if self.manifest.modules else str(code),
            "HOME": str(code),
            "MPLBACKEND": "Agg",
        }
        command = Command(line, code, self._readable(), (code,), surroundings, limits=self.by.limits)
        ended = self.by.execution.run(command, folder, TESTS)
        if ended.code:
            what = f"The tests fail: {' '.join(self.manifest.test)} ended with {ended.code}."
            raise failed(what, (Problem("The log shows which.", remedy="Mend them.", code="tests-failed"),))
        return f"{' '.join(self.manifest.test[:3])} ..., {ended.seconds:.1f} s"

    def _run_stage(self) -> str:
        if not self.manifest.values:
            return "skipped: there are no inputs for a run on tiny data"
        folder = JobFolder(self.by.execution.fresh(self.work / "run")).create()
        code = self.work / "tiny"
        shutil.rmtree(code, ignore_errors=True)
        FolderCode(self.sources).checkout("", code)
        resolution = self.by.resolve(self._document, f"{self.manifest.name}{Path(self.manifest.runs).suffix}", "")
        if resolution.reasons:
            raise NotExecutable(resolution.reasons)
        values = bind(resolution, data.values(Sources(code, self.manifest), self.manifest.values))
        engine = self.by.engines(code)[resolution.type]
        command = engine.prepare(resolution, values, folder, self.by.limits, self._says)
        self.by.execution.run(command, folder.path, "The run on tiny data")
        outcome = Outcome.read(folder.outcome)
        if not outcome.successful:
            raise failed("The run on tiny data fails.", outcome.problems)
        results = self.dist / "results"
        shutil.copytree(folder.outputs, results, symlinks=False, ignore_dangling_symlinks=True)
        for path in sorted(each for each in results.rglob("*") if each.is_file()):
            name = path.relative_to(results).as_posix()
            self.build.outputs[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        if not self.build.outputs:
            raise failed("The run on tiny data left nothing.", (Problem("Its outputs folder is empty."),))
        return f"{len(self.build.outputs)} files"

    def _package_stage(self) -> str:
        suffix = Path(self.manifest.runs).suffix
        (self.dist / f"{self.manifest.name}{suffix}").write_bytes(self._document)
        if self._image is None or self._environment is None or self._interpreter is None:
            return f"{self.manifest.name}{suffix}"
        self.by.images.layout(self._image, f"{self.manifest.name}:{self.manifest.version}", self.dist / "image")
        (self.dist / "Containerfile").write_text(containerfile.text(self.manifest, self._interpreter.minor), "utf-8")
        prefix, version = self._environment.prefix, self._environment.version
        materials = bill.bill(self.manifest, self._lock, prefix, self._image.digest, version)
        (self.dist / "sbom.cdx.json").write_bytes(materials)
        rows = bill.table(self._lock, prefix)
        (self.dist / "licences.json").write_text(json.dumps(rows, indent=1), "utf-8")
        unsaid = sum(row["licence"] == "not said" for row in rows)
        return f"{self.manifest.name}{suffix}, image, bill of {len(rows)} packages" + (
            f", {unsaid} without licence" if unsaid else ""
        )

    def _python(self) -> Path:
        if self._image is not None:
            return self._image.environment / "bin/python"
        if self._environment is not None:
            return self._environment.python
        return Path(sys.executable)

    def _readable(self) -> tuple[Path, ...]:
        environment = self._environment.readable if self._environment else ()
        return (*((self._image.environment,) if self._image else ()), *environment)

    def _says(self, message: str) -> None:
        self.by.execution.say(message, "info")


class _Stopped(Exception):
    """A stage has failed, and said why."""


def pointed(text: str, manifest: Manifest, image: str) -> str:
    """The CWL with the workflow's own image by its digest, and its version; everything else stays as written."""
    own = re.compile(
        rf"(dockerPull:\s*[\"']?)(?:[\w.:-]+/)*{re.escape(manifest.name)}(?::[\w.-]+)?(?:@sha256:[0-9a-f]+)?(?=[\"'\s}},]|$)"
    )
    found, count = own.subn(lambda match: match[1] + image, text)
    if not count:
        what = f"{manifest.package} does not name the image {manifest.name}."
        why = "The release could not point it at the image that was built."
        remedy = f"Write dockerPull: {manifest.name}:{manifest.version} in its tools."
        raise InvalidInputs([Problem(what, why, remedy, manifest.package, "cwl-own-image")])
    return re.sub(r"(?m)^(s:softwareVersion:\s*).*$", rf"\g<1>{manifest.version}", found)


def commit_of(folder: Path) -> str:
    """The commit that a working tree is at."""

    def git(*arguments: str) -> str | None:
        line = ["git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", *arguments]
        try:
            done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    if not (folder / ".git").is_dir() or not (commit := git("rev-parse", "HEAD")):
        return ""
    changed = git("status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if changed else commit


def _problem(finding: Any) -> Problem:
    place = f"{finding.file}:{finding.line}" if finding.line else finding.file
    return Problem(finding.what, finding.why, finding.remedy, place, finding.rule)
