"""The input files of a job by checksum, read from what was staged for it."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terrafair.data.classify import classify, media_type
from terrafair.data.objects import sha256_of
from terrafair.data.stage import MARKER
from terrafair.execution.engines.references import local_path

FILES = 10_000
"""Input files that are listed one by one."""
_MULTIHASH_SHA256 = "1220"


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file that a job could read."""

    reference: str
    """As the person, the record or the document names it."""
    part: str = ""
    """`ITEM/ASSET` inside a STAC reference, or the path inside a folder."""
    media_type: str = ""
    size: int = 0
    """Bytes."""
    sha256: str = ""


def input_files(sources: Mapping[str, str]) -> tuple[InputFile, ...]:
    """List the staged files of each reference, sorted; what is gone meanwhile is listed without checksum.

    `sources` are those of the task: reference -> absolute local path.
    """
    found: list[InputFile] = []
    for reference, text in sorted(sources.items()):
        for each in _files(reference, Path(text)):
            found.append(each)
            if len(found) >= FILES:
                return tuple(found)
    return tuple(found)


def _files(reference: str, path: Path) -> Iterator[InputFile]:
    if path.is_dir():
        names = ("catalog.json", "collection.json", "items.json", "item.json")
        if any((path / name).is_file() for name in names):
            yield from _stac(reference, sorted(path.rglob("*.json"))[:FILES], within=path)
        else:
            for file in sorted(each for each in path.rglob("*") if each.is_file() and each.name != MARKER):
                yield _file(reference, file, file.relative_to(path).as_posix())
    elif path.is_file():
        assets = list(_stac(reference, [path])) if (path.parent / MARKER).is_file() else []
        yield from assets or [_file(reference, path)]
    else:
        yield InputFile(reference)


def _stac(reference: str, documents: list[Path], within: Path | None = None) -> Iterator[InputFile]:
    """The data files that staged STAC documents name, each once.

    `within`: the folder that they must lie in, where it may be anybody's; only the stager's documents name others.
    """
    seen: set[Path] = set()
    for document in documents:
        for item, key, asset in _assets(document):
            href = asset.get("href")
            path = Path(os.path.normpath(local_path(href) or document.parent / str(href)))
            if path in seen or (within and not path.is_relative_to(within)) or not path.is_file():
                continue
            seen.add(path)
            yield _file(reference, path, f"{item}/{key}", asset)


def _assets(document: Path) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    try:
        content = json.loads(document.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return
    if not isinstance(content, dict):
        return
    features = content.get("features", [content])
    for item in features if isinstance(features, list) else ():
        assets = item.get("assets") if isinstance(item, dict) else None
        for key, asset in assets.items() if isinstance(assets, dict) else ():
            if isinstance(asset, dict) and isinstance(asset.get("href"), str):
                yield str(item.get("id", "")), str(key), asset


def _file(reference: str, path: Path, part: str = "", asset: Mapping[str, Any] | None = None) -> InputFile:
    try:
        size = path.stat().st_size
        known = str((asset or {}).get("file:checksum", ""))
        # The stager has compared it with the file; reading gigabytes again would tell nothing new.
        trusted = known.startswith(_MULTIHASH_SHA256) and (asset or {}).get("file:size") == size
        digest = known.removeprefix(_MULTIHASH_SHA256) if trusted else sha256_of(path)
        kind = str((asset or {}).get("type") or media_type(path, classify(path)))
    except OSError:
        return InputFile(reference, part)
    return InputFile(reference, part, kind, size, digest)
