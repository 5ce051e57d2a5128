"""The fields extension: the parts of an item that are wanted."""

from collections.abc import Iterable
from typing import Any

import orjson

from terrafair.api.stac.asking import Fields

DEFAULT = frozenset(
    {"type", "stac_version", "id", "geometry", "bbox", "links", "assets", "collection"}
    | {"properties.datetime", "properties.start_datetime", "properties.end_datetime"}
)
_ROOTS = frozenset({"type", "stac_version", "stac_extensions", "id", "geometry", "bbox", "links", "assets", "collection"})
_ROOTS |= {"properties"}


def show(document: bytes, fields: Fields) -> bytes:
    """The item with only what is included, then without what is excluded.

    With neither, and with nothing but exclusions, the start is what STAC calls the default, or the whole.
    """
    item = orjson.loads(document)
    include = {_full(name) for name in fields.include}
    exclude = {_full(name) for name in fields.exclude}
    if include:
        item = _chosen(item, include | {"id", "collection", "type"} - exclude)
    elif not exclude:
        item = _chosen(item, DEFAULT)
    for path in exclude - include:
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
