"""A published release, read again from its entries, leads to the image that the platform has by its digest alone."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from terrafair.catalogue.catalogue import Catalogue
from terrafair.development.images.image import Images
from terrafair.execution.containers import Containers
from terrafair.execution.engines.cwl.engine import CwlEngine
from terrafair.execution.engines.software import Software
from terrafair.execution.environments import Environments
from terrafair.publishing import made as making
from terrafair.publishing.answers import read
from terrafair.publishing.draft import Place, draft
from terrafair.publishing.prefill import prefill
from terrafair.publishing.present import Present
from terrafair.repositories import Repositories
from terrafair.web import PlannedWeb
from terrafair.workflows.resolve import Resolver
from terrafair.workflows.workflow import (
    Application,
    CodeLocation,
    EnvironmentSpec,
    InputSpec,
    Resolution,
    WorkflowType,
)

from .results import files, finished, resolution

Git = Callable[..., str]
URL = "https://git.terrafair.example/demo/water"
PLACE = Place("https://a.example/c/p", "https://a.example/b/p", "https://a.example/ro-crate-metadata.json", {})
DIGEST = hashlib.sha256(b"image").hexdigest()
CWL = """cwlVersion: v1.2
class: CommandLineTool
baseCommand: [python3, -m, water]
requirements: {DockerRequirement: {dockerPull: IMAGE}}
inputs: {scale: int}
outputs: []
"""


class World:
    """One catalogue into which a release has been published, and the platform that reads it."""

    def __init__(self, folder: Path, git: Git) -> None:
        self.folder, self.git = folder, git
        self.images = Images(folder / "images")
        self.containers = Containers({}, "none", made=self.images.stand_in)

    def has_image(self, digest: str = DIGEST) -> None:
        (self.folder / "images" / digest / "environment/bin").mkdir(parents=True)

    def publish(self, named: str = "water:1.0.0", image: str = f"localhost/water@sha256:{DIGEST}") -> None:
        """The job ran the released document, with the image by digest; its record leads to the repository's."""
        code = self.folder / "code"
        code.mkdir()
        (code / "workflow.cwl").write_text(CWL.replace("IMAGE", named))
        for arguments in (("init", "-q"), ("add", "."), ("commit", "-qm", "first")):
            self.git(code, *arguments)
        commit = self.git(code, "rev-parse", "HEAD")
        place = CodeLocation("water.cwl", URL, "", commit, "workflow.cwl")
        found = resolution(
            type=WorkflowType.CWL,
            workflow="water",
            application=Application(WorkflowType.CWL, place, CWL.replace("IMAGE", image).encode()),
            environment=EnvironmentSpec("unknown"),
            inputs=(InputSpec("scale", {"type": "integer"}),),
            values={"scale": 2},
        )
        made = finished(found=resolution())[2]
        made = replace(made, resolution=found, images=making._images({}, found))
        catalogue = files()
        answers = prefill(
            read({"workflow": "water", "experiment": "water-run", "workflow_title": "Water"}),
            made, Present(catalogue.get),
        )  # fmt: skip
        entries = draft(made, answers, PLACE, made.resolution.application.content, catalogue.get)  # type: ignore[union-attr]
        for name, content in {**catalogue, **entries.files}.items():
            (self.folder / "osc" / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / "osc" / name).write_bytes(content)

    def amend(self, name: str, old: str, new: str) -> None:
        path = self.folder / "osc" / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def resolve(self, id: str) -> Resolution:
        catalogue = Catalogue(self.folder / "home")
        catalogue.sync(str(self.folder / "osc"))
        mirrors = Repositories(self.folder / "mirrors", {URL: str(self.folder / "code")}, offline_only=True)
        software = Software(Environments(self.folder / "environments"), self.containers)
        engine = CwlEngine(mirrors, PlannedWeb({}), _NoData(), software)  # type: ignore[arg-type]
        return Resolver(catalogue, mirrors, PlannedWeb({}), None, engine.check).resolve(id)


class _NoData:
    """Nothing is staged here."""


@pytest.fixture
def world(tmp_path: Path, git: Git) -> World:
    return World(tmp_path, git)


@pytest.mark.parametrize("id", ["water-run", "water"])
@pytest.mark.parametrize("named", ["water:1.0.0", "water", "registry.example/team/water:1.0.0"])
def test_it_runs_where_the_image_lies(world: World, id: str, named: str) -> None:
    world.has_image()
    world.publish(named)
    found = world.resolve(id)
    assert found.reasons == ()
    assert found.application is not None
    assert named.encode() in found.application.content
    assert found.configuration["images"] == [f"localhost/water@sha256:{DIGEST}"]
    # Published once more, it names the same image.
    assert making._images({}, found) == {"localhost/water": DIGEST}


def test_elsewhere_the_verdict_names_the_digest(world: World) -> None:
    world.publish()
    (reason,) = world.resolve("water-run").reasons
    assert reason.code == "image-unavailable"
    assert f"localhost/water@sha256:{DIGEST}" in reason.what


def test_the_operators_substitute_for_the_documents_name_counts(world: World) -> None:
    world.containers = Containers({"water:1.0.0": "platform"}, "none")
    world.publish()
    assert world.resolve("water-run").reasons == ()


def test_another_workflows_image_is_not_taken(world: World) -> None:
    world.has_image()
    world.publish("fire:1.0.0")
    (reason,) = world.resolve("water-run").reasons
    assert "fire:1.0.0" in reason.what


def test_a_digest_that_is_none_is_told(world: World) -> None:
    world.has_image()
    world.publish()
    world.amend("experiments/water-run/environment.yaml", f"sha256:{DIGEST}", f"sha256:{DIGEST[:20]}")
    found = world.resolve("water-run")
    assert [reason.code for reason in found.reasons] == ["image-digest-invalid"]
    assert world.resolve("water").executable


def test_records_that_contradict_each_other_are_told_and_the_experiments_own_counts(world: World) -> None:
    world.has_image()
    world.publish()
    world.amend("workflows/water/record.json", f"sha256:{DIGEST}", f"sha256:{'0' * 64}")
    found = world.resolve("water-run")
    assert found.executable
    assert "image-digests-differ" in [remark.code for remark in found.remarks]
    (reason,) = world.resolve("water").reasons
    assert "0" * 64 in reason.what
