"""Whether a written Zarr store can be opened in one request, by names, and holds what its source holds (GeoZarr)."""

import json
import math
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from terrafair.data.cube_source import Array, Group
from terrafair.errors import Problem

RULE = "GeoZarr builds on it: readers open the store by its consolidated metadata and find arrays' axes by name."
LARGEST = 128 * 2**20
"""Bytes of one chunk, unpacked, that a reader must fetch for a single value."""


def check_store(folder: Path, groups: Sequence[Group], name: str) -> tuple[Problem, ...]:
    """What is wrong with a written store."""
    found = _consolidated(folder)
    if found is None:
        return (_wrong(name, "has no consolidated metadata"),)
    problems = []
    for group in groups:
        for array in group.arrays:
            key = f"{group.path}/{array.name}".strip("/")
            written = found.get(key)
            if written is None:
                problems.append(_wrong(name, f"lacks the array {key}"))
            else:
                problems += [_wrong(name, f"{what} (array {key})") for what in _array(array, written)]
    return tuple(problems)


def check_zip(path: Path) -> tuple[Problem, ...]:
    """What is wrong with a zipped store: entries that are compressed, or below a folder."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except zipfile.BadZipFile as fault:
        return (_wrong(path.name, f"is no zip: {fault}"),)
    problems = []
    if not {entry.filename for entry in entries} & {".zgroup", ".zarray"}:
        problems.append(_wrong(path.name, "does not have the store at its root"))
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        problems.append(_wrong(path.name, "deflates its entries, so that readers cannot seek in them"))
    if any(entry.flag_bits & 1 for entry in entries):
        problems.append(_wrong(path.name, "is encrypted"))
    return tuple(problems)


def _consolidated(folder: Path) -> dict[str, dict[str, Any]] | None:
    """Path of each array -> shape, chunks and names of its axes."""
    try:
        if (folder / ".zmetadata").is_file():
            entries = json.loads((folder / ".zmetadata").read_text("utf-8"))["metadata"]
            return dict(_version_2(entries))
        document = json.loads((folder / "zarr.json").read_text("utf-8"))
        entries = document["consolidated_metadata"]["metadata"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return {path: _version_3(entry) for path, entry in entries.items() if entry.get("node_type") == "array"}


def _version_2(entries: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, entry in entries.items():
        if path.rpartition("/")[2] == ".zarray":
            folder = path.removesuffix(".zarray").rstrip("/")
            attributes = entries.get(f"{folder}/.zattrs", {})
            names = attributes.get("_ARRAY_DIMENSIONS")
            yield folder, {"shape": entry["shape"], "chunks": entry["chunks"], "names": names, "attributes": attributes}


def _version_3(entry: dict[str, Any]) -> dict[str, Any]:
    chunks = entry["chunk_grid"]["configuration"]["chunk_shape"]
    for codec in entry.get("codecs", ()):
        if codec.get("name") == "sharding_indexed":
            chunks = codec["configuration"]["chunk_shape"]
    names, attributes = entry.get("dimension_names"), entry.get("attributes", {})
    return {"shape": entry["shape"], "chunks": chunks, "names": names, "attributes": attributes}


def _array(array: Array, written: dict[str, Any]) -> Iterator[str]:
    if tuple(written["shape"]) != array.shape:
        yield f"has the shape {written['shape']}, its source {list(array.shape)}"
    if list(written["names"] or []) != list(array.dims):
        yield f"names its axes {written['names']}, its source {list(array.dims)}"
    if math.prod(written["chunks"]) * max(array.dtype.itemsize, 1) > LARGEST:
        yield f"has chunks of more than {LARGEST // 2**20} MB"
    lost = [name for name, value in array.attributes.items() if written["attributes"].get(name) != value]
    if lost:
        yield f"lost the attribute {lost[0]}"


def _wrong(name: str, what: str) -> Problem:
    return Problem(f"{name} {what}.", RULE, "Report this as a fault.", name, "zarr-invalid")
