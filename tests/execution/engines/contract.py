"""What every execution engine promises; subclass `EngineContract` with fixtures `engine`, `resolution` and `values`.

`Run` starts a prepared command plainly, or in bubblewrap without network, with a read-only application folder and
another uid, as the platform does.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import terrafair
from terrafair.data.stage import MARKER
from terrafair.errors import InvalidInput, NotFound
from terrafair.execution.command import Command, Limits
from terrafair.execution.containers import Containers
from terrafair.execution.engines.engine import Engine
from terrafair.execution.engines.software import Software
from terrafair.execution.environments import Environments
from terrafair.execution.task import JobFolder, Outcome, Task
from terrafair.workflows.workflow import Resolution, WorkflowType

SOURCE = Path(terrafair.__file__).parents[1]


class MemoryCheckout:
    """A repository with one commit, in memory."""

    def __init__(self, files: Mapping[str, str | bytes]) -> None:
        self._files = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}

    def resolve(self, reference: str = "") -> str:
        return "c" * 40

    def files(self, commit: str, folder: str = "") -> dict[str, str]:
        return {path: "b" * 40 for path in self._files if path.startswith(folder)}

    def read(self, commit: str, path: str) -> bytes:
        if path not in self._files:
            raise NotFound(f"{path} is not in the repository.")
        return self._files[path]

    def checkout(self, commit: str, target: Path) -> None:
        for path, content in self._files.items():
            file = target / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)


class MemoryRepositories(dict[str, MemoryCheckout]):
    """Clone URL -> repository."""

    def open(self, url: str, *, refresh: bool = False) -> MemoryCheckout:
        if url not in self:
            raise NotFound(f"There is no repository {url}.")
        return self[url]


class FolderStager:
    """Stages absolute paths in place, as the platform's stager does below a data root."""

    def file(self, reference: str, into: Path) -> Path:
        path = Path(reference.removeprefix("file://"))
        if not path.exists():
            raise NotFound(f"{reference} does not exist.", where=reference)
        return path

    def stac(self, reference: str, into: Path) -> Path:
        source = self.file(reference, into)
        document = json.loads(source.read_text())
        for asset in document.get("assets", {}).values():
            asset["href"] = str((source.parent / asset["href"]).resolve())
        into.mkdir(parents=True, exist_ok=True)
        target = into / source.name
        target.write_text(json.dumps(document))
        (into / MARKER).touch()
        return target


@dataclass(frozen=True)
class Done:
    """A run that has ended."""

    outcome: Outcome | None
    messages: list[str]
    progress: list[float]
    stderr: str
    status: int

    @property
    def log(self) -> str:
        return "\n".join(self.messages)

    @property
    def problem(self) -> str:
        assert self.outcome
        assert not self.outcome.successful
        assert len(self.outcome.problems) == 1, self.outcome.problems
        return str(self.outcome.problems[0])


def software(path: Path) -> Software:
    return Software(Environments(path / "environments"), Containers())


def run(command: Command, folder: JobFolder, *, bubblewrap: bool = False) -> Done:
    """Start the command with exactly its own environment, and read what it says and leaves."""
    arguments = [*_bubblewrap(command), *command.arguments] if bubblewrap else list(command.arguments)
    environment = dict(command.environment)
    done = subprocess.run(
        arguments, cwd=command.directory, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return Done(
        Outcome.read(folder.outcome) if folder.outcome.exists() else None,
        [line["message"] for line in lines if "message" in line],
        [line["progress"] for line in lines if "progress" in line],
        done.stderr,
        done.returncode,
    )


def bubblewrap_works() -> bool:
    if not shutil.which("bwrap"):
        return False
    line = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "/bin/true"]
    return subprocess.run(line, capture_output=True, check=False).returncode == 0


def _bubblewrap(command: Command) -> list[str]:
    line = ["bwrap", "--unshare-all", "--die-with-parent", "--uid", "65534", "--gid", "65534", "--new-session"]
    line += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    system = [
        Path(name) for name in ("/usr", "/bin", "/lib", "/lib64", "/etc/ssl", "/etc/passwd") if Path(name).exists()
    ]
    for path in (*system, Path(sys.prefix), Path(sys.base_prefix), SOURCE, *command.readable):
        line += ["--ro-bind", str(path), str(path)]
    for path in command.writable:
        line += ["--bind", str(path), str(path)]
    return [*line, "--chdir", str(command.directory)]


