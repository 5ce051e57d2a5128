"""The command engine: repositories with a command line."""

from pathlib import Path
from typing import Any

import pytest

from terrafair.errors import InvalidInput, NotFound
from terrafair.execution.command import Limits
from terrafair.execution.engines.command.engine import CommandEngine
from terrafair.execution.engines.command.template import fill, placeholders
from terrafair.execution.task import JobFolder
from terrafair.workflows.workflow import Application, CodeLocation, InputSpec, Resolution, WorkflowType

from .contract import EngineContract, FolderStager, MemoryCheckout, MemoryRepositories, execute, software

URL = "https://git.example/owner/melt"
MAIN = """
import argparse, os, pathlib, sys
parser = argparse.ArgumentParser()
parser.add_argument("--config")
parser.add_argument("--name", default="world")
parser.add_argument("--bands", nargs="*")
parser.add_argument("--fail")
found = parser.parse_args()
if found.fail == "exit":
    print("the glacier is gone", file=sys.stderr)
    sys.exit(3)
if found.fail == "raise":
    raise ValueError("no ice here")
if found.fail == "kill":
    os.kill(os.getpid(), 9)
if found.fail == "quiet":
    sys.exit(1)
print("hello", found.name, found.bands)
text = pathlib.Path(found.config).read_text() if found.config else ""
pathlib.Path("made").mkdir()
pathlib.Path("made/table.csv").write_text(text)
pathlib.Path(os.environ["TERRAFAIR_OUTPUTS"], "greeting.txt").write_text(found.name)
"""
FILES = {
    "melt/__init__.py": "",
    "melt/__main__.py": MAIN,
    "run.sh": "#!/bin/sh\necho from the shell > $TERRAFAIR_OUTPUTS/shell.txt\n",
    "sub/here.py": "open('here.txt', 'w').write('x')\n",
    "pyproject.toml": "[project.scripts]\nmelt-script = 'melt.script:main'\n",
    "melt/script.py": "import pathlib, os\ndef main():\n pathlib.Path(os.environ['TERRAFAIR_OUTPUTS'], 's').touch()\n",
}
INPUTS = (
    InputSpec("config", {"type": "string", "format": "file"}),
    InputSpec("name", {"type": "string"}, required=False, default="earth"),
    InputSpec("bands", {"type": "array"}, required=False),
    InputSpec("fail", {"type": "string"}, required=False),
)
ENTRY = "python -m melt --config {config} --name={name} --bands {bands} --fail {fail}"


def resolution(entry: str = ENTRY, path: str = "", **configuration: Any) -> Resolution:
    application = Application(WorkflowType.COMMAND, CodeLocation(URL, URL, path=path), entry=entry)
    return Resolution(
        "melt",
        "experiment",
        type=WorkflowType.COMMAND,
        application=application,
        inputs=INPUTS,
        configuration=configuration,
    )


def make(tmp_path: Path) -> CommandEngine:
    return CommandEngine(MemoryRepositories({URL: MemoryCheckout(FILES)}), FolderStager(), software(tmp_path))


@pytest.fixture
def engine(tmp_path: Path) -> CommandEngine:
    return make(tmp_path)


@pytest.fixture
def values(tmp_path: Path) -> dict[str, Any]:
    config = tmp_path / "data" / "my config.yml"
    config.parent.mkdir()
    config.write_text("answer: 42")
    return {"config": str(config)}


class TestContract(EngineContract):
    @pytest.fixture
    def resolution(self) -> Resolution:
        return resolution(outputs={"table": "made/*.csv"})


def test_staged_files_lists_and_outputs(engine: CommandEngine, values: dict[str, Any], tmp_path: Path) -> None:
    done = execute(
        engine, resolution(outputs={"table": "made/*.csv"}), values | {"bands": ["a b", "$(x)"]}, tmp_path / "j"
    )
    assert done.outcome
    assert done.outcome.outputs == {"greeting.txt": "greeting.txt", "table": "made/table.csv"}
    assert (tmp_path / "j/outputs/made/table.csv").read_text() == "answer: 42"
    assert "hello earth ['a b', '$(x)']" in done.log
    assert "cwltool==" in done.outcome.details["lock"]


