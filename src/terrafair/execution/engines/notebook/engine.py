"""Prepares a notebook, its environment and its parameters for the sandbox."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from terrafair.errors import InvalidInputs, Problem
from terrafair.execution.command import Command, Limits
from terrafair.execution.engines.checkout import Repositories, application_of, file_name, inside, place
from terrafair.execution.engines.engine import Say
from terrafair.execution.engines.launch import child_command
from terrafair.execution.engines.notebook import document
from terrafair.execution.engines.references import FORMATS, Stager, complete, stage
from terrafair.execution.engines.software import Software
from terrafair.execution.task import JobFolder, Task
from terrafair.workflows.workflow import Application, InputSpec, Resolution, WorkflowType

OUTPUT_NAMES = frozenset(
    {
        "output",
        "outputs",
        "output_dir",
        "output_folder",
        "output_path",
        "outdir",
        "out_dir",
        "result_dir",
        "results_dir",
    }
)
"""A parameter of one of these names whose format is `directory` is set to the job's outputs folder."""


class NotebookEngine:
    """Runs a notebook in the environment that was published with it."""

    type = WorkflowType.NOTEBOOK

    def __init__(self, repositories: Repositories, stager: Stager, software: Software) -> None:
        self._repositories = repositories
        self._stager = stager
        self._software = software

    def check(self, resolution: Resolution) -> Sequence[Problem]:
        """Look at the document, its kernel's language and the environment."""
        if resolution.application is None:
            return [
                Problem("There is no notebook to run.", remedy="Link one in the record.", code="application-missing")
            ]
        where = resolution.application.location.path or resolution.application.location.url
        problems = document.problems(resolution.application.content, where)
        return [*problems, *self._software.check(resolution.environment)]

    def prepare(
        self, resolution: Resolution, values: Mapping[str, Any], folder: JobFolder, limits: Limits, say: Say
    ) -> Command:
        """Check out, stage, build the environment with a kernel in it."""
        application = application_of(resolution)
        if problems := document.problems(application.content, application.location.url):
            raise InvalidInputs(problems)
        own = {spec.name: str(folder.outputs) for spec in resolution.inputs if _is_output(spec)}
        given = {name: value for name, value in values.items() if name not in own}
        merged = complete([spec for spec in resolution.inputs if spec.name not in own], given)
        needed = {spec.name for spec in resolution.inputs if spec.schema.get("format") in FORMATS}
        # Other defaults stand in the notebook itself, as the author wrote them.
        wanted = {name: value for name, value in merged.items() if name in values or name in needed}
        staged = stage(resolution.inputs, wanted, self._stager, folder.inputs)
        path = _place(application, self._repositories, folder, say)
        # The kernel is started by the platform's client, which needs ipykernel in the other environment.
        built = self._software.build(resolution.environment, ("ipykernel",), say)
        task = Task(
            job=folder.path.name,
            type=self.type.value,
            application=str(path),
            entry=str(path.relative_to(folder.application)),
            values={**staged.values, **own},
            sources=staged.sources,
            folder=str(folder.path),
            options={"python": str(built.python), "lock": built.lock, "environment": built.digest},
        )
        readable = (*built.readable, *staged.readable(folder.path))
        return child_command("notebook", task, folder, limits, readable)


def _is_output(spec: InputSpec) -> bool:
    return spec.name.lower() in OUTPUT_NAMES and spec.schema.get("format") == "directory"


def _place(application: Application, repositories: Repositories, folder: JobFolder, say: Say) -> Path:
    path = place(application, repositories, folder.application, say)
    if path.is_dir():
        path = inside(path, application.entry or file_name(application.location.url))
    if not path.is_file() and application.content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(application.content)
    return path
