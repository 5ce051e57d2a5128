"""The W3C PROV view of a run, as PROV-JSON (W3C member submission of 2013-04-24), from the same values as the crate."""

from typing import Any

from terrafair.execution.provenance import Run
from terrafair.execution.staged import InputFile

Document = dict[str, Any]


def prov(run: Run) -> Document:
    """Give entities, the one activity, its agents and how they relate."""
    inputs = [(f"run:input-{number}", file) for number, file in enumerate(run.inputs, start=1)]
    outputs = [(f"run:output-{number}", file) for number, file in enumerate(run.outputs, start=1)]
    base = f"{run.platform.url.rstrip('/')}/jobs/" if run.platform.url else "urn:terrafair:job:"
    document: Document = {
        "prefix": {
            "run": f"{base}{run.job.id}#",
            "schema": "http://schema.org/",
            "wfrun": "https://w3id.org/ro/terms/workflow-run#",
        },
        "entity": {
            "run:workflow": _workflow(run),
            "run:values": {"prov:label": "Input values", "prov:value": _values(run)},
            **{name: _input(file) for name, file in inputs},
            **{name: _file(file.name or file.path, file.path, file.sha256, file.size) for name, file in outputs},
        },
        "activity": {
            "run:job": {
                "prov:startTime": run.started,
                "prov:endTime": run.ended,
                "prov:label": f"Run {run.job.id} of {run.resolution.id}",
                "schema:actionStatus": run.state.value,
                **({"schema:error": run.error} if run.error else {}),
                "run:wallSeconds": run.usage.wall_seconds,
                "run:cpuSeconds": run.usage.cpu_seconds,
                "run:peakMemory": run.usage.peak_memory,
            }
        },
        "agent": {
            "run:operator": {"prov:label": run.platform.agent_name, "prov:type": _name("prov:Organization")},
            "run:platform": {
                "prov:label": f"terrafair {run.platform.version}",
                "prov:type": _name("prov:SoftwareAgent"),
                "schema:softwareVersion": run.platform.version,
            },
        },
        "used": {
            f"_:used-{number}": {"prov:activity": "run:job", "prov:entity": name}
            for number, name in enumerate(["run:workflow", "run:values", *(name for name, _ in inputs)], start=1)
        },
        "wasAssociatedWith": {
            "_:by-platform": {"prov:activity": "run:job", "prov:agent": "run:platform", "prov:plan": "run:workflow"},
            "_:by-operator": {"prov:activity": "run:job", "prov:agent": "run:operator"},
        },
        "actedOnBehalfOf": {"_:for-operator": {"prov:delegate": "run:platform", "prov:responsible": "run:operator"}},
    }
    if run.lock:
        document["entity"]["run:environment"] = _file("Software", run.lock.path, run.lock.sha256, run.lock.size)
        document["used"]["_:used-environment"] = {"prov:activity": "run:job", "prov:entity": "run:environment"}
    if outputs:
        document["wasGeneratedBy"] = {
            f"_:made-{number}": {"prov:entity": name, "prov:activity": "run:job", "prov:time": run.ended}
            for number, (name, _) in enumerate(outputs, start=1)
        }
    return document


def _workflow(run: Run) -> Document:
    application = run.resolution.application
    facts = {
        "prov:label": run.resolution.title or run.resolution.id,
        "prov:type": _name("prov:Plan"),
        "schema:identifier": run.resolution.workflow or run.resolution.id,
        "schema:url": application.location.url if application else "",
        "schema:codeRepository": application.location.repository if application else "",
        "schema:version": application.location.commit if application else "",
        "wfrun:sha256": run.application.sha256 if run.application else "",
        "run:catalogueCommit": run.resolution.catalogue_commit,
    }
    return {name: value for name, value in facts.items() if value}


def _input(file: InputFile) -> Document:
    name = f"{file.reference}#{file.part}" if file.part else file.reference
    return _file(name, file.reference, file.sha256, file.size)


def _file(label: str, location: str, sha256: str, size: int) -> Document:
    facts: Document = {"prov:label": label, "prov:location": location}
    return {**facts, "wfrun:sha256": sha256, "schema:contentSize": size} if sha256 else facts


def _values(run: Run) -> str:
    import json

    return json.dumps(dict(run.values), ensure_ascii=False, sort_keys=True, default=str)


def _name(qualified: str) -> Document:
    return {"$": qualified, "type": "prov:QUALIFIED_NAME"}
