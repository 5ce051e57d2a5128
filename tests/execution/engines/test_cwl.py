"""The CWL engine on application packages: staging, steps, stand-ins, outputs, and documents that are wrong."""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from terrafair.errors import InvalidInput, InvalidInputs, NotExecutable
from terrafair.execution.command import Limits
from terrafair.execution.containers import Containers
from terrafair.execution.engines.cwl.engine import CwlEngine
from terrafair.execution.engines.software import Software
from terrafair.execution.environments import Environments
from terrafair.execution.task import JobFolder
from terrafair.web import PlannedWeb
from terrafair.workflows import cwl
from terrafair.workflows.content import load
from terrafair.workflows.workflow import Application, CodeLocation, EnvironmentSpec, Resolution, WorkflowType

from .contract import Done, EngineContract, FolderStager, MemoryCheckout, MemoryRepositories, execute

URL = "https://git.example/owner/package"
TOOL = """
cwlVersion: v1.2
class: CommandLineTool
hints:
  DockerRequirement: {dockerPull: "example/tool:1"}
requirements:
  InitialWorkDirRequirement:
    listing:
      - entryname: tool.py
        entry: |
          import sys
          from pathlib import Path
          text = Path(sys.argv[1]).read_text()
          if text == "bad":
              sys.exit("the tool did not like it")
          Path("made.txt").write_text(text * int(sys.argv[2]))
baseCommand: [python3, tool.py]
inputs:
  source: {type: File, inputBinding: {position: 1}}
  times: {type: int, default: 2, inputBinding: {position: 2}}
  note: string?
outputs:
  made: {type: File, outputBinding: {glob: made.txt}}
"""
SCATTERED = """
cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}, SubworkflowFeatureRequirement: {}}
inputs: {sources: 'File[]'}
steps:
  each: {run: tool.cwl, scatter: source, in: {source: sources}, out: [made]}
outputs:
  all: {type: 'File[]', outputSource: each/made}
"""
DIRECTORY = """
cwlVersion: v1.0
class: CommandLineTool
requirements:
  InitialWorkDirRequirement:
    listing:
      - entryname: list.py
        entry: |
          import json, os, pathlib, sys
          folder = pathlib.Path(sys.argv[1])
          catalogue = json.loads((folder / "catalog.json").read_text())
          (href,) = [link["href"] for link in catalogue["links"] if link["rel"] == "item"]
          item = json.loads((folder / href).read_text())
          asset = (folder / href).parent / item["assets"]["data"]["href"]
          out = pathlib.Path("out"); out.mkdir()
          (out / "copy.txt").write_text(asset.read_text())
          item["assets"] = {"copy": {"href": "copy.txt"}}
          (out / "item.json").write_text(json.dumps(item))
          (out / "catalog.json").write_text(json.dumps({**catalogue, "links": [{"rel": "item", "href": "item.json"}]}))
baseCommand: [python3, list.py]
inputs: {stac: {type: Directory, inputBinding: {position: 1}}}
outputs: {results: {type: Directory, outputBinding: {glob: out}}}
"""


def make(tmp_path: Path, **files: str) -> CwlEngine:
    containers = Containers({"example/tool:1": "platform"}, "none")
    software = Software(Environments(tmp_path / "environments"), containers)
    checkout = MemoryCheckout({name.replace("_", "."): text for name, text in files.items()})
    return CwlEngine(MemoryRepositories({URL: checkout}), PlannedWeb({}), FolderStager(), software)


def resolution(content: str = TOOL, path: str = "", entry: str = "") -> Resolution:
    try:
        document = load(content)
        entry = entry or cwl.entry_of(document, "")
        inputs = cwl.inputs(document, entry)
    except (InvalidInput, AttributeError):
        inputs = ()
    location = CodeLocation(f"{URL}/blob/main/{path}", URL, path=path) if path else CodeLocation("tool.cwl")
    digest = hashlib.sha256(content.encode()).hexdigest()
    application = Application(WorkflowType.CWL, location, content.encode(), entry, digest)
    return Resolution("x", "experiment", type=WorkflowType.CWL, application=application, inputs=inputs)


