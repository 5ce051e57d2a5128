"""GeoTIFF and JPEG 2000 to Cloud Optimised GeoTIFF, without a change of any value.

GDAL's own COG driver writes (https://gdal.org/drivers/raster/cog.html): ZSTD level 1 with the predictor that fits the
type, overviews by averaging, or by the nearest pixel where numbers are classes. Values never pass through numpy, so
every type that GDAL knows survives, complex integers included.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terrafair.data.classify import Kind
from terrafair.data.cog_checks import check_cog, differences
from terrafair.data.conversion import Made
from terrafair.data.rasters import BLOCK, DRIVERS, translated
from terrafair.data.tiff import Directory, check_whole, directories, is_cloud_optimised
from terrafair.errors import InvalidInput, Problem

SAMPLE = 1024
"""Pixels along each side of what is looked at to see whether numbers are classes."""
CLASSES = 64
"""More different numbers than this are taken for a measurement."""
LARGE, HUGE = 2**30, 2**35
"""Bytes from which several threads pay, and from which unpacked overviews would take too much disk for a while."""
_WORLD_FILES = (".tfw", ".tifw", ".tiffw", ".wld")


@dataclass(frozen=True, slots=True)
class Additions:
    """What a source leaves unsaid and the COG has to say."""

    nan: bool = False
    """NaN occurs, and no value for no data is set: overviews would spread NaN over whole neighbourhoods."""
    transform: Any = None
    """From a world file beside it."""


def write(path: Path, kind: Kind, target: Path, *, verify: bool = False) -> Made:
    """Write `target`, and one more file for each further page; raises `InvalidInput` for what cannot be read."""
    found = directories(path) if kind is Kind.TIFF else []
    check_whole(path, found)
    pages = _pages(found)
    if len(pages) == 1 and is_cloud_optimised(found):
        shutil.copyfile(path, target)
        return Made((target,), "cog", kept=True, problems=check_cog(target))
    made: list[Path] = []
    remarks: list[Problem] = []
    problems: list[Problem] = []
    for number, page in enumerate(pages):
        place = target if number == 0 else target.with_name(f"{target.stem}-page-{number + 1}.tif")
        said, wrong = _write_page(path, kind, page if len(pages) > 1 else 0, place, verify=verify)
        made.append(place)
        remarks += said
        problems += wrong
    if len(pages) > 1:
        what = f"{path.name} has {len(pages)} pages; each became a file of its own."
        remarks.insert(0, Problem(what, "A COG holds one image.", where=path.name))
    return Made(tuple(made), "cog", remarks=tuple(remarks), problems=tuple(problems))


def _pages(found: list[Directory]) -> list[int]:
    """GDAL's numbers of the full images of a TIFF, from 1."""
    full = [number + 1 for number, each in enumerate(found) if not each.reduced and not each.mask]
    return full or [1]


def _write_page(
    path: Path, kind: Kind, page: int, target: Path, *, verify: bool
) -> tuple[list[Problem], tuple[Problem, ...]]:
    import rasterio
    import rasterio.shutil

    name = f"GTIFF_DIR:{page}:{path}" if page else str(path)
    partial = target.with_name(f".{target.name}.partial.tif")
    scratch = target.with_name(f".{target.name}.scratch.tif")
    try:
        with translated(path), environment():
            with rasterio.open(name, driver=DRIVERS[kind]) as source:
                check_convertible(source, path)
                additions = _additions(source, path)
                remarks = _remarks(source, path, additions)
            if additions != Additions() and kind is Kind.TIFF and not page:
                _amended(path, scratch, additions)
                name = str(scratch)
            with rasterio.open(name, driver=DRIVERS[kind]) as source:
                # Overviews are built in a file of their own and copied: packing them twice costs a third of all CPU.
                packed = {} if _size(source) >= HUGE else {"COG_TMP_COMPRESSION": "NONE"}
                with rasterio.Env(**packed):
                    rasterio.shutil.copy(source, str(partial), driver="COG", **creation(source))
                with rasterio.open(partial, driver="GTiff") as written:
                    problems = differences(source, written, target.name, pixels=verify)
        problems += check_cog(partial, target.name)
        partial.replace(target)
    finally:
        for rest in (partial, scratch):
            rest.unlink(missing_ok=True)
    return remarks, problems


@contextmanager
def environment() -> Iterator[None]:
    """GDAL without sidecar files: those may name any other file of the machine."""
    import rasterio

    options = {
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GDAL_PAM_ENABLED": "NO",
        "GDAL_CACHEMAX": 1024,
        "GTIFF_DIRECT_IO": "NO",
        "GDAL_TIFF_INTERNAL_MASK": "YES",
    }
    with rasterio.Env(**options):
        yield


def creation(source: Any) -> dict[str, str]:
    """The options of the COG driver that fit a raster."""
    plain = set(source.dtypes) <= {
        *("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"),
    }
    # Predictors work on whole bytes of one number; libtiff refuses them for others.
    whole_bytes = not any("NBITS" in source.tags(index, ns="IMAGE_STRUCTURE") for index in source.indexes)
    classes = not plain or is_categorical(source)
    return {
        "COMPRESS": "ZSTD",
        "LEVEL": "1",
        "PREDICTOR": "YES" if plain and whole_bytes else "NO",
        "BLOCKSIZE": "512",
        "OVERVIEWS": "IGNORE_EXISTING",
        "OVERVIEW_RESAMPLING": "NEAREST" if classes else "AVERAGE",
        "BIGTIFF": "IF_SAFER",
        # With YES GDAL leaves the tags of bands out.
        "COPY_SRC_MDD": "YES" if _namespaces(source) and not _band_tags(source) else "AUTO",
        # On smaller ones GDAL's threads take twice the CPU and win nothing.
        "NUM_THREADS": "1" if _size(source) < LARGE else str(min(os.cpu_count() or 1, 4)),
    }


