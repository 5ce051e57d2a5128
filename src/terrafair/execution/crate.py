"""The RO-Crate of a run, by the profiles Workflow Run Crate 0.5 and, where steps are known, Provenance Run Crate 0.5.

Sources: RO-Crate 1.1 (w3id.org/ro/crate/1.1), w3id.org/ro/wfrun/{process,workflow,provenance}/0.5.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from terrafair.execution.job import State
from terrafair.execution.provenance import Run, RunFile, Step
from terrafair.execution.staged import InputFile
from terrafair.workflows.workflow import InputSpec

Entity = dict[str, Any]

METADATA = "ro-crate-metadata.json"
SPECIFICATION = "https://w3id.org/ro/crate/1.1"
TERMS = "https://w3id.org/ro/terms/workflow-run/context"
WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
PROFILES = (
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/provenance/0.5", "Provenance Run Crate", "0.5"),
    (WORKFLOW_CRATE, "Workflow RO-Crate", "1.0"),
)
SOFTWARE = "https://github.com/terrafair/terrafair"
QUANTITIES = f"{SOFTWARE}/blob/main/docs/provenance.md"
"""Where the measured quantities are explained, one heading each."""
LANGUAGES: Mapping[str, Entity] = {
    "cwl": {
        "@id": "https://w3id.org/workflowhub/workflow-ro-crate#cwl",
        "name": "Common Workflow Language",
        "alternateName": "CWL",
        "identifier": "https://w3id.org/cwl/",
        "url": "https://www.commonwl.org/",
    },
    "openeo": {
        "@id": "https://openeo.org/",
        "name": "openEO process graph",
        "identifier": "https://api.openeo.org/",
        "url": "https://openeo.org/",
    },
    "notebook": {
        "@id": "https://jupyter.org/",
        "name": "Jupyter notebook",
        "identifier": "https://nbformat.readthedocs.io/",
        "url": "https://jupyter.org/",
    },
    "command": {
        "@id": "#command-line",
        "name": "Command line",
        "url": "https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html",
    },
}
_STATUS = {State.SUCCESSFUL: "http://schema.org/CompletedActionStatus"}
_TYPES = {"string": "Text", "integer": "Integer", "number": "Float", "boolean": "Boolean"}
_DATA = {"file": "File", "directory": "Dataset", "stac-item": "Collection", "stac-collection": "Collection"}


def crate(run: Run) -> Entity:
    """Give the document for `ro-crate-metadata.json` at the root of the run's files."""
    entities = [
        *_root(run),
        *_workflow(run),
        *_parameters(run),
        *_actions(run),
        *_inputs(run),
        *(_file(file) for file in run.outputs),
        *(_file(file, about=_action(run)) for file in run.traces),
        *([_file(run.lock)] if run.lock else []),
        *_software(run),
        *_records(run),
    ]
    unique = {entity["@id"]: entity for entity in reversed(entities)}
    context = [
        f"{SPECIFICATION}/context",
        TERMS,
        {"buildInstructions": "https://codemeta.github.io/terms/buildInstructions"},
    ]
    return {"@context": context, "@graph": [unique[name] for name in dict.fromkeys(each["@id"] for each in entities)]}


