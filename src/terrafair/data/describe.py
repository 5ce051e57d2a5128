"""Describes result files as STAC, from the files themselves.

Each file that lies somewhere becomes an item of its own, unless the workflow wrote STAC items: those are adopted, and
their assets completed with what was measured. Files without a place become assets of the collection.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from terrafair.data import cubes, rasters, remembered, tables
from terrafair.data.adopted import Adopted, adopt, file_safe
from terrafair.data.assembly import VERSION, collection, item_of, place_asset, unique
from terrafair.data.classify import MEDIA_TYPES, Kind, classify, media_type
from terrafair.data.datasets import leads_into
from terrafair.data.description import DescribedFile, Description, Order
from terrafair.data.facts import Facts
from terrafair.data.spread import spread
from terrafair.errors import Problem, TerrafairError

MOST = 20_000
"""Files that are described one by one."""
SMALL = 2**24
"""Bytes of a file that stays in memory between two looks."""
HEAVY = 512 * 2**20
"""Bytes of all files that are worth several processes."""
_READERS: Mapping[Kind, Callable[[Path, Kind], Facts]] = {
    **dict.fromkeys((Kind.TIFF, Kind.GRIB, Kind.JP2), rasters.read),
    **dict.fromkeys((Kind.NETCDF, Kind.HDF5, Kind.ZARR), cubes.read),
    **dict.fromkeys((Kind.GEOJSON, Kind.PARQUET, Kind.GPKG, Kind.SHAPEFILE, Kind.CSV), tables.read),
}
_METADATA = frozenset({Kind.STAC, Kind.VRT})
_SHAPEFILE = frozenset({".dbf", ".shx", ".prj", ".cpg", ".sbn", ".sbx", ".qix", ".qmd"})


@dataclass(frozen=True, slots=True)
class Measured:
    """One file with what is known of it."""

    file: DescribedFile
    facts: Facts


def describe(order: Order, known: Mapping[str, Facts] | None = None) -> Description:
    """Describe every file of the folder; an odd one becomes a plain asset with a remark.

    `known` are facts of files that need not be read again, by their path relative to the folder.
    """
    folder = Path(order.folder)
    remarks: list[Problem] = []
    measured: dict[str, Measured] = {}
    paths = [path for path in files(folder, remarks) if order.only in {"", path.name}]
    if len(paths) > MOST:
        remarks.append(Problem(f"There are more than {MOST} files; the others are kept and not described."))
    seen: dict[str, Mapping[str, Any]] = {}
    for each, said, new in _looked_at(paths[:MOST], order, known or {}):
        remarks.extend(said)
        if each is not None:
            measured[each.file.path] = each
            if new and order.remembered is not None:
                seen[each.file.path] = remembered.document(each.file, each.facts, tuple(said))
    adopted = adopt(folder, [name for name, each in measured.items() if each.facts.kind is Kind.STAC], remarks)
    names = {path: name for name, path in order.outputs.items()}
    items = [*_adopted_items(adopted, measured, order, remarks), *_own_items(adopted, measured, order, names)]
    taken = {unquote(asset["href"]).removeprefix("../outputs/") for item in items for asset in item["assets"].values()}
    rest = {name: each for name, each in measured.items() if name not in taken}
    assets = dict(unique((names.get(name) or name, place_asset(each.file, each.facts)) for name, each in rest.items()))
    document = collection(order, items, assets)
    return Description(document, tuple(items), tuple(each.file for each in measured.values()), tuple(remarks), seen)


def _looked_at(
    paths: list[Path], order: Order, known: Mapping[str, Facts]
) -> Iterator[tuple[Measured | None, list[Problem], bool]]:
    """Each file in order, with remarks, and whether it was opened for that."""
    names = {path: path.relative_to(order.folder).as_posix() for path in paths}
    kept = {name: remembered.read(each) for name, each in (order.remembered or {}).items()}
    tasks = [(path, name, known.get(name)) for path, name in names.items() if not kept.get(name)]
    heavy = sum(path.stat().st_size for path, _, found in tasks if found is None) > HEAVY
    opened = spread(_measured, tasks, heavy=heavy)
    for name in names.values():
        if found := kept.get(name):
            yield Measured(found[0], found[1]), list(found[2]), False
        else:
            yield *next(opened), True


def _adopted_items(
    adopted: list[Adopted], measured: Mapping[str, Measured], order: Order, remarks: list[Problem]
) -> Iterator[dict[str, Any]]:
    for each in adopted:
        assets = {
            key: (measured[path].file, measured[path].facts) for key, path in each.assets.items() if path in measured
        }
        item = item_of(order, each.id, assets, published=each.document)
        if fault := _fault(item):
            what = f"The item {each.id} is not valid STAC, and is described anew from its files."
            remarks.append(Problem(what, fault, where=each.id, code="item-invalid"))
            item = item_of(order, each.id, assets)
        yield item


def _fault(item: Mapping[str, Any]) -> str:
    """Why an item is not valid by the core schema; empty where it is."""
    import pystac
    from pystac.errors import STACValidationError
    from pystac.validation import validate_dict

    try:
        validate_dict(dict(item), pystac.STACObjectType.ITEM, VERSION, extensions=[])
    except STACValidationError as fault:
        return " ".join(str(fault).split())[:300]
    return ""


def _own_items(
    adopted: list[Adopted], measured: Mapping[str, Measured], order: Order, names: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    claimed = {path for each in adopted for path in each.assets.values()}
    used = {each.id for each in adopted}
    for name, each in measured.items():
        if name in claimed or each.facts.footprint is None:
            continue
        stem = name.rsplit(".", 1)[0] if "." in name.rpartition("/")[2] else name
        identifier = file_safe(f"{order.id}-{stem}")
        identifier = next(free for free in _numbered(identifier) if free not in used)
        used.add(identifier)
        assets = {names.get(name) or name.rpartition("/")[2]: (each.file, each.facts)}
        if each.facts.kind is Kind.SHAPEFILE:
            assets |= {
                part.rpartition("/")[2]: (measured[part].file, measured[part].facts)
                for part in measured
                if part.startswith(f"{stem}.") and part != name and Path(part).suffix.lower() in _SHAPEFILE
            }
        yield item_of(order, identifier, assets)


def _numbered(text: str) -> Iterator[str]:
    yield text
    number = 2
    while True:
        yield f"{text}-{number}"
        number += 1


def files(folder: Path, remarks: list[Problem]) -> Iterator[Path]:
    """Every file, and every Zarr store as one; what leads out of the folder or is no file is left out."""
    root = folder.resolve()
    todo = [folder]
    while todo:
        place = todo.pop(0)
        for path in sorted(place.iterdir()):
            if odd := _odd(path, path.relative_to(folder).as_posix(), root):
                remarks.append(odd)
            elif path.is_file():
                yield path
            elif path.is_dir() and not path.is_symlink():
                if classify(path) is Kind.ZARR:
                    yield path
                else:
                    todo.append(path)


def _odd(path: Path, name: str, root: Path) -> Problem | None:
    """Why an entry of a folder cannot be a result."""
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = name.encode("utf-8", "backslashreplace").decode()
        why, remedy = "STAC and the object store name files in UTF-8.", "Rename it."
        return Problem(f"The name {shown} is not UTF-8.", why, remedy, shown, "name-odd")
    if path.is_symlink() and not leads_into(path, root):
        why = "It would show files that are not the job's."
        return Problem(f"The link {name} leads out of the results.", why, where=name, code="link-outside")
    if path.exists() and not path.is_file() and not path.is_dir():
        return Problem(f"{name} is a pipe, a socket or a device.", "It has no content.", where=name, code="no-file")
    return None


def _measured(task: tuple[Path, str, Facts | None]) -> tuple[Measured | None, list[Problem]]:
    path, name, known = task
    remarks: list[Problem] = []
    if path.is_file() and path.stat().st_size < SMALL:
        return _measure(path, name, remarks, known, lambda: _digest(path)), remarks
    with ThreadPoolExecutor(1) as beside:
        # Both at once, so that the disk gives each byte once.
        return _measure(path, name, remarks, known, beside.submit(_digest, path).result), remarks


def _measure(
    path: Path, name: str, remarks: list[Problem], known: Facts | None, digested: Callable[[], tuple[int, str]]
) -> Measured | None:
    kind, kind_name = Kind.BINARY, MEDIA_TYPES[Kind.BINARY]
    try:
        kind = classify(path)
        kind_name = media_type(path, kind)
        reader = _READERS.get(kind)
        facts = known or (reader(path, kind) if reader else Facts(kind, kind_name))
    except TerrafairError as error:
        remarks.append(replace(error.problem, where=name, code="file-damaged"))
        facts = Facts(kind, kind_name)
    except Exception as fault:  # libraries meet files that nobody has seen before
        what = f"{name} could not be described: {str(fault)[:200] or type(fault).__name__}"
        remarks.append(Problem(what, "It is kept as a plain file.", where=name, code="file-undescribed"))
        facts = Facts(kind, kind_name)
    remarks.extend(replace(remark, where=name) for remark in facts.remarks)
    role = "metadata" if kind in _METADATA else (facts.roles or ("data",))[0]
    try:
        size, digest = digested()
    except OSError as fault:
        remarks.append(Problem(f"{name} cannot be read: {fault.strerror}.", where=name, code="file-unreadable"))
        return None
    return Measured(DescribedFile(name, facts.media_type or kind_name, size, digest, role), facts)


def _digest(path: Path) -> tuple[int, str]:
    if path.is_dir():
        total, lines = 0, []
        for file in sorted(each for each in path.rglob("*") if each.is_file() and not each.is_symlink()):
            size, digest = _digest(file)
            total += size
            lines.append(f"{digest}  {file.relative_to(path).as_posix()}\n")
        return total, hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return path.stat().st_size, digest
