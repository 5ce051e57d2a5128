"""Catalogues for the tests of validation: the demo's, as files that a test may change."""

import json
from collections.abc import Callable
from typing import Any

from terrafair.demo.catalogue import catalogue_files

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES: dict[str, bytes] = catalogue_files(COMMIT)
PRODUCT = "products/demo-ndvi-composite/collection.json"
PROJECT = "projects/terrafair-demo/collection.json"
THEME = "themes/land/catalog.json"
VARIABLE = "variables/total-surface-water/catalog.json"
MISSION = "eo-missions/sentinel-2/catalog.json"
WORKFLOW = "workflows/demo-ndvi-workflow/record.json"
EXPERIMENT = "experiments/demo-ndvi/record.json"

Change = Callable[[Any], object]


def changed(path: str, change: Change) -> dict[str, bytes]:
    """The demo's files with one document changed in place, or `Replaced`."""
    document = json.loads(FILES[path])
    made = change(document)
    value = made.value if isinstance(made, Replaced) else document
    return {**FILES, path: json.dumps(value, indent=2, ensure_ascii=False).encode()}


class Replaced:
    """What a change gives to replace the whole document."""

    def __init__(self, value: Any) -> None:
        self.value = value


def link(document: Any, rel: str, ending: str = "") -> Any:
    """The first link of a relation whose address ends so."""
    return next(entry for entry in document["links"] if entry["rel"] == rel and entry["href"].endswith(ending))


def number(document: Any, rel: str, ending: str = "") -> int:
    """Its place among the links."""
    found: int = document["links"].index(link(document, rel, ending))
    return found


def without(document: Any, rel: str, ending: str = "") -> None:
    """Remove it."""
    document["links"].remove(link(document, rel, ending))


def patched(document: Any, patch: list[dict[str, Any]]) -> Any:
    """RFC 6902, the three operations that the mutants use."""
    for step in patch:
        parts = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
        if not parts:
            document = step["value"]
            continue
        holder = document
        for part in parts[:-1]:
            holder = holder[int(part)] if isinstance(holder, list) else holder[part]
        place: Any = parts[-1]
        if isinstance(holder, list):
            place = len(holder) if place == "-" else int(place)
            if step["op"] == "add":
                holder.insert(place, step["value"])
                continue
        if step["op"] == "remove":
            del holder[place]
        else:
            holder[place] = step["value"]
    return document
