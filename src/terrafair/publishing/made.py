"""What a finished job made, as far as publishing needs to know it: one value, read once from the object store."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from terrafair.data.objects import ObjectStore
from terrafair.errors import Conflict, NotFound
from terrafair.execution.containers import pinned
from terrafair.execution.job import Job, State
from terrafair.workflows import cwl
from terrafair.workflows.content import decode, load
from terrafair.workflows.workflow import Resolution, WorkflowType

Document = dict[str, Any]
APPLICATION = "application/"
ENVIRONMENT = "environment.txt"
TRACES = {
    "ro-crate-metadata.json": "application/ld+json",
    "prov.json": "application/json",
    ENVIRONMENT: "text/plain",
}
"""Files of a result that tell how it came about."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of the result."""

    name: str
    """Below the job's folder in the store, e.g. `outputs/ndvi.tif`."""
    key: str
    size: int


@dataclass(frozen=True, slots=True)
class Made:
    """The result of one job."""

    job: Job
    resolution: Resolution
    collection: Document
    items: tuple[Document, ...]
    files: Mapping[str, StoredFile]
    lock: str = ""
    """Exact requirements, one a line."""
    images: Mapping[str, str] = field(default_factory=dict)
    """Container image -> digest, of those that it ran in."""
    application: str = ""
    """Name of the executable document among the files; empty: none was kept."""


def read(objects: ObjectStore, job: Job, resolution: Resolution) -> Made:
    """The result of a job; raises `Conflict` for one that has not ended well, `NotFound` for one without files."""
    if job.state is not State.SUCCESSFUL:
        raise Conflict(
            f"Job {job.id} is {job.state.value}.",
            "Only what ended well is published.",
            "See `terrafair log`, and run it again.",
            where="job",
        )
    prefix = job.results.prefix.rstrip("/")
    if not job.results.collection:
        raise NotFound(f"Job {job.id} made no files.", "There is nothing to publish.", where="job")
    files = {
        name: StoredFile(name, stored.key, stored.size)
        for stored in objects.list(prefix)
        if (name := stored.key.removeprefix(f"{prefix}/"))
    }
    application = next((name for name in sorted(files) if name.startswith(APPLICATION)), "")
    _check_application(objects, files, application, resolution)
    lock = objects.get(f"{prefix}/{ENVIRONMENT}").decode("utf-8", "replace") if ENVIRONMENT in files else ""
    crate = json.loads(objects.get(job.results.crate)) if job.results.crate else {}
    return Made(
        job=job,
        resolution=resolution,
        collection=json.loads(objects.get(job.results.collection)),
        items=tuple(json.loads(objects.get(key)) for key in job.results.items),
        files=files,
        lock=lock,
        images=_images(crate, resolution),
        application=application,
    )


def _check_application(
    objects: ObjectStore, files: Mapping[str, StoredFile], name: str, resolution: Resolution
) -> None:
    """What the records lead to now is still what ran: the entries would else link to other code than made the data."""
    application = resolution.application
    if not name or application is None or not application.content:
        return
    if objects.get(files[name].key) != application.content:
        raise Conflict(
            f"The workflow of {resolution.id!r} is not the one that ran any more.",
            "Its record leads to other code than the job was run with.",
            "Run it again, then publish that job.",
            "job",
            "workflow-changed",
        )


def _images(crate: Mapping[str, Any], resolution: Resolution) -> dict[str, str]:
    """Container images -> digest where one is known: those that the application names, else those of the crate.

    The crate alone does not do: it leaves out what ran in an environment that stands in for the image.
    """
    ran: dict[str, str] = {}
    for entity in crate.get("@graph") or ():
        kinds = entity.get("@type")
        if "ContainerImage" in (kinds if isinstance(kinds, list) else [kinds]):
            name = ":".join(str(entity[part]) for part in ("name", "tag") if entity.get(part))
            ran[name or str(entity.get("@id"))] = str(entity.get("sha256") or "")
    application = resolution.application
    if application is None or application.type is not WorkflowType.CWL or not application.content:
        return ran
    named = cwl.images(cwl_document(application.content))
    pins = resolution.configuration.get("images", ())
    parts = [(image if ran.get(image) else pinned(image, pins) or image).partition("@sha256:") for image in named]
    return {name: digest or ran.get(name, "") for name, _, digest in parts} or ran


def cwl_document(content: bytes) -> Document:
    """A CWL document that has run already."""
    found = load(decode(content))
    return found if isinstance(found, dict) else {}
