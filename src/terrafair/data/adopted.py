"""The STAC items that a workflow wrote itself, with their assets as files of the results."""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from terrafair.data.classify import read_json
from terrafair.errors import Problem


@dataclass(frozen=True, slots=True)
class Adopted:
    """One item."""

    id: str
    document: Mapping[str, Any]
    """As the workflow wrote it."""
    assets: Mapping[str, str] = field(default_factory=dict)
    """Asset key -> path relative to the results' folder, of those that lie in it."""


def adopt(folder: Path, documents: Sequence[str], remarks: list[Problem]) -> list[Adopted]:
    """Every well-formed item in the named STAC documents, item collections included; ids are made unique."""
    found: list[Adopted] = []
    used: set[str] = set()
    for name in documents:
        document = read_json(folder / name)
        features = document.get("features") if document.get("type") == "FeatureCollection" else [document]
        for feature in features if isinstance(features, list) else ():
            if not isinstance(feature, Mapping) or feature.get("type") != "Feature":
                continue
            if not isinstance(feature.get("id"), str) or not isinstance(feature.get("properties"), Mapping):
                remarks.append(Problem(f"{name} holds an item without id or properties.", where=name, code="item-odd"))
                continue
            identifier = feature["id"].replace("/", "-")
            if identifier in used:
                identifier = f"{identifier}-{len(found) + 1}"
            used.add(identifier)
            found.append(Adopted(identifier, feature, dict(_assets(feature, folder, name, remarks))))
    return found


def _assets(feature: Mapping[str, Any], folder: Path, name: str, remarks: list[Problem]) -> list[tuple[str, str]]:
    found = []
    assets = feature.get("assets")
    for key, asset in assets.items() if isinstance(assets, Mapping) else ():
        href = asset.get("href") if isinstance(asset, Mapping) else None
        path = _inside(href, folder, name) if isinstance(href, str) else None
        if path is None or not (folder / path).exists():
            what = f"The asset {key!r} of {feature['id']} is not among the results."
            remarks.append(Problem(what, f"Its href is {str(href)[:200]!r}.", where=name, code="asset-missing"))
            continue
        found.append((str(key), path))
    return found


def _inside(href: str, folder: Path, name: str) -> str | None:
    """The path of an href relative to the folder; None where it leads out."""
    parts = urlsplit(href)
    if parts.scheme not in {"", "file"}:
        return None
    path = unquote(parts.path)
    if path.startswith("/"):
        return Path(path).relative_to(folder).as_posix() if Path(path).is_relative_to(folder) else None
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
    return None if joined.startswith("..") else joined
