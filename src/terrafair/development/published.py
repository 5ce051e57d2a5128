"""The repository behind a published workflow, as a folder that checks and builds can read."""

from pathlib import Path
from typing import Any, Protocol

from terrafair.development.manifest import FILE
from terrafair.errors import InvalidInput, NotExecutable
from terrafair.execution.engines.checkout import Repositories, open_commit
from terrafair.workflows.workflow import Resolution, WorkflowType

TYPES = {WorkflowType.CWL: "cwl", WorkflowType.OPENEO: "openeo", WorkflowType.NOTEBOOK: "notebook"}


class Resolver(Protocol):
    """The part of `workflows.resolve.Resolver` that is needed here."""

    def resolve(self, id: str, kind: str | None = None) -> Resolution:  # noqa: A002
        """What an id comes down to."""
        ...


def check_out(resolver: Resolver, repositories: Repositories, id: str, folder: Path) -> None:  # noqa: A002
    """Write the code of a published workflow; where its repository has no manifest, one is made from the record.

    Raises `NotFound` for an unknown id, `NotExecutable` for a record without code.
    """
    found = resolver.resolve(id)
    application = found.application
    if application is None:
        raise NotExecutable(found.reasons, f"{id} has no code to look at.")
    if found.type not in TYPES:
        raise InvalidInput(
            f"{id} is a workflow of the type {found.type.value}.", "Only documents can be checked.", where=id
        )
    location = application.location
    if location.repository:
        repository, commit = open_commit(application, repositories)
        repository.checkout(commit, folder)
    path = location.path or f"application{_suffix(found.type)}"
    if not (folder / path).exists():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(application.content)
    if not (folder / FILE).exists():
        (folder / FILE).write_text(_manifest(found, path, folder), "utf-8")


def _suffix(kind: WorkflowType) -> str:
    return {WorkflowType.CWL: ".cwl", WorkflowType.NOTEBOOK: ".ipynb"}.get(kind, ".json")


def _manifest(found: Resolution, path: str, folder: Path) -> str:
    name = "".join(letter if letter.isalnum() else "-" for letter in found.id.lower()).strip("-")[:60]
    lines = ["[workflow]", f'name = "{name}"', f'type = "{TYPES[found.type]}"', f"application = {_quoted(path)}"]
    beside = (Path(path).parent / "requirements.txt", Path("requirements.txt"))
    requirements = next((each.as_posix() for each in beside if (folder / each).is_file()), "")
    if requirements:
        lines += ["[environment]", f"requirements = {_quoted(requirements)}"]
    return "\n".join(lines) + "\n"


def _quoted(value: Any) -> str:
    import json

    return json.dumps(str(value))
