"""Prepares a repository, its environment and a command line for the sandbox."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from terrafair.errors import InvalidInput, Problem, TerrafairError
from terrafair.execution.command import Command, Limits
from terrafair.execution.engines.checkout import Repositories, application_of, inside, place
from terrafair.execution.engines.command.template import OWN, fill, placeholders
from terrafair.execution.engines.engine import Say
from terrafair.execution.engines.launch import child_command
from terrafair.execution.engines.references import Stager, complete, stage
from terrafair.execution.engines.software import Software
from terrafair.execution.task import JobFolder, Task
from terrafair.workflows.workflow import Resolution, WorkflowType


class CommandEngine:
    """Runs `Application.entry`, a command template, in a checked-out repository."""

    type = WorkflowType.COMMAND

    def __init__(self, repositories: Repositories, stager: Stager, software: Software) -> None:
        self._repositories = repositories
        self._stager = stager
        self._software = software

    def check(self, resolution: Resolution) -> Sequence[Problem]:
        """Look at the template, the output patterns and the environment; the repository is not fetched for it."""
        problems = self._software.check(resolution.environment)
        application = resolution.application
        if application is None or not application.entry.strip():
            what = "The workflow names no command to run."
            return [*problems, Problem(what, remedy="Add the command line to its record.", code="command-missing")]
        if not application.location.repository:
            what = f"The code's link {application.location.url!r} is no repository."
            problems.append(Problem(what, remedy="Link a git repository.", code="repository-missing"))
        known = {spec.name for spec in resolution.inputs} | set(resolution.values) | set(OWN)
        try:
            unknown = [name for name in placeholders(application.entry) if name not in known]
            patterns(resolution.configuration)
        except TerrafairError as fault:
            return [*problems, *fault.problems]
        for name in unknown:
            what = f"The command asks for {{{name}}}, which is no input."
            problems.append(Problem(what, remedy=f"Known: {', '.join(sorted(known))}.", code="placeholder-unknown"))
        return problems

    def prepare(
        self, resolution: Resolution, values: Mapping[str, Any], folder: JobFolder, limits: Limits, say: Say
    ) -> Command:
        """Check out, stage, build the environment and fill in the template."""
        application = application_of(resolution)
        staged = stage(resolution.inputs, complete(resolution.inputs, values), self._stager, folder.inputs)
        code = folder.work / "code"
        absent = {spec.name: None for spec in resolution.inputs}
        own = {"outputs": str(folder.outputs), "work": str(code)}
        arguments = fill(application.entry, {**absent, **own, **staged.values})
        target = place(application, self._repositories, folder.application, say)
        below = target.relative_to(folder.application) if target.is_dir() else Path()
        built = self._software.build(resolution.environment, (), say)
        task = Task(
            job=folder.path.name,
            type=self.type.value,
            application=str(folder.application),
            entry=application.entry,
            values=staged.values,
            sources=staged.sources,
            folder=str(folder.path),
            options={
                "arguments": arguments,
                "below": str(below),
                "python": str(built.python),
                "outputs": patterns(resolution.configuration),
                "lock": built.lock,
                "environment": built.digest,
            },
        )
        return child_command("command", task, folder, limits, (*built.readable, *staged.readable(folder.path)))


def patterns(configuration: Mapping[str, Any]) -> dict[str, str]:
    """Read `configuration["outputs"]`, a list of patterns or name -> pattern, below the working copy."""
    declared = configuration.get("outputs") or {}
    if isinstance(declared, str):
        declared = [declared]
    if isinstance(declared, list | tuple):
        declared = {str(pattern): pattern for pattern in declared}
    if not isinstance(declared, Mapping) or not all(isinstance(pattern, str) for pattern in declared.values()):
        raise InvalidInput("`outputs` is no list of file patterns.", remedy="Write it as outputs: ['results/*.csv'].")
    for pattern in declared.values():
        inside(Path(), pattern)
        if not PurePosixPath(pattern).parts:
            raise InvalidInput("An output pattern is empty.", remedy="Write it as outputs: ['results/*.csv'].")
    return dict(declared)
