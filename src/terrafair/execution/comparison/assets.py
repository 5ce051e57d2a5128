"""Two sets of files: which belongs to which, and how each pair compares."""

import hashlib
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from terrafair.data.classify import Kind, classify
from terrafair.execution.comparison import cubes, documents, rasters, tables
from terrafair.execution.comparison.findings import (
    Compared,
    Contents,
    Difference,
    LocalAsset,
    Match,
    Tolerance,
    Unreadable,
)

SAME = "All values are the same; the bytes differ in metadata, order or compression."
Pair = tuple[LocalAsset | None, LocalAsset | None]


def compare(
    expected: Sequence[LocalAsset], found: Sequence[LocalAsset], tolerance: Tolerance | None = None
) -> tuple[Compared, ...]:
    """Compare what was expected with what is new, in the order expected; additional files come last."""
    tolerance = tolerance or Tolerance()
    return tuple(_compare(old, new, tolerance) for old, new in pairs(expected, found))


def pairs(expected: Sequence[LocalAsset], found: Sequence[LocalAsset]) -> list[Pair]:
    """Which belongs to which: by item and asset key, by asset key, by file name, then by being the only one of a kind.

    A name counts only where it is the only one of its sort on both sides.
    """
    partner: dict[int, int] = {}
    rules: tuple[Callable[[LocalAsset], object], ...] = (
        lambda asset: (asset.item, asset.key) if asset.item and asset.key else None,
        lambda asset: asset.key or None,
        lambda asset: asset.name,
        _file_name,
        lambda asset: _file_name(asset).casefold(),
        lambda asset: _kind(asset.path),
    )
    for rule in rules:
        old = _singles(expected, rule, {*partner})
        new = _singles(found, rule, {*partner.values()})
        partner.update({old[name]: new[name] for name in old.keys() & new.keys()})
    taken = set(partner.values())
    together: list[Pair] = [
        (asset, found[partner[index]] if index in partner else None) for index, asset in enumerate(expected)
    ]
    return [*together, *((None, asset) for index, asset in enumerate(found) if index not in taken)]


def _singles(assets: Sequence[LocalAsset], rule: Callable[[LocalAsset], object], taken: set[int]) -> dict[object, int]:
    """Name -> index of those not yet taken whose name no other one has."""
    names = {index: rule(asset) for index, asset in enumerate(assets) if index not in taken}
    often = Counter(name for name in names.values() if name is not None)
    return {name: index for index, name in names.items() if name is not None and often[name] == 1}


def _file_name(asset: LocalAsset) -> str:
    return PurePosixPath(asset.source or asset.name).name or asset.path.name


def _compare(old: LocalAsset | None, new: LocalAsset | None, tolerance: Tolerance) -> Compared:
    if old is None or new is None:
        if old is not None:
            return Compared(old.name, Match.MISSING, expected=old.name, reason="nothing among the new files matches it")
        name = new.name if new is not None else ""
        return Compared(name, Match.ADDITIONAL, found=name, reason="nothing like it was expected")
    try:
        return _compare_pair(old, new, tolerance)
    except Unreadable as fault:
        return _not_comparable(old, new, fault)
    except OSError as fault:
        side = "expected" if str(fault.filename) == str(old.path) else "new"
        return _not_comparable(old, new, f"the {side} file cannot be read: {fault.strerror or fault}")
    except (MemoryError, RecursionError) as fault:
        return _not_comparable(old, new, f"it is too large or too deep to compare here ({type(fault).__name__})")
    except Exception as fault:  # libraries meet files that nobody has seen before
        reason = " ".join(str(fault).split())[:300]
        return _not_comparable(old, new, f"comparing them fails: {type(fault).__name__}: {reason}")


