"""What a job left becomes its result: files in the object store, described as STAC, with the provenance of the run.

jobs/JOB/
  collection.json  items/ITEM.json     STAC
  outputs/...                          the files
  application/...  environment.txt     what ran, and with which software
  log.jsonl  tracked.json  prov.json  ro-crate-metadata.json
"""

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from terrafair.data.assembly import collection, place_asset
from terrafair.data.classify import classify, media_type
from terrafair.data.description import DescribedFile, Description, Order
from terrafair.data.facts import Facts
from terrafair.data.objects import ObjectStore, sha256_of
from terrafair.errors import Problem, TerrafairError, TimedOut, WorkflowFailed
from terrafair.execution import logs, tracked
from terrafair.execution.changes import changed
from terrafair.execution.crate import METADATA, crate
from terrafair.execution.job import Asset, Job, Results, Usage
from terrafair.execution.program import Program
from terrafair.execution.prov import prov
from terrafair.execution.provenance import Platform, Run, RunFile, application_name, gather, lock_of
from terrafair.execution.sandbox import Sandbox, safe_files
from terrafair.execution.task import JobFolder, Outcome
from terrafair.execution.tracking_server import TrackingServer
from terrafair.execution.trees import wipe
from terrafair.workflows.workflow import Resolution

THREADS = 8
OUTPUTS = "outputs"
TRACKED = "tracked.json"
STAC_TYPES = {"collection.json": "application/json"}
ITEM_TYPE = "application/geo+json"
_AREAS = ("bbox", "spatial_extent", "aoi")
_PERIODS = ("temporal_extent", "time", "datetime", "period", "date_range")


@dataclass(frozen=True, slots=True)
class Packager:
    """Describes and stores; called again after a crash it ends in the same state."""

    objects: ObjectStore
    sandbox: Sandbox
    platform: Platform
    server: TrackingServer | None = None
    """Where metrics go besides the job."""

    def package(self, job: Job, resolution: Resolution, folder: JobFolder, outcome: Outcome, usage: Usage) -> Results:
        """Store everything below `jobs/JOB`, the crate last: where it is, the result is whole."""
        prefix = f"jobs/{job.id}"
        run = gather(job, resolution, folder, outcome, usage, self.platform)
        described = self._describe(job, run, folder, outcome)
        changes = outcome.details.get("stac_changes")
        described = replace(described, items=changed(described.items, outcome.outputs, changes))
        # An earlier attempt may have left files that this one did not make.
        self.objects.delete(prefix)
        self._store_outputs(prefix, folder)
        package = _Package(self.objects, prefix)
        lock = package.add("environment.txt", lock_of(folder, outcome).encode(), "text/plain")
        application = self._application(package, resolution)
        names = {path: name for name, path in outcome.outputs.items()}
        run = replace(run, application=application, lock=lock, outputs=tuple(_outputs(described, names)))
        items = self._store_stac(package, run, described)
        log = folder.path / "log.jsonl"
        if log.is_file():
            package.add("log.jsonl", log.read_bytes(), "application/jsonl", "The run's log, one JSON document a line.")
        if runs := tracked.read(outcome.details.get("tracked")):
            content = orjson.dumps([each.document() for each in runs])
            (folder.path / TRACKED).write_bytes(content)
            about = "Parameters and metrics that the program tracked with MLflow."
            package.add(TRACKED, content, "application/json", about)
            self._pass_on(job, runs, folder)
        run = replace(run, traces=tuple(package.traces))
        package.put("prov.json", orjson.dumps(prov(run)), "application/json")
        package.put(METADATA, orjson.dumps(crate(run), option=orjson.OPT_INDENT_2), "application/ld+json")
        return Results(
            prefix=prefix,
            collection=f"{prefix}/collection.json" if described.files else "",
            items=items,
            assets=tuple(
                Asset(file.path, f"{prefix}/{OUTPUTS}/{file.path}", file.media_type, file.size, file.sha256, file.role)
                for file in described.files
            ),
            crate=f"{prefix}/{METADATA}",
        )

    def _describe(self, job: Job, run: Run, folder: JobFolder, outcome: Outcome) -> Description:
        files = list(safe_files(folder.outputs))
        order = _order(job, run, folder, outcome)
        if not files:
            return Description({})
        program = Program("terrafair.data.describe_child", "the description of the results", self.sandbox)
        try:
            answer = program.run(folder.path / "describe", order.document(), (folder.outputs,))
            found = Description.read(orjson.loads(answer.read_bytes()))
        except (WorkflowFailed, TimedOut, ValueError, KeyError, TypeError) as fault:
            # The result itself is sound: it is kept, and described by what can be said without opening it.
            what = str(fault) if isinstance(fault, TerrafairError) else f"The description is damaged: {fault!r}."
            found = replace(plain_description(order, folder.outputs, files), remarks=(Problem(what),))
        for remark in found.remarks[:20]:
            logs.say(folder.path / "log.jsonl", str(remark), "warning")
        wipe(folder.path / "describe")
        return found

    def _pass_on(self, job: Job, runs: list[tracked.TrackedRun], folder: JobFolder) -> None:
        if self.server:
            try:
                self.server.publish(job, runs)
            except TerrafairError as fault:
                logs.say(folder.path / "log.jsonl", str(fault), "warning")

    def _store_outputs(self, prefix: str, folder: JobFolder) -> None:
        def put(path: Path) -> None:
            name = path.relative_to(folder.outputs).as_posix()
            self.objects.put_file(f"{prefix}/{OUTPUTS}/{name}", path, media_type(path, classify(path)))

        # Each in a context of its own: traces and log lines know which job it is for.
        here = ((copy_context(), path) for path in safe_files(folder.outputs))

        with ThreadPoolExecutor(THREADS) as pool:
            # Consumed, since only then a fault of one of them is raised.
            list(pool.map(lambda each: each[0].run(put, each[1]), here))

    def _application(self, package: "_Package", resolution: Resolution) -> RunFile | None:
        application = resolution.application
        if application is None:
            return None
        content = application.content or application.entry.encode()
        if not content:
            return None
        name = f"application/{application_name(resolution)}"
        kept = package.put(name, content, _APPLICATION_TYPES.get(application.type.value, "text/plain"))
        return replace(kept, description="The executable document of the workflow.")

    def _store_stac(self, package: "_Package", run: Run, described: Description) -> tuple[str, ...]:
        if not described.files:
            return ()
        document = dict(described.collection)
        document["links"] = [*document["links"], *_provenance_links(run)]
        if run.resolution.kind == "experiment":
            document["osc:experiment"] = run.resolution.id
        package.add("collection.json", orjson.dumps(document, option=orjson.OPT_INDENT_2), "application/json")
        names = []
        for item in described.items:
            name = f"items/{item['id']}.json"
            package.add(name, orjson.dumps(item, option=orjson.OPT_INDENT_2), ITEM_TYPE)
            names.append(package.key(name))
        return tuple(names)


