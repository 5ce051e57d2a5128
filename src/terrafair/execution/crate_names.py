"""How the entities of a run's RO-Crate are called, and how they refer to each other."""

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from terrafair.execution.provenance import Run, RunFile, Step
from terrafair.execution.staged import InputFile

Entity = dict[str, Any]

SOFTWARE = "https://github.com/terrafair/terrafair"


def workflow_id(run: Run) -> str:
    """The main entity."""
    return path_id(run.application.path) if run.application else "#workflow"


def action_id(run: Run, step: int | None = None) -> str:
    """The run, or one step of it."""
    return f"#run-{run.job.id}" if step is None else f"#run-{run.job.id}/{step}"


def engine_id(run: Run) -> str:
    """This platform as software."""
    return f"{SOFTWARE}/releases/tag/v{run.platform.version}"


def agent_id(run: Run) -> str:
    """Who is responsible."""
    return run.platform.agent or "#operator"


def package_id(name: str, version: str) -> str:
    """A package URL (purl)."""
    return f"pkg:pypi/{name}@{version}"


def tool_id(step: Step) -> str:
    """The program of a step."""
    return f"#tool/{quote(step.tool)}"


def step_id(step: Step) -> str:
    """A step as the workflow plans it."""
    return f"#step/{quote(step.tool)}"


def image_id(step: Step) -> str:
    """A container image."""
    return f"#image/{quote(step.image)}"


def parameter_id(side: str, name: str) -> str:
    """An input or output as the workflow declares it; `side` says which."""
    return f"#{side}/{quote(name)}"


def is_file(file: InputFile) -> bool:
    """Whether its content was there to be read."""
    return bool(file.sha256)


def input_id(file: InputFile) -> str:
    """An absolute URI: of the file itself, or a fragment of the reference that it came by."""
    reference = f"file://{quote(file.reference)}" if file.reference.startswith("/") else file.reference
    return f"{reference}#{quote(file.part)}" if file.part else reference


def path_id(path: str) -> str:
    """A file of the crate."""
    return quote(path)


def file_id(file: RunFile) -> str:
    """Likewise; a folder (Zarr) ends with a slash."""
    return path_id(file.path) + "/" * is_folder(file)


def is_folder(file: RunFile) -> bool:
    """Whether it is a folder that counts as one file."""
    return file.media_type.startswith("application/vnd+zarr")


def value_text(value: Any) -> str:
    """A value as text: RO-Crate has no numbers or lists there."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def ref(name: str) -> Entity:
    """A reference to an entity."""
    return {"@id": name}


def once(references: Iterable[Entity]) -> list[Entity]:
    """References without repetitions."""
    return [ref(name) for name in dict.fromkeys(reference["@id"] for reference in references)]


def without_empty(entity: Entity) -> Entity:
    """An entity without the properties that say nothing."""
    return {name: value for name, value in entity.items() if value not in ("", None, [])}


def stamp(moment: str) -> str:
    """RFC 3339 with the zone in digits, which more readers of crates take."""
    return moment.removesuffix("Z") + "+00:00" if moment.endswith("Z") else moment
