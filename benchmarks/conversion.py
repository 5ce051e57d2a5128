"""Conversion side by side with what others would use: rio-cogeo, rio-stac, and zarr-python with its own codecs.

    python benchmarks/conversion.py

CPU seconds of the process with all its threads; the best of several rounds that take turns, so that a loaded machine
slows both alike. MB are of unpacked values. Inputs are two real Landsat scenes and sea-surface temperatures where the
shared samples are there, else noise of the same kind.
"""

import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

ROUNDS = 3
ITEMS = 40


def samples() -> Path | None:
    shared = Path(os.environ.get("TERRAFAIR_SHARED") or Path(__file__).parents[1].parent / "shared")
    return shared / "data/samples" if (shared / "data/samples").is_dir() else None


def race(runs: dict[str, Callable[[], None]]) -> dict[str, tuple[float, float]]:
    """CPU and wall seconds of each, the best of all rounds."""
    best = dict.fromkeys(runs, (float("inf"), float("inf")))
    for _ in range(ROUNDS):
        for name, run in runs.items():
            cpu, wall = time.process_time(), time.perf_counter()
            run()
            spent = time.process_time() - cpu, time.perf_counter() - wall
            best[name] = min(best[name][0], spent[0]), min(best[name][1], spent[1])
    return best


def report(title: str, amount: float, unit: str, found: dict[str, tuple[float, float]]) -> None:
    print(f"{title}:")
    for name, (cpu, wall) in found.items():
        print(f"  {name:34} {amount / cpu:8.1f} {unit} per CPU second, {amount / wall:8.1f} per second")


