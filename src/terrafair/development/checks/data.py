"""Whether the inputs are complete, of the right type, there, and what they are said to be."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from terrafair.development.checks.lines import Lines
from terrafair.development.checks.sources import Sources
from terrafair.development.findings import Finding, Severity
from terrafair.errors import InvalidInput, NotFound, TerrafairError
from terrafair.web import Web
from terrafair.workflows import cwl, notebook, openeo
from terrafair.workflows.check import bind
from terrafair.workflows.content import load
from terrafair.workflows.published import values_of
from terrafair.workflows.workflow import InputSpec, Resolution, WorkflowType

_MAGIC: Mapping[str, tuple[bytes, ...]] = {
    "image/tiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "image/png": (b"\x89PNG",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "application/x-hdf": (b"\x89HDF",),
    "application/x-hdf5": (b"\x89HDF",),
    "application/x-netcdf": (b"\x89HDF", b"CDF"),
    "application/netcdf": (b"\x89HDF", b"CDF"),
    "application/vnd.apache.parquet": (b"PAR1",),
}
ITEMS = 50
BYTES = 64 * 2**20


def check(sources: Sources, web: Web | None) -> Iterator[Finding]:
    """Values against the inputs, references, and the definitions of data."""
    manifest = sources.manifest
    specs = inputs_of(sources)
    for file, reach in ((manifest.values, True), (manifest.demo, False)):
        if file and sources.has(file):
            yield from _values(sources, file, specs, _Reach(sources, web) if reach else None)
    for name, file in manifest.definitions.items():
        if sources.has(file):
            yield from _definition(sources, name, file)


def inputs_of(sources: Sources) -> tuple[InputSpec, ...] | None:
    """The inputs of what runs; None where the document cannot be read."""
    file = sources.manifest.runs
    try:
        document = load(sources.text(file), file)
        if file.endswith(".cwl"):
            return cwl.inputs(document, cwl.entry_of(document))
        if file.endswith(".ipynb"):
            return notebook.inputs(document)
        return openeo.inputs(document)
    except (TerrafairError, AttributeError, KeyError, TypeError):
        return None


def values(sources: Sources, file: str) -> dict[str, Any]:
    """The values in a file of inputs, relative paths made absolute; raises `InvalidInput`."""
    found = values_of(sources.read(file), file)
    return {name: _absolute(value, sources) for name, value in found.items()}


def _absolute(value: Any, sources: Sources) -> Any:
    if isinstance(value, list):
        return [_absolute(each, sources) for each in value]
    if isinstance(value, str) and "://" not in value and (sources.has(value) or _is_folder(value, sources)):
        return str((sources.folder / value).absolute())
    return value


def _is_folder(value: str, sources: Sources) -> bool:
    parts = PurePosixPath(value)
    return "/" in value and not parts.is_absolute() and ".." not in parts.parts and (sources.folder / value).is_dir()


def _values(
    sources: Sources, file: str, specs: Sequence[InputSpec] | None, reach: "_Reach | None"
) -> Iterator[Finding]:
    try:
        given = values_of(sources.read(file), file)
    except InvalidInput as fault:
        yield Finding.of(fault.problem, file).at(file)
        return
    lines = Lines(sources.text(file))

    def line(name: str) -> int:
        return max(lines.of("parameters", name), lines.of("inputs", name), lines.of(name))

    if specs is not None:
        resolution = Resolution("", "file", type=WorkflowType.CWL, inputs=tuple(specs))
        try:
            bind(resolution, given)
        except InvalidInput as fault:
            for problem in fault.problems:
                name = problem.where.split(".")[0]
                yield Finding.of(problem, file).at(file, line(name))
    formats = {spec.name: str(spec.schema.get("format", "")) for spec in specs or ()}
    for name, value in given.items():
        for reference in _references(value, formats.get(name, "")):
            if reach:
                yield from (
                    found.at(found.file or file, found.line or line(name)) for found in reach.check(reference, name)
                )


def _references(value: Any, form: str) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _references(each, form)
    elif isinstance(value, Mapping):
        place = value.get("location") or value.get("path") or value.get("href")
        if isinstance(place, str):
            yield place
    elif isinstance(value, str) and (
        form in {"file", "directory", "stac-item", "stac-collection", "stac"}
        or value.startswith(("http://", "https://", "s3://"))
        or value.endswith((".json", ".tif", ".nc", ".geojson"))
    ):
        yield value


@dataclass(frozen=True, slots=True)
class _Reach:
    """Follows references as a run would."""

    sources: Sources
    web: Web | None

    def check(self, reference: str, name: str) -> Iterator[Finding]:
        """Whether it is there, and holds what it says."""
        if reference.startswith("s3://"):
            # Only the platform that has the bucket can tell; a run there does.
            return
        folder = self.sources.folder / reference
        if "://" not in reference and folder.is_dir():
            return
        try:
            content = self._content(reference)
        except TerrafairError as fault:
            gone = isinstance(fault, NotFound)
            what = f"The input {name} refers to {reference}, which {'is not there' if gone else 'cannot be reached'}."
            remedy = "Correct the reference, or add the file."
            yield Finding("input-missing-data", what, "", 0, Severity.ERROR, fault.problem.what, remedy, name)
            return
        if content is None:
            return
        if urlsplit(reference).path.endswith((".json", ".geojson")):
            yield from self._document(content, reference, name)

    def _content(self, reference: str) -> bytes | None:
        if "://" in reference:
            return self.web.get(reference, limit=BYTES).content if self.web else None
        if not self.sources.has(reference):
            raise NotFound(f"The repository has no file {reference}.")
        return self.sources.read(reference)

    def _document(self, content: bytes, reference: str, name: str, depth: int = 0) -> Iterator[Finding]:
        where = reference if self.sources.has(reference) else ""
        try:
            document = json.loads(content)
        except ValueError as fault:
            what = f"{reference} is no JSON: {fault}."
            yield Finding(
                "data-invalid", what, where, getattr(fault, "lineno", 0), place=name, remedy="Correct the file."
            )
            return
        if not isinstance(document, Mapping) or "stac_version" not in document:
            return
        if document.get("type") == "Feature":
            yield from self._item(document, reference, name)
            return
        found = [link for link in document.get("links", ()) if isinstance(link, Mapping) and link.get("rel") == "item"]
        if document.get("type") == "Collection" and not found and depth == 0:
            remedy = "Link items (rel item), or name an item."
            yield Finding("data-empty", f"{reference} links to no item.", where, 0, Severity.ERROR, "", remedy, name)
        for link in found[:ITEMS]:
            target = self._beside(reference, str(link.get("href", "")))
            try:
                inner = self._content(target)
            except TerrafairError as fault:
                what = f"{reference} links to the item {link.get('href')}, which cannot be read."
                yield Finding("input-missing-data", what, where, 0, Severity.ERROR, fault.problem.what, "", name)
                continue
            if inner is not None:
                yield from self._document(inner, target, name, depth + 1)

    def _item(self, item: Mapping[str, Any], reference: str, name: str) -> Iterator[Finding]:
        where = reference if self.sources.has(reference) else ""
        lines = Lines(self.sources.text(reference)) if where else Lines("")
        missing = [key for key in ("id", "geometry", "properties", "assets") if key not in item]
        if missing:
            what = f"The STAC item {reference} has no {', '.join(missing)}."
            yield Finding(
                "data-invalid", what, where, 1, Severity.ERROR, "STAC asks for it.", "Complete the item.", name
            )
            return
        assets = item["assets"] if isinstance(item["assets"], Mapping) else {}
        wanted = self._wanted()
        for key in wanted - set(assets) if wanted else ():
            what = f"{item['id']} has no asset {key!r}."
            why = f"{self.sources.manifest.definitions['inputs']} says that the inputs have it."
            remedy = f"It has: {', '.join(assets)}."
            yield Finding("data-lacks-asset", what, where, lines.of("assets"), Severity.ERROR, why, remedy, name)
        for key, asset in assets.items():
            if isinstance(asset, Mapping) and isinstance(asset.get("href"), str):
                target = self._beside(reference, asset["href"])
                if "://" not in target:
                    yield from self._asset(key, asset, target, where, lines)

    def _wanted(self) -> set[str]:
        file = self.sources.manifest.definitions.get("inputs", "")
        try:
            declared = json.loads(self.sources.read(file) or b"{}").get("item_assets")
        except (ValueError, AttributeError):
            return set()
        return set(declared) if isinstance(declared, Mapping) else set()

    def _asset(self, key: str, asset: Mapping[str, Any], path: str, where: str, lines: Lines) -> Iterator[Finding]:
        line = lines.of("assets", key)
        if not self.sources.has(path):
            what = f"The asset {key} refers to {asset['href']}, which is not there."
            yield Finding("input-missing-data", what, where, lines.of("assets", key, "href"), remedy="Add the file.")
            return
        content = self.sources.read(path)
        kind = str(asset.get("type", "")).split(";")[0].strip()
        if (starts := _MAGIC.get(kind)) and not content.startswith(starts):
            what = f"The asset {key} is said to be {kind}, and {path} is not."
            why = f"It begins with {content[:8]!r}."
            yield Finding(
                "media-type",
                what,
                where,
                lines.of("assets", key, "type"),
                Severity.ERROR,
                why,
                "Correct `type`, or the file.",
            )
        said = str(asset.get("file:checksum", ""))
        if said.startswith("1220") and said[4:] != hashlib.sha256(content).hexdigest():
            what = f"{path} is not the file that the asset {key} describes."
            why = f"Its sha256 is {hashlib.sha256(content).hexdigest()[:12]}..., and file:checksum says {said[4:16]}..."
            place = lines.of("assets", key, "file:checksum") or line
            yield Finding(
                "checksum", what, where, place, Severity.ERROR, why, "Bring back the file, or describe it anew."
            )

    def _beside(self, reference: str, href: str) -> str:
        if "://" in href:
            return href
        if "://" in reference:
            return urljoin(reference, href)
        parts: list[str] = list(PurePosixPath(reference).parent.parts)
        for part in PurePosixPath(unquote(href)).parts:
            if part == ".." and parts:
                parts.pop()
            elif part not in {".", ".."}:
                parts.append(part)
        return "/".join(parts)


def _definition(sources: Sources, name: str, file: str) -> Iterator[Finding]:
    try:
        document = json.loads(sources.read(file))
    except ValueError as fault:
        yield Finding("definition-invalid", f"{file} is no JSON: {fault}.", file, getattr(fault, "lineno", 0))
        return
    about = document if isinstance(document, Mapping) else {}
    needed = ("stac_version", "id", "description", "license", "extent", "links")
    missing = [key for key in needed if key not in about]
    if about.get("type") != "Collection" or missing:
        what = f"The definition of the {name} is no STAC collection."
        why = f"It lacks {', '.join(missing)}." if missing else f"Its type is {about.get('type')!r}."
        yield Finding("definition-invalid", what, file, 1, Severity.ERROR, why, "`terrafair new` shows a whole one.")
