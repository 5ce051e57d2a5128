"""A process as OGC API - Processes has them: what can be executed here by an id, with its inputs and outputs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from terrafair.errors import InvalidInput
from terrafair.workflows import cwl
from terrafair.workflows.content import decode, load
from terrafair.workflows.workflow import InputSpec, Resolution, WorkflowType

RESULT = "result"
"""The output that every process has beside those of its own: the STAC Collection of all that it made."""


@dataclass(frozen=True, slots=True)
class ProcessInput:
    """One input."""

    spec: InputSpec
    many: bool = False
    """Its schema is a list whose elements are given as so many occurrences of the input, not as one value."""

    @property
    def schema(self) -> Mapping[str, Any]:
        """Of one occurrence."""
        if not self.many:
            return self.spec.schema
        items: Mapping[str, Any] = self.spec.schema.get("items") or {}
        return items

    @property
    def occurs(self) -> tuple[int, int | None]:
        """Fewest and most occurrences; None: as many as one likes."""
        least = 1 if self.spec.required else 0
        if not self.many:
            return least, 1
        return (self.spec.schema.get("minItems") or 1) if self.spec.required else 0, self.spec.schema.get("maxItems")


@dataclass(frozen=True, slots=True)
class ProcessOutput:
    """One output."""

    name: str
    schema: Mapping[str, Any]
    title: str = ""
    description: str = ""
    many: bool = False


@dataclass(frozen=True, slots=True)
class Process:
    """One process."""

    id: str
    version: str
    resolution: Resolution
    """What runs."""
    inputs: tuple[ProcessInput, ...]
    outputs: tuple[ProcessOutput, ...]
    title: str = ""
    description: str = ""
    keywords: tuple[str, ...] = ()
    record: str = ""
    """Id of the catalogue's workflow that it is; empty for others."""
    experiments: tuple[str, ...] = ()
    """Published presets of its inputs."""
    file: str = ""
    """Reference of the deployed package; empty for others."""
    mutable: bool = False
    """Whether it can be replaced and undeployed."""
    media_type: str = ""
    """Of its package."""
    digest: str = ""
    """sha256 of the document that runs, hex."""

    @property
    def immediate(self) -> bool:
        """Whether the platform itself computes it, at once."""
        return self.resolution.type is WorkflowType.BUILTIN


def inputs_of(resolution: Resolution) -> tuple[ProcessInput, ...]:
    """The inputs of what runs; lists of CWL are occurrences (OGC 20-089), those of openEO are values."""
    cwl_like = resolution.type is WorkflowType.CWL
    return tuple(ProcessInput(spec, cwl_like and spec.schema.get("type") == "array") for spec in _specs(resolution))


def _specs(resolution: Resolution) -> Iterator[InputSpec]:
    """The declared inputs; where nothing is declared, the values that were published say what there is."""
    if resolution.inputs:
        yield from resolution.inputs
        return
    for name, value in resolution.values.items():
        yield InputSpec(name, {}, required=False, default=value)


def outputs_of(resolution: Resolution) -> tuple[ProcessOutput, ...]:
    """What it gives: what CWL declares, and the STAC Collection of it all."""
    collection = ProcessOutput(
        RESULT,
        {"type": "object", "format": "stac-collection", "contentMediaType": "application/json"},
        "Result",
        "STAC Collection that describes all files that the run made.",
    )
    application = resolution.application
    if resolution.type is not WorkflowType.CWL or application is None:
        return (collection,)
    try:
        document = load(decode(application.content))
        specs = cwl.outputs(document, application.entry) if isinstance(document, Mapping) else ()
    except (InvalidInput, AttributeError, TypeError):
        specs = ()
    own = []
    for spec in specs:
        many = spec.schema.get("type") == "array"
        schema = (spec.schema.get("items") or {}) if many else spec.schema
        own.append(ProcessOutput(spec.name, schema, spec.title, spec.description, many))
    return (*own, *(() if any(output.name == RESULT for output in own) else (collection,)))
