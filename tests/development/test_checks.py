"""Each deliberate fault gets the message that names it, with file, line, severity and a way out."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from terrafair.development.checks.check import Checks, Here
from terrafair.development.findings import Finding, Severity, Verdict
from terrafair.development.manifest import TYPES
from terrafair.errors import InvalidInput, Problem
from terrafair.execution.command import Limits
from terrafair.web import SafeWeb
from terrafair.workflows.workflow import EnvironmentSpec

CHECKS = Checks(SafeWeb(), second_opinion=False)
Repository = Callable[[str], Path]
Edit = Callable[[Path], object]
ERROR, CHANGE, WARNING = Severity.ERROR, Severity.CHANGE, Severity.WARNING


def swap(file: str, old: str, new: str) -> Edit:
    def edit(folder: Path) -> None:
        text = (folder / file).read_text("utf-8")
        assert old in text, f"{file} has no {old!r}"
        (folder / file).write_text(text.replace(old, new, 1), "utf-8")

    return edit


def append(file: str, text: str) -> Edit:
    return lambda folder: (folder / file).write_text((folder / file).read_text("utf-8") + text, "utf-8")


def remove(file: str) -> Edit:
    return lambda folder: (folder / file).unlink()


def write(file: str, text: str) -> Edit:
    return lambda folder: (folder / file).write_text(text, "utf-8")


def notebook(change: Callable[[list[dict[str, object]]], object]) -> Edit:
    def edit(folder: Path) -> None:
        path = folder / "src/water_notebook/notebook.ipynb"
        document = json.loads(path.read_text("utf-8"))
        change([cell for cell in document["cells"] if cell["cell_type"] == "code"])
        path.write_text(json.dumps(document, indent=1), "utf-8")

    return edit


def line(cell: int, text: str) -> Edit:
    return notebook(lambda cells: cells[cell]["source"].append("\n" + text))  # type: ignore[attr-defined]


def counted(cells: list[dict[str, object]]) -> None:
    for number, cell in zip((3, 1, 2, 4), cells, strict=True):
        cell["execution_count"] = number


def moved(cells: list[dict[str, object]]) -> None:
    cells[1]["source"], cells[2]["source"] = cells[2]["source"], cells[1]["source"]


@dataclass(frozen=True)
class Fault:
    kind: str
    edit: Edit
    rule: str
    file: str
    says: str
    severity: Severity = ERROR
    lined: bool = True

    def __str__(self) -> str:
        return f"{self.kind}-{self.rule}-{self.says[:12]}"


TOML, CWL, NB, GRAPH = "workflow.toml", "workflow.cwl", "src/water_notebook/notebook.ipynb", "graph.json"
MODEL, MAIN = "src/water_mlflow/model/MLmodel", "src/water_python/__main__.py"
ITEM = "tests/data/tiny-20240501/tiny-20240501.json"
FAULTS = (
    # What the repository says of itself.
    Fault("python", remove(TOML), "manifest-missing", TOML, "no workflow.toml", lined=False),
    Fault("python", swap(TOML, 'title = "', "title = "), "manifest-syntax", TOML, "does not parse"),
    Fault("python", swap(TOML, "lock =", "locks ="), "manifest-unknown", TOML, "environment.locks"),
    Fault("cwl", swap(TOML, 'type = "cwl"', 'type = "cwI"'), "manifest-value", TOML, "'cwI'"),
    Fault("cwl", swap(TOML, 'version = "0.1.0"', 'version = "one"'), "manifest-value", TOML, "'one'"),
    Fault("openeo", swap(TOML, '"graph.json"', '"grap.json"'), "file-missing", TOML, "grap.json"),
    Fault("openeo", remove("LICENSE"), "licence-missing", "", "no LICENSE", WARNING, lined=False),
    Fault("openeo", swap(TOML, 'license = "MIT"', 'license = "MTI"'), "licence-unknown", TOML, "'MTI'", WARNING),
    Fault(
        "openeo",
        swap("CITATION.cff", "version: 0.1.0", "version: 0.2.0"),
        "citation-version",
        "CITATION.cff",
        "0.2.0",
        WARNING,
    ),
    Fault(
        "openeo",
        swap("CITATION.cff", "authors:", "writers:"),
        "citation-incomplete",
        "CITATION.cff",
        "authors",
        WARNING,
        lined=False,
    ),
    Fault("python", remove(".github/workflows/workflow.yml"), "ci-missing", "", "No pipeline", WARNING, lined=False),
    # The environment.
    Fault(
        "python", append("requirements.txt", "\n-e ./local\n"), "requirement-invalid", "requirements.txt", "-e ./local"
    ),
    Fault(
        "python",
        append("requirements.txt", "\nx @ https://example.org/x.whl\n"),
        "requirement-url",
        "requirements.txt",
        "address",
    ),
    Fault("python", append("requirements.txt", "\nscipy\n"), "requirement-open", "requirements.txt", "scipy", WARNING),
    Fault(
        "python",
        write("requirements.lock", "numpy==2.0.0\nrasterio==1.4.0 --hash=sha256:0\n"),
        "lock-unhashed",
        "requirements.lock",
        "numpy",
    ),
    Fault(
        "python",
        write("requirements.lock", "numpy==2.0.0 --hash=sha256:0\n"),
        "lock-stale",
        "requirements.lock",
        "rasterio",
        CHANGE,
        lined=False,
    ),
    # Inputs and data.
    Fault("cwl", swap("tests/inputs.yaml", "stac:", "stack:"), "input-unknown", "tests/inputs.yaml", "'stack'"),
    Fault(
        "cwl",
        swap("tests/inputs.yaml", "threshold: 0.0", "threshold: high"),
        "input-invalid",
        "tests/inputs.yaml",
        "'high'",
    ),
    Fault(
        "openeo",
        swap("demo/inputs.yaml", "  temporal_extent", "  #"),
        "input-missing",
        "demo/inputs.yaml",
        "temporal_extent",
    ),
    Fault(
        "cwl",
        swap("tests/inputs.yaml", "collection.json", "other.json"),
        "input-missing-data",
        "tests/inputs.yaml",
        "other.json",
    ),
    Fault(
        "cwl",
        lambda folder: (folder / "tests/data/tiny-20240501/B03.tif").write_bytes(b"<html>"),
        "media-type",
        ITEM,
        "image/tiff",
    ),
    Fault(
        "cwl",
        lambda folder: (folder / "tests/data/tiny-20240501/B08.tif").write_bytes(b"II*\0other"),
        "checksum",
        ITEM,
        "B08",
    ),
    Fault("cwl", swap(ITEM, '"B08": {', '"B8A": {'), "data-lacks-asset", ITEM, "'B08'"),
    Fault(
        "cwl", swap("data/outputs.json", '"license"', '"licence"'), "definition-invalid", "data/outputs.json", "outputs"
    ),
    # CWL.
    Fault("cwl", swap(CWL, "scatter: item", "scatter: [item"), "cwl-syntax", CWL, "does not parse"),
    Fault("cwl", swap(CWL, "masks: mask/mask", "masks: mask/maks"), "cwl-invalid", CWL, "maks"),
    Fault(
        "python",
        swap(CWL, "dockerPull: water-python:0.1.0", "dockerPull: water-python"),
        "cwl-image-version",
        CWL,
        "no version",
        CHANGE,
    ),
    Fault(
        "python",
        swap(CWL, "      DockerRequirement:\n        dockerPull: water-python:0.1.0\n", ""),
        "cwl-image",
        CWL,
        "no container image",
        CHANGE,
    ),
    Fault(
        "python",
        swap(CWL, "    requirements:\n", "    requirements:\n      NetworkAccess: {networkAccess: true}\n"),
        "cwl-network",
        CWL,
        "network",
    ),
    Fault("cwl", swap(CWL, "water_cwl.mask]", "water_cwl.mark]"), "cwl-program", CWL, "water_cwl.mark"),
    Fault("cwl", swap(CWL, "        label: Threshold\n", ""), "cwl-undocumented", CWL, "threshold", WARNING),
    # openEO.
    Fault(
        "openeo",
        swap(GRAPH, '"process_id": "median"', '"process_id": "medain"'),
        "process-unsupported",
        GRAPH,
        "medain",
    ),
    Fault("openeo", swap(GRAPH, '"from_node": "load"', '"from_node": "lode"'), "node-unknown", GRAPH, "lode"),
    Fault("openeo", swap(GRAPH, '"dimension": "t",', ""), "argument-missing", GRAPH, "dimension"),
    Fault(
        "openeo",
        swap(GRAPH, '"from_parameter": "collection"', '"from_parameter": "collektion"'),
        "parameter-undeclared",
        GRAPH,
        "collektion",
        CHANGE,
        lined=False,
    ),
    # Notebooks.
    Fault(
        "notebook",
        notebook(lambda cells: cells[0].update(metadata={})),
        "parameters-missing",
        NB,
        "parameters",
        CHANGE,
        lined=False,
    ),
    Fault("notebook", line(1, "import xarray"), "import-unpinned", NB, "xarray"),
    Fault("notebook", line(1, 'data = "/home/ada/data.nc"'), "path-absolute", NB, "/home/ada", CHANGE),
    Fault("notebook", line(1, 'api_key = "s3cr3t-0123456789"'), "secret", NB, "api_key"),
    Fault("notebook", line(1, "!pip install xarray"), "notebook-install", NB, "pip install", CHANGE),
    Fault("notebook", notebook(counted), "notebook-order", NB, "[1]", WARNING),
    Fault("notebook", notebook(moved), "notebook-order", NB, "defined in cell"),
    Fault("notebook", line(2, "for mask in"), "python-syntax", NB, "no valid Python"),
    # Models.
    Fault("mlflow", swap(MODEL, "signature:", "signatur:"), "model-signature", MODEL, "no signature", lined=False),
    Fault("mlflow", swap(MODEL, "  onnx:", "  paddle:"), "model-flavour", MODEL, "paddle"),
    Fault("mlflow", remove("src/water_mlflow/model/model.onnx"), "model-file", MODEL, "model.onnx"),
    Fault("mlflow", swap("requirements.txt", "onnxruntime>=1.18", ""), "model-environment", MODEL, "onnxruntime"),
    # Python.
    Fault("python", swap(MAIN, "def main():", "def main()"), "python-syntax", MAIN, "expected ':'"),
    Fault(
        "python",
        swap(MAIN, "import numpy as np", "import numpy as np\nimport skimage"),
        "import-unpinned",
        MAIN,
        "skimage",
    ),
    Fault("python", append(MAIN, '\nTOKEN = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"\n'), "secret", MAIN, "TOKEN"),
)


@pytest.mark.parametrize("kind", TYPES)
def test_a_new_repository_runs(kind: str, repository: Repository) -> None:
    report = CHECKS.check(repository(kind))
    assert report.verdict is Verdict.RUNS, report.findings
    # Nothing has asked the package index yet.
    assert {finding.rule for finding in report.findings} <= {"lock-missing"}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_the_fault_is_named(fault: Fault, repository: Repository) -> None:
    folder = repository(fault.kind)
    fault.edit(folder)
    report = CHECKS.check(folder)
    found = [each for each in report.findings if each.rule == fault.rule and each.severity is fault.severity]
    named = [each for each in found if fault.says in f"{each.what} {each.place}" and each.file == fault.file]
    assert named, f"{fault.rule} is not among:\n" + "\n".join(map(str, report.findings))
    first = named[0]
    assert bool(first.line) is fault.lined, first
    assert first.why or first.remedy, first
    if fault.severity is ERROR:
        assert report.verdict is Verdict.CANNOT
    if fault.severity is CHANGE and not [each for each in report.findings if each.severity is ERROR]:
        assert report.verdict is Verdict.CHANGES


def test_the_line_is_the_faults_own(repository: Repository) -> None:
    folder = repository("notebook")
    line(1, 'data = "/home/ada/data.nc"')(folder)
    finding = of_rule(CHECKS.check(folder).findings, "path-absolute")
    assert "/home/ada" in (folder / NB).read_text("utf-8").splitlines()[finding.line - 1]
    folder = repository("cwl")
    swap(CWL, "water_cwl.mask]", "water_cwl.mark]")(folder)
    finding = of_rule(CHECKS.check(folder).findings, "cwl-program")
    assert "water_cwl.mark" in (folder / CWL).read_text("utf-8").splitlines()[finding.line - 1]


def test_a_secret_is_never_repeated(repository: Repository) -> None:
    folder = repository("python")
    append(MAIN, '\npassword = "correct-horse-battery"\n')(folder)
    report = CHECKS.check(folder)
    assert of_rule(report.findings, "secret")
    assert "correct-horse" not in json.dumps(report.document())


def test_the_index_is_asked(repository: Repository) -> None:
    def solve(spec: EnvironmentSpec) -> str:
        assert "numpy>=1.26" in spec.requirements
        raise InvalidInput("The environment cannot be built: numpy>=99 is not there.", code="environment-unsolvable")

    report = Checks(SafeWeb(), solve=solve, second_opinion=False).check(repository("python"))
    assert of_rule(report.findings, "environment-unsolvable").file == "requirements.txt"
    assert report.verdict is Verdict.CANNOT


def test_this_platform_is_a_target_too(repository: Repository) -> None:
    folder = repository("python")
    swap(CWL, "ramMax: 2048", "ramMax: 64000")(folder)
    swap(CWL, "dockerPull: water-python:0.1.0", "dockerPull: example.org/other:1.0")(folder)

    def images(image: str) -> list[Problem]:
        return [Problem(f"The container image {image} is not available here.", code="image-unavailable")]

    here = Here(images, Limits(memory=8 * 2**30), frozenset({"cwl"}))
    report = Checks(SafeWeb(), here=here, second_opinion=False).check(folder)
    assert "62.5 GiB" in of_rule(report.findings, "target-memory").what
    assert "example.org/other" in of_rule(report.findings, "image-unavailable").what
    nothing = Here(lambda _: [], Limits(), frozenset())
    assert of_rule(Checks(SafeWeb(), here=nothing, second_opinion=False).check(folder).findings, "target-type")


def of_rule(findings: tuple[Finding, ...], rule: str) -> Finding:
    found = [each for each in findings if each.rule == rule]
    assert found, findings
    return found[0]


def test_there_are_thirty_faults_across_types() -> None:
    assert len({(fault.kind, fault.rule) for fault in FAULTS}) >= 30
    assert {fault.kind for fault in FAULTS} == set(TYPES)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", fault.rule) for fault in FAULTS)
