"""The actions of a run's RO-Crate: who ran what on which values, with which result, and what it took."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from terrafair.execution.crate_names import (
    SOFTWARE,
    Entity,
    action_id,
    agent_id,
    engine_id,
    file_id,
    image_id,
    input_id,
    once,
    parameter_id,
    ref,
    stamp,
    step_id,
    tool_id,
    value_text,
    without_empty,
    workflow_id,
)
from terrafair.execution.job import State
from terrafair.execution.provenance import Run, Step

QUANTITIES = f"{SOFTWARE}/blob/main/docs/provenance.md"
"""Where the measured quantities are explained, one heading each."""
_STATUS = {State.SUCCESSFUL: "http://schema.org/CompletedActionStatus"}


def actions_of(run: Run) -> Iterable[Entity]:
    """The run itself, its steps, what it took, and the values that it was given."""
    status = _STATUS.get(run.state, "http://schema.org/FailedActionStatus")
    plain = plain_values(run)
    objects = [ref(f"#value/{quote(name)}") for name in plain] + once(
        ref(file.reference if file.part else input_id(file)) for file in run.inputs
    )
    yield without_empty(
        {
            "@id": action_id(run),
            "@type": "CreateAction",
            "name": f"Run {run.job.id} of {run.resolution.title or run.resolution.id}",
            "description": f"{run.resolution.type.value} workflow, state {run.state.value}"
            + (f", started {run.job.restarts + 1} times" if run.job.restarts else ""),
            "startTime": stamp(run.started),
            "endTime": stamp(run.ended),
            "instrument": ref(workflow_id(run)),
            "agent": ref(agent_id(run)),
            "object": objects,
            "result": [ref(file_id(file)) for file in run.outputs],
            "actionStatus": status,
            "error": run.error,
            "resourceUsage": [ref(entity["@id"]) for entity in usage_of(run)],
        }
    )
    yield without_empty(
        {
            "@id": "#engine-run",
            "@type": "OrganizeAction",
            "name": f"Run of terrafair {run.platform.version}",
            "startTime": stamp(run.started),
            "endTime": stamp(run.ended),
            "agent": ref(agent_id(run)),
            "instrument": ref(engine_id(run)),
            "object": [ref(f"#control/{number}") for number in range(len(run.steps))],
            "result": ref(action_id(run)),
            "actionStatus": status,
            "error": run.error,
        }
    )
    yield from _step_actions(run)
    yield from usage_of(run)
    for name, value in plain.items():
        declared = any(spec.name == name for spec in run.resolution.inputs)
        yield without_empty(
            {
                "@id": f"#value/{quote(name)}",
                "@type": "PropertyValue",
                "name": name,
                "value": value_text(value),
                "exampleOfWork": ref(parameter_id("input", name)) if declared else None,
            }
        )


def plain_values(run: Run) -> dict[str, Any]:
    """The values that are no references: those are told by the files that they led to."""
    staged = {file.reference for file in run.inputs}

    def is_reference(value: Any) -> bool:
        return (
            value in staged
            if isinstance(value, str)
            else isinstance(value, list) and bool(value) and all(map(is_reference, value))
        )

    return {name: value for name, value in run.values.items() if not is_reference(value)}


def _step_actions(run: Run) -> Iterable[Entity]:
    for number, step in enumerate(run.steps):
        instead = f" It ran in the environment that stands in for the image {step.image}." if step.image else ""
        contained = step.image and step.contained
        batch = f" It was the batch job {step.batch_job}." if step.batch_job else ""
        yield without_empty(
            {
                "@id": action_id(run, number),
                "@type": "CreateAction",
                "name": f"Run of {step.name}",
                "description": " ".join(step.command) + ("" if contained else instead) + batch,
                "instrument": ref(tool_id(step)),
                "agent": ref(agent_id(run)),
                "containerImage": ref(image_id(step)) if contained else None,
                "resourceUsage": [ref(f"#usage/{number}/wall-seconds")],
            }
        )
        yield _quantity(f"#usage/{number}/wall-seconds", "wall-seconds", step.seconds, "SEC")
        yield {
            "@id": f"#control/{number}",
            "@type": "ControlAction",
            "name": f"Orchestrate {step.name}",
            "instrument": ref(step_id(step)),
            "object": ref(action_id(run, number)),
        }
        if contained:
            yield _container(step)


def _container(step: Step) -> Entity:
    name, _, digest = step.image.partition("@sha256:")
    host, slash, rest = name.partition("/")
    known = bool(slash) and ("." in host or ":" in host or host == "localhost")
    path, _, tag = (rest if known else name).partition(":")
    return without_empty(
        {
            "@id": image_id(step),
            "@type": "ContainerImage",
            "additionalType": ref("https://w3id.org/ro/terms/workflow-run#DockerImage"),
            "registry": host if known else "docker.io",
            "name": path,
            "tag": tag,
            "sha256": digest,
        }
    )


def usage_of(run: Run) -> list[Entity]:
    """The measured quantities of the whole run."""
    usage = run.usage
    return [
        _quantity("#usage/wall-seconds", "wall-seconds", usage.wall_seconds, "SEC"),
        _quantity("#usage/cpu-seconds", "cpu-seconds", usage.cpu_seconds, "SEC"),
        _quantity("#usage/peak-memory", "peak-memory", usage.peak_memory, "BYTE"),
    ]


def _quantity(name: str, quantity: str, value: float, unit: str) -> Entity:
    return {
        "@id": name,
        "@type": "PropertyValue",
        "name": quantity,
        "propertyID": f"{QUANTITIES}#{quantity}",
        "unitCode": f"https://qudt.org/vocab/unit/{unit}",
        "value": str(value),
    }
