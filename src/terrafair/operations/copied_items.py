"""STAC items that are kept in a database of their own (pgSTAC), as lines of a backup, and their way back.

As documents, not as a dump of the database: a copy outlives releases of pgSTAC, and comes back into either engine.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from terrafair.catalogue.items.search import ItemStore
from terrafair.errors import Conflict

FILE = "items.ndjson"
"""In the copy: each collection, followed by its items."""
BATCH = 500

Say = Callable[[str], None]


def write(store: ItemStore, folder: Path, say: Say = lambda _: None) -> Path:
    """All collections and items; each collection in one consistent state."""
    folder.mkdir(parents=True, exist_ok=True)
    target, partial, count = folder / FILE, folder / f"{FILE}.partial", 0
    with partial.open("wb") as file:
        for collection in store.collections():
            file.write(collection.document() + b"\n")
            for item in store.all_items(collection.id):
                file.write(item.document() + b"\n")
                count += 1
    partial.replace(target)
    say(f"Copied {count} STAC items.")
    return target


def require_empty(store: ItemStore) -> None:
    """Raises `Conflict` for a store in use."""
    if found := store.collections():
        raise Conflict(
            f"The item database is not empty: it has the collection {found[0].id}.",
            "A copy replaces nothing.",
            "Name an empty database in the setting `items_database`, then restore.",
        )


def read(folder: Path, store: ItemStore) -> int:
    """Put what was written into an empty store; gives how many items came."""
    total = 0
    with (folder / FILE).open("rb") as file:
        lines = map(orjson.loads, file)
        while batch := list(islice(lines, BATCH)):
            total += _put(store, batch)
    return total


def _put(store: ItemStore, documents: list[dict[str, Any]]) -> int:
    items = 0
    for collection, group in _runs(documents):
        if collection:
            items += store.put_items(collection, group)
        else:
            store.put_collection(group[0])
    return items


def _runs(documents: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Items of one collection together; a collection by itself, under no name."""
    name, group = "", list[dict[str, Any]]()
    for document in documents:
        of = document["collection"] if document["type"] == "Feature" else ""
        if group and (of != name or not of):
            yield name, group
            group = []
        name = of
        group.append(document)
    if group:
        yield name, group