def _compare_pair(old: LocalAsset, new: LocalAsset, tolerance: Tolerance) -> Compared:
    sizes, digests = (size(old.path), size(new.path)), (digest(old.path), digest(new.path))
    kinds = _kind(old.path), _kind(new.path)
    frame = Compared(new.name, Match.IDENTICAL, old.name, new.name, kinds[1], sizes=sizes, digests=digests)
    if digests[0] == digests[1]:
        return frame
    if 0 in sizes:
        difference = Difference("size", f"{sizes[0]} bytes expected, {sizes[1]} found")
        return replace(frame, match=Match.DIFFERENT, differences=(difference,))
    if kinds[0] != kinds[1]:
        what = f"{_article(kinds[0])} was expected, {_article(kinds[1])} found"
        return replace(frame, match=Match.NOT_COMPARABLE, reason=what)
    read = READERS.get(kinds[0])
    if read is None:
        reason = "the bytes differ, and files of this kind are compared by their bytes alone"
        return replace(frame, match=Match.NOT_COMPARABLE, reason=reason)
    contents = read(old.path, new.path, tolerance)
    if contents.differences:
        return replace(frame, match=Match.DIFFERENT, differences=contents.differences, remarks=contents.remarks)
    first = f"The largest difference is {contents.largest:.3g}." if contents.largest else SAME
    return replace(frame, match=Match.EQUAL, remarks=(first, *contents.remarks))


def _not_comparable(old: LocalAsset, new: LocalAsset, fault: Unreadable | str) -> Compared:
    if isinstance(fault, Unreadable):
        side = "expected" if fault.path == old.path else "new"
        # The reason is for people: where the platform keeps a copy for the moment says nothing to them.
        reason = fault.reason.replace(str(fault.path), fault.path.name)
        fault = f"the {side} file cannot be read: {reason}"
    return Compared(new.name, Match.NOT_COMPARABLE, old.name, new.name, _kind(new.path), fault)


def _kind(path: Path) -> str:
    """One word for the way that a file is compared; its bytes decide, never its name."""
    try:
        found = classify(path)
    except (OSError, ValueError, RecursionError):
        return "unreadable"
    return KINDS.get(found, "folder" if path.is_dir() else found.value)


def compare_archives(expected: Path, found: Path, tolerance: Tolerance) -> Contents:  # noqa: ARG001 - one signature
    """Compare the members of two ZIP files by checksum; their times do not count."""
    old, new = _members(expected), _members(found)
    differences = []
    for name in sorted(old.keys() | new.keys()):
        if name not in new or name not in old:
            side = "missing in the new file" if name in old else "only in the new file"
            differences.append(Difference(f"member {name}", side))
        elif old[name] != new[name]:
            differences.append(Difference(f"member {name}", "its content differs"))
    return Contents(tuple(differences[: documents.DIFFERENCES]), ("Compared by the members' checksums.",))


def _members(path: Path) -> dict[str, tuple[int, int]]:
    try:
        with zipfile.ZipFile(path) as archive:
            return {entry.filename: (entry.CRC, entry.file_size) for entry in archive.infolist() if not entry.is_dir()}
    except (zipfile.BadZipFile, OSError) as fault:
        raise Unreadable(path, f"It is no ZIP file: {fault}.") from fault


KINDS: Mapping[Kind, str] = {
    **dict.fromkeys((Kind.TIFF, Kind.GRIB, Kind.JP2, Kind.PNG, Kind.JPEG, Kind.GIF, Kind.WEBP), "raster"),
    **dict.fromkeys((Kind.NETCDF, Kind.HDF5, Kind.ZARR), "cube"),
    **dict.fromkeys((Kind.GPKG, Kind.SQLITE), "database"),
    **dict.fromkeys((Kind.JSON, Kind.GEOJSON, Kind.STAC), "json"),
    **dict.fromkeys((Kind.TEXT, Kind.XML, Kind.HTML, Kind.SVG, Kind.VRT), "text"),
    Kind.CSV: "table",
    Kind.PARQUET: "parquet",
    Kind.NOTEBOOK: "notebook",
    Kind.ARCHIVE: "archive",
}
READERS: Mapping[str, Callable[[Path, Path, Tolerance], Contents]] = {
    "raster": rasters.compare,
    "cube": cubes.compare,
    "table": tables.compare_csv,
    "parquet": tables.compare_parquet,
    "database": tables.compare_sqlite,
    "json": documents.compare_json,
    "notebook": documents.compare_notebooks,
    "text": documents.compare_text,
    "archive": compare_archives,
}


def size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    return sum(file.stat().st_size for file in _files(path))


def digest(path: Path) -> str:
    """The sha256 of a file in hex; of a folder that of its files' names and digests."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    lines = (f"{digest(file)}  {file.relative_to(path).as_posix()}\n" for file in _files(path))
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file() and not file.is_symlink())
    else:
        yield path


def _article(word: str) -> str:
    name = {"json": "JSON document", "parquet": "Parquet file", "binary": "file of an unknown kind"}.get(word, word)
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
