"""Jobs as the standard's status documents."""

from typing import Any
from urllib.parse import quote

from terrafair.api.negotiation import HTML, JSON, Document, link
from terrafair.execution.job import ENDED, Job, State

RESULTS = "http://www.opengis.net/def/rel/ogc/1.0/results"
EXCEPTIONS = "http://www.opengis.net/def/rel/ogc/1.0/exceptions"
ENTITY = "ogc-api-processes"


def url(job: str, base: str) -> str:
    """Of a job."""
    return f"{base}/jobs/{quote(job, safe='')}"


def status(job: Job, base: str) -> Document:
    """As of 1.0, with the names that 2.0 gives to the same (`id`, `processingEntityType`)."""
    process = job.request.process or job.request.subject
    document: dict[str, Any] = {
        "processID": process,
        "type": "process",
        "jobID": job.id,
        "id": job.id,
        "processingEntityType": ENTITY,
        "status": "created" if job.request.held and job.state is State.ACCEPTED else job.state.value,
        "message": _message(job),
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "updated": job.finished or job.started or job.created,
        "progress": 100 if job.state is State.SUCCESSFUL else min(int(job.progress * 100), 100),
    }
    document = {name: value for name, value in document.items() if value != ""}
    if job.state is State.FAILED:
        first = job.problems[0] if job.problems else None
        document["exception"] = {
            "type": "about:blank",
            "title": first.what if first else "The job failed.",
            "detail": str(first) if first else "",
            "problems": [problem.document() for problem in job.problems],
        }
    return {**document, "links": _links(job, base)}


def _message(job: Job) -> str:
    if job.state is State.FAILED and job.problems:
        return str(job.problems[0])
    return job.message


def _links(job: Job, base: str) -> list[Document]:
    here = url(job.id, base)
    links = [
        link(here, "self", JSON, "Status"),
        link(here, "monitor", JSON, "Status"),
        link(f"{here}?f=html", "alternate", HTML, "The job's page"),
        link(f"{here}/logs", "log", JSON, "Log"),
        link(f"{here}/inputs", "inputs", JSON, "Inputs"),
        link(f"{here}/metrics", "metrics", JSON, "What it took"),
    ]
    if job.state is State.SUCCESSFUL:
        links.append(link(f"{here}/results", RESULTS, JSON, "Results"))
        if job.results.collection:
            name = job.results.collection.removeprefix(f"{job.results.prefix.rstrip('/')}/")
            links.append(link(f"{base}/api/jobs/{job.id}/files/{quote(name)}", "collection", JSON, "STAC Collection"))
    elif job.state is State.FAILED:
        links.append(link(f"{here}/results", EXCEPTIONS, JSON, "Why it failed"))
    if job.state in ENDED and job.results.crate:
        links.append(link(f"{here}/provenance", "provenance", "application/ld+json", "RO-Crate"))
    if job.request.process:
        links.append(link(f"{base}/processes/{quote(job.request.process, safe='')}", "up", JSON, "Process"))
    return links
