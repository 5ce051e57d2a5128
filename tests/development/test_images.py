"""Images are the same bytes whoever makes them, run where no container does, and reach a registry whole."""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.development.registry import StandIn
from tests.execution.engines.contract import FolderStager, MemoryRepositories, execute
from tests.execution.engines.test_cwl import resolution
from tests.execution.test_environments import wheel

from terrafair.development.images.image import ENVIRONMENT, Images, StoredImage
from terrafair.development.images.layer import Entry, write
from terrafair.development.images.registry import Delivery, Registry
from terrafair.errors import Conflict, Refused
from terrafair.execution.containers import Containers
from terrafair.execution.engines.cwl.engine import CwlEngine
from terrafair.execution.engines.software import Software
from terrafair.execution.environments import Built, Environments
from terrafair.execution.interpreters import choose, find
from terrafair.execution.podman import Podman
from terrafair.web import PlannedWeb
from terrafair.workflows.workflow import EnvironmentSpec

MAIN = b"import sys, glacier\nprint('water', glacier.VERSION)\nprint(*map(hash, (0.1, 2**70)), sys.version_info[:3])\n"
PROGRAMS = {"water/__init__.py": b"", "water/__main__.py": MAIN}
TOOL = """
cwlVersion: v1.2
class: CommandLineTool
requirements: {DockerRequirement: {dockerPull: "IMAGE"}}
baseCommand: [python, -m, water]
stdout: said.txt
inputs: {}
outputs: {said: stdout}
"""
LABELS = {"org.opencontainers.image.title": "water"}


def environment(folder: Path) -> Built:
    wheel(folder / "wheels", "glacier")
    options = ("--no-index", "--find-links", str(folder / "wheels"))
    return Environments(folder / "environments", options).build(EnvironmentSpec("python", requirements=("glacier",)))


def build(images: Images, built: Built, programs: dict[str, bytes] | None = None) -> StoredImage:
    return images.build(built, choose("", find()), programs or PROGRAMS, LABELS, lambda _: None)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Images, Path, StoredImage]:
    folder = tmp_path_factory.mktemp("store")
    images = Images(folder / "images")
    return images, folder, build(images, environment(folder))


def test_a_layer_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    made = []
    for number in (0, 1):
        source = tmp_path / f"{number}.txt"
        source.write_text("the same")
        os.utime(source, (number * 1000, number * 1000))
        source.chmod(0o600 if number else 0o664)
        entries = [
            Entry("a/b/file", source=source),
            Entry("a/link", link="b/file"),
            Entry("z", content=b"z", mode=0o755),
        ]
        made.append(write(reversed(entries) if number else entries, tmp_path / f"{number}.tar.gz"))
    assert made[0] == made[1]
    assert (tmp_path / "0.tar.gz").read_bytes() == (tmp_path / "1.tar.gz").read_bytes()
    with tarfile.open(tmp_path / "0.tar.gz") as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == ["a", "a/b", "a/b/file", "a/link", "z"]
    assert {(member.mtime, member.uid, member.gid, member.uname) for member in members} == {(0, 0, 0, "")}
    assert made[0].digest == f"sha256:{hashlib.sha256((tmp_path / '0.tar.gz').read_bytes()).hexdigest()}"


def test_the_digest_is_the_same_wherever_it_is_built(store: tuple[Images, Path, StoredImage], tmp_path: Path) -> None:
    _, folder, image = store
    other = Images(tmp_path / "images")
    # The base alone is taken over: it is this machine's Python, which the other tests have packed already.
    config = json.loads(image.manifest)
    base = config["layers"][0]["digest"].removeprefix("sha256:")
    (tmp_path / "images/blobs/sha256").mkdir(parents=True)
    (tmp_path / "images/layers").mkdir()
    shutil.copy(folder / "images/blobs/sha256" / base, tmp_path / "images/blobs/sha256" / base)
    for known in (folder / "images/layers").glob("*.json"):
        if base in known.read_text():
            shutil.copy(known, tmp_path / "images/layers" / known.name)
    again = build(other, environment(tmp_path))
    assert (again.digest, again.manifest) == (image.digest, image.manifest)
    changed = build(other, environment(tmp_path), {**PROGRAMS, "water/more.py": b"MORE = 1\n"})
    assert changed.digest != image.digest
    assert [each["digest"] for each in json.loads(changed.manifest)["layers"]][:2] == [
        each["digest"] for each in config["layers"]
    ][:2]