_APPLICATION_TYPES = {
    "openeo": "application/json",
    "cwl": "application/cwl+yaml",
    "notebook": "application/x-ipynb+json",
}


class _Package:
    """The small files of one result."""

    def __init__(self, objects: ObjectStore, prefix: str) -> None:
        self._objects = objects
        self._prefix = prefix
        self.traces: list[RunFile] = []
        """What belongs into the crate beside the outputs."""

    def key(self, name: str) -> str:
        return f"{self._prefix}/{name}"

    def put(self, name: str, content: bytes, kind: str, description: str = "") -> RunFile:
        """Store a file."""
        self._objects.put(self.key(name), content, kind)
        return RunFile(name, kind, len(content), hashlib.sha256(content).hexdigest(), description=description)

    def add(self, name: str, content: bytes, kind: str, description: str = "") -> RunFile:
        """Store a file that is a trace of the run."""
        kept = self.put(name, content, kind, description)
        if name != "environment.txt":
            self.traces.append(kept)
        return kept


def plain_description(order: Order, outputs: Path, files: list[Path]) -> Description:
    """Sizes, checksums and types by the first bytes: what can be said of files without opening them."""
    known = []
    for path in files:
        kind = media_type(path, classify(path))
        name = path.relative_to(outputs).as_posix()
        known.append((DescribedFile(name, kind, path.stat().st_size, sha256_of(path)), Facts(classify(path), kind)))
    assets = {file.path: place_asset(file, facts) for file, facts in known}
    return Description(collection(order, [], assets), files=tuple(file for file, _ in known))


def _outputs(described: Description, names: Mapping[str, str]) -> Iterator[RunFile]:
    for file in described.files:
        output = names.get(file.path, "")
        yield RunFile(f"{OUTPUTS}/{file.path}", file.media_type, file.size, file.sha256, file.path, output)


def _order(job: Job, run: Run, folder: JobFolder, outcome: Outcome) -> Order:
    """What the description cannot see in the files."""
    found = run.resolution
    start, end = _period(run.values)
    return Order(
        folder=str(folder.outputs),
        id=job.id,
        title=f"{found.title or found.id} (run {job.id})",
        description=f"Result of one run of the {found.kind} {found.id} on {run.platform.name}.",
        created=run.ended,
        start=start,
        end=end,
        bbox=_area(run.values),
        properties={
            "processing:facility": run.platform.facility,
            "processing:software": {"terrafair": run.platform.version, **run.engine},
            "processing:datetime": run.ended,
        },
        outputs=dict(outcome.outputs),
    )


def _area(values: Mapping[str, Any]) -> tuple[float, ...]:
    """The area that the inputs name, for files that say nothing of where they lie."""
    for name in _AREAS:
        value = values.get(name)
        if isinstance(value, Mapping):
            value = value.get("bbox") or [value.get(side) for side in ("west", "south", "east", "north")]
        if isinstance(value, list) and len(value) == 4 and all(isinstance(each, (int, float)) for each in value):
            west, south, east, north = map(float, value)
            if -180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90:
                return west, south, east, north
    return ()


def _period(values: Mapping[str, Any]) -> tuple[str, str]:
    for name in _PERIODS:
        value = values.get(name)
        if isinstance(value, str) and "/" in value:
            value = value.split("/")
        if isinstance(value, list) and len(value) == 2 and all(isinstance(each, str) for each in value):
            return value[0], value[1]
    return "", ""


def _provenance_links(run: Run) -> Iterator[dict[str, str]]:
    """From the result to how it was made, and to the records that it goes back to."""
    yield {
        "rel": "describedby",
        "href": f"./{METADATA}",
        "type": "application/ld+json",
        "title": "Provenance: Workflow Run RO-Crate",
    }
    yield {"rel": "describedby", "href": "./prov.json", "type": "application/json", "title": "Provenance: W3C PROV"}
    if run.application is not None:
        yield {
            "rel": "processing-expression",
            "href": f"./{run.application.path}",
            "type": run.application.media_type,
            "title": "The workflow that made it",
        }
    found = run.resolution
    for kind, name in (("experiments", found.id), ("workflows", found.workflow)):
        url = run.platform.record_url(kind, name) if name and (kind, found.kind) != ("experiments", "workflow") else ""
        if url:
            yield {"rel": "derived_from", "href": url, "type": "application/json", "title": f"{name} ({kind[:-1]})"}
