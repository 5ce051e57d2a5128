"""Prepares an openEO process graph for the sandbox: checks it, stages what it loads."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from terrafair.data.selection import Selection
from terrafair.errors import InvalidInput, InvalidInputs, Problem, TerrafairError
from terrafair.execution.command import Command, Limits
from terrafair.execution.engines.checkout import application_of, file_name
from terrafair.execution.engines.engine import Say
from terrafair.execution.engines.launch import child_command
from terrafair.execution.engines.openeo import sources
from terrafair.execution.engines.openeo.clusters import Clusters
from terrafair.execution.engines.openeo.evaluate import bind_parameters, unknown_process
from terrafair.execution.engines.openeo.graph import Graph, Node, read
from terrafair.execution.engines.openeo.sources import Need
from terrafair.execution.engines.openeo.udps import Definitions
from terrafair.execution.engines.references import Staged, complete
from terrafair.execution.task import JobFolder, Task
from terrafair.workflows.workflow import Resolution, WorkflowType

MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**28), "MALLOC_TRIM_THRESHOLD_": str(2**28)}
"""Blocks come and go by the hundred: memory that is given back each time costs a tenth of the whole run."""


class Stager(Protocol):
    """The part of `data.stage.Stager` that this engine needs."""

    def file(self, reference: str, into: Path) -> Path:
        """Bring one file or directory here."""
        ...

    def stac(self, reference: str, into: Path, selection: Selection | None = None) -> Path:
        """Bring a STAC document and the selected part of its data here."""
        ...


class OpenEOEngine:
    """Evaluates process graphs with the platform's own library of processes."""

    type = WorkflowType.OPENEO

    def __init__(
        self, stager: Stager, collections: Callable[[str], str | None], clusters: Clusters | None = None
    ) -> None:
        self._stager = stager
        self._clusters = clusters
        """Whose workers see the job folders; none: threads of the job's own process."""
        self._collections = collections
        """Collection id -> its STAC reference, or None."""

    def check(self, resolution: Resolution) -> Sequence[Problem]:
        """Look for faults of the graph, processes and collections that are not here."""
        if resolution.application is None:
            what = "There is no process graph to run."
            return [Problem(what, remedy="Link one in the record.", code="application-missing")]
        definitions = _definitions(resolution)
        try:
            graph = read(resolution.application.content, _names(resolution))
            problems = _call_problems(graph, definitions)
            found = sources.find(graph, resolution.values, definitions)
            problems = [*problems, *self._unknown_collections(found.needs)]
            return problems or _static_problems(resolution)
        except TerrafairError as fault:
            return list(fault.problems)

    def prepare(
        self, resolution: Resolution, values: Mapping[str, Any], folder: JobFolder, limits: Limits, say: Say
    ) -> Command:
        """Check, stage every reference with the part that is wanted, and write the task."""
        application = application_of(resolution)
        merged = complete(resolution.inputs, values)
        definitions = _definitions(resolution)
        graph = read(application.content, (*_names(resolution), *merged))
        bound = bind_parameters(graph.parameters, merged, "")
        found = sources.find(graph, bound, definitions)
        problems = [
            *_call_problems(graph, definitions), *self._unknown_collections(found.needs), *found.computed,
        ]  # fmt: skip
        if problems:
            raise InvalidInputs(problems)
        folder.create()
        staged = Staged(dict(merged), self._stage(found.needs, folder, say))
        document = folder.application / "graph.json"
        document.write_bytes(application.content)
        task = Task(
            job=folder.path.name,
            type=self.type.value,
            application=str(document),
            entry=application.entry,
            values=staged.values,
            sources=staged.sources,
            folder=str(folder.path),
            options={"udps": dict(resolution.configuration.get("udps") or {}), "scheduler": self._scheduler(say)},
        )
        environment = {
            # Sidecar files beside a raster could change what it says, or point elsewhere.
            "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
            **MEMORY,
        }
        readable = staged.readable(folder.path)
        command = child_command("openeo", task, folder, limits, readable, environment=environment)
        return replace(command, network=True) if task.options["scheduler"] else command

    def _scheduler(self, say: Say) -> dict[str, Any]:
        if self._clusters is None or not self._clusters.remote:
            return {}
        say("Asking for the Dask cluster.")
        access = self._clusters.access()
        return access.document() if access else {}

    def _unknown_collections(self, needs: Iterable[Need]) -> list[Problem]:
        problems = []
        for need in needs:
            if need.way == "collection" and self._collections(need.reference) is None:
                what = f"The collection {need.reference!r} is not on this platform."
                why = "A graph names collections by ids that each back-end chooses for itself."
                remedy = "Give the data through load_stac, or let the operator register the collection."
                problems.append(Problem(what, why, remedy, need.where, "collection-unknown"))
        return problems

    def _stage(self, needs: Sequence[Need], folder: JobFolder, say: Say) -> dict[str, str]:
        """Stage each reference once, with the part that all its places together want."""
        paths: dict[str, str] = {}
        for number, reference in enumerate(dict.fromkeys(need.reference for need in needs)):
            own = [need for need in needs if need.reference == reference]
            into = folder.inputs / f"{number:02d}-{file_name(reference, 'data')}"
            into.mkdir(parents=True, exist_ok=True)
            say(f"Staging {reference}.")
            try:
                paths[reference] = str(self._bring(own, into))
            except TerrafairError as fault:
                problem = fault.problem
                where = problem.where or own[0].cut or own[0].where
                raise type(fault)(problem.what, problem.why, problem.remedy, where, problem.code) from fault
        return paths

    def _bring(self, needs: Sequence[Need], into: Path) -> Path:
        need = needs[0]
        if need.way in {"file", "code"}:
            return self._stager.file(need.reference, into)
        address = (self._collections(need.reference) or "") if need.way == "collection" else need.reference
        chosen = selection(needs)
        if chosen == Selection():
            return self._stager.stac(address, into)
        if not chosen.assets:
            return self._stager.stac(address, into, chosen)
        try:
            return self._stager.stac(address, into, chosen)
        except InvalidInput as fault:
            if "none of the assets" not in fault.problem.what:
                raise
            # Bands that no asset declares may stand inside of a file, a NetCDF for instance.
            return self._stager.stac(address, into, Selection(chosen.bbox, chosen.start, chosen.end))


