"""The JSON shapes that `/api` and `--json` share; docs/api.md documents them, and they only ever grow."""

from dataclasses import asdict
from typing import Any

from terrafair.execution.job import Job
from terrafair.workflows.workflow import Resolution


def verdict(resolution: Resolution) -> dict[str, Any]:
    """One row of `experiments`."""
    return {
        "id": resolution.id,
        "kind": resolution.kind,
        "title": resolution.title,
        "type": resolution.type.value,
        "executable": resolution.executable,
        "reasons": [reason.document() for reason in resolution.reasons],
    }


def resolution(found: Resolution) -> dict[str, Any]:
    """The whole of what an id comes down to."""
    application = found.application
    code = application and {
        **asdict(application.location),
        "type": application.type.value,
        "entry": application.entry,
        "digest": application.digest,
    }
    return {
        **verdict(found),
        "workflow": found.workflow,
        "application": code,
        "inputs": [{**asdict(spec), "schema": dict(spec.schema)} for spec in found.inputs],
        "values": dict(found.values),
        "configuration": dict(found.configuration),
        "environment": asdict(found.environment),
        "products": list(found.products),
        "project": found.project,
        "catalogue_commit": found.catalogue_commit,
        "remarks": [remark.document() for remark in found.remarks],
    }


def job_document(job: Job) -> dict[str, Any]:
    """A job as it is now."""
    return {
        "id": job.id,
        "subject": job.request.subject,
        "kind": job.request.kind,
        "type": job.type,
        "status": job.state.value,
        "progress": round(job.progress, 4),
        "message": job.message,
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "seconds": job.seconds,
        "restarts": job.restarts,
        "reproduce": job.request.reproduce,
        "target": job.request.target,
        "inputs": dict(job.request.inputs),
        "problems": [problem.document() for problem in job.problems],
    }
