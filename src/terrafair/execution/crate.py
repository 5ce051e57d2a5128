"""The RO-Crate of a run, by the profiles Workflow Run Crate 0.5 and, where steps are known, Provenance Run Crate 0.5.

Sources: RO-Crate 1.1 (w3id.org/ro/crate/1.1), w3id.org/ro/wfrun/{process,workflow,provenance}/0.5.
"""

from collections.abc import Iterable, Mapping
from urllib.parse import quote

from terrafair.execution.crate_actions import actions_of
from terrafair.execution.crate_names import (
    SOFTWARE,
    Entity,
    action_id,
    agent_id,
    engine_id,
    file_id,
    input_id,
    is_file,
    is_folder,
    once,
    package_id,
    parameter_id,
    path_id,
    ref,
    stamp,
    step_id,
    tool_id,
    value_text,
    without_empty,
    workflow_id,
)
from terrafair.execution.provenance import Run, RunFile
from terrafair.execution.staged import InputFile
from terrafair.workflows.workflow import InputSpec

METADATA = "ro-crate-metadata.json"
SPECIFICATION = "https://w3id.org/ro/crate/1.1"
TERMS = "https://w3id.org/ro/terms/workflow-run/context"
WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
PROFILES = (
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/provenance/0.5", "Provenance Run Crate", "0.5"),
    (WORKFLOW_CRATE, "Workflow RO-Crate", "1.0"),
)
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
_TYPES = {"string": "Text", "integer": "Integer", "number": "Float", "boolean": "Boolean"}
_DATA = {"file": "File", "directory": "Dataset", "stac-item": "Collection", "stac-collection": "Collection"}


