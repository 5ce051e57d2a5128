"""One question for a workflow's repository: does it run, here or at a target, and if not, why."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from terrafair.development.checks import code, cwl, data, environment, files, model, needs, notebook, openeo, target
from terrafair.development.checks.environment import Solve
from terrafair.development.checks.needs import Needs, own_image
from terrafair.development.checks.sources import LIMIT, Sources
from terrafair.development.checks.target import Get
from terrafair.development.findings import Finding, Report, Severity
from terrafair.development.manifest import FILE, Manifest, read
from terrafair.errors import InvalidInput, Problem, TerrafairError
from terrafair.execution.command import Limits
from terrafair.web import Web
from terrafair.workflows.content import Format, sniff

VALIDATOR_SECONDS = 120
DOCUMENTS: Mapping[Format, str] = {Format.CWL: "cwl", Format.OPENEO: "openeo", Format.NOTEBOOK: "notebook"}
"""What is checked without a manifest."""


@dataclass(frozen=True, slots=True)
class Here:
    """What this platform is, for the comparison."""

    images: Callable[[str], list[Problem]]
    """Why a container image cannot run here."""
    limits: Limits
    types: frozenset[str]
    """Workflow types with an engine."""


@dataclass(frozen=True, slots=True)
class Checks:
    """Everything that can be looked at; each part that is None is left out."""

    web: Web
    solve: Solve | None = None
    here: Here | None = None
    connect: Callable[[str], Get] | None = None
    """Name or address of a target -> its JSON by path."""
    reach: bool = True
    """Follow references of the inputs over the network."""
    second_opinion: bool = True
    """Ask the public validator of application packages, where it is installed."""

    def check(self, folder: Path, target_name: str = "") -> Report:
        """The report on a folder."""
        try:
            manifest = read(folder)
        except TerrafairError as fault:
            found = [Finding.of(problem, FILE) for problem in fault.problems]
            return Report.of(found, folder.name, target_name)
        sources = Sources(folder, manifest)
        return Report.of(self._all(sources, target_name), manifest.name, target_name)

    def document(self, file: Path, target_name: str = "") -> Report:
        """The report on one document that no manifest stands beside, as public application packages come."""
        kind = DOCUMENTS.get(sniff(file.read_bytes())) if file.stat().st_size <= LIMIT else None
        if kind is None:
            what = f"{file.name} is no CWL document, process graph or notebook."
            raise InvalidInput(what, "Nothing else is checked by itself.", "Give the folder of its repository.")
        sources = Sources(file.parent, Manifest(file.stem, kind, file.name, version=""))
        found = [*self._documents(sources), *self._where(sources, target_name)]
        return Report.of(found, file.name, target_name)

    def _all(self, sources: Sources, target_name: str) -> Iterator[Finding]:
        yield from files.check(sources)
        yield from environment.check(sources, self.solve)
        yield from code.check(sources)
        yield from self._documents(sources)
        yield from data.check(sources, self.web if self.reach else None)
        yield from self._where(sources, target_name)

    def _where(self, sources: Sources, target_name: str) -> Iterator[Finding]:
        wanted = needs.read(sources)
        if wanted is None:
            return
        if target_name:
            yield from self._target(wanted, target_name)
        elif self.here:
            yield from _here(self.here, wanted, sources)

    def _documents(self, sources: Sources) -> Iterator[Finding]:
        manifest = sources.manifest
        by_type: Mapping[str, Callable[[str], Iterator[Finding]]] = {
            "openeo": lambda file: openeo.check(sources, file),
            "notebook": lambda file: notebook.check(sources, file),
            "mlflow": lambda file: model.check(sources, file),
        }
        if (look := by_type.get(manifest.type)) and sources.has(manifest.application):
            yield from look(manifest.application)
        for file in dict.fromkeys((manifest.package, manifest.application)):
            if (file.endswith(".cwl") or manifest.type == "cwl") and sources.has(file):
                yield from cwl.check(sources, file, self.web)
                if self.second_opinion:
                    yield from public_validator(sources, file)

    def _target(self, wanted: Needs, name: str) -> Iterator[Finding]:
        if self.connect is None:
            return
        try:
            yield from target.check(wanted, self.connect(name), name)
        except TerrafairError as fault:
            yield from (Finding.of(problem, "") for problem in fault.problems)


def _here(here: Here, wanted: Needs, sources: Sources) -> Iterator[Finding]:
    if wanted.type not in here.types:
        what = f"This platform runs no workflow of the type {wanted.type}."
        yield Finding("target-type", what, wanted.file, 0, Severity.ERROR, f"It runs: {', '.join(sorted(here.types))}.")
    if wanted.memory > here.limits.memory:
        most = here.limits.memory / 2**30
        what = f"A step asks for {wanted.memory / 2**30:.1f} GiB of memory, and a job here may have {most:.1f}."
        yield Finding("target-memory", what, wanted.file, 0, Severity.CHANGE, "", "Work by blocks, or ask for less.")
    for image in wanted.images:
        if not own_image(image, sources.manifest.name):
            for problem in here.images(image):
                yield Finding.of(problem, wanted.file)


def public_validator(sources: Sources, file: str) -> Iterator[Finding]:
    """What `eoap-validator` says, as warnings: it also fails packages that run everywhere."""
    program = shutil.which("eoap-validator", path=f"{Path(sys.executable).parent}") or shutil.which("eoap-validator")
    if not program:
        return
    try:
        line = [program, "--format", "json", str(sources.folder / file)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=VALIDATOR_SECONDS, check=False)
        said = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return
    given = said.get("findings") if isinstance(said, Mapping) else None
    for each in given if isinstance(given, list) else ():
        if not isinstance(each, Mapping) or each.get("status") in {"passed", "not-applicable", None}:
            continue
        place = each.get("location") or {}
        rule = "eoap-" + str(each.get("rule_id", "finding")).lower().removeprefix("eoap.")
        what, remedy = str(each.get("message", ""))[:500], str(each.get("suggestion") or "")
        line_ = place.get("line") or 0
        yield Finding(
            rule, what, file, line_, Severity.WARNING, "eoap-validator says so.", remedy, str(place.get("path") or "")
        )


def resolver(targets: Mapping[str, str], open_: Callable[[str, str], Get]) -> Callable[[str], Get]:
    """Targets by their name in the settings, or by address; raises `InvalidInput` for neither."""

    def connect(name: str) -> Get:
        url = targets.get(name) or (name if name.startswith(("http://", "https://")) else "")
        if not url:
            known = ", ".join(targets) or "none; set `targets` in the settings"
            raise InvalidInput(
                f"There is no target {name!r}.", remedy=f"Known: {known}; or give an address.", where="target"
            )
        return open_(name, url.rstrip("/"))

    return connect
