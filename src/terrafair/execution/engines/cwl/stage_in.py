"""Turns input values into a CWL job order, with the data staged as OGC 20-089 asks.

A Directory whose value is a reference to a STAC document becomes a folder that holds

    catalog.json      links to each item
    ID/ID.json        the item; its assets lie beside it
    collection.json   where the reference was a collection
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from terrafair.errors import InvalidInput
from terrafair.execution.engines.checkout import file_name
from terrafair.execution.engines.cwl.document import Port
from terrafair.execution.engines.references import Stager, is_reference, local_path

_STRUCTURE = frozenset({"self", "root", "parent", "item", "items", "collection", "child"})


@dataclass(slots=True)
class Order:
    """A job order and what had to be staged for it."""

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    """Reference as given -> local path."""
    readable: dict[Path, None] = field(default_factory=dict)
    """Data that is used in place."""


class StageIn:
    """Stages the values of one job."""

    def __init__(self, stager: Stager, folder: Path, *, linked: bool) -> None:
        """Take where to stage to; `linked`: assets may be symbolic links (containers cannot follow them)."""
        self._stager = stager
        self._folder = folder
        self._linked = linked
        self.order = Order()

    def run(self, ports: Sequence[Port], values: Mapping[str, Any]) -> Order:
        """Stage every value that its input's type calls data."""
        for port in ports:
            if port.name in values and values[port.name] is not None:
                target = self._folder / file_name(port.name)
                self.order.values[port.name] = self._value(values[port.name], port.kinds, target, port.name)
        return self.order

    def _value(self, value: Any, kinds: frozenset[str], target: Path, name: str) -> Any:
        if isinstance(value, list):
            return [self._value(each, kinds, target / str(number), name) for number, each in enumerate(value)]
        given = value
        if isinstance(value, Mapping):
            given = value.get("location") or value.get("path") or value.get("href")
            if value.get("class") in {"File", "Directory"} and given is None:
                return dict(value)
        wanted = value.get("class") if isinstance(value, Mapping) else None
        if isinstance(given, str) and "Directory" in kinds and wanted != "File" and _addresses(given, kinds):
            return self._directory(given, target, name)
        if isinstance(given, str) and "File" in kinds and wanted != "Directory" and _addresses(given, kinds):
            return {"class": "File", "location": self._file(given, target, name).as_uri()}
        if isinstance(value, str) and "record:value" in kinds and "string" not in kinds:
            return {"value": value}
        return value

    def _file(self, reference: str, target: Path, name: str) -> Path:
        self._need(reference, name)
        target.mkdir(parents=True, exist_ok=True)
        path = self._stager.file(reference, target)
        return self._note(reference, path)

    def _directory(self, reference: str, target: Path, name: str) -> dict[str, str]:
        self._need(reference, name)
        local = local_path(reference)
        last = unquote(urlsplit(reference).path).lower()
        document = last.endswith((".json", ".geojson")) or reference.startswith(("http://", "https://"))
        if not document or (local and local.is_dir()):
            path = self._file(reference, target, name)
            if path.is_dir():
                return {"class": "Directory", "location": path.as_uri()}
            raise InvalidInput(f"{reference} is no folder.", "The workflow asks for one.", where=name)
        fetched = target / "fetched"
        fetched.mkdir(parents=True, exist_ok=True)
        path = self._stager.stac(reference, fetched)
        folder = self._catalogue(path, target / "stac", name)
        self.order.sources[reference] = str(folder)
        return {"class": "Directory", "location": folder.as_uri()}

    def _catalogue(self, path: Path, target: Path, name: str) -> Path:
        document = json.loads(path.read_text("utf-8"))
        found = list(items(document, path))
        if not found:
            what = f"{document.get('id', path.name)} holds no STAC item."
            raise InvalidInput(what, remedy="Refer to an item, or to a collection that has some.", where=name)
        target.mkdir(parents=True, exist_ok=True)
        links = [{"rel": "root", "href": "./catalog.json", "type": "application/json"}]
        collection = document if document.get("type") == "Collection" else None
        for item, place in found:
            folder = target / file_name(str(item.get("id", "item")), "item")
            folder.mkdir(exist_ok=True)
            self._item(item, place, folder, has_collection=collection is not None)
            href = f"./{folder.name}/{folder.name}.json"
            links.append({"rel": "item", "href": href, "type": "application/geo+json"})
        if collection:
            kept = [link for link in collection.get("links", []) if link.get("rel") not in _STRUCTURE]
            _write(target / "collection.json", {**collection, "links": [*kept, *links]})
        catalogue = {
            "type": "Catalog",
            "stac_version": found[0][0].get("stac_version", "1.0.0"),
            "id": "staged-" + file_name(str(document.get("id", name)), "input"),
            "description": f"What was staged for the input {name}.",
            "links": links,
        }
        _write(target / "catalog.json", catalogue)
        return target

    def _item(self, item: dict[str, Any], place: Path, folder: Path, *, has_collection: bool) -> None:
        assets = {key: dict(asset) for key, asset in (item.get("assets") or {}).items()}
        for key, asset in assets.items():
            source = _resolve(asset.get("href"), place)
            if source and source.exists():
                asset["href"] = "./" + self._asset(source, folder, file_name(key)).name
        links = [link for link in item.get("links", []) if link.get("rel") not in _STRUCTURE]
        links += [{"rel": rel, "href": "../catalog.json", "type": "application/json"} for rel in ("root", "parent")]
        if has_collection:
            links.append({"rel": "collection", "href": "../collection.json", "type": "application/json"})
        _write(folder / f"{folder.name}.json", {**item, "assets": assets, "links": links})

    def _asset(self, source: Path, folder: Path, key: str) -> Path:
        target = folder / source.name
        if target.exists() or target.is_symlink():
            target = folder / f"{key}-{source.name}"
        source = source.resolve()
        if self._linked:
            target.symlink_to(source)
            if not source.is_relative_to(self._folder):
                self.order.readable[source] = None
        elif source.is_dir():
            shutil.copytree(source, target)
        else:
            try:
                os.link(source, target)
            except OSError:
                shutil.copyfile(source, target)
        return target

    def _need(self, reference: str, name: str) -> None:
        if not is_reference(reference):
            why = "The workflow asks for a file or folder."
            remedy = "Give a URL, an s3:// address of this platform or an absolute path below a data root."
            raise InvalidInput(f"{reference!r} is no address of data.", why, remedy, name, "reference-invalid")

    def _note(self, reference: str, path: Path) -> Path:
        self.order.sources[reference] = str(path)
        if not path.is_relative_to(self._folder):
            self.order.readable[path] = None
        return path


def items(
    document: Mapping[str, Any], path: Path, seen: set[Path] | None = None
) -> Iterator[tuple[dict[str, Any], Path]]:
    """Give the items of a staged STAC document with the folder that their relative links start from."""
    seen = set() if seen is None else seen
    if document.get("type") == "Feature":
        yield dict(document), path.parent
    for feature in document.get("features") or ():
        yield feature, path.parent
    if document.get("type") not in {"Collection", "Catalog"}:
        return
    for link in document.get("links") or ():
        if link.get("rel") not in {"item", "items", "child"}:
            continue
        target = _resolve(link.get("href"), path.parent)
        if target and target.is_file() and target not in seen:
            seen.add(target)
            yield from items(json.loads(target.read_text("utf-8")), target, seen)


def _addresses(value: str, kinds: frozenset[str]) -> bool:
    """Where a plain string is allowed too, only an address counts as data."""
    return is_reference(value) or "string" not in kinds


def _resolve(href: object, base: Path) -> Path | None:
    if (path := local_path(href)) is not None:
        return path
    if not isinstance(href, str) or "://" in href:
        return None
    return (base / unquote(href)).resolve()


def _write(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1), "utf-8")
