"""Wires the kernels of workspaces: the environment that a workflow runs in, with a kernel in it."""

import importlib.metadata
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from terrafair.errors import NotExecutable, TerrafairError
from terrafair.execution.engines.software import Software
from terrafair.execution.environments import Built
from terrafair.workflows.workflow import EnvironmentSpec, Resolution
from terrafair.workspaces.kernel import Kernel
from terrafair.workspaces.workspace import Seed, Workspace

KERNEL = ("ipykernel",)
WITH_CODE = frozenset({"experiment", "workflow"})
PATIENCE = 300.0
"""A workspace is opened after so many seconds all the same; what is built is kept for the next one."""
BEGIN = "The workflow's packages are made ready for its kernel; the first time takes minutes."
LATE = "It takes longer to build than {:.0f} minutes and goes on. Close the workspace, and open it again later."
FAULT = "The platform failed at it; its operator finds why in the log."


@dataclass(slots=True)
class _Making:
    """One environment under way; who has forgotten it leaves it to itself."""

    began: float
    says: str = BEGIN
    made: Kernel | str = FAULT
    thread: threading.Thread | None = None

    @property
    def ended(self) -> bool:
        return self.thread is not None and not self.thread.is_alive()


@dataclass(frozen=True, slots=True)
class Kernels:
    """Made in threads, since a large environment takes minutes; what is made is kept by the environments' store."""

    resolve: Callable[[Seed], Resolution]
    software: Software
    patience: float = PATIENCE
    _making: dict[str, _Making] = field(default_factory=dict)

    def lacks(self, workspace: Workspace) -> str:
        """What is being made yet, in words; empty: nothing that is worth waiting for. The first call begins it."""
        if workspace.seed.kind not in WITH_CODE:
            return ""
        making = self._making.get(workspace.id) or self._begin(workspace)
        late = time.monotonic() - making.began >= self.patience
        return "" if making.ended or late else making.says

    def give(self, workspace: Workspace) -> Kernel | str:
        """The kernel, or why there is none; empty: the usual one is all that it needs."""
        making = self._making.pop(workspace.id, None)
        if making is None:
            return ""
        return making.made if making.ended else LATE.format(self.patience / 60)

    def forget(self, workspace: Workspace) -> None:
        """It is wanted no longer."""
        self._making.pop(workspace.id, None)

    def _begin(self, workspace: Workspace) -> _Making:
        making = _Making(time.monotonic())
        making.thread = threading.Thread(
            target=self._make, args=(workspace.seed, making), daemon=True, name="workspace kernel"
        )
        self._making[workspace.id] = making
        making.thread.start()
        return making

    def _make(self, seed: Seed, making: _Making) -> None:
        def say(text: str) -> None:
            making.says = f"{BEGIN} {text}"

        try:
            found = self.resolve(seed)
            built = self._built(found, say)
        except TerrafairError as fault:
            structlog.get_logger().warning("workspace.kernel", id=seed.id, reason=str(fault)[:300])
            making.made = str(fault)[:300]
        except Exception as fault:
            # Whatever it is, the workspace opens without.
            structlog.get_logger().error("workspace.kernel", id=seed.id, reason=repr(fault)[:300])
        else:
            name = found.workflow or found.id
            making.made = Kernel(f"{name} (its environment)", built.python, built.readable) if built else ""

    def _built(self, found: Resolution, say: Callable[[str], None]) -> Built | None:
        """None: it runs in the platform's own packages."""
        spec = self._chosen(found)
        if spec.kind == "container":
            # An image that was made here is its lock.
            image = self.software.build(spec, (), say)
            pins = locked(image.prefix)
            if image.prefix == self.software.build(EnvironmentSpec(), (), say).prefix or not pins:
                return None
            spec = EnvironmentSpec("python", requirements=pins, python=version(image))
        return self.software.build(spec, KERNEL, say) if spec.kind == "python" else None

    def _chosen(self, found: Resolution) -> EnvironmentSpec:
        """What it was released with, where that is to be had without a container; else what its records name."""
        said, problems = found.environment, []
        images = found.configuration.get("images") or ([said.image] if said.kind == "container" else [])
        for image in map(str, images):
            spec = EnvironmentSpec("container", image=image, source=said.source)
            if not (wrong := self.software.check(spec)):
                return spec
            problems += wrong
        if said.requirements:
            return replace(said, kind="python")
        if problems:
            raise NotExecutable(problems)
        return said


def version(built: Built) -> str:
    """Of its Python, such as `3.11`: where its packages lie says it."""
    folder = next(built.prefix.glob("lib/python3.*"), None)
    return built.version or (folder.name.removeprefix("python") if folder else "")


def locked(prefix: Path) -> tuple[str, ...]:
    """Each package of an environment at its version; the workflow's own modules are not of the index."""
    folders = [str(folder) for folder in prefix.glob("lib/python3.*/site-packages")]
    found = importlib.metadata.distributions(path=folders)
    return tuple(sorted({f"{each.metadata['Name']}=={each.version}" for each in found if each.metadata["Name"]}))