def digest(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def execute(
    engine: Engine, resolution: Resolution, values: Mapping[str, Any], path: Path, *, bubblewrap: bool = False
) -> Done:
    """Prepare and run in one go."""
    folder = JobFolder(path).create()
    command = engine.prepare(resolution, values, folder, Limits(seconds=60), lambda _: None)
    return run(command, folder, bubblewrap=bubblewrap)


class EngineContract:
    """The promises; every test runs for every engine."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> JobFolder:
        return JobFolder(tmp_path / "job-1").create()

    def test_has_a_type(self, engine: Engine, resolution: Resolution) -> None:
        assert engine.type in WorkflowType
        assert resolution.type == engine.type

    def test_what_runs_has_no_problems(self, engine: Engine, resolution: Resolution) -> None:
        assert list(engine.check(resolution)) == []

    def test_check_never_raises(self, engine: Engine, resolution: Resolution) -> None:
        assert engine.check(Resolution("empty", "workflow", type=engine.type))
        assert resolution.application
        for content in (b"", b"\xff\xfe\x00", b"[", b"{}", b"null", b"- a\n- b", b"x: {y: [1, 2}"):
            odd = replace(resolution, application=replace(resolution.application, content=content))
            for problem in engine.check(odd):
                assert problem.what
                assert "Traceback" not in str(problem)

    def test_prepare_writes_the_task(
        self, engine: Engine, resolution: Resolution, values: dict[str, Any], folder: JobFolder
    ) -> None:
        limits = Limits(seconds=17)
        command = engine.prepare(resolution, values, folder, limits, lambda _: None)
        task = Task.read(folder.task)
        assert task.type == engine.type
        assert task.folder == str(folder.path)
        assert Path(task.application).is_absolute()
        assert command.limits == limits
        assert not command.network
        assert any(command.directory.is_relative_to(path) for path in command.writable)
        assert Path(command.arguments[0]).is_absolute()
        assert not any(folder.application.is_relative_to(path) for path in command.writable)

    def test_prepare_inherits_nothing(
        self,
        engine: Engine,
        resolution: Resolution,
        values: dict[str, Any],
        folder: JobFolder,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("TERRAFAIR_STORE_SECRET", "do-not-tell")
        command = engine.prepare(resolution, values, folder, Limits(), lambda _: None)
        assert "do-not-tell" not in repr(command)
        assert "do-not-tell" not in folder.task.read_text()

    def test_unknown_names_are_refused_with_near_ones(
        self, engine: Engine, resolution: Resolution, values: dict[str, Any], folder: JobFolder
    ) -> None:
        name = next(iter(values)) + "x"
        with pytest.raises(InvalidInput, match=name) as caught:
            engine.prepare(resolution, {**values, name: 1}, folder, Limits(), lambda _: None)
        assert name[:-1] in str(caught.value.problems[0].remedy)

    def test_required_inputs_are_asked_for(
        self, engine: Engine, resolution: Resolution, values: dict[str, Any], folder: JobFolder
    ) -> None:
        required = next(spec.name for spec in resolution.inputs if spec.required)
        given = {name: value for name, value in values.items() if name != required}
        with pytest.raises(InvalidInput, match=required):
            engine.prepare(resolution, given, folder, Limits(), lambda _: None)

    def test_runs(self, engine: Engine, resolution: Resolution, values: dict[str, Any], folder: JobFolder) -> None:
        command = engine.prepare(resolution, values, folder, Limits(), lambda _: None)
        before = digest(folder.application)
        done = run(command, folder)
        self.see(done, folder)
        assert digest(folder.application) == before
        assert all(0 <= share <= 1 for share in done.progress)
        assert done.progress == sorted(done.progress)

    def test_runs_without_network_as_somebody_else(
        self, engine: Engine, resolution: Resolution, values: dict[str, Any], folder: JobFolder
    ) -> None:
        if not bubblewrap_works():
            pytest.skip("bubblewrap does not work here")
        command = engine.prepare(resolution, values, folder, Limits(), lambda _: None)
        if not command.isolated:
            pytest.skip("this engine isolates each step on its own")
        self.see(run(command, folder, bubblewrap=True), folder)

    def test_two_runs_at_once_do_not_meet(
        self, engine: Engine, resolution: Resolution, values: dict[str, Any], tmp_path: Path
    ) -> None:
        results: list[Done] = []
        threads = [
            threading.Thread(
                target=lambda at: results.append(execute(engine, resolution, values, tmp_path / at)), args=(f"at-{n}",)
            )
            for n in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [done.outcome.successful for done in results if done.outcome] == [True, True]

    def see(self, done: Done, folder: JobFolder) -> None:
        assert done.outcome, done.stderr
        assert done.outcome.successful, (done.outcome.problems, done.stderr)
        assert done.status == 0
        assert done.outcome.outputs
        for path in done.outcome.outputs.values():
            assert not os.path.isabs(path)  # noqa: PTH117
            assert (folder.outputs / path).exists(), path
        assert json.loads(json.dumps(dict(done.outcome.details)))