@pytest.fixture
def engine(tmp_path: Path) -> CwlEngine:
    return make(tmp_path)


@pytest.fixture
def values(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "source.txt").write_text("snow")
    return {"source": str(tmp_path / "source.txt"), "times": 3}


class TestContract(EngineContract):
    @pytest.fixture
    def resolution(self) -> Resolution:
        return resolution()


def test_a_tool_runs_in_the_images_stand_in(engine: CwlEngine, values: dict[str, Any], tmp_path: Path) -> None:
    done = execute(engine, resolution(), values, tmp_path / "j")
    assert done.outcome and done.outcome.successful, (done.outcome, done.stderr)
    assert done.outcome.outputs == {"made": "made.txt"}
    assert (tmp_path / "j/outputs/made.txt").read_text() == "snowsnowsnow"
    (step,) = done.outcome.details["steps"]
    assert step["image"] == "example/tool:1"
    assert done.progress[-1] == 1


def test_a_published_digest_leads_to_the_image_that_the_document_names_by_tag(
    values: dict[str, Any], tmp_path: Path
) -> None:
    sha = "sha256:" + "a" * 64
    containers = Containers({}, "none", made=lambda image: sys.prefix if image.endswith(sha) else "")
    software = Software(Environments(tmp_path / "environments"), containers)
    engine = CwlEngine(MemoryRepositories({}), PlannedWeb({}), FolderStager(), software)
    published = replace(
        resolution(),
        environment=EnvironmentSpec("container", image=f"localhost/tool@{sha}"),
        configuration={"images": [f"localhost/tool@{sha}"]},
    )
    assert engine.check(published) == []
    done = execute(engine, published, values, tmp_path / "j")
    assert done.outcome and done.outcome.successful, (done.outcome, done.stderr)
    assert (tmp_path / "j/outputs/made.txt").read_text() == "snowsnowsnow"
    gone = replace(published, configuration={"images": ["localhost/tool@sha256:" + "b" * 64]})
    (problem,) = engine.check(gone)
    assert problem.code == "image-unavailable"


def test_steps_without_an_image_run_in_the_records(values: dict[str, Any], tmp_path: Path) -> None:
    engine = make(tmp_path)
    plain = resolution(TOOL.replace('hints:\n  DockerRequirement: {dockerPull: "example/tool:1"}\n', ""))
    assert "example/tool" not in plain.application.content.decode()  # type: ignore[union-attr]
    assert engine.check(replace(plain, environment=EnvironmentSpec("container", image="example/tool:1"))) == []
    (problem,) = engine.check(replace(plain, environment=EnvironmentSpec("container", image="gone:1")))
    assert problem.code == "image-unavailable"


def test_scatter_over_an_imported_tool(tmp_path: Path) -> None:
    engine = make(tmp_path, tool_cwl=TOOL, flow_cwl=SCATTERED)
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(name)
    given = {"sources": [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]}
    done = execute(engine, resolution(SCATTERED, "flow.cwl"), given, tmp_path / "j")
    assert done.outcome and done.outcome.successful, (done.outcome, done.stderr)
    made = [(tmp_path / "j/outputs" / path).read_text() for path in done.outcome.outputs.values()]
    assert sorted(made) == ["aa", "bb"]


def test_stac_in_and_stac_out(tmp_path: Path, engine: CwlEngine) -> None:
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "scene",
        "geometry": None,
        "properties": {"datetime": "2024-01-01T00:00:00Z"},
        "links": [],
        "assets": {"data": {"href": "values.txt"}},
    }
    (tmp_path / "scene.json").write_text(json.dumps(item))
    (tmp_path / "values.txt").write_text("42")
    done = execute(engine, resolution(DIRECTORY), {"stac": str(tmp_path / "scene.json")}, tmp_path / "j")
    assert done.outcome and done.outcome.successful, (done.outcome, done.stderr)
    assert (tmp_path / "j/outputs/copy.txt").read_text() == "42"
    assert json.loads((tmp_path / "j/outputs/item.json").read_text())["id"] == "scene"