def _root(run: Run) -> Iterable[Entity]:
    title = run.resolution.title or run.resolution.id
    profiles = [profile for profile in PROFILES if run.steps or "provenance" not in profile[0]]
    files = [run.application, *run.outputs, *run.traces, run.lock]
    parts = [_ref(_path(file.path)) for file in files if file] + [
        _ref(_input_id(file)) for file in run.inputs if _is_file(file)
    ]
    yield {
        "@id": METADATA,
        "@type": "CreativeWork",
        "about": _ref("./"),
        "conformsTo": [_ref(SPECIFICATION), _ref(WORKFLOW_CRATE)],
    }
    yield _without_empty(
        {
            "@id": "./",
            "@type": "Dataset",
            "name": f"{title}: run {run.job.id}",
            "description": f"Result and provenance of one run of the {run.resolution.kind} {run.resolution.id}, "
            f"which ended {run.state.value}.",
            "identifier": run.job.id,
            "datePublished": run.ended,
            "license": _ref("#licence"),
            "conformsTo": [_ref(name) for name, _, _ in profiles],
            "mainEntity": _ref(_workflow_id(run)),
            "hasPart": _once(parts),
            "mentions": [
                _ref(_action(run)),
                _ref("#engine-run"),
                *(_ref(_action(run, step)) for step in _numbered(run)),
            ]
            + _once(_ref(file.reference) for file in run.inputs if file.part),
            "isBasedOn": [_ref(entity["@id"]) for entity in _records(run)],
        }
    )
    yield {
        "@id": "#licence",
        "@type": "CreativeWork",
        "name": "Not stated",
        "description": "The run states no licence of its own; the records of the experiment and of its inputs do.",
    }
    for name, text, version in profiles:
        yield {"@id": name, "@type": "CreativeWork", "name": text, "version": version}


def _workflow(run: Run) -> Iterable[Entity]:
    application, location = run.resolution.application, None
    if application is not None:
        location = application.location
    language = LANGUAGES.get(run.resolution.type.value, LANGUAGES["command"])
    file = _file(run.application) if run.application else {"@id": _workflow_id(run), "@type": []}
    kinds = ["SoftwareSourceCode", "ComputationalWorkflow"]
    yield _without_empty(
        {
            **file,
            "@type": ["File", *kinds, *(["HowTo"] if run.steps else [])] if run.application else kinds,
            "name": run.resolution.title or run.resolution.workflow or run.resolution.id,
            "programmingLanguage": _ref(language["@id"]),
            "url": location.url if location else "",
            "codeRepository": location.repository if location else "",
            "version": location.commit if location else "",
            "buildInstructions": _ref(_path(run.lock.path)) if run.lock else None,
            "input": [_ref(_parameter("input", spec.name)) for spec in run.resolution.inputs],
            "output": [_ref(_parameter("output", name)) for name in _output_names(run)],
            "hasPart": _once(_ref(_tool(step)) for step in run.steps),
            "step": _once(_ref(_step(step)) for step in run.steps),
        }
    )
    yield {"@type": "ComputerLanguage", **language}
    for position, step in enumerate({step.tool: step for step in reversed(run.steps)}.values()):
        yield {"@id": _tool(step), "@type": "SoftwareApplication", "name": step.tool}
        yield {
            "@id": _step(step),
            "@type": "HowToStep",
            "name": step.tool,
            "workExample": _ref(_tool(step)),
            "position": str(len({each.tool for each in run.steps}) - 1 - position),
        }


def _parameters(run: Run) -> Iterable[Entity]:
    for spec in run.resolution.inputs:
        yield _without_empty(
            {
                "@id": _parameter("input", spec.name),
                "@type": "FormalParameter",
                "name": spec.name,
                "additionalType": _type(spec),
                "description": spec.description or spec.title,
                "valueRequired": "True" if spec.required else "False",
                "defaultValue": "" if spec.required or spec.default is None else _value(spec.default),
            }
        )
    for name in _output_names(run):
        yield {"@id": _parameter("output", name), "@type": "FormalParameter", "name": name, "additionalType": "File"}


