"""The notebook engine on real kernels."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest

from terrafair.errors import InvalidInput
from terrafair.execution.command import Limits
from terrafair.execution.engines.notebook.engine import NotebookEngine
from terrafair.execution.task import JobFolder
from terrafair.execution.trees import wipe
from terrafair.workflows.workflow import Application, CodeLocation, EnvironmentSpec, InputSpec, Resolution, WorkflowType

from .contract import Done, EngineContract, FolderStager, MemoryCheckout, MemoryRepositories, execute, software

URL = "https://git.example/owner/notebooks"
PARAMETERS = "year = 2020\nscale: float = 1.5\nsource = ''\noutput_dir = 'somewhere'"
CELLS = (
    "from sibling import factor\nimport os, pathlib, sys",
    "print('year', year, 'scale', scale)\nprint('careful', file=sys.stderr)",
    (
        "pathlib.Path('figure.txt').write_text(str(year * factor))\n"
        "pathlib.Path(os.environ['TERRAFAIR_OUTPUTS'], 'direct.txt').write_text('x')\n"
        "pathlib.Path(output_dir, 'named.txt').write_text(pathlib.Path(source).read_text())"
    ),
)


def notebook(*cells: str, parameters: str = PARAMETERS, **metadata: Any) -> bytes:
    made = nbformat.v4.new_notebook(metadata=metadata)
    made.cells = [nbformat.v4.new_markdown_cell("# A title"), nbformat.v4.new_code_cell(parameters)]
    made.cells[1].metadata["tags"] = ["parameters"]
    made.cells += [nbformat.v4.new_code_cell(text) for text in cells]
    return nbformat.writes(made).encode()


INPUTS = (
    InputSpec("source", {"type": "string", "format": "file"}),
    InputSpec("year", {"type": "integer"}, required=False, default=2020),
    InputSpec("scale", {"type": "number"}, required=False, default=1.5),
    InputSpec("output_dir", {"type": "string", "format": "directory"}, required=False),
)


def resolution(content: bytes, environment: EnvironmentSpec | None = None) -> Resolution:
    application = Application(WorkflowType.NOTEBOOK, CodeLocation(URL, URL, path="ndvi/ndvi.ipynb"), content)
    return Resolution(
        "ndvi",
        "experiment",
        type=WorkflowType.NOTEBOOK,
        application=application,
        inputs=INPUTS,
        environment=environment or EnvironmentSpec(),
    )


@pytest.fixture
def engine(tmp_path: Path) -> NotebookEngine:
    checkout = MemoryCheckout({"ndvi/sibling.py": "factor = 2", "README.md": ""})
    return NotebookEngine(MemoryRepositories({URL: checkout}), FolderStager(), software(tmp_path))


@pytest.fixture
def values(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "source.txt").write_text("snow")
    return {"source": str(tmp_path / "source.txt"), "year": 2024}


class TestContract(EngineContract):
    @pytest.fixture
    def resolution(self) -> Resolution:
        return resolution(notebook(*CELLS))


def test_parameters_results_log_and_copy(engine: NotebookEngine, values: dict[str, Any], tmp_path: Path) -> None:
    done = execute(engine, resolution(notebook(*CELLS)), values, tmp_path / "j")
    outputs = tmp_path / "j/outputs"
    assert done.outcome
    assert set(done.outcome.outputs) == {"ndvi.ipynb", "figure.txt", "direct.txt", "named.txt"}
    assert (outputs / "figure.txt").read_text() == "4048"
    assert (outputs / "named.txt").read_text() == "snow"
    assert "year 2024 scale 1.5" in done.messages
    assert "careful" in done.messages
    assert done.progress[-1] == 1
    assert len(done.progress) == 5
    kept = nbformat.read(outputs / "ndvi.ipynb", 4)
    assert "year = 2024" in kept.cells[2].source
    assert kept.cells[4].outputs[0].text == "year 2024 scale 1.5\n"
    assert [cell["cell"] for cell in done.outcome.details["cells"]][:2] == ["cell 2", "the injected parameters"]


def test_folders_nested_without_end(engine: NotebookEngine, values: dict[str, Any], tmp_path: Path) -> None:
    cell = "import os\nfor _ in range(1200):\n    os.mkdir('deeper')\n    os.chdir('deeper')"
    assert "nested more than 100 deep" in failed(engine, values, tmp_path / "j", cell).problem
    wipe(tmp_path / "j")


def failed(engine: NotebookEngine, values: dict[str, Any], path: Path, *cells: str) -> Done:
    return execute(engine, resolution(notebook(*cells)), values, path)


def test_a_notebook_that_raises(engine: NotebookEngine, values: dict[str, Any], tmp_path: Path) -> None:
    done = failed(
        engine, values, tmp_path / "j", "print('before')", "def f(x):\n    return 1 / x\n\nf(0)", "print('after')"
    )
    assert done.problem == "cell 4: Cell 4 raised ZeroDivisionError: division by zero In line 4: f(0)"
    assert "after" not in done.messages
    kept = json.loads((tmp_path / "j/outputs/ndvi.ipynb").read_text())
    assert kept["cells"][4]["outputs"][0]["ename"] == "ZeroDivisionError"


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("import os\nos._exit(1)", "The kernel died while cell 3 ran."),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "The kernel died while cell 3 ran."),
        ("import sys\nsys.exit(3)", "Cell 3 called sys.exit(3)."),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module' In line 1"),
        ("x = = 1", "SyntaxError"),
    ],
)
def test_notebooks_that_end_badly(
    engine: NotebookEngine, values: dict[str, Any], tmp_path: Path, cell: str, message: str
) -> None:
    done = failed(engine, values, tmp_path / "j", cell)
    assert message in done.problem
    assert "\x1b" not in done.problem
    assert (tmp_path / "j/outputs/ndvi.ipynb").exists()


def test_a_clean_exit_ends_the_notebook_early(engine: NotebookEngine, values: dict[str, Any], tmp_path: Path) -> None:
    done = failed(engine, values, tmp_path / "j", "import sys\nsys.exit(0)", "print('after')")
    assert done.outcome
    assert done.outcome.successful
    assert "after" not in done.messages
    assert "not run" in done.log


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"{\n 'x'", "in line 2"),
        (b"[1]", "no cells"),
        (b"\xff\xfe\x00\x01", "not UTF-8"),
        (b'{"cells": 3, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "not valid"),
        (notebook(kernelspec={"name": "ir", "display_name": "R"}), "speaks ir"),
        (notebook("1", language_info={"name": "Julia"}), "speaks julia"),
    ],
)
def test_what_is_no_python_notebook(
    engine: NotebookEngine, values: dict[str, Any], tmp_path: Path, content: bytes, message: str
) -> None:
    (problem,) = engine.check(resolution(content))
    assert message in str(problem)
    with pytest.raises(InvalidInput, match=message):
        engine.prepare(resolution(content), values, JobFolder(tmp_path / "j").create(), Limits(), lambda _: None)


def test_a_notebook_without_kernel_runs_as_python(engine: NotebookEngine) -> None:
    assert engine.check(resolution(notebook("1"))) == []
    assert engine.check(resolution(notebook("1", kernelspec={"name": "conda-env-eo-py", "display_name": "eo"}))) == []


def test_an_image_without_stand_in(engine: NotebookEngine) -> None:
    (problem,) = engine.check(resolution(notebook("1"), EnvironmentSpec("container", image="quay.io/eo/lab:1")))
    assert "quay.io/eo/lab:1" in problem.what


def test_a_requirement_that_the_index_lacks(engine: NotebookEngine, values: dict[str, Any], tmp_path: Path) -> None:
    spec = EnvironmentSpec("python", requirements=("x @ file:///tmp/x.whl",))
    assert "file:///tmp/x.whl" in str(engine.check(resolution(notebook("1"), spec))[0])
    with pytest.raises(InvalidInput, match="x @ file"):
        engine.prepare(
            resolution(notebook("1"), spec), values, JobFolder(tmp_path / "j").create(), Limits(), lambda _: None
        )


def test_a_notebook_from_a_plain_link(engine: NotebookEngine, values: dict[str, Any], tmp_path: Path) -> None:
    found = resolution(notebook("print('plain', year)"))
    assert found.application
    location = CodeLocation("https://files.example/some%20notebook.ipynb?raw=true")
    done = execute(
        engine, replace(found, application=replace(found.application, location=location)), values, tmp_path / "j"
    )
    assert "plain 2024" in done.messages
    assert done.outcome
    assert list(done.outcome.outputs) == ["some_notebook.ipynb"]


def test_a_notebook_without_tagged_cell(engine: NotebookEngine, values: dict[str, Any], tmp_path: Path) -> None:
    content = json.loads(notebook("print('year is', year)", parameters="pass"))
    content["cells"][1]["metadata"] = {}
    done = execute(engine, resolution(json.dumps(content).encode()), values, tmp_path / "j")
    assert "year is 2024" in done.messages
    assert "no cell tagged" in done.log
