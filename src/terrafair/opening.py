"""Opens the data of a product or a job by its id, as xarray or geopandas.

    import terrafair

    terrafair.open("demo-ndvi-composite")            # all of it
    terrafair.open("demo-s2-l2a", files="*B04*")     # what fits the pattern

Files are brought once into a folder of the person's cache and opened from there, lazily where the format allows it.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from fnmatch import fnmatch
from itertools import chain, count
from pathlib import Path
from typing import Any

from terrafair.client import Client, Document
from terrafair.credentials import token_for
from terrafair.errors import InvalidInput, NotFound

LOCAL = "http://127.0.0.1:8080"
RASTERS = (".tif", ".tiff", ".jp2")
TABLES = (".parquet", ".geoparquet", ".geojson", ".gpkg", ".fgb")
CUBES = (".nc", ".nc4", ".zarr")
READ = (*RASTERS, *TABLES, *CUBES)


def open(id: str, platform: Client | None = None, *, files: str = "") -> Any:  # noqa: A001, A002
    """The data of a product or a job of the platform, found by `terrafair.connect` unless one is given.

    Rasters become one variable for each asset, in one `xarray.Dataset` where they share a grid, items of several times
    along `time`; a cube is the `Dataset` that it is, a vector file a `GeoDataFrame`. Where that does not go into one,
    the answer is a dictionary by name. `files` is a pattern (`*.tif`) of file names.

    Raises `NotFound` for an id that is not there, `InvalidInput` where nothing in it can be opened.
    """
    with_whom = platform or connect()
    try:
        folder, chosen = get(id, with_whom, files=files, known=READ)
    finally:
        if platform is None:
            with_whom.close()
    return _opened(folder, chosen)


def data(id: str, platform: Client) -> Document:  # noqa: A002
    """The files of a published product, or of a job: `{id, title, files: [{name, href, type, item, datetime}]}`."""
    try:
        return platform.product_files(id)
    except NotFound as fault:
        if fault.problem.code == "data-missing":
            raise
    try:
        found = platform.results(id)
    except NotFound as fault:
        raise NotFound(
            f"There is no product and no job {id[:80]!r} here.",
            fault.problem.why,
            "`terrafair find` looks for products, `terrafair jobs` lists yours.",
            "id",
        ) from None
    return {"id": id, "title": id, "files": [{"item": "", "datetime": "", **file} for file in found["files"]]}


def connect(url: str = "", *, token: str = "", project: str = "") -> Client:
    """A client on the platform that the environment names (`TERRAFAIR_URL`), signed in.

    The token is `TERRAFAIR_TOKEN`, or the one that `terrafair login` has kept. Workspaces have all of it set.
    """
    place = url or os.environ.get("TERRAFAIR_URL", "") or LOCAL
    return Client(place, token=token or token_for(place), project=project or os.environ.get("TERRAFAIR_PROJECT", ""))


def get(
    id: str,  # noqa: A002
    platform: Client,
    folder: Path | None = None,
    *,
    files: str = "",
    known: Sequence[str] = (),
) -> tuple[Path, list[Document]]:
    """Bring the files of a product or a job; gives the folder and what lies in it.

    `known`: endings of what is wanted, of all that is there.
    """
    found = data(id, platform)
    wanted = [file for file in found["files"] if not files or fnmatch(file["name"], files)]
    chosen = [file for file in wanted if not known or _unit(file["name"]).lower().endswith(tuple(known))]
    if not chosen:
        have = ", ".join(file["name"] for file in found["files"][:8]) or "no files"
        raise InvalidInput(
            f"Nothing of {id} {'is called ' + files if files and not wanted else 'can be opened'}.",
            f"It has {have}.",
            "`terrafair data get` brings any file.",
            "id",
        )
    target = folder or _cache(platform.url, id)
    for file in chosen:
        place = target / file["name"]
        if not place.resolve().is_relative_to(target.resolve()):
            raise InvalidInput(f"The file {file['name']!r} would be written outside {target}.")
        platform.fetch(file, place)
    return target, chosen


def _cache(url: str, id: str) -> Path:  # noqa: A002
    import platformdirs

    place = re.sub(r"[^A-Za-z0-9_-]+", "-", id)[:80] + "-" + hashlib.sha256(f"{url} {id}".encode()).hexdigest()[:10]
    return platformdirs.user_cache_path("terrafair") / place


def _unit(name: str) -> str:
    """The file, or the Zarr folder that it is a part of."""
    head, mark, _ = name.partition(".zarr/")
    return head + ".zarr" if mark else name


def _opened(folder: Path, files: Iterable[Document]) -> Any:
    units = {_unit(file["name"]): file for file in files}
    parts: dict[str, Any] = {}
    rasters = {name: file for name, file in units.items() if name.lower().endswith(RASTERS)}
    stems = Counter(Path(name).stem for name in units if name not in rasters)
    for name in units:
        # Items have files of one name: then their place tells them apart.
        label = Path(name).stem if stems[Path(name).stem] == 1 else name
        if name.lower().endswith(TABLES):
            parts[label] = _read(_table, folder / name)
        elif name.lower().endswith(CUBES):
            parts[label] = _read(_cube, folder / name)
    for label, dataset in _rasters(folder, rasters) if rasters else ():
        parts[_free(label, parts)] = dataset
    return next(iter(parts.values())) if len(parts) == 1 else parts


def _free(label: str, taken: Container[str]) -> str:
    return next(each for each in chain((label,), (f"{label}-{n}" for n in count(2))) if each not in taken)


def _read(reader: Callable[[Path], Any], path: Path) -> Any:
    """What the library makes of a file; its many errors for one that is damaged, or is something else, are one here."""
    try:
        return reader(path)
    except ImportError:
        raise
    except Exception as fault:
        raise InvalidInput(
            f"{path.name} cannot be opened as what its name says.",
            f"{type(fault).__name__}: {str(fault)[:300]}",
            f"It lies at {path}; delete it there to bring it anew.",
            "id",
            "data-unreadable",
        ) from fault


def _table(path: Path) -> Any:
    import geopandas

    parquet = path.suffix.lower() in {".parquet", ".geoparquet"}
    return geopandas.read_parquet(path) if parquet else geopandas.read_file(path)


def _cube(path: Path) -> Any:
    import xarray

    engine = "zarr" if path.suffix.lower() == ".zarr" else "h5netcdf" if _is_hdf5(path) else "scipy"
    return xarray.open_dataset(path, engine=engine, chunks={})


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x89HDF"


def _rasters(folder: Path, files: dict[str, Document]) -> Iterator[tuple[str, Any]]:
    """One dataset for each grid, with its name: its variables are the assets, items follow each other in time."""
    import pandas as pd
    import xarray

    grids: dict[str, dict[str, list[tuple[str, Any]]]] = {}
    for name, file in files.items():
        array = _read(_raster, folder / name)
        label = Path(str(file.get("asset") or Path(name).name)).stem
        grid = f"{array.attrs['crs']} {array.shape[-2:]} {array.attrs['transform']}"
        grids.setdefault(grid, {}).setdefault(label, []).append((str(file.get("datetime") or ""), array))
    for assets in grids.values():
        variables: dict[str, Any] = {}
        for label, found in assets.items():
            found.sort(key=lambda each: each[0])
            if len(found) == 1:
                variables[label] = found[0][1]
            elif all(moment for moment, _ in found):
                times = pd.to_datetime([moment for moment, _ in found], utc=True).tz_localize(None)
                index = pd.Index(times, name="time")
                variables[label] = xarray.concat(
                    [each for _, each in found], index, join="override", combine_attrs="override"
                )
            else:
                variables |= {f"{label}-{number}": each for number, (_, each) in enumerate(found)}
        crs = next(iter(variables.values())).attrs["crs"]
        yield " ".join(variables), xarray.Dataset(variables, attrs={"crs": crs})


def _raster(path: Path) -> Any:
    """A raster as a lazy array over (band,) y and x at the pixels' centres."""
    import dask.array
    import numpy as np
    import rasterio
    import xarray
    from rasterio.windows import Window

    with rasterio.open(path) as source:
        shape, crs, transform = (source.count, source.height, source.width), source.crs, source.transform
        dtype, nodata = np.dtype(source.dtypes[0]), source.nodata
        names = [text or str(number) for number, text in enumerate(source.descriptions, 1)]

    def block(block_info: Any = None) -> Any:
        (_, _), (top, bottom), (left, right) = block_info[None]["array-location"]
        with rasterio.open(path) as source:
            return source.read(window=Window(left, top, right - left, bottom - top))

    chunks = (shape[0], 1024, 1024)
    lazy = dask.array.map_blocks(
        block, chunks=dask.array.core.normalize_chunks(chunks, shape), dtype=dtype, meta=np.empty((0, 0, 0), dtype)
    )
    xs = transform.c + transform.a * (np.arange(shape[2]) + 0.5)
    ys = transform.f + transform.e * (np.arange(shape[1]) + 0.5)
    about = {"crs": str(crs or ""), "transform": tuple(transform)[:6]} | ({} if nodata is None else {"nodata": nodata})
    array = xarray.DataArray(lazy, dims=("band", "y", "x"), coords={"band": names, "y": ys, "x": xs}, attrs=about)
    return array.isel(band=0, drop=True) if shape[0] == 1 else array


__all__ = ["connect", "data", "get", "open"]