def _actions(run: Run) -> Iterable[Entity]:
    status = _STATUS.get(run.state, "http://schema.org/FailedActionStatus")
    references = {file.reference for file in run.inputs}
    objects = [_ref(f"#value/{quote(name)}") for name in run.values] + _once(
        _ref(file.reference if file.part else _input_id(file)) for file in run.inputs if file.reference in references
    )
    yield _without_empty(
        {
            "@id": _action(run),
            "@type": "CreateAction",
            "name": f"Run {run.job.id} of {run.resolution.title or run.resolution.id}",
            "description": f"{run.resolution.type.value} workflow, state {run.state.value}"
            + (f", started {run.job.restarts + 1} times" if run.job.restarts else ""),
            "startTime": run.started,
            "endTime": run.ended,
            "instrument": _ref(_workflow_id(run)),
            "agent": _ref(_agent(run)),
            "object": objects,
            "result": [_ref(_path(file.path)) for file in run.outputs],
            "actionStatus": status,
            "error": run.error,
            "resourceUsage": [_ref(entity["@id"]) for entity in _usage(run)],
        }
    )
    yield _without_empty(
        {
            "@id": "#engine-run",
            "@type": "OrganizeAction",
            "name": f"Run of terrafair {run.platform.version}",
            "startTime": run.started,
            "endTime": run.ended,
            "agent": _ref(_agent(run)),
            "instrument": _ref(_engine(run)),
            "object": [_ref(f"#control/{number}") for number in range(len(run.steps))],
            "result": _ref(_action(run)),
            "actionStatus": status,
            "error": run.error,
        }
    )
    yield from _step_actions(run)
    yield from _usage(run)
    for name, value in run.values.items():
        declared = any(spec.name == name for spec in run.resolution.inputs)
        yield _without_empty(
            {
                "@id": f"#value/{quote(name)}",
                "@type": "PropertyValue",
                "name": name,
                "value": _value(value),
                "exampleOfWork": _ref(_parameter("input", name)) if declared else None,
            }
        )


def _step_actions(run: Run) -> Iterable[Entity]:
    for number, step in enumerate(run.steps):
        instead = f" It ran in the environment that stands in for the image {step.image}." if step.image else ""
        contained = step.image and step.contained
        yield _without_empty(
            {
                "@id": _action(run, number),
                "@type": "CreateAction",
                "name": f"Run of {step.name}",
                "description": " ".join(step.command) + ("" if contained else instead),
                "instrument": _ref(_tool(step)),
                "containerImage": _ref(_image(step)) if contained else None,
                "resourceUsage": [_ref(f"#usage/{number}/wall-seconds")],
            }
        )
        yield _quantity(f"#usage/{number}/wall-seconds", "wall-seconds", step.seconds, "SEC")
        yield {
            "@id": f"#control/{number}",
            "@type": "ControlAction",
            "name": f"Orchestrate {step.name}",
            "instrument": _ref(_step(step)),
            "object": _ref(_action(run, number)),
        }
        if contained:
            yield _container(step)


def _container(step: Step) -> Entity:
    name, _, digest = step.image.partition("@sha256:")
    host, slash, rest = name.partition("/")
    known = bool(slash) and ("." in host or ":" in host or host == "localhost")
    path, _, tag = (rest if known else name).partition(":")
    return _without_empty(
        {
            "@id": _image(step),
            "@type": "ContainerImage",
            "additionalType": _ref("https://w3id.org/ro/terms/workflow-run#DockerImage"),
            "registry": host if known else "docker.io",
            "name": path,
            "tag": tag,
            "sha256": digest,
        }
    )


def _usage(run: Run) -> list[Entity]:
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


def _inputs(run: Run) -> Iterable[Entity]:
    """Files by themselves; of a STAC reference or a folder one collection with its files."""
    parts: dict[str, list[Entity]] = {}
    for file in run.inputs:
        if file.part:
            parts.setdefault(file.reference, []).append(_ref(_input_id(file)))
        yield _without_empty(
            {
                "@id": _input_id(file),
                "@type": "File" if _is_file(file) else "CreativeWork",
                "name": file.part or file.reference.rsplit("/", 1)[-1] or file.reference,
                "encodingFormat": file.media_type,
                "contentSize": str(file.size) if file.sha256 else "",
                "sha256": file.sha256,
                "exampleOfWork": _realised(run, file) if not file.part else None,
            }
        )
    for reference, files in parts.items():
        yield _without_empty(
            {
                "@id": reference,
                "@type": "Collection",
                "name": reference,
                "hasPart": files,
                "exampleOfWork": _realised(run, InputFile(reference)),
            }
        )


def _realised(run: Run, file: InputFile) -> Entity | None:
    """The input that a reference is the value of."""
    for spec in run.resolution.inputs:
        value = run.values.get(spec.name)
        if value == file.reference or (isinstance(value, list) and file.reference in value):
            return _ref(_parameter("input", spec.name))
    return None