def scenes(folder: Path) -> Iterator[tuple[str, Path, float]]:
    """Striped GeoTIFFs of a scene's size, three bands of 16 bits: their names and MB of pixels.

    The first holds measurements. The second holds so few different integers that we take them for classes and keep the
    nearest pixel in overviews, where rio-cogeo is told to average: another image, and not the same work.
    """
    root = samples()
    if root:
        with rasterio.open(root / "landsat8_montreal_rgb_uint16_cog.tif") as source:
            measured, profile = source.read(), source.profile
        with rasterio.open(root / "landsat8_greenland_b_uint16_cog.tif") as source:
            few = source.read()
    else:
        measured = np.random.default_rng(1).normal(9000, 300, (3, 779, 790)).astype("uint16")
        profile = {"crs": "EPSG:32618", "transform": rasterio.Affine(300, 0, 0, 0, -300, 0), "nodata": 0}
        few = np.random.default_rng(1).integers(0, 15, (1, 779, 790)).astype("uint16")
    kept = {name: profile.get(name) for name in ("crs", "transform", "nodata")}
    for name, tile in (("measurements", measured), ("few values", few)):
        wanted = np.resize(tile, (3, *tile.shape[1:]))
        values = np.tile(wanted, (1, 3200 // tile.shape[1], 3200 // tile.shape[2]))
        path = folder / f"{name.replace(' ', '-')}.tif"
        shape = {"count": values.shape[0], "height": values.shape[1], "width": values.shape[2]}
        with rasterio.open(path, "w", driver="GTiff", dtype="uint16", **shape, **kept) as file:
            file.write(values)
        yield f"{name}, {len(np.unique(tile))} different", path, values.nbytes / 1e6


def cogs(folder: Path) -> None:
    for title, path, size in scenes(folder):
        _cogs(folder, title, path, size)


def _cogs(folder: Path, title: str, path: Path, size: float) -> None:
    from rio_cogeo.cogeo import cog_translate
    from rio_cogeo.profiles import cog_profiles

    from terrafair.data import cog
    from terrafair.data.classify import Kind

    def ours() -> None:
        cog.write(path, Kind.TIFF, folder / "ours.tif")

    def verified() -> None:
        cog.write(path, Kind.TIFF, folder / "verified.tif", verify=True)

    def rio(profile: dict[str, Any], name: str, resampling: str = "average") -> None:
        cog_translate(str(path), str(folder / name), profile, quiet=True, overview_resampling=resampling)

    profile = dict(cog_profiles.get("zstd"))
    same = {**profile, "ZSTD_LEVEL": 1, "PREDICTOR": 2}
    found = race(
        {
            "terrafair": ours,
            "terrafair --verify": verified,
            "rio-cogeo, same codec, averages": lambda: rio(same, "same.tif"),
            "rio-cogeo, same codec, nearest": lambda: rio(same, "nearest.tif", "nearest"),
            "rio-cogeo, its own defaults": lambda: rio(dict(cog_profiles.get("deflate")), "default.tif"),
        }
    )
    report(f"COG of a scene of {size:.0f} MB ({title})", size, "MB", found)
    sizes = {name: (folder / f"{name}.tif").stat().st_size / 1e6 for name in ("ours", "same", "nearest", "default")}
    print("  written: " + ", ".join(f"{name} {each:.1f} MB" for name, each in sizes.items()))


def items(folder: Path) -> None:
    import rio_stac

    from terrafair.data.describe import describe
    from terrafair.data.description import Order

    root, place = samples(), folder / "cogs"
    place.mkdir()
    source = root / "s1_grd_T10TES_vv_float32_cog.tif" if root else folder / "ours.tif"
    for number in range(ITEMS):
        shutil.copyfile(source, place / f"scene-{number:02}.tif")
    paths = sorted(place.iterdir())

    def theirs() -> None:
        for path in paths:
            rio_stac.create_stac_item(str(path), with_proj=True, with_raster=True, id=path.stem).to_dict()

    def ours() -> None:
        describe(Order(str(place), "bench"))

    # In one process each: several would hide their CPU from this one.
    found = race({"terrafair (all pixels, sha256)": lambda: single(ours), "rio-stac (a sample of the pixels)": theirs})
    report(f"STAC of {ITEMS} COGs", ITEMS, "items", found)


def single(run: Callable[[], None]) -> None:
    from terrafair.data import spread

    kept, spread.FEW = spread.FEW, 10**9
    try:
        run()
    finally:
        spread.FEW = kept


def cubes(folder: Path) -> None:
    import xarray as xr
    import zarr

    from terrafair.data import cube_source, zarr_store
    from terrafair.data.classify import Kind

    root = samples()
    if root:
        with xr.open_dataset(root / "ostia_20170605.nc") as dataset:
            day = dataset["analysed_sst"].values[0].astype("f4")
    else:
        day = np.random.default_rng(1).normal(290, 5, (720, 1440)).astype("f4")
    values = np.stack([day + step / 100 for step in range(40)])
    source = folder / "sst.nc"
    xr.Dataset({"sst": (("time", "lat", "lon"), values)}).to_netcdf(source)
    size = values.nbytes / 1e6
    with cube_source.opened(source, Kind.HDF5) as groups:
        array = next(each for each in groups[0].arrays if each.name == "sst")
    held = cube_source.Array(
        "sst", array.dims, array.shape, array.dtype, {}, lambda block: values[block], chunks=(1, 360, 720)
    )
    group = (cube_source.Group("", {}, (held,)),)

    def ours() -> None:
        shutil.rmtree(folder / "ours.zarr", ignore_errors=True)
        zarr_store.write(group, folder / "ours.zarr", version=3, name="sst")

    def plain(shards: tuple[int, ...] | None, codec: Any) -> None:
        root = zarr.open_group(folder / "plain.zarr", mode="w")
        options = {"chunks": (1, 360, 720), "shards": shards, "compressors": codec, "dtype": "f4"}
        made = root.create_array("sst", shape=values.shape, **options)
        made[:] = values

    def read() -> None:
        zarr.open_array(folder / "ours.zarr/sst", mode="r")[:]

    def read_here() -> None:
        with zarr_store.pipeline():
            read()

    blosc = zarr.codecs.BloscCodec(cname="zstd", clevel=1, shuffle="shuffle", typesize=4)
    writes = {
        "terrafair (zarrs)": ours,
        "zarr-python, same layout": lambda: plain((40, 720, 1440), blosc),
        "zarr-python, its own codec": lambda: plain(None, "auto"),
    }
    report(f"Zarr 3 written, {size:.0f} MB", size, "MB", race(writes))
    report("the same read", size, "MB", race({"terrafair (zarrs)": read_here, "zarr-python": read}))


def main() -> None:
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        cogs(Path(folder))
        items(Path(folder))
        cubes(Path(folder))


if __name__ == "__main__":
    main()