def test_the_layout_holds_what_it_names(store: tuple[Images, Path, StoredImage], tmp_path: Path) -> None:
    images, _, image = store
    images.layout(image, "water:1.0.0", tmp_path / "image")
    index = json.loads((tmp_path / "image/index.json").read_text())
    entry = index["manifests"][0]
    assert entry["annotations"]["org.opencontainers.image.ref.name"] == "water:1.0.0"
    assert json.loads((tmp_path / "image/oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    blobs = {path.name: path.read_bytes() for path in (tmp_path / "image/blobs/sha256").iterdir()}
    assert all(hashlib.sha256(content).hexdigest() == name for name, content in blobs.items())
    manifest = json.loads(blobs[entry["digest"].removeprefix("sha256:")])
    config = json.loads(blobs[manifest["config"]["digest"].removeprefix("sha256:")])
    for layer, diff in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
        packed = blobs[layer["digest"].removeprefix("sha256:")]
        assert len(packed) == layer["size"]
        import gzip

        assert f"sha256:{hashlib.sha256(gzip.decompress(packed)).hexdigest()}" == diff
    assert config["config"]["Env"][0].startswith(f"PATH=/{ENVIRONMENT}/bin:")


def test_the_stand_in_runs_the_programs(store: tuple[Images, Path, StoredImage]) -> None:
    images, _, image = store
    done = subprocess.run(
        [image.environment / "bin/python", "-m", "water"], capture_output=True, text=True, check=True, cwd="/"
    )
    assert done.stdout.startswith("water 1.0\n")
    reference = f"localhost/water@{image.digest}"
    assert Containers({}, "none", made=images.stand_in).choose(reference).path == str(image.environment)
    # By its digest alone: anybody may call an image of theirs python:3.11.
    assert images.stand_in("localhost/water:1.0.0") == ""
    assert images.stand_in(f"localhost/water@sha256:{'0' * 64}") == ""
    assert images.stand_in("localhost/water@sha256:../../etc") == ""


def test_a_push_brings_blobs_then_the_manifest(store: tuple[Images, Path, StoredImage]) -> None:
    images, _, image = store
    with StandIn() as there:
        registry = Registry(there.address, there.state.user, there.state.password)
        delivery = Delivery(registry, images.blob, lambda _: None)
        reference = delivery.push(image, "water", "1.0.0")
        assert reference == f"{registry.host}/eo/water@{image.digest}"
        assert there.state.manifests[("eo/water", "1.0.0")] == image.manifest
        sent = len(there.state.log)
        # The same again sends nothing; another image under the same tag is refused.
        assert delivery.push(image, "water", "1.0.0") == reference
        assert len(there.state.log) == sent + 1
        other = build(images, environment(images.blob("x").parents[3]), {"other.py": b"OTHER = 1\n"})
        with pytest.raises(Conflict, match=r"another image under eo/water:1\.0\.0"):
            delivery.push(other, "water", "1.0.0")
        wrong = Registry(there.address, there.state.user, "wrong")
        with pytest.raises(Refused, match="does not let us push"):
            Delivery(wrong, images.blob, lambda _: None).push(image, "water", "2.0.0")


@pytest.fixture
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    # A short name: podman takes no longer path than 50 characters.
    folder = tmp_path_factory.mktemp("pm")
    found = Podman.probe(("--root", str(folder / "s"), "--runroot", str(folder / "r")))
    if not found:
        pytest.skip("podman is not installed or cannot start a container here")
    yield found
    subprocess.run([*found.line, "system", "reset", "--force"], capture_output=True, check=False)


def test_podman_gives_what_the_stand_in_gives(
    store: tuple[Images, Path, StoredImage], podman: Podman, tmp_path: Path
) -> None:
    """The same document by both ways of the engine; podman reads our layout under the digest that we gave it."""
    images, _, image = store
    images.layout(image, "water:1.0.0", tmp_path / "image")
    pull = [*podman.line, "pull", "--quiet", f"oci:{tmp_path / 'image'}:water:1.0.0"]
    id_ = subprocess.run(pull, capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run([*podman.line, "tag", id_, "localhost/water:1.0.0"], check=True)
    reference = f"localhost/water@{image.digest}"
    said = {}
    for kind, containers in {
        "podman": Containers({}, "podman", podman, answers=lambda _: False),
        "folder": Containers({}, "none", made=images.stand_in),
    }.items():
        assert containers.choose(reference).kind == kind
        software = Software(Environments(tmp_path / "environments"), containers)
        engine = CwlEngine(MemoryRepositories({}), PlannedWeb({}), FolderStager(), software)
        done = execute(engine, resolution(TOOL.replace("IMAGE", reference)), {}, tmp_path / kind)
        assert done.outcome and done.outcome.successful, (done.outcome, done.stderr)
        said[kind] = (tmp_path / kind / "outputs/said.txt").read_bytes()
    assert said["podman"] == said["folder"] and said["podman"].startswith(b"water 1.0\n")
