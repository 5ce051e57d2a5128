"""Cubes to Zarr: version 3 with shards for object stores, version 2 in one zip for the PRR.

The stored numbers, attributes, grid mappings and encodings of time stay what they are (CF conventions); chunks near
2 MB, in shards of up to 64 MB; metadata are consolidated, so that a reader opens the store with one request.
"""

import itertools
import os
import shutil
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from terrafair.data import cf_checks, cubes
from terrafair.data.chunking import Cut, plan
from terrafair.data.classify import Kind
from terrafair.data.conversion import Made
from terrafair.data.cube_source import NETCDF_FILL, Array, Block, Group
from terrafair.data.geozarr_checks import check_place
from terrafair.data.zarr_checks import check_store, check_zip
from terrafair.errors import InvalidInput, Problem

LEVEL = 1
Version = Literal[2, 3]
ZIP_TYPE = "application/zip"


def write(groups: Sequence[Group], target: Path, *, version: Version, name: str) -> Made:
    """Write all groups to the folder `target` (version 3) or to the zip `target` (version 2)."""
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    folder = partial if version == 3 else partial / target.name.removesuffix(".zip")
    folder.mkdir(parents=True)
    try:
        remarks = [
            *_write(groups, folder, version, name),
            *cf_checks.check_cf(groups, name),
            *check_place(groups, name),
        ]
        problems = [*check_store(folder, groups, target.name)]
        if version == 3:
            folder.replace(target)
            return Made((target,), "zarr-3", remarks=tuple(remarks), problems=tuple(problems))
        facts = cubes.read(folder, Kind.ZARR)
        zipped(folder, target)
        problems += check_zip(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    from dataclasses import replace

    facts = replace(facts, media_type=ZIP_TYPE)
    return Made((target,), "zarr-2-zip", remarks=tuple(remarks), problems=tuple(problems), facts={target.name: facts})


def _write(groups: Sequence[Group], folder: Path, version: Version, name: str) -> list[Problem]:
    import zarr

    remarks = []
    with pipeline(), warnings.catch_warnings():
        # Consolidated metadata and texts are in use everywhere and in no specification of version 3 yet.
        warnings.simplefilter("ignore")
        root = zarr.open_group(folder, mode="w", zarr_format=version)
        for group in groups:
            place = root.require_group(group.path) if group.path else root
            place.attrs.update(group.attributes)
            for array in group.arrays:
                if _copy(array, place, version):
                    what = (
                        f"Unwritten values of {array.name} are marked by its library's own number, now by _FillValue."
                    )
                    remarks.append(Problem(what, "Zarr has no such number.", where=name, code="fill-set"))
        zarr.consolidate_metadata(folder, zarr_format=version)
    return remarks


def _copy(array: Array, place: Any, version: Version) -> bool:
    """Copy one variable block by block; whether a fill value had to be written down."""
    cut = plan(array.shape, max(array.dtype.itemsize, 1), array.chunks, sharded=version == 3)
    made = _create(array, cut, place, version)
    unwritten = False
    watched = array.default_fill and array.fill is None and array.dtype.kind == "f"
    for block in blocks(array.shape, cut.block):
        values = array.read(block)
        if watched and not unwritten and "missing_value" not in array.attributes:
            unwritten = bool((values == array.dtype.type(NETCDF_FILL)).any())
        made[block] = values
    if unwritten:
        _declare_fill(made, array, version)
    return unwritten


def _create(array: Array, cut: Cut, place: Any, version: Version) -> Any:
    texts = array.dtype.kind == "O"
    attributes = dict(array.attributes)
    options: dict[str, Any] = {"compressors": _compressors(array, version)}
    if version == 3:
        options |= {"dimension_names": array.dims, "shards": None if texts else cut.shards}
        if array.fill is not None:
            attributes["_FillValue"] = encoded_fill(array.fill, array.dtype)
    else:
        attributes["_ARRAY_DIMENSIONS"] = list(array.dims)
    if texts:
        options.pop("compressors")
    else:
        options["fill_value"] = array.fill if array.fill is not None or version == 2 else array.dtype.type(0)
    return place.create_array(
        array.name,
        shape=array.shape,
        dtype=str if texts else array.dtype,
        chunks=cut.chunks,
        attributes=attributes,
        **options,
    )


def _compressors(array: Array, version: Version) -> Any:
    """Zstandard after sorting bytes by their place in the number: reals of one scene share their high bytes."""
    if version == 2:
        from numcodecs import Blosc

        return Blosc(cname="zstd", clevel=LEVEL, shuffle=Blosc.SHUFFLE)
    from zarr.codecs import BloscCodec

    return BloscCodec(cname="zstd", clevel=LEVEL, shuffle="shuffle", typesize=array.dtype.itemsize or 1)


def encoded_fill(value: Any, dtype: Any) -> Any:
    """A fill value as xarray writes it into the attributes of version 3."""
    from xarray.backends.zarr import FillValueCoder

    return FillValueCoder.encode(dtype.type(value), dtype)


def _declare_fill(made: Any, array: Array, version: Version) -> None:
    """Only version 3: the fill value of an array of version 2 is fixed when it is made."""
    if version == 3:
        made.update_attributes({"_FillValue": encoded_fill(NETCDF_FILL, array.dtype)})
    else:
        made.update_attributes({"missing_value": float(array.dtype.type(NETCDF_FILL))})


def blocks(shape: Sequence[int], size: Sequence[int]) -> Iterator[Block]:
    """All parts of an array, whole files each."""
    starts = itertools.product(*(range(0, length, step) for length, step in zip(shape, size, strict=True)))
    for start in starts:
        yield tuple(
            slice(begin, min(begin + step, length)) for begin, step, length in zip(start, size, shape, strict=True)
        )


@contextmanager
def pipeline() -> Iterator[None]:
    """The codecs in Rust, where they are installed: several chunks at once, without Python between them."""
    import zarr

    settings: AbstractContextManager[Any]
    if find_spec("zarrs") is None:
        settings = zarr.config.set({"async.concurrency": 4})
    else:
        settings = zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})
    with settings, warnings.catch_warnings():
        # What it does not know (texts) it hands to zarr-python, and says so.
        warnings.simplefilter("ignore")
        yield


