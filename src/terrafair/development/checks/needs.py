"""What a workflow needs of a platform, read from its documents."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from terrafair.development.checks.sources import Sources
from terrafair.errors import TerrafairError
from terrafair.execution.containers import Image
from terrafair.workflows import cwl
from terrafair.workflows.content import load
from terrafair.workflows.openeo import process_of


@dataclass(frozen=True, slots=True)
class Needs:
    """Facts for the comparison with a target."""

    type: str
    """Of the document that a platform executes: `cwl`, `openeo` or `notebook`."""
    file: str
    process: str = ""
    """Id under which it would be deployed or found."""
    cwl_version: str = ""
    images: tuple[str, ...] = ()
    memory: int = 0
    """Most bytes of memory that one step asks for; 0: nothing is said."""
    network: bool = False
    processes: tuple[str, ...] = ()
    """openEO processes."""
    collections: tuple[str, ...] = ()
    """openEO collections by id."""
    formats: tuple[str, ...] = ()
    """openEO output formats."""
    runtimes: tuple[str, ...] = ()
    """openEO UDF runtimes."""
    media_types: tuple[str, ...] = ()
    """Of inputs and outputs, by the data definitions."""


def own_image(image: str, name: str) -> bool:
    """Whether an image is the one that the repository itself makes."""
    return Image.parse(image).name.rpartition("/")[2] == name


def read(sources: Sources) -> Needs | None:
    """The needs; None where the document does not parse (its own check says why)."""
    manifest = sources.manifest
    file = manifest.runs
    try:
        document = load(sources.text(file), file)
        media = tuple(dict.fromkeys(_media_types(sources)))
        if file.endswith(".cwl") or manifest.type == "cwl":
            return _of_cwl(document, file, manifest.name, media)
        if file.endswith(".ipynb"):
            return Needs("notebook", file, manifest.name, media_types=media)
        return _of_graph(document, file, manifest.name, media)
    except (TerrafairError, AttributeError, KeyError, TypeError):
        return None


def _of_cwl(document: Mapping[str, Any], file: str, name: str, media: tuple[str, ...]) -> Needs:
    graph = document.get("$graph")
    memory, network = 0, False
    for process in graph if isinstance(graph, list) else [document]:
        for wish, about in _wishes(process):
            if wish == "ResourceRequirement" and isinstance(about, Mapping):
                asked = [about.get(key) for key in ("ramMin", "ramMax")]
                memory = max([memory, *(int(value) * 2**20 for value in asked if isinstance(value, int | float))])
            network |= (
                wish == "NetworkAccess" and isinstance(about, Mapping) and about.get("networkAccess") is not False
            )
    entry = cwl.about(document, cwl.entry_of(document))["id"] or name
    return Needs(
        "cwl", file, entry, str(document.get("cwlVersion", "")), tuple(cwl.images(document)), memory, network,
        media_types=media,
    )  # fmt: skip


def _of_graph(document: Mapping[str, Any], file: str, name: str, media: tuple[str, ...]) -> Needs:
    nodes = list(_nodes(process_of(document)["process_graph"]))
    arguments = [(str(node["process_id"]), node.get("arguments") or {}) for node in nodes if not node.get("namespace")]

    def texts(process: str, argument: str) -> tuple[str, ...]:
        found = (given.get(argument) for id_, given in arguments if id_ == process and isinstance(given, Mapping))
        return tuple(dict.fromkeys(value for value in found if isinstance(value, str)))

    return Needs(
        "openeo",
        file,
        str(document.get("id") or name),
        processes=tuple(sorted({process for process, _ in arguments})),
        collections=texts("load_collection", "id"),
        formats=texts("save_result", "format"),
        runtimes=texts("run_udf", "runtime"),
        media_types=media,
    )


def _nodes(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        if isinstance(value.get("process_id"), str):
            yield value
        for part in value.values():
            yield from _nodes(part)
    elif isinstance(value, list):
        for part in value:
            yield from _nodes(part)


def _wishes(process: Any) -> Iterator[tuple[str, Any]]:
    for key in ("requirements", "hints"):
        declared = process.get(key) if isinstance(process, Mapping) else None
        if isinstance(declared, Mapping):
            yield from ((str(name), about) for name, about in declared.items())
        for each in declared if isinstance(declared, list) else ():
            if isinstance(each, Mapping):
                yield str(each.get("class", "")), each


def _media_types(sources: Sources) -> Iterator[str]:
    for file in sources.manifest.definitions.values():
        try:
            declared = json.loads(sources.read(file) or b"{}").get("item_assets") or {}
        except (ValueError, AttributeError):
            continue
        for asset in declared.values() if isinstance(declared, Mapping) else ():
            if isinstance(asset, Mapping) and isinstance(asset.get("type"), str):
                yield asset["type"].split(";")[0].strip()