@pytest.mark.parametrize(
    ("fail", "message"),
    [
        ("exit", "ended with exit status 3. the glacier is gone"),
        ("raise", "ended with exit status 1. ValueError: no ice here (__main__.py, line 13)"),
        ("kill", "killed by SIGKILL. It was most likely out of memory."),
        ("quiet", "ended with exit status 1. It said nothing."),
    ],
)
def test_a_command_that_fails_says_why(
    engine: CommandEngine, values: dict[str, Any], tmp_path: Path, fail: str, message: str
) -> None:
    done = execute(engine, resolution(), values | {"fail": fail}, tmp_path / "j")
    assert message in done.problem
    assert done.status == 1


@pytest.mark.parametrize(
    ("entry", "file"),
    [("sh run.sh", "shell.txt"), ("./run.sh", "shell.txt"), ("run.sh", "shell.txt"), ("melt-script", "s")],
)
def test_programs_of_the_repository(
    engine: CommandEngine, values: dict[str, Any], tmp_path: Path, entry: str, file: str
) -> None:
    execute(engine, resolution(entry), values, tmp_path / "j")
    assert (tmp_path / "j/outputs" / file).exists()


@pytest.mark.parametrize("entry", ["nonesuch --x", "python nonesuch.py", "./nonesuch.sh", "sub/nonesuch"])
def test_a_command_that_is_not_there(engine: CommandEngine, values: dict[str, Any], tmp_path: Path, entry: str) -> None:
    done = execute(engine, resolution(entry), values, tmp_path / "j")
    assert "nonesuch" in done.problem
    assert "Correct the command" in done.problem or "correct the command" in done.problem


def test_runs_in_the_folder_that_the_link_names(engine: CommandEngine, values: dict[str, Any], tmp_path: Path) -> None:
    done = execute(engine, resolution("python here.py", "sub", outputs=["*.txt"]), values, tmp_path / "j")
    assert done.outcome
    assert done.outcome.outputs == {"here.txt": "here.txt"}


def test_a_pattern_that_matches_nothing(engine: CommandEngine, values: dict[str, Any], tmp_path: Path) -> None:
    assert "'*.tif' matches nothing" in execute(engine, resolution(outputs=["*.tif"]), values, tmp_path / "j").problem


@pytest.mark.parametrize(
    ("entry", "message"),
    [("run {nothing}", "{nothing}, which is no input"), ("run 'open", "No closing quotation"), ("  ", "no command")],
)
def test_templates_that_cannot_be_filled(
    engine: CommandEngine, values: dict[str, Any], tmp_path: Path, entry: str, message: str
) -> None:
    assert message in " ".join(map(str, engine.check(resolution(entry))))
    with pytest.raises(InvalidInput, match=r"no input|quotation|no command"):
        engine.prepare(resolution(entry), values, JobFolder(tmp_path / "j"), Limits(), lambda _: None)


@pytest.mark.parametrize("pattern", ["/etc/*", "../*", ""])
def test_patterns_stay_inside(engine: CommandEngine, pattern: str) -> None:
    assert engine.check(resolution(outputs=[pattern]))


def test_a_folder_or_file_that_is_gone(engine: CommandEngine, values: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nonesuch is not in"):
        engine.prepare(resolution("run.sh", "nonesuch"), values, JobFolder(tmp_path / "j"), Limits(), lambda _: None)
    with pytest.raises(NotFound, match=r"gone\.yml"):
        engine.prepare(
            resolution(), {"config": "/gone.yml"}, JobFolder(tmp_path / "j").create(), Limits(), lambda _: None
        )


@pytest.mark.parametrize(
    ("template", "values", "arguments"),
    [
        ("run {a}", {"a": "x; rm -rf /"}, ["run", "x; rm -rf /"]),
        ("run --a={a} {{b}}", {"a": 1.5}, ["run", "--a=1.5", "{b}"]),
        ("run --a {a} --b {b}", {"a": None, "b": True}, ["run", "--b", "true"]),
        ("run {a}", {"a": [1, "two words"]}, ["run", "1", "two words"]),
        ("run {a}", {"a": {"k": [1]}}, ["run", '{"k": [1]}']),
        ("run '{a} and {b}'", {"a": "1", "b": "2"}, ["run", "1 and 2"]),
        ("run {a}", {"a": "{b}"}, ["run", "{b}"]),
    ],
)
def test_values_become_whole_arguments(template: str, values: dict[str, Any], arguments: list[str]) -> None:
    assert fill(template, values) == arguments


def test_placeholders_in_order() -> None:
    assert placeholders("run {b} {a} {b} {{c}}") == ["b", "a"]
