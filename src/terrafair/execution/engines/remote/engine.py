"""Prepares a job that a platform elsewhere executes: our child watches it there and brings the results home."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import orjson

from terrafair import tracing
from terrafair.errors import InvalidInput, Problem
from terrafair.execution.command import Command, Limits
from terrafair.execution.engines.engine import Say
from terrafair.execution.engines.launch import child_command
from terrafair.execution.engines.references import FORMATS, Stager
from terrafair.execution.engines.remote.target import Target
from terrafair.execution.task import JobFolder, Task
from terrafair.workflows.workflow import Resolution, WorkflowType

CREDENTIAL = "credential.json"
"""In the job's folder, for the platform's own user only: programs of jobs never see it."""


class Targets(Protocol):
    """The targets that are configured."""

    def target(self, name: str) -> Target:
        """One; raises `NotFound`."""
        ...


@dataclass(slots=True)
class _Staged:
    """What lies on this platform only, brought into the job's folder."""

    paths: dict[str, str] = field(default_factory=dict)
    """Reference -> local path."""
    stac: list[str] = field(default_factory=list)
    """The references that lead to STAC documents with data of their own."""


class RemoteEngine:
    """Whatever the workflow's own type is."""

    type = WorkflowType.REMOTE

    def __init__(
        self, targets: Targets, stager: Stager, own: Callable[[str], bool], *, allow_private: bool = False
    ) -> None:
        """Take what tells whether a reference can be read on this platform only."""
        self._targets = targets
        self._stager = stager
        self._own = own
        self._allow_private = allow_private

    def check(self, resolution: Resolution) -> Sequence[Problem]:
        """Asked of the target when the job is delegated."""
        return [] if resolution.configuration.get("plan") else [Problem("No target was asked about it.")]

    def prepare(
        self, resolution: Resolution, values: Mapping[str, Any], folder: JobFolder, limits: Limits, say: Say
    ) -> Command:
        """Stage what only this platform can read, so that the child can hand it over."""
        configuration = resolution.configuration
        target = self._targets.target(configuration["target"])
        say(f"Handing over to {target.name} ({target.url}).")
        formats = {spec.name: FORMATS.get(str(spec.schema.get("format")), "") for spec in resolution.inputs}
        given, staged = dict(values), _Staged()
        for name, value in values.items():
            for number, each in enumerate(value if isinstance(value, list) else [value]):
                reference = each.get("href") if isinstance(each, Mapping) else each
                if isinstance(reference, str) and self._own(reference):
                    self._stage(reference, formats.get(name, ""), folder.inputs / f"{name}-{number}", staged)
        self._store_credential(folder, target)
        task = Task(
            job=folder.path.name,
            type=self.type.value,
            application="",
            values=given,
            sources=staged.paths,
            folder=str(folder.path),
            options={
                "target": target.name,
                "url": target.url,
                "plan": configuration["plan"],
                "title": resolution.title or resolution.id,
                "stac": staged.stac,
                "data": [name for name, form in formats.items() if form],
                "limit": limits.file_size,
                "allow_private": self._allow_private,
                "traceparent": tracing.traceparent(),
            },
        )
        # Not isolated: it is our own program, runs nothing of others, and needs the network and the credential.
        command = child_command("remote", task, folder, limits, isolated=False)
        return Command(
            command.arguments,
            command.directory,
            command.readable,
            command.writable,
            command.environment,
            network=True,
            limits=limits,
            isolated=False,
        )

    def _stage(self, reference: str, form: str, into: Path, staged: "_Staged") -> None:
        if form == "stac" or (not form and reference.endswith(".json")):
            try:
                staged.paths[reference] = str(self._stager.stac(reference, into))
            except InvalidInput:
                if form == "stac":
                    raise
            else:
                staged.stac.append(reference)
                return
        staged.paths[reference] = str(self._stager.file(reference, into))

    def _store_credential(self, folder: JobFolder, target: Target) -> None:
        path = folder.path / CREDENTIAL
        path.unlink(missing_ok=True)
        if target.token:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(orjson.dumps({"token": target.token}))