def test_a_tool_that_fails_says_which_and_why(engine: CwlEngine, values: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "source.txt").write_text("bad")
    done = execute(engine, resolution(), values, tmp_path / "j")
    assert "the tool did not like it" in done.problem


WRONG = {
    "does not parse": ("cwlVersion: v1.2\nclass: [Workflow\n", "line"),
    "no such class": ("cwlVersion: v1.2\nclass: Nonsense\ninputs: {}\noutputs: {}\n", ""),
    "unknown version": ("cwlVersion: v9.9\nclass: CommandLineTool\ninputs: {}\noutputs: {}\n", "no longer supports"),
    "missing source": (SCATTERED.replace("in: {source: sources}", "in: {source: nothing}"), "nothing"),
    "missing import": (SCATTERED.replace("tool.cwl", "gone.cwl"), "gone.cwl"),
    "unknown image": (TOOL.replace("example/tool:1", "example/other:2"), "example/other:2"),
    "network": (TOOL.replace("requirements:\n", "requirements:\n  NetworkAccess: {networkAccess: true}\n"), "network"),
}


@pytest.mark.parametrize("case", WRONG)
def test_documents_that_cannot_run(tmp_path: Path, case: str) -> None:
    content, says = WRONG[case]
    engine = make(tmp_path, tool_cwl=TOOL, flow_cwl=content)
    problems = engine.check(resolution(content, "flow.cwl"))
    assert problems, case
    assert says in str(problems[0])
    assert "Traceback" not in str(problems[0])
    folder = JobFolder(tmp_path / "j").create()
    with pytest.raises((InvalidInput, InvalidInputs, NotExecutable)):
        engine.prepare(resolution(content, "flow.cwl"), {}, folder, Limits(), lambda _: None)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "source"),
        ({"source": 3}, "source"),
        ({"source": "SOURCE", "times": "often"}, "times"),
        ({"source": "/nowhere/at-all.txt"}, "at-all.txt"),
        ({"source": "SOURCE", "tims": 3}, "times"),
    ],
)
def test_values_that_do_not_fit(
    engine: CwlEngine, values: dict[str, Any], tmp_path: Path, given: dict[str, Any], says: str
) -> None:
    given = {name: values["source"] if value == "SOURCE" else value for name, value in given.items()}
    with pytest.raises(Exception, match=says) as caught:
        engine.prepare(resolution(), given, JobFolder(tmp_path / "j").create(), Limits(), lambda _: None)
    assert type(caught.value).__module__ == "terrafair.errors"


def test_the_demos_package(tmp_path: Path) -> None:
    from terrafair.demo import dataset, experiments, scene

    dataset.write(tmp_path / "data", scene.build_season())
    file = Path(sys.modules["terrafair.demo"].__file__ or "").parent / "workflows/water/app.cwl"
    found = resolution(file.read_text())
    containers = Containers({"terrafair/demo-water:1.0": "platform"}, "none")
    stager = _InPlace()
    engine = CwlEngine(
        MemoryRepositories({}), PlannedWeb({}), stager, Software(Environments(tmp_path / "e"), containers)
    )
    assert engine.check(found) == []
    given = {**experiments.values("demo-water"), "stac": str(tmp_path / "data/collection.json")}
    done: Done = execute(engine, found, given, tmp_path / "j")
    assert done.outcome and done.outcome.successful, (done.outcome, done.stderr)
    catalogue = json.loads((tmp_path / "j/outputs/catalog.json").read_text())
    assert len([link for link in catalogue["links"] if link["rel"] == "item"]) == 5


class _InPlace(FolderStager):
    """A collection beside its items, used where it lies."""

    def stac(self, reference: str, into: Path) -> Path:
        return Path(reference)
