"""The fields extension: the parts of an item that are wanted."""

from collections.abc import Iterable
from typing import Any

import orjson

from terrafair.api.stac.asking import Fields

DEFAULT = frozenset(
    {"type", "stac_version", "id", "geometry", "bbox", "links", "assets", "collection"}
    | {"properties.datetime", "properties.start_datetime", "properties.end_datetime"}
)
IDENTITY = frozenset({"type", "stac_version", "id", "collection"})
_ROOTS = frozenset(
    {"type", "stac_version", "stac_extensions", "id", "geometry", "bbox", "links", "assets", "collection"}
)
_ROOTS |= {"properties"}


def show(document: bytes, fields: Fields) -> bytes:
    """The item with what is asked for.

    With inclusions: those, what tells whose they are, less the exclusions inside them. With exclusions alone: all but
    those. With neither, or an empty list of inclusions: STAC's default fields, less the exclusions.
    """
    item = orjson.loads(document)
    include = {_full(name) for name in fields.include or ()}
    exclude = {_full(name) for name in fields.exclude}
    if include:
        # An exclusion around an inclusion says what is left out beside it, and that is left out anyway.
        exclude = {path for path in exclude if not any(f"{wanted}.".startswith(f"{path}.") for wanted in include)}
        item = _chosen(item, include | IDENTITY)
    elif fields.include is not None:
        item = _chosen(item, DEFAULT)
    for path in exclude:
        _drop(item, path.split("."))
    return orjson.dumps(item)


def _full(name: str) -> str:
    """`eo:cloud_cover` is a property unless it is a field of the item itself."""
    return name if name.partition(".")[0] in _ROOTS else f"properties.{name}"


def _chosen(item: dict[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for path in sorted(paths):
        source: Any = item
        target = result
        names = path.split(".")
        for number, name in enumerate(names):
            if not isinstance(source, dict) or name not in source:
                break
            source = source[name]
            if number == len(names) - 1:
                target[name] = source
            elif isinstance(source, dict):
                inner = target.setdefault(name, {})
                if inner is source:
                    break  # chosen whole already
                target = inner
    return result


def _drop(item: Any, names: list[str]) -> None:
    for name in names[:-1]:
        item = item.get(name) if isinstance(item, dict) else None
    if isinstance(item, dict):
        item.pop(names[-1], None)
