"""Whether the environment can be had, and whether exactly this one comes back in ten years."""

import re
from collections.abc import Callable, Iterator, Mapping

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from terrafair.development.checks.sources import Sources
from terrafair.development.findings import Finding, Severity
from terrafair.errors import TerrafairError, Unreachable
from terrafair.workflows.workflow import EnvironmentSpec

Solve = Callable[[EnvironmentSpec], str]
"""The lock of a specification; raises what `Environments.lock` does."""
BUILD = "`terrafair build` writes it."


def spec_of(sources: Sources) -> EnvironmentSpec:
    """What the programs need, as the requirements file says."""
    manifest = sources.manifest
    lines = tuple(line for _, line in lines_of(sources.text(manifest.requirements)))
    return EnvironmentSpec("python", manifest.python, lines, source=manifest.requirements)


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Line number and requirement of each line that holds one."""
    for number, raw in enumerate(text.splitlines(), 1):
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        if line:
            yield number, line


def check(sources: Sources, solve: Solve | None) -> Iterator[Finding]:
    """Requirements one by one, then the lock, then (with `solve`) whether the index has all of it."""
    manifest = sources.manifest
    if not manifest.requirements:
        if manifest.imaged:
            why = "The image is made from it."
            remedy = 'Set environment.requirements = "requirements.txt".'
            yield Finding(
                "environment-missing",
                "The manifest names no requirements.",
                "workflow.toml",
                0,
                Severity.ERROR,
                why,
                remedy,
            )
        return
    if not sources.has(manifest.requirements):
        return
    wanted: dict[str, tuple[int, Requirement]] = {}
    faults = list(_requirements(sources, wanted))
    yield from faults
    yield from _lock(sources, wanted)
    if solve and not any(fault.severity is Severity.ERROR for fault in faults):
        try:
            solve(spec_of(sources))
        except Unreachable as fault:
            yield Finding.of(fault.problem, manifest.requirements, Severity.WARNING)
        except TerrafairError as fault:
            for problem in fault.problems:
                yield Finding.of(problem, manifest.requirements)


def _requirements(sources: Sources, wanted: dict[str, tuple[int, Requirement]]) -> Iterator[Finding]:
    file = sources.manifest.requirements
    for number, line in lines_of(sources.text(file)):
        try:
            requirement = Requirement(line)
        except InvalidRequirement as fault:
            option = line.startswith(("-", ".", "/"))
            why = "Options and paths are not taken over." if option else str(fault).splitlines()[0]
            what = f"{line!r} is no requirement."
            yield Finding("requirement-invalid", what, file, number, Severity.ERROR, why, "Write e.g. numpy>=1.26.")
            continue
        if requirement.url:
            why = "It comes from outside the package index: it may change or vanish, and building it runs its code."
            remedy = f"Ask for a released version, e.g. {requirement.name}>=1.0."
            yield Finding("requirement-url", f"{line!r} names an address.", file, number, Severity.ERROR, why, remedy)
            continue
        name = canonicalize_name(requirement.name)
        if name in wanted:
            what = f"{requirement.name} is asked for twice."
            why = f"Line {wanted[name][0]} asks for it too."
            yield Finding("requirement-twice", what, file, number, Severity.WARNING, why, "Keep one of them.")
        if not requirement.specifier:
            what = f"{requirement.name} has no version."
            why = "Where the lock is lost, another version comes."
            yield Finding(
                "requirement-open", what, file, number, Severity.WARNING, why, f"Write {requirement.name}>=VERSION."
            )
        wanted[name] = number, requirement


def _lock(sources: Sources, wanted: Mapping[str, tuple[int, Requirement]]) -> Iterator[Finding]:
    manifest = sources.manifest
    if not manifest.lock or not sources.has(manifest.lock):
        what = "The environment is not locked."
        yield Finding(
            "lock-missing", what, manifest.requirements, 0, Severity.WARNING, "Another day gives other versions.", BUILD
        )
        return
    locked = packages(sources.text(manifest.lock))
    for name, (version, line, hashed) in locked.items():
        if not hashed:
            why = "Only a hash says that it is the same file."
            yield Finding(
                "lock-unhashed",
                f"{name}=={version} has no hash.",
                manifest.lock,
                line,
                Severity.ERROR,
                why,
                f"Remove the lock; {BUILD}",
            )
    for name, (number, requirement) in wanted.items():
        if requirement.marker and not requirement.marker.evaluate():
            continue
        if name not in locked:
            what = f"The lock has no {requirement.name}."
            why = f"{manifest.requirements}:{number} asks for it."
            yield Finding("lock-stale", what, manifest.lock, 0, Severity.CHANGE, why, f"Remove the lock; {BUILD}")
        elif not requirement.specifier.contains(_version(locked[name][0]), prereleases=True):
            what = f"The lock has {requirement.name} {locked[name][0]}."
            why = f"{manifest.requirements}:{number} asks for {requirement}."
            yield Finding(
                "lock-stale", what, manifest.lock, locked[name][1], Severity.CHANGE, why, f"Remove the lock; {BUILD}"
            )


def packages(lock: str) -> dict[str, tuple[str, int, bool]]:
    """Name -> version, line, and whether a hash stands behind it."""
    found: dict[str, tuple[str, int, bool]] = {}
    last = ""
    for number, line in enumerate(lock.splitlines(), 1):
        if match := re.match(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", line):
            last = canonicalize_name(match[1])
            found[last] = match[2], number, "--hash=" in line
        elif "--hash=" in line and last:
            found[last] = (*found[last][:2], True)
    return found


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        return Version("0")
