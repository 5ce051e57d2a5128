"""The products of the Open Science Catalog as collections of the item store, with the items that they have there."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import orjson

from terrafair.catalogue.catalogue import Catalogue
from terrafair.catalogue.items.search import ItemStore, Stored
from terrafair.catalogue.records import Record, links
from terrafair.errors import InvalidInput, NotFound

PUBLISHED = "Published in the Open Science Catalog"
RESULT = "Result of a job of this platform"
OWNERS = {PUBLISHED: "published in the Open Science Catalog", RESULT: "the result of a job"}


def owner_of(stored: Stored | None) -> str:
    """Whose a collection is that is not edited by hand; empty for one that is."""
    for link in orjson.loads(stored.links) if stored else ():
        if link.get("rel") == "canonical" and link.get("title") in OWNERS:
            return OWNERS[link["title"]]
    return ""


def mirror(catalogue: Catalogue, store: ItemStore, state: Path) -> tuple[int, tuple[str, ...]]:
    """Bring the store's products to the catalogue's indexed commit; a second call on the same commit does nothing.

    Gives how many collections were written, and what could not be shown and why. `state` remembers what was written.
    """
    before = _read(state)
    commit = f"{catalogue.source}@{catalogue.commit}"
    if not catalogue.commit or before.get("commit") == commit:
        return 0, ()
    root = _root(catalogue)
    known: Mapping[str, str] = before.get("products", {})
    items: dict[str, list[Record]] = {}
    for record in catalogue.records("item"):
        items.setdefault(record.key.parent.partition("/")[0], []).append(record)
    written: dict[str, str] = {}
    faults: list[str] = []
    changed = 0
    for record in catalogue.records("product"):
        own = items.get(record.id, [])
        digest = _digest([record, *own])
        if known.get(record.id) != digest:
            try:
                faults += _write(store, record, own, root)
            except InvalidInput as fault:
                faults.append(f"{record.path}: {fault}")
                continue
            changed += 1
        written[record.id] = digest
    for gone in set(known) - set(written):
        try:
            store.delete_collection(gone)
        except NotFound:
            continue
    state.parent.mkdir(parents=True, exist_ok=True)
    partial = state.with_suffix(".partial")
    partial.write_text(json.dumps({"commit": commit, "products": written}))
    partial.replace(state)
    return changed, tuple(faults)


def _write(store: ItemStore, record: Record, items: list[Record], root: str) -> list[str]:
    store.put_collection(absolute(record.document, root + record.path, canonical=PUBLISHED))
    faults, good = [], []
    for item in items:
        document = absolute(item.document, root + item.path)
        document["collection"] = record.id
        try:
            store.put_items(record.id, [document])
            good.append(item.id)
        except InvalidInput as fault:
            faults.append(f"{item.path}: {fault}")
    return faults


def absolute(document: Mapping[str, Any], base: str, canonical: str = "") -> dict[str, Any]:
    """A copy with links and assets that hold wherever it is read; all else as it is."""
    shown = dict(document)
    found = [{**link, "href": urljoin(base, link["href"])} for link in links(shown)]
    if canonical:
        found.append({"rel": "canonical", "href": base, "type": "application/json", "title": canonical})
    shown["links"] = found
    assets = shown.get("assets")
    if isinstance(assets, dict):
        shown["assets"] = {
            name: {**asset, "href": urljoin(base, asset["href"])}
            for name, asset in assets.items()
            if isinstance(asset, dict) and isinstance(asset.get("href"), str)
        }
    return shown


def _root(catalogue: Catalogue) -> str:
    """Where the catalogue's documents are published, from what they say of themselves."""
    for record in catalogue.records("product"):
        for link in links(record.document):
            if link.get("rel") == "self" and link["href"].endswith(record.path) and "://" in link["href"]:
                return str(link["href"]).removesuffix(record.path)
    return "https://esa-earthcode.github.io/open-science-catalog-metadata/"


def _digest(records: list[Record]) -> str:
    import hashlib

    digest = hashlib.sha256()
    for record in records:
        digest.update(orjson.dumps([record.path, record.document]))
    return digest.hexdigest()[:24]


def _read(state: Path) -> dict[str, Any]:
    try:
        found = json.loads(state.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
