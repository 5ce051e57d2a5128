"""Which image runs how; podman itself only where it works."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from terrafair.errors import InvalidInput, NotExecutable, Unreachable
from terrafair.execution.command import Limits
from terrafair.execution.containers import Containers, Image, pinned
from terrafair.execution.environments import Environments
from terrafair.execution.podman import Podman

SHA = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("python", Image("docker.io", "library/python", "latest")),
        ("python:3.11", Image("docker.io", "library/python", "3.11")),
        ("terrafair/demo-water:1.0", Image("docker.io", "terrafair/demo-water", "1.0")),
        ("ghcr.io/eoap/stage:2", Image("ghcr.io", "eoap/stage", "2")),
        ("localhost:5000/a/b", Image("localhost:5000", "a/b", "latest")),
        (f"quay.io/x/y@{SHA}", Image("quay.io", "x/y", "", SHA)),
        (f"quay.io/x/y:1@{SHA}", Image("quay.io", "x/y", "1", SHA)),
    ],
)
def test_names_are_read_as_container_tools_do(text: str, image: Image) -> None:
    assert Image.parse(text) == image


@pytest.mark.parametrize(
    ("key", "image", "means"),
    [
        ("python:3.11", "docker.io/library/python:3.11", True),
        ("python:3.11", "python:3.12", False),
        ("python", "python:latest", True),
        ("python", "python:3.12", False),
        ("python:*", "python:3.12", True),
        ("ghcr.io/eoap/*:*", "ghcr.io/eoap/crop/main:1.2", True),
        ("ghcr.io/eoap/*:*", "docker.io/eoap/crop:1.2", False),
        (f"quay.io/x/y@{SHA}", f"quay.io/x/y:1@{SHA}", True),
        (f"quay.io/x/y@{SHA}", "quay.io/x/y:1", False),
        ("quay.io/x/y:1", f"quay.io/x/y:1@{SHA}", True),
        ("*", "any/thing:1", True),
    ],
)
def test_keys_of_the_table(key: str, image: str, means: bool) -> None:
    assert bool(Containers({key: "platform"}).substitute(image)) is means


def test_the_most_exact_key_wins() -> None:
    table = Containers({"*": "any", "a/b:*": "name", "a/b:1": "tag"})
    assert [table.substitute(image) for image in ("a/b:1", "a/b:2", "c")] == ["tag", "name", "any"]


@pytest.mark.parametrize(
    ("image", "references", "means"),
    [
        ("water:1", [f"localhost/water@{SHA}"], f"localhost/water@{SHA}"),
        ("water", [f"r.example/team/water@{SHA}"], f"r.example/team/water@{SHA}"),
        ("water:1", [f"localhost/fire@{SHA}"], ""),
        ("water:1", [f"localhost/water:2@{SHA}"], ""),
        ("water:1", ["localhost/water:1"], ""),
        ("r.example/water:1", [f"localhost/water@{SHA}", f"r.example/water@{SHA}"], f"r.example/water@{SHA}"),
        ("water@sha256:" + "b" * 64, [f"water@{SHA}"], ""),
        ("water:1", [], ""),
    ],
)
def test_records_pin_an_image_that_the_document_names_by_tag(image: str, references: list[str], means: str) -> None:
    assert pinned(image, references) == means


@pytest.mark.parametrize("digest", ["sha256:abc", "md5:" + "a" * 32, "sha256:" + "A" * 64, "latest"])
def test_a_digest_that_is_none_is_told(digest: str) -> None:
    for problems in (
        Containers({"*": "platform"}).check(f"water@{digest}"),
        Containers({"*": "platform"}).check("water:1", [f"water@{digest}"]),
    ):
        assert [problem.code for problem in problems] == ["image-digest-invalid"]


def test_nothing_runs_it_and_the_way_out_is_told() -> None:
    (problem,) = Containers().check("ghcr.io/eoap/crop:1.0")
    assert problem.what == "The container image ghcr.io/eoap/crop:1.0 is not available here."
    assert "No podman" in problem.why
    assert "'ghcr.io/eoap/crop:1.0' = 'platform'" in problem.remedy


def test_a_substitute_that_is_gone_is_told() -> None:
    (problem,) = Containers({"a:1": "/nowhere/requirements.txt"}).check("a:1")
    assert "/nowhere/requirements.txt" in problem.what


def test_an_empty_key_is_told() -> None:
    with pytest.raises(InvalidInput, match="empty image name"):
        Containers({"": "platform"}).substitute("a")


def test_the_platform_stands_in(tmp_path: Path) -> None:
    said: list[str] = []
    chosen = Containers({"a:1": "platform"}).provide("a:1", Environments(tmp_path), said.append)
    assert chosen.built
    assert chosen.digest == chosen.built.digest
    assert "stands in for the image a:1" in said[0]


def test_a_folder_stands_in(tmp_path: Path) -> None:
    prefix = tmp_path / "environment"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "pyvenv.cfg").write_text("home = /opt/python/bin\n")
    chosen = Containers({"a:1": str(prefix)}).provide("a:1", Environments(tmp_path), lambda _: None)
    assert chosen.built
    assert chosen.built.readable == (prefix, Path("/opt/python"))


def test_a_requirements_file_stands_in(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("# nothing but the interpreter\n")
    chosen = Containers({"a:1": str(file)}).provide("a:1", Environments(tmp_path / "env"), lambda _: None)
    assert chosen.built
    assert chosen.built.python.exists()


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    folder = tmp_path_factory.mktemp("podman")
    found = Podman.probe(("--root", str(folder / "store"), "--runroot", str(folder / "run")))
    if not found:
        pytest.skip("podman is not installed or cannot start a container here")
    yield found
    subprocess.run([*found.line, "system", "reset", "--force"], capture_output=True, check=False)


def test_podman_without_the_image_and_without_registry(podman: Podman) -> None:
    (problem,) = Containers({}, "auto", podman, answers=lambda _: False).check("registry.example/x:1")
    assert "registry.example does not answer" in problem.why
    with pytest.raises(Unreachable, match="cannot be pulled"):
        podman.pull("127.0.0.1:9/x:1")


def test_podman_runs_where_the_registry_answers(podman: Podman) -> None:
    containers = Containers({"a:1": "platform"}, "auto", podman, answers=lambda _: True)
    assert containers.choose("b:1").kind == "podman"
    assert containers.choose("a:1").kind == "platform"


def test_podman_required_ignores_substitutes(podman: Podman) -> None:
    with pytest.raises(NotExecutable):
        Containers({"a:1": "platform"}, "podman", podman, answers=lambda _: False).choose("a:1")
    with pytest.raises(NotExecutable):
        Containers({}, "none", podman, answers=lambda _: True).choose("a:1")


def test_podman_finds_an_image_by_digest_and_by_id_and_not_another_of_its_tag(podman: Podman, tmp_path: Path) -> None:
    (tmp_path / "hello").write_text("hello")
    archive = tmp_path / "root.tar"
    subprocess.run(["tar", "-cf", archive, "-C", tmp_path, "hello"], check=True)
    subprocess.run([*podman.line, "import", "--quiet", str(archive), "localhost/water:1"], check=True)
    told = [*podman.line, "image", "inspect", "--format", "{{.Digest}} {{.Id}}", "localhost/water:1"]
    digest, id_ = subprocess.run(told, capture_output=True, text=True, check=True).stdout.split()
    assert podman.here("localhost/water:1") == "localhost/water:1"
    assert podman.here(f"localhost/water:1@{digest}") == f"localhost/water@{digest}"
    assert podman.here(f"elsewhere.example/water@sha256:{id_}") == id_
    assert podman.here(f"localhost/water:1@{SHA}") == ""
    containers = Containers({}, "auto", podman, answers=lambda _: False)
    assert containers.choose("localhost/water:1", [f"r.example/water@{digest}"]).image.endswith(f"@{digest}")
    (problem,) = containers.check("localhost/water:1", [f"localhost/water@{SHA}"])
    assert SHA in problem.what


def test_podman_keeps_a_step_to_itself(podman: Podman, tmp_path: Path) -> None:
    for name in ("proc", "dev", "sys", "run", "tmp", "etc"):
        (tmp_path / name).mkdir()
    mounts = [f"--volume={name}:{name}:ro" for name in ("/usr", "/bin", "/lib", "/lib64") if Path(name).is_dir()]
    line = [*podman.line, "run", *podman.run_options(Limits(memory=2**26)), *mounts, "--rootfs", str(tmp_path)]
    script = "cat /proc/net/route | wc -l; touch /new 2>/dev/null || echo read-only; ulimit -n"
    done = subprocess.run([*line, "/bin/sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["1", "read-only", "1024"], done.stderr