def zipped(folder: Path, target: Path) -> None:
    """The folder's contents at the root of a zip, stored: chunks are compressed already, and readers seek in them."""
    partial = target.with_name(f".{target.name}.zip.partial")
    paths = sorted(
        (Path(place, name) for place, _, names in os.walk(folder) for name in names),
        key=lambda path: (not path.name.startswith((".z", "zarr.json")), path.relative_to(folder).as_posix()),
    )
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            for path in paths:
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix())
                entry.external_attr = 0o644 << 16
                entry.file_size = path.stat().st_size
                with path.open("rb") as source, archive.open(entry, "w") as copy:
                    shutil.copyfileobj(source, copy, 2**20)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def check_zipped_source(path: Path) -> None:
    """Raise `InvalidInput` for an archive that is no Zarr store, saying what it is."""
    remedy = "Unpack it into the folder of results."
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError) as fault:
        raise InvalidInput(
            f"{path.name} is an archive that cannot be opened.", f"{fault}.", remedy, path.name
        ) from None
    if any(entry.flag_bits & 1 for entry in entries):
        why = "Nobody could read what is published without its password."
        raise InvalidInput(f"{path.name} is an encrypted zip.", why, f"{remedy[:-1]} without encryption.", path.name)
    names = {entry.filename for entry in entries}
    if names & {".zgroup", ".zarray", ".zmetadata", "zarr.json"}:
        return
    inner = sorted({name.split("/", 1)[0] for name in names})
    deeper = any(name.endswith(("/.zgroup", "/zarr.json")) for name in names)
    why = (
        "Its Zarr store lies in a folder of the archive, where no reader finds it."
        if deeper
        else f"It packs {len(names)} files ({', '.join(inner[:3])}{' ...' if len(inner) > 3 else ''})."
    )
    raise InvalidInput(f"{path.name} is a zip archive, no data file.", why, remedy, path.name)
