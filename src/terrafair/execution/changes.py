"""Changes that a workflow wants in the STAC metadata of its outputs (openEO's stac_modify), as JSON merge patches."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

OWN = frozenset({"id", "type", "stac_version", "collection", "links"})
"""What ties an item to its result; no workflow changes it."""
DEPTH = 50
"""Levels to which objects are merged; the outcome comes out of the sandbox and may be nested at will."""


def changed(
    items: tuple[Mapping[str, Any], ...], outputs: Mapping[str, str], changes: Any
) -> tuple[Mapping[str, Any], ...]:
    """The items with the changes of the outputs that they hold; assets stay where they lie and as large as they are.

    `outputs` leads from output name to path, `changes` from output name to patch.
    """
    if not isinstance(changes, Mapping):
        return items
    patches = {
        outputs[name]: patch for name, patch in changes.items() if name in outputs and isinstance(patch, Mapping)
    }
    return tuple(_patched(item, patches) for item in items)


def _patched(item: Mapping[str, Any], patches: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    for path in _paths(item):
        if path in patches:
            wanted = {name: value for name, value in patches[path].items() if name not in OWN}
            item = _with_assets(merged(item, wanted), item["assets"])
    return item


def _paths(item: Mapping[str, Any]) -> Iterator[str]:
    """Where the item's files lie below the outputs."""
    for asset in item.get("assets", {}).values():
        yield unquote(str(asset.get("href", ""))).partition("outputs/")[2]


def _with_assets(item: dict[str, Any], own: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """No asset is added or lost, and what was measured of the file stays."""
    found = item.get("assets")
    assets = {}
    for name, asset in own.items():
        wanted = found.get(name) if isinstance(found, Mapping) else None
        measured = {key: value for key, value in asset.items() if key == "href" or key.startswith("file:")}
        assets[name] = {**wanted, **measured} if isinstance(wanted, Mapping) else dict(asset)
    return {**item, "assets": assets}


def merged(document: Any, patch: Any, depth: int = DEPTH) -> Any:
    """JSON merge patch (RFC 7386): null takes away, objects are merged, all else replaces."""
    if not isinstance(patch, Mapping) or depth == 0:
        return patch
    result = dict(document) if isinstance(document, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value, depth - 1)
    return result