def _software(run: Run) -> Iterable[Entity]:
    yield _without_empty(
        {
            "@id": _engine(run),
            "@type": "SoftwareApplication",
            "name": "terrafair",
            "softwareVersion": run.platform.version,
            "url": SOFTWARE,
            "softwareRequirements": [_ref(_package(name, version)) for name, version in run.engine.items()],
        }
    )
    for name, version in run.engine.items():
        package = _package(name, version)
        yield {"@id": package, "@type": "SoftwareApplication", "name": name, "softwareVersion": version, "url": package}
    agent = {"@id": _agent(run), "@type": "Organization", "name": run.platform.agent_name, "url": run.platform.url}
    yield _without_empty(agent | ({"@type": "Person"} if "orcid.org/" in run.platform.agent else {}))


def _records(run: Run) -> list[Entity]:
    """The catalogue's records that the run goes back to."""
    found = run.resolution
    names = [("experiments", found.id)] if found.kind == "experiment" else []
    names += [("workflows", found.workflow or found.id)]
    names += [("products", product) for product in found.products]
    names += [("projects", found.project)] if found.project else []
    return [
        _without_empty(
            {
                "@id": run.platform.record_url(kind, name) or f"#record/{kind}/{quote(name)}",
                "@type": "CreativeWork",
                "name": f"{name} ({kind.removesuffix('s')} in the Open Science Catalog)",
                "identifier": name,
                "version": found.catalogue_commit,
            }
        )
        for kind, name in names
    ]


def _file(file: RunFile, about: str = "") -> Entity:
    return _without_empty(
        {
            "@id": _path(file.path),
            "@type": "File",
            "name": file.name or file.path,
            "alternateName": file.name if file.name and not file.path.endswith(file.name) else "",
            "description": file.description,
            "encodingFormat": file.media_type,
            "contentSize": str(file.size),
            "sha256": file.sha256,
            "about": _ref(about) if about else None,
            "exampleOfWork": _ref(_parameter("output", file.output)) if file.output else None,
        }
    )


def _output_names(run: Run) -> list[str]:
    return list(dict.fromkeys(file.output for file in run.outputs if file.output))


def _workflow_id(run: Run) -> str:
    return _path(run.application.path) if run.application else "#workflow"


def _action(run: Run, step: int | None = None) -> str:
    return f"#run-{run.job.id}" if step is None else f"#run-{run.job.id}/{step}"


def _numbered(run: Run) -> range:
    return range(len(run.steps))


def _engine(run: Run) -> str:
    return f"{SOFTWARE}/releases/tag/v{run.platform.version}"


def _agent(run: Run) -> str:
    return run.platform.agent or "#operator"


def _package(name: str, version: str) -> str:
    return f"https://pypi.org/project/{name}/{version}/"


def _tool(step: Step) -> str:
    return f"#tool/{quote(step.tool)}"


def _step(step: Step) -> str:
    return f"#step/{quote(step.tool)}"


def _image(step: Step) -> str:
    return f"#image/{quote(step.image)}"


def _parameter(side: str, name: str) -> str:
    return f"#{side}/{quote(name)}"


def _is_file(file: InputFile) -> bool:
    return bool(file.sha256)


def _input_id(file: InputFile) -> str:
    """An absolute URI: of the file itself, or a fragment of the reference that it came by."""
    reference = f"file://{quote(file.reference)}" if file.reference.startswith("/") else file.reference
    return f"{reference}#{quote(file.part)}" if file.part else reference


def _path(path: str) -> str:
    return quote(path)


def _type(spec: InputSpec) -> str:
    schema = spec.schema
    if (kind := _DATA.get(str(schema.get("format", "")))) is not None:
        return kind
    return _TYPES.get(str(schema.get("type", "")), "PropertyValue")


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _ref(name: str) -> Entity:
    return {"@id": name}


def _once(references: Iterable[Entity]) -> list[Entity]:
    return [_ref(name) for name in dict.fromkeys(reference["@id"] for reference in references)]


def _without_empty(entity: Entity) -> Entity:
    return {name: value for name, value in entity.items() if value not in ("", None, [])}
