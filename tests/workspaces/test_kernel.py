"""The kernel of a workflow: from the packages that it runs with, or a reason in words, and never in the way."""

import json
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from terrafair.errors import Unreachable
from terrafair.execution.containers import Containers
from terrafair.execution.engines.software import Software
from terrafair.execution.environments import Environments
from terrafair.workflows.workflow import EnvironmentSpec, Resolution
from terrafair.workspace_kernels_parts import FAULT, Kernels
from terrafair.workspaces.kernel import Kernel, tell
from terrafair.workspaces.workspace import Seed, State, Workspace

from ..execution.test_environments import offline, wheel

WORKSPACE = Workspace("w-1", "uada", "glaciers", "small", 4, State.OPENING, "", Seed("workflow", "water-1.0.0"))
GLACIER = EnvironmentSpec("python", requirements=("glacier",))


@pytest.fixture
def store(tmp_path: Path) -> Environments:
    for name, requires in (("glacier", ("icecore>=2",)), ("icecore", ()), ("ipykernel", ())):
        wheel(tmp_path / "wheels", name, "2.0", requires)
    return offline(tmp_path)


def kernels(store: Environments, found: Resolution, made: str = "", **settings: float) -> Kernels:
    software = Software(store, Containers(policy="none", made=lambda _: made))
    return Kernels(lambda _: found, software, **settings)


def given(kernels: Kernels, workspace: Workspace = WORKSPACE) -> Kernel | str:
    deadline = time.monotonic() + 60
    while kernels.lacks(workspace):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return kernels.give(workspace)


def packages(kernel: Kernel) -> str:
    code = "import glacier, icecore, ipykernel; print(glacier.VERSION, icecore.VERSION)"
    return subprocess.check_output([kernel.python, "-I", "-c", code], text=True).strip()


def test_has_the_published_packages_and_a_kernel(store: Environments) -> None:
    found = given(kernels(store, Resolution("water-1.0.0", "workflow", workflow="water", environment=GLACIER)))
    assert isinstance(found, Kernel) and packages(found) == "2.0 2.0" and found.title == "water (its environment)"
    assert found.python.is_relative_to(found.readable[0])


def test_a_release_has_what_its_image_was_locked_with(store: Environments, tmp_path: Path) -> None:
    """Not what the index has now, and nothing of the workflow's own modules, which no index knows."""
    image = store.build(GLACIER)
    (next(image.prefix.glob("lib/python3.*/site-packages")) / "journey_water.py").touch()
    wheel(tmp_path / "wheels", "glacier", "3.0", ("icecore>=2",))
    wheel(tmp_path / "wheels", "icecore", "3.0")
    named = {"images": [f"localhost/water@sha256:{'0' * 64}"]}
    environment = EnvironmentSpec("container", image=named["images"][0], requirements=("icecore",))
    found = given(
        kernels(
            offline(tmp_path),
            Resolution("w", "workflow", environment=environment, configuration=named),
            str(image.prefix),
        )
    )
    assert isinstance(found, Kernel) and packages(found) == "2.0 2.0"


def test_of_an_image_that_is_not_here_the_records_packages_do(store: Environments) -> None:
    image = EnvironmentSpec("container", image="docker.io/example/glacier:1", requirements=("glacier",))
    found = given(kernels(store, Resolution("w", "workflow", environment=image)))
    assert isinstance(found, Kernel) and packages(found) == "2.0 2.0"


IMAGE = EnvironmentSpec("container", image="docker.io/example/glacier:1")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (IMAGE, "docker.io/example/glacier:1 is not available here"),
        (EnvironmentSpec("python", requirements=("absent-package",)), "absent-package"),
        (EnvironmentSpec("python", requirements=("/etc/passwd",)), "cannot be installed"),
        (EnvironmentSpec("python", "2.5", ("glacier",)), "2.5"),
        (EnvironmentSpec(), ""),
        (EnvironmentSpec("unknown"), ""),
    ],
)
def test_where_there_is_none_it_says_why(store: Environments, spec: EnvironmentSpec, says: str) -> None:
    """And nothing, where the usual kernel is what the workflow runs in."""
    found = given(kernels(store, Resolution("w", "workflow", environment=spec)))
    assert isinstance(found, str) and says in found and bool(found) == bool(says)


def _raises(fault: Exception) -> Callable[[Seed], Resolution]:
    def resolve(_: Seed) -> Resolution:
        raise fault

    return resolve


@pytest.mark.parametrize(
    ("fault", "says"),
    [(Unreachable("The repository does not answer."), "does not answer"), (OSError(28, "disk"), FAULT)],
)
def test_whatever_fails_it_opens(store: Environments, fault: Exception, says: str) -> None:
    found = given(Kernels(_raises(fault), Software(store, Containers())))
    assert isinstance(found, str) and says in found


def test_one_that_hangs_is_not_waited_for_and_one_that_is_closed_is_forgotten(store: Environments) -> None:
    """What is under way ends by itself, and leaves nothing behind with those who asked."""
    go, entered = threading.Event(), threading.Event()

    def resolve(_: Seed) -> Resolution:
        entered.set()
        go.wait(60)
        return Resolution("w", "workflow", environment=GLACIER)

    slow = Kernels(resolve, Software(store, Containers()), patience=60)
    assert "minutes" in slow.lacks(WORKSPACE) and entered.wait(30)
    thread = next(each for each in threading.enumerate() if each.name == "workspace kernel")
    slow.forget(WORKSPACE)
    impatient = Kernels(resolve, Software(store, Containers()), patience=0)
    assert impatient.lacks(WORKSPACE) == ""
    late = impatient.give(WORKSPACE)
    assert isinstance(late, str) and "open it again later" in late
    go.set()
    thread.join(60)
    assert slow.give(WORKSPACE) == "" and impatient.give(WORKSPACE) == ""
    for each in threading.enumerate():
        if each.name == "workspace kernel":
            each.join(60)


def test_what_has_no_code_waits_for_nothing(store: Environments) -> None:
    found = Kernels(_raises(AssertionError()), Software(store, Containers()))
    for kind in ("", "product", "job"):
        seeded = Workspace("w-1", "uada", "glaciers", "small", 4, State.OPENING, "", Seed(kind, "x"))
        assert found.lacks(seeded) == "" and found.give(seeded) == ""


def test_jupyter_finds_the_one_kernel_of_a_session(tmp_path: Path) -> None:
    from jupyter_client.kernelspec import KernelSpecManager

    kernel = Kernel("water (its environment)", Path("/opt/environment/bin/python"), ())
    folder = tell(tmp_path, kernel, "/home/water/src")
    found = KernelSpecManager(kernel_dirs=[str(folder / "kernels")]).get_kernel_spec("workflow")
    assert found.display_name == kernel.title and found.argv[0] == str(kernel.python)
    assert found.env["PYTHONPATH"] == "/home/water/src" and found.env["PATH"] == "/opt/environment/bin:${PATH}"
    file = folder / "kernels/workflow/kernel.json"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o644, 0o755)
    assert "PYTHONPATH" not in json.loads((tell(tmp_path, kernel) / "kernels/workflow/kernel.json").read_text())["env"]
    assert not any((tell(tmp_path, None) / "kernels/workflow").iterdir())