def selection(needs: Sequence[Need]) -> Selection:
    """The least part that serves all places; bounds are degrees, dates whole days."""
    boxes = [_degrees(need.spatial) for need in needs]
    spans = [_days(need.temporal) for need in needs]
    bbox = None
    if boxes and all(box is not None for box in boxes):
        known = [box for box in boxes if box is not None]
        bbox = (
            min(box[0] for box in known), min(box[1] for box in known),
            max(box[2] for box in known), max(box[3] for box in known),
        )  # fmt: skip
    starts, ends = [span[0] for span in spans], [span[1] for span in spans]
    bands = tuple(dict.fromkeys(band for need in needs for band in need.bands))
    return Selection(
        bbox,
        min(start for start in starts if start) if all(starts) else None,
        max(end for end in ends if end) if all(ends) else None,
        bands if all(need.bands for need in needs) else (),
    )


def _degrees(extent: Any) -> tuple[float, float, float, float] | None:
    from terrafair.execution.engines.openeo.load import area_of

    box, _ = area_of(extent)
    if box is None:
        return None
    moved = box.to("EPSG:4326")
    if moved.west > moved.east:
        # Across the date line; the union with others would not be.
        return None
    # The edges of pixels reach beyond their centres.
    return moved.west, moved.south, moved.east, moved.north


def _days(extent: Any) -> tuple[str | None, str | None]:
    from terrafair.execution.engines.openeo import instants

    if extent is None:
        return None, None
    start, end = instants.interval(extent, same_day=True)
    return tuple(None if each is None else instants.text(each)[:10] for each in (start, end))  # type: ignore[return-value]


def _definitions(resolution: Resolution) -> Definitions:
    documents = resolution.configuration.get("udps")
    return Definitions(documents if isinstance(documents, Mapping) else {})


def _static_problems(resolution: Resolution) -> list[Problem]:
    """What the metadata of cubes tell before anything is loaded."""
    from terrafair.execution.engines.openeo.abstract import ANY
    from terrafair.execution.engines.openeo.validation import Context, validate

    documents = resolution.configuration.get("udps")
    values = {**dict.fromkeys(_names(resolution), ANY), **resolution.values}
    context = Context(definitions=documents if isinstance(documents, Mapping) else {}, values=values)
    return validate(resolution.application.content if resolution.application else b"", context)


def _names(resolution: Resolution) -> tuple[str, ...]:
    return tuple(spec.name for spec in resolution.inputs)


def _call_problems(graph: Graph, definitions: Definitions) -> list[Problem]:
    """Unknown processes and missing arguments, each once."""
    from terrafair.execution.engines.openeo.registry import processes

    library = processes()
    problems: dict[str, Problem] = {}
    for where, node in sources.calls(graph, definitions):
        if definitions.find(node.process, node.namespace) is not None:
            continue
        if "://" in node.namespace:
            what = f"The process {node.process} of {node.namespace} could not be found."
            remedy = "Publish its definition where it can be read, or put it into the graph."
            problems.setdefault(node.process, Problem(what, "", remedy, where, "process-unsupported"))
        elif node.process not in library:
            fault = unknown_process(node.process, library).problem
            problems.setdefault(node.process, Problem(fault.what, fault.why, fault.remedy, where, fault.code))
        else:
            for name in _missing(node, library[node.process].required):
                what = f"{node.process} needs the argument {name!r}."
                known = (*library[node.process].required, *library[node.process].optional)
                remedy = f"It takes: {', '.join(known)}."
                problems[f"{where}/{name}"] = Problem(what, "", remedy, f"{where}/{name}", "argument-missing")
    return list(problems.values())


def _missing(node: Node, required: Iterable[str]) -> list[str]:
    return [name for name in required if name not in node.arguments]
