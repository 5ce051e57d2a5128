"""Stages the input values that refer to data: a reference becomes a local path."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from terrafair.data.stage import MARKER
from terrafair.errors import InvalidInputs, Problem
from terrafair.execution.engines.checkout import file_name
from terrafair.workflows.workflow import InputSpec

FORMATS = {"stac-item": "stac", "stac-collection": "stac", "stac": "stac", "file": "file", "directory": "file"}
"""`format` of an input's JSON Schema -> how its references are staged."""


class Stager(Protocol):
    """The part of `data.stage.Stager` that engines need."""

    def file(self, reference: str, into: Path) -> Path:
        """Bring one file or directory here."""
        ...

    def stac(self, reference: str, into: Path) -> Path:
        """Bring a STAC document and its assets here; gives the document whose hrefs are local."""
        ...


@dataclass(slots=True)
class Staged:
    """The values with local paths, and what had to be staged for them."""

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    """Reference as given -> absolute local path."""

    def readable(self, folder: Path) -> tuple[Path, ...]:
        """Paths outside the job's folder that the sandbox must show: data used in place, and the assets it names."""
        found: dict[Path, None] = {}
        for text in self.sources.values():
            path = Path(text)
            for each in (path, *asset_paths(path)):
                if each.exists() and not each.is_relative_to(folder):
                    found[each] = None
        return tuple(found)


def is_reference(value: object) -> bool:
    """Tell whether a value is an address of data rather than the data."""
    return isinstance(value, str) and value.startswith(("http://", "https://", "s3://", "file://", "/"))


def complete(specs: Sequence[InputSpec], values: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in defaults; raises `InvalidInputs` for names that the workflow lacks and required ones that are missing."""
    known = {spec.name: spec for spec in specs}
    problems = []
    for name in values.keys() - known.keys() if known else ():
        near = difflib.get_close_matches(name, known, 3)
        remedy = f"Did you mean {', '.join(near)}?" if near else f"It has: {', '.join(known) or 'no inputs'}."
        problems.append(Problem(f"The workflow has no input {name!r}.", "", remedy, name, "input-unknown"))
    for spec in specs:
        if spec.required and values.get(spec.name) is None:
            what = f"The required input {spec.name!r} is missing."
            problems.append(Problem(what, spec.description, "Give it a value.", spec.name, "input-missing"))
    if problems:
        raise InvalidInputs(sorted(problems, key=lambda problem: problem.where))
    defaults = {spec.name: spec.default for spec in specs if spec.default is not None}
    return {**defaults, **values}


def stage(specs: Sequence[InputSpec], values: Mapping[str, Any], stager: Stager, folder: Path) -> Staged:
    """Stage every reference of the inputs that ask for data; the other values pass as they are."""
    staged = Staged()
    ways = {spec.name: _way(spec.schema) for spec in specs}
    for name, value in values.items():
        staged.values[name] = _stage(value, ways.get(name, ""), stager, folder / file_name(name), staged.sources)
    return staged


def asset_paths(document: Path) -> Iterator[Path]:
    """Give the local files that a STAC document names, if it was the stager that put them there.

    Any other document is somebody's file: what it names must neither be shown to a job nor read.
    """
    if not (document.parent / MARKER).is_file() or not document.is_file():
        return
    try:
        content = json.loads(document.read_text("utf-8"))
    except (OSError, ValueError):
        return
    for part in content.get("features", [content]) if isinstance(content, dict) else ():
        assets = part.get("assets") if isinstance(part, dict) else None
        for asset in (assets or {}).values() if isinstance(assets, dict) else ():
            if isinstance(asset, dict) and (local := local_path(asset.get("href"))):
                yield local


def local_path(href: object) -> Path | None:
    """Give the path of an absolute path or `file://` URL; nothing for everything else."""
    if isinstance(href, str) and href.startswith("file://"):
        return Path(unquote(urlsplit(href).path))
    return Path(href) if isinstance(href, str) and href.startswith("/") else None


def _way(schema: Mapping[str, Any]) -> str:
    items = schema.get("items")
    nested = items.get("format", "") if isinstance(items, Mapping) else ""
    return FORMATS.get(str(schema.get("format", "") or nested), "")


def _stage(value: Any, way: str, stager: Stager, folder: Path, sources: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_stage(each, way, stager, folder / str(number), sources) for number, each in enumerate(value)]
    if isinstance(value, Mapping) and isinstance(value.get("href"), str):
        return _stage(value["href"], way or "file", stager, folder, sources)
    if not (way and is_reference(value)):
        return value
    folder.mkdir(parents=True, exist_ok=True)
    path = stager.stac(value, folder) if way == "stac" else stager.file(value, folder)
    sources[value] = str(path)
    return str(path)