def _namespaces(source: Any) -> list[str]:
    """Where somebody's own tags of the whole lie."""
    reserved = {"IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "SUBDATASETS", "RPC"}
    return [name for name in source.tag_namespaces() if name not in reserved]


def _band_tags(source: Any) -> bool:
    return any(source.tags(index) for index in source.indexes)


def _size(source: Any) -> int:
    """Bytes of all bands, unpacked; complex integers counted too large."""
    import numpy as np

    known = {name: np.dtype(name).itemsize for name in ("uint8", "int8", "uint16", "int16", "float32", "float64")}
    return int(source.width * source.height * sum(known.get(name, 8) for name in source.dtypes))


def is_categorical(source: Any) -> bool:
    """Whether any band's numbers stand for classes: a mean of two classes is none."""
    import numpy as np
    from rasterio.enums import ColorInterp, Resampling

    for index, colour in zip(source.indexes, source.colorinterp, strict=True):
        if colour is ColorInterp.palette or "CATEGORY_NAMES" in source.tags(index):
            return True
        if any(name.lower() in {"flag_meanings", "flag_values", "flag_masks"} for name in source.tags(index)):
            return True
        if colour is ColorInterp.alpha or not np.issubdtype(np.dtype(source.dtypes[index - 1]), np.integer):
            continue
        shape = (min(source.height, SAMPLE), min(source.width, SAMPLE))
        sample = source.read(index, out_shape=shape, resampling=Resampling.nearest)
        if np.unique(sample).size <= CLASSES:
            return True
    return False


def check_convertible(source: Any, path: Path) -> None:
    """Raise `InvalidInput` for a raster that holds nothing a COG could hold."""
    if source.count == 0:
        raise InvalidInput(f"{path.name} has no band.", "There is nothing in it to convert.", where=path.name)
    if len(set(source.dtypes)) > 1:
        types = ", ".join(dict.fromkeys(source.dtypes))
        raise InvalidInput(
            f"The bands of {path.name} are of several types: {types}.",
            "A COG has one type for all.",
            "Write a file for each type.",
            path.name,
        )


def _additions(source: Any, path: Path) -> Additions:
    placed = not source.transform.is_identity or source.gcps[0] or source.rpcs
    return Additions(_has_nan(source), None if placed else _world_file(path))


def _has_nan(source: Any) -> bool:
    """Whether a raster of reals without a value for no data has a NaN; stops at the first."""
    import numpy as np
    from rasterio.windows import Window

    if source.dtypes[0] not in {"float32", "float64"} or any(value is not None for value in source.nodatavals):
        return False
    rows = max(1, BLOCK // max(source.width, 1))
    rows = max(source.block_shapes[0][0], rows // source.block_shapes[0][0] * source.block_shapes[0][0])
    for top in range(0, source.height, rows):
        window = Window(0, top, source.width, min(rows, source.height - top))
        if any(np.isnan(source.read(index, window=window)).any() for index in source.indexes):
            return True
    return False


def _world_file(path: Path) -> Any:
    """The transform of a world file beside the raster: six numbers, of the centre of the first pixel."""
    from rasterio.transform import Affine

    for suffix in _WORLD_FILES:
        beside = next((each for each in (path.with_suffix(suffix), path.with_suffix(suffix.upper()))), None)
        if beside is None or not beside.is_file() or beside.is_symlink() or beside.stat().st_size > 4096:
            continue
        try:
            a, d, b, e, x, y = (float(number) for number in beside.read_text("ascii").split()[:6])
        except (ValueError, UnicodeDecodeError):
            continue
        return Affine(a, b, x - (a + b) / 2, d, e, y - (d + e) / 2)
    return None


def _amended(path: Path, scratch: Path, additions: Additions) -> None:
    import rasterio

    shutil.copyfile(path, scratch)
    with rasterio.open(scratch, "r+", driver="GTiff") as copy:
        if additions.nan:
            copy.nodata = float("nan")
        if additions.transform is not None:
            copy.transform = additions.transform


def _remarks(source: Any, path: Path, additions: Additions) -> list[Problem]:
    name = path.name
    found = []
    points = source.gcps[0]
    if source.transform.is_identity and points:
        what = f"{name} is placed by {len(points)} ground control points and has no grid on the map."
        found.append(Problem(what, "They are kept as they are.", "Warp it (gdalwarp) for a map.", name, "no-grid"))
    elif source.transform.is_identity and source.rpcs:
        what = f"{name} is placed by rational polynomials (RPC) only."
        found.append(Problem(what, "They are kept as they are.", "Orthorectify it for a map.", name, "no-grid"))
    elif source.transform.is_identity and additions.transform is None:
        what = f"{name} has no georeference."
        remedy = "Write its coordinate system and transform, so that it can be placed on a map."
        found.append(Problem(what, "It became a COG without a place.", remedy, name, "no-place"))
    elif source.crs is None and not points:
        what = f"{name} has no coordinate system."
        found.append(Problem(what, "It became a COG without a place.", "Write it (gdal_edit -a_srs).", name, "no-crs"))
    if (lost := _namespaces(source)) and _band_tags(source):
        what = f"The tags of {name} in {', '.join(lost)} are left out."
        why = "GDAL copies either tags in namespaces or those of bands."
        found.append(Problem(what, why, "Write them without a namespace.", name, "tags-lost"))
    if additions.nan:
        what = f"{name} has NaN and no value for no data; NaN was set as that value."
        found.append(Problem(what, "Overviews would spread it otherwise.", where=name, code="nodata-set"))
    if additions.transform is not None:
        found.append(Problem(f"{name} got its place from the world file beside it.", where=name, code="world-file"))
    return found
