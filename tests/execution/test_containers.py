"""Which image runs how; podman itself only where it works."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from terrafair.errors import InvalidInput, NotExecutable, Unreachable
from terrafair.execution.command import Limits
from terrafair.execution.containers import Containers, Image
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


def test_podman_keeps_a_step_to_itself(podman: Podman, tmp_path: Path) -> None:
    for name in ("proc", "dev", "sys", "run", "tmp", "etc"):
        (tmp_path / name).mkdir()
    mounts = [f"--volume={name}:{name}:ro" for name in ("/usr", "/bin", "/lib", "/lib64") if Path(name).is_dir()]
    line = [*podman.line, "run", *podman.run_options(Limits(memory=2**26)), *mounts, "--rootfs", str(tmp_path)]
    script = "cat /proc/net/route | wc -l; touch /new 2>/dev/null || echo read-only; ulimit -n"
    done = subprocess.run([*line, "/bin/sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["1", "read-only", "1024"], done.stderr
