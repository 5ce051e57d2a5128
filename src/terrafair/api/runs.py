"""What routes and pages ask about runs, as the documents that they show."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from terrafair.api.shapes import job_document
from terrafair.data.objects import Content, ObjectStore
from terrafair.errors import Conflict, InvalidInput, NotExecutable, NotFound
from terrafair.execution.admission import texts
from terrafair.execution.builtin import BUILD
from terrafair.execution.builtin import KIND as BUILTIN
from terrafair.execution.job import ENDED, Job, JobRequest, Owner, State
from terrafair.execution.jobs import Jobs, Selection, own
from terrafair.execution.pairing import Pairing
from terrafair.identity.access import Action, Visibility, require
from terrafair.identity.asking import asker
from terrafair.workflows.workflow import Resolution

UPLOADS = "uploads"
JOB = "job"
"""As the kind of what is run: an earlier job, once more."""
RECENT, RECENT_SECONDS = 64, 3.0
"""How many ended jobs are remembered, and for how long, for who asks for many of their tiles."""
Document = dict[str, Any]


class Runs:
    """Accepts and tells; the work itself is done by workers."""

    def __init__(
        self,
        jobs: Jobs,
        resolve: Callable[[JobRequest], Resolution],
        bind: Callable[[Resolution, Mapping[str, Any]], Mapping[str, Any]],
        objects: ObjectStore,
        locate: Callable[[JobRequest], JobRequest] = lambda request: request,
        delegate: Callable[[Resolution, str], Resolution] = lambda resolution, _: resolution,
        pairing: Pairing | None = None,
        admit: Callable[[str], None] = lambda _: None,
        beside: Callable[[str], object] = lambda _: None,
    ) -> None:
        """Take what names the file of a deployed process, what asks a target whether it would run something, what
        compares two runs, and what refuses objects (`admit`) and addresses in projects' buckets (`beside`) that the
        asker may not read.
        """
        self._beside = beside
        self._pairing = pairing
        self._admit = admit
        self._recent: dict[str, tuple[float, Job, dict[str, str]]] = {}
        self._locate = locate
        self._delegate = delegate
        self._jobs = jobs
        self._resolve = resolve
        self._bind = bind
        self._objects = objects

    def accept(
        self,
        id: str,  # noqa: A002 - the field's word
        *,
        kind: str = "",
        file: str = "",
        inputs: Mapping[str, Any] | None = None,
        reproduce: bool = False,
        timeout: float | None = None,
        project: str = "",
        visibility: str = "project",
        target: str = "",
    ) -> Document:
        """Accept a job, once everything that can be known before is right.

        It belongs to the project, else to the one that the asker works in, else to their own.
        With the kind `job` it is that job once more: the same code and inputs, but for those that are given.
        Raises `NotFound` (nearest ids), `NotExecutable` (reasons) or `InvalidInputs` (each wrong input).
        """
        if bool(id) == bool(file):
            raise InvalidInput("A job needs the id of an experiment or workflow, or a file; not both.", where="id")
        name = file.rpartition("/")[2] if file else id
        request = JobRequest(name, "file" if file else kind, file, reproduce=reproduce)
        if kind == JOB and not file:
            request = self._former(id)
        request = replace(
            request, inputs={**request.inputs, **(inputs or {})}, timeout=timeout or request.timeout, target=target
        )
        return self._accept(request, self._owner(project, visibility))

    def _former(self, id: str) -> JobRequest:  # noqa: A002
        """What an earlier job was asked; how its caller wanted the results is no part of it."""
        request = self._jobs.get(id).request
        if request.kind in {BUILD, BUILTIN}:
            what = f"The job {id} is {'a build' if request.kind == BUILD else 'a process of the platform itself'}."
            raise InvalidInput(what, "Only runs of workflows are run again.", "Start it as it was started.", "id")
        return JobRequest(request.subject, request.kind, request.file, request.inputs, timeout=request.timeout)

    def _accept(self, request: JobRequest, owner: Owner) -> Document:
        name, target = request.subject, request.target
        request = self._locate(request)
        self._check_references(request)
        resolution = self._resolve(request)
        if target:
            resolution = self._delegate(resolution, target)
        if request.reproduce and resolution.kind != "experiment":
            raise InvalidInput(f"{name} is a {resolution.kind}.", "Only an experiment has a product to compare with.")
        if not resolution.executable:
            where = f"at {target}" if target else "here"
            raise NotExecutable(resolution.reasons, f"{name} is not executable {where}.")
        self._bind(resolution, request.inputs)
        settled = replace(request, kind=request.kind if request.file else resolution.kind)
        return self._document(self._jobs.submit(settled, owner=owner))

    def _owner(self, project: str, visibility: str) -> Owner:
        """Whose a new job is; raises `Refused` before anything is read for somebody who may not run it."""
        try:
            shown = Visibility(visibility)
        except ValueError:
            known = ", ".join(Visibility)
            raise InvalidInput(f"There is no visibility {visibility[:40]!r}.", f"Known: {known}.") from None
        mine = own(asker())
        owner = replace(mine, project=project or mine.project, visibility=shown)
        require(asker().actor, Action.CREATE, owner.thing)
        return owner

    def _check_references(self, request: JobRequest) -> None:
        """Raise `NotFound` early for references to what the asker may not read; the job's stage-in asks once more."""
        file = self._objects.key_of(request.file.partition("#")[0]) if request.file else None
        if file:
            self._admit(unquote(file))
        document = _json(self._objects.get(file)) if file else None
        for text in texts([dict(request.inputs), document]):
            if (key := self._objects.key_of(text)) is not None:
                self._admit(unquote(key))
            self._beside(text)

    def listing(self, *, status: str = "", subject: str = "", limit: int = 100, **more: str) -> list[Document]:
        """Jobs, newest first; `more`: `type`, `project`, `text`, `after` and `until` (dates or instants), `before`."""
        if status and status not in [state.value for state in State]:
            known = ", ".join(State)
            raise InvalidInput(f"There is no status {status!r}.", remedy=f"Known: {known}.", where="status")
        wanted = Selection(
            (status,) if status else (),
            types=_some(more.get("type")),
            projects=_some(more.get("project")),
            text=more.get("text", ""),
            subject=subject,
            created=(_instant(more.get("after", ""), "after"), _instant(more.get("until", ""), "until")),
        )
        found = self._jobs.select(wanted, min(max(limit, 1), 10_000), more.get("before", ""))
        return [self._document(job) for job in found]

    def known(self) -> Document:
        """`{types, projects}` among the jobs that the asker may see."""
        return self._jobs.known()

    def record(self, id: str) -> Document:  # noqa: A002
        """Steps, CPU and memory over time, and cost of one job."""
        return self._jobs.record(id)

    def compare(self, first: str, second: str, *, values: bool = True) -> Document:
        """Two jobs side by side."""
        if self._pairing is None:
            raise NotFound("This platform does not compare runs.")
        return self._pairing.compare(self._jobs.get(first), self._jobs.get(second), values=values)

    def get(self, id: str) -> Document:  # noqa: A002
        """One job."""
        return self._document(self._jobs.get(id))

    def cancel(self, id: str) -> Document:  # noqa: A002
        """End one."""
        return self._document(self._jobs.cancel(id))

    def log(self, id: str, since: int, limit: int) -> Document:  # noqa: A002
        """Lines from number `since`, and where to go on."""
        # The job before its log: what it said before it ended is then surely among the lines.
        job = self._jobs.get(id)
        lines = self._jobs.log(id, max(since, 0), min(max(limit, 1), 100_000))
        following = lines[-1].number + 1 if lines else since
        return {"lines": [line.document() for line in lines], "next": following, "job": self._document(job)}

    def results(self, id: str, base: str) -> Document:  # noqa: A002
        """What a job left: STAC, provenance, files."""
        job = self._jobs.get(id)
        results = job.results
        if not results.prefix:
            raise NotFound(
                f"Job {id} has no results.", f"It is {job.state.value}.", "See `terrafair log`.", where="job"
            )
        known = {asset.key: asset for asset in results.assets}
        files: list[Document] = []
        for stored in self._objects.list(results.prefix):
            name = stored.key.removeprefix(f"{results.prefix.rstrip('/')}/")
            asset = known.get(stored.key)
            file: Document = {
                "name": name,
                "href": f"{base}/api/jobs/{id}/files/{name}",
                "s3": self._objects.url(stored.key),
            }
            file |= {"size": stored.size, "sha256": asset.sha256 if asset else ""}
            files.append(
                file | {"type": asset.media_type if asset else "", "role": asset.role if asset else "metadata"}
            )
        return {
            "collection": self._objects.url(results.collection) if results.collection else "",
            "items": [self._objects.url(key) for key in results.items],
            "crate": self._objects.url(results.crate) if results.crate else "",
            "assets": [file for file in files if file["role"] == "data"],
            "files": files,
        }

    def file(self, id: str, name: str) -> Content:  # noqa: A002
        """One file of the results, as a stream."""
        objects, key = self.stored(id, name)
        return objects.open(key)

    def stored(self, id: str, name: str) -> tuple[ObjectStore, str]:  # noqa: A002
        """The store and the key of one file of the results."""
        results = self._jobs.get(id).results
        if not results.prefix:
            raise NotFound(f"Job {id} has no results.", where="job")
        return self._objects, f"{results.prefix.rstrip('/')}/{name}"

    def located(self, id: str, name: str) -> tuple[str, str]:  # noqa: A002
        """Object key and version of one file of the results; a file's version is its checksum, where it has one."""
        job, checksums = self._ended_job(id)
        if not job.results.prefix:
            raise NotFound(f"Job {id} has no results.", where="job")
        key = f"{job.results.prefix.rstrip('/')}/{name}"
        # What an ended job has left is replaced by nothing, at the most thrown away.
        version = f"{job.id} {job.finished} {name}" if job.state in ENDED else ""
        return key, checksums.get(key) or version

    def _ended_job(self, id: str) -> tuple[Job, dict[str, str]]:  # noqa: A002
        """A job with its files' checksums; of an ended one as it was some seconds ago at most: a map asks often."""
        known = self._recent.get(id)
        if known is None or time.monotonic() - known[0] > RECENT_SECONDS:
            job = self._jobs.get(id)
            known = time.monotonic(), job, {asset.key: asset.sha256 for asset in job.results.assets}
            if job.state in ENDED:
                if len(self._recent) >= RECENT:
                    self._recent.clear()
                self._recent[id] = known
        self._jobs.admit_reader(known[1])
        return known[1], known[2]

    def reproduction(self, id: str) -> Document:  # noqa: A002
        """The comparison with the published product."""
        job = self._jobs.get(id)
        if not job.request.reproduce:
            raise NotFound(f"Job {id} was not asked to compare.", remedy="Use `terrafair reproduce`.", where="job")
        if job.state is not State.SUCCESSFUL:
            raise Conflict(f"Job {id} is {job.state.value}; there is nothing to compare.", where="job")
        document: Document = json.loads(self._objects.get(f"{job.results.prefix.rstrip('/')}/reproduction.json"))
        return document

    def upload(self, path: Path, name: str, digest: str) -> str:
        """Keep a file that somebody brought; the same file twice is kept once."""
        require(asker().actor, Action.CREATE, own(asker()).thing)
        key = f"{UPLOADS}/{digest[:24]}/{name}"
        self._objects.put_file(key, path)
        return self._objects.url(key)

    def _document(self, job: Job) -> Document:
        collection = self._objects.url(job.results.collection) if job.results.collection else ""
        owner = {**asdict(job.owner), "visibility": job.owner.visibility.value}
        return {**job_document(job), **owner, "collection": collection, "usage": asdict(job.usage)}


def _some(value: str | None) -> tuple[str, ...]:
    return (value,) if value else ()


def _instant(text: str, where: str) -> str:
    """A date or an instant in UTC, as jobs' times are written."""
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            f"{text[:40]!r} is no time.", "It takes 2026-01-31 or 2026-01-31T12:00:00Z.", where=where
        ) from None
    return text if len(text) == len("2026-01-31") else f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"


def _json(content: bytes) -> Any:
    """A document's content; None where it is of another kind."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