def crate(run: Run) -> Entity:
    """Give the document for `ro-crate-metadata.json` at the root of the run's files."""
    entities = [
        *_root(run),
        *_workflow(run),
        *_parameters(run),
        *actions_of(run),
        *_inputs(run),
        *(_file(file) for file in run.outputs),
        *(_file(file, about=action_id(run)) for file in run.traces),
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
    profiles = _profiles(run)
    files = [run.application, *run.outputs, *run.traces, run.lock]
    parts = [ref(file_id(file)) for file in files if file] + [
        ref(input_id(file)) for file in run.inputs if is_file(file)
    ]
    yield {
        "@id": METADATA,
        "@type": "CreativeWork",
        "about": ref("./"),
        "conformsTo": [ref(SPECIFICATION), *([ref(WORKFLOW_CRATE)] if run.application else [])],
    }
    yield without_empty(
        {
            "@id": "./",
            "@type": "Dataset",
            "name": f"{title}: run {run.job.id}",
            "description": f"Result and provenance of one run of the {run.resolution.kind} {run.resolution.id}, "
            f"which ended {run.state.value}.",
            "identifier": run.job.id,
            "datePublished": stamp(run.ended),
            "author": ref(agent_id(run)),
            "publisher": None if is_person(run) else ref(agent_id(run)),
            "license": ref("#licence"),
            "conformsTo": [ref(name) for name, _, _ in profiles],
            "mainEntity": ref(workflow_id(run)),
            "hasPart": once(parts),
            "mentions": [
                ref(action_id(run)),
                ref("#engine-run"),
                *(ref(action_id(run, step)) for step in range(len(run.steps))),
                *once(ref(file.reference) for file in run.inputs if file.part),
            ],
            "isBasedOn": [ref(entity["@id"]) for entity in _records(run)],
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


def _profiles(run: Run) -> list[tuple[str, str, str]]:
    """What the crate may claim: without the workflow's document it tells of a process only."""
    if run.application is None:
        return [PROFILES[0]]
    return [profile for profile in PROFILES if run.steps or "provenance" not in profile[0]]


def _workflow(run: Run) -> Iterable[Entity]:
    application, location = run.resolution.application, None
    if application is not None:
        location = application.location
    language = LANGUAGES.get(run.resolution.type.value, LANGUAGES["command"])
    file = _file(run.application) if run.application else {"@id": workflow_id(run), "@type": []}
    kinds = ["SoftwareSourceCode", "ComputationalWorkflow"]
    yield without_empty(
        {
            **file,
            "@type": ["File", *kinds, *(["HowTo"] if run.steps else [])] if run.application else kinds,
            "name": run.resolution.title or run.resolution.workflow or run.resolution.id,
            "programmingLanguage": ref(language["@id"]),
            "conformsTo": ref(BIOSCHEMAS),
            "url": location.url if location else "",
            "codeRepository": location.repository if location else "",
            "version": location.commit if location else "",
            "buildInstructions": ref(path_id(run.lock.path)) if run.lock else None,
            "input": [ref(parameter_id("input", spec.name)) for spec in run.resolution.inputs],
            "output": [ref(parameter_id("output", name)) for name in _output_names(run)],
            "hasPart": once(ref(tool_id(step)) for step in run.steps),
            "step": once(ref(step_id(step)) for step in run.steps),
        }
    )
    yield {"@type": "ComputerLanguage", **language}
    for position, step in enumerate({step.tool: step for step in reversed(run.steps)}.values()):
        yield {"@id": tool_id(step), "@type": "SoftwareApplication", "name": step.tool}
        yield {
            "@id": step_id(step),
            "@type": "HowToStep",
            "name": step.tool,
            "workExample": ref(tool_id(step)),
            "position": str(len({each.tool for each in run.steps}) - 1 - position),
        }


def _parameters(run: Run) -> Iterable[Entity]:
    for spec in run.resolution.inputs:
        yield without_empty(
            {
                "@id": parameter_id("input", spec.name),
                "@type": "FormalParameter",
                "name": spec.name,
                "additionalType": _type(spec),
                "description": spec.description or spec.title,
                "valueRequired": "True" if spec.required else "False",
                "defaultValue": "" if spec.required or spec.default is None else value_text(spec.default),
            }
        )
    for name in _output_names(run):
        yield {"@id": parameter_id("output", name), "@type": "FormalParameter", "name": name, "additionalType": "File"}


def _inputs(run: Run) -> Iterable[Entity]:
    """Files by themselves; of a STAC reference or a folder one collection with its files."""
    parts: dict[str, list[Entity]] = {}
    for file in run.inputs:
        if file.part:
            parts.setdefault(file.reference, []).append(ref(input_id(file)))
        yield without_empty(
            {
                "@id": input_id(file),
                "@type": "File" if is_file(file) else "CreativeWork",
                "name": file.part or file.reference.rsplit("/", 1)[-1] or file.reference,
                "encodingFormat": _format(file.media_type),
                "contentSize": str(file.size) if file.sha256 else "",
                "sha256": file.sha256,
                "sdDatePublished": stamp(run.started) if is_file(file) else "",
                "exampleOfWork": _realised(run, file) if not file.part else None,
            }
        )
    for reference, files in parts.items():
        yield without_empty(
            {
                "@id": reference,
                "@type": "Collection",
                "name": reference,
                "hasPart": files,
                "mainEntity": files[0],
                "exampleOfWork": _realised(run, InputFile(reference)),
            }
        )


def _realised(run: Run, file: InputFile) -> Entity | None:
    """The input that a reference is the value of."""
    for spec in run.resolution.inputs:
        value = run.values.get(spec.name)
        if value == file.reference or (isinstance(value, list) and file.reference in value):
            return ref(parameter_id("input", spec.name))
    return None


def _software(run: Run) -> Iterable[Entity]:
    yield without_empty(
        {
            "@id": engine_id(run),
            "@type": "SoftwareApplication",
            "name": "terrafair",
            "softwareVersion": run.platform.version,
            "url": SOFTWARE,
            "softwareRequirements": [ref(package_id(name, version)) for name, version in run.engine.items()],
        }
    )
    for name, version in run.engine.items():
        package = package_id(name, version)
        yield {"@id": package, "@type": "SoftwareApplication", "name": name, "softwareVersion": version}
    yield without_empty(
        {
            "@id": agent_id(run),
            "@type": "Person" if is_person(run) else "Organization",
            "name": run.platform.agent_name,
            "url": run.platform.url,
        }
    )


def is_person(run: Run) -> bool:
    """Whether the agent is one human being."""
    return "orcid.org/" in run.platform.agent


def _records(run: Run) -> list[Entity]:
    """The catalogue's records that the run goes back to."""
    found = run.resolution
    names = [("experiments", found.id)] if found.kind == "experiment" else []
    names += [("workflows", found.workflow or found.id)]
    names += [("products", product) for product in found.products]
    names += [("projects", found.project)] if found.project else []
    return [
        without_empty(
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


def _type(spec: InputSpec) -> str:
    schema = spec.schema
    if (kind := _DATA.get(str(schema.get("format", "")))) is not None:
        return kind
    return _TYPES.get(str(schema.get("type", "")), "PropertyValue")


def _file(file: RunFile, about: str = "") -> Entity:
    folder = is_folder(file)
    return without_empty(
        {
            "@id": file_id(file),
            "@type": "Dataset" if folder else "File",
            "name": file.name or file.path,
            "alternateName": file.name if file.name and not file.path.endswith(file.name) else "",
            "description": file.description,
            "encodingFormat": _format(file.media_type),
            "contentSize": str(file.size),
            "sha256": "" if folder else file.sha256,
            "about": ref(about) if about else None,
            "exampleOfWork": ref(parameter_id("output", file.output)) if file.output else None,
        }
    )


def _format(media_type: str) -> str:
    return media_type.replace("; ", ";")


def _output_names(run: Run) -> list[str]:
    return list(dict.fromkeys(file.output for file in run.outputs if file.output))
