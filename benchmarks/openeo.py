"""openEO: NDVI, monthly mean, cloud-optimised GeoTIFF of 4096 x 4096 pixels, 2 bands, 12 dates; and zonal series.

    python benchmarks/openeo.py [FOLDER]

Beside each other, in processes of their own: this engine, a floor of rasterio and numpy, and openeo-processes-dask if
the environment variable PROCESSES_DASK names a Python that has it:

    python -m venv other && other/bin/pip install "openeo-processes-dask[implementations]" rasterio rioxarray

or, where GDAL's headers are missing, its dependencies beside gdal by hand and then `--no-deps openeo-processes-dask`;

    PROCESSES_DASK=other/bin/python python benchmarks/openeo.py

Seconds are CPU seconds of the process, memory is its peak. Input files are made once and kept in FOLDER.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZE, DATES = 4096, 12
YEARS, POLYGONS, SMALL = 5, 200, 1024
MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**28), "MALLOC_TRIM_THRESHOLD_": str(2**28)}
"""As the platform starts its children; all ways get the same."""
REPEATS = 3


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(tempfile.gettempdir(), "terrafair-bench-openeo"))
    folder.mkdir(parents=True, exist_ok=True)
    make(folder / "ndvi", SIZE, [f"2023-{month:02d}-{day:02d}" for month in range(1, 7) for day in (5, 20)])
    days = [f"{2019 + n // 73}-{(n % 73) // 6 % 12 + 1:02d}-{1 + 5 * (n % 6 % 6):02d}" for n in range(YEARS * 73)]
    make(folder / "zones", SMALL, sorted(set(days)))
    rows = [("engine", "ndvi", sys.executable), ("floor", "ndvi", sys.executable), ("engine", "zones", sys.executable)]
    if other := os.environ.get("PROCESSES_DASK"):
        rows.insert(2, ("processes_dask", "ndvi", other))
    for way, task, python in rows * REPEATS:
        print(f"{way:16} {task:6} ", end="", flush=True)
        command = [python, __file__, "--run", way, task, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **MEMORY})
        print(done.stdout.strip() or done.stderr.strip()[-500:])


def make(folder: Path, size: int, dates: list[str]) -> None:
    """Two bands a date as tiled GeoTIFFs of made-up reflectances, with STAC items."""
    if (folder / "items.json").exists():
        return
    import numpy as np
    import rasterio
    from rasterio.transform import from_origin

    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(1)
    base = random.integers(200, 4000, (size, size), np.uint16)
    items = []
    for number, date in enumerate(dates):
        assets = {}
        for band, shift in (("B04", 7), ("B08", 1500)):
            path = folder / f"{date}-{band}.tif"
            with rasterio.open(
                path, "w", driver="GTiff", width=size, height=size, count=1, dtype="uint16", crs="EPSG:32633",
                transform=from_origin(500000, 5100000, 10, 10), tiled=True, blockxsize=512, blockysize=512,
                compress="zstd", zstd_level=1, nodata=0,
            ) as file:  # fmt: skip
                file.write(np.roll(base, number * 31, 1) + np.uint16(shift + 10 * number), 1)
            assets[band] = {"href": path.name, "type": "image/tiff; application=geotiff", "roles": ["data"]}
        items.append({
            "type": "Feature", "stac_version": "1.0.0", "id": date, "geometry": None, "links": [], "assets": assets,
            "properties": {"datetime": f"{date}T10:00:00Z"},
        })  # fmt: skip
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))


def run(way: str, task: str, folder: Path) -> None:
    """One of the ways, measured."""
    out = folder / "out" / f"{way}-{task}"
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    {"engine": engine, "floor": floor, "processes_dask": processes_dask}[way](task, folder / task, out)
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime
    print(f"{cpu:6.1f} CPU s  {time.monotonic() - started:6.1f} s  {used.ru_maxrss / 2**20:5.2f} GB peak")


def polygons() -> dict[str, object]:
    """Fields of 40 to 120 m in rows."""
    features = []
    for number in range(POLYGONS):
        west, north = 500200 + number % 20 * 480, 5099800 - number // 20 * 950
        size = 40 + number * 7 % 80
        east, south = west + size, north - size
        ring = [[west, north], [east, north - 20], [east, south], [west, south], [west, north]]
        features.append(
            {"type": "Feature", "properties": {"id": number}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        )
    crs = {"type": "name", "properties": {"name": "EPSG:32633"}}
    return {"type": "FeatureCollection", "crs": crs, "features": features}


def graph(task: str) -> dict[str, object]:
    mean = {
        "process_graph": {
            "m": {"process_id": "mean", "arguments": {"data": {"from_parameter": "data"}}, "result": True}
        }
    }
    load = {"process_id": "load_stac", "arguments": {"url": "items", "bands": ["B04", "B08"]}}
    if task == "zones":
        return {
            "load": load,
            "zones": {
                "process_id": "aggregate_spatial",
                "arguments": {"data": {"from_node": "load"}, "geometries": polygons(), "reducer": mean},
            },
            "save": {
                "process_id": "save_result", "result": True,
                "arguments": {"data": {"from_node": "zones"}, "format": "CSV"},
            },
        }  # fmt: skip
    return {
        "load": load,
        "ndvi": {"process_id": "ndvi", "arguments": {"data": {"from_node": "load"}, "nir": "B08", "red": "B04"}},
        "month": {
            "process_id": "aggregate_temporal_period",
            "arguments": {"data": {"from_node": "ndvi"}, "period": "month", "reducer": mean},
        },
        "save": {
            "process_id": "save_result", "result": True,
            "arguments": {"data": {"from_node": "month"}, "format": "GTiff"},
        },
    }  # fmt: skip


def engine(task: str, data: Path, out: Path) -> None:
    from terrafair.execution.engines.openeo.child import run as run_task
    from terrafair.execution.engines.openeo.child import spare
    from terrafair.execution.engines.report import Report
    from terrafair.execution.task import JobFolder, Task

    job = JobFolder(out)
    job.create()
    document = job.application / "graph.json"
    document.write_text(json.dumps(graph(task)))
    sources = {"items": str(data / "items.json")}
    told = Task(
        job="bench", type="openeo", application=str(document), entry="", values={}, sources=sources, folder=str(out),
        options={"threads": 2},
    )  # fmt: skip
    # As the child's own start does.
    spare()
    sys.stdout, kept = sys.stderr, sys.stdout
    outcome = run_task(told, job, Report())
    sys.stdout = kept
    if not outcome.successful:
        raise SystemExit(str(outcome.problems))


def floor(_task: str, data: Path, out: Path) -> None:
    """The least that a fair hand can do with numpy and rasterio: a month at a time, in slabs that stay in the cache.

    Overviews of the plain picture cost less than the COG driver's own, and neither predictor nor threads pay here.
    """
    import numpy as np
    import rasterio
    from rasterio.enums import Resampling
    from rasterio.io import MemoryFile
    from rasterio.shutil import copy

    months: dict[str, list[str]] = {}
    for path in sorted(data.glob("*-B04.tif")):
        months.setdefault(path.name[:7], []).append(path.name[:10])
    for month, dates in months.items():
        total = np.zeros((SIZE, SIZE), np.float32)
        for date in dates:
            with rasterio.open(data / f"{date}-B04.tif") as one, rasterio.open(data / f"{date}-B08.tif") as two:
                red, nir = (source.read(1, out_dtype="float32") for source in (one, two))
                profile = {**one.profile, "dtype": "float32", "nodata": np.nan, "compress": None}
            for top in range(0, SIZE, 16):
                rows = slice(top, top + 16)
                # 0 is the no-data value, which nothing here has; whoever may not know that needs to look.
                for band in (red, nir):
                    band[rows][band[rows] == 0] = np.nan
                total[rows] += (nir[rows] - red[rows]) / (nir[rows] + red[rows])
        total /= len(dates)
        with MemoryFile() as memory:
            with memory.open(**profile) as file:
                file.write(total, 1)
                file.build_overviews([2, 4, 8], Resampling.average)
            with memory.open() as file:
                copy(file, out / f"{month}.tif", driver="COG", compress="ZSTD", level=1, predictor="NO")


def processes_dask(_task: str, data: Path, out: Path) -> None:
    """The same with the functions of openeo-processes-dask, on a cube that rioxarray opens."""
    # This file has the name of a package that the other needs.
    sys.path.remove(str(Path(__file__).parent))
    import importlib
    import inspect

    import numpy as np
    import rioxarray
    import xarray as xr
    from openeo_pg_parser_networkx import OpenEOProcessGraph, ProcessRegistry
    from openeo_pg_parser_networkx.process_registry import Process
    from openeo_processes_dask.process_implementations.core import process

    registry = ProcessRegistry(wrap_funcs=[process])
    specs = importlib.import_module("openeo_processes_dask.specs")
    module = importlib.import_module("openeo_processes_dask.process_implementations")
    for name, function in inspect.getmembers(module, inspect.isfunction):
        registry[name] = Process(spec=getattr(specs, name), implementation=function)
    dates = sorted({path.name[:10] for path in data.glob("*.tif")})
    chunks, bands = {"x": 2048, "y": 2048}, ("B04", "B08")
    layers = [[rioxarray.open_rasterio(data / f"{d}-{b}.tif", chunks=chunks)[0] for b in bands] for d in dates]
    cube = xr.concat([xr.concat(line, "bands") for line in layers], "t").astype("float32")
    cube = cube.assign_coords(t=np.array(dates, "datetime64[ns]"), bands=["B04", "B08"])
    nodes = graph("ndvi")
    nodes.pop("load"), nodes.pop("save")
    nodes["ndvi"]["arguments"]["data"] = {"from_parameter": "cube"}
    nodes["month"]["result"] = True
    found = OpenEOProcessGraph(pg_data={"process_graph": nodes}).to_callable(process_registry=registry)(
        named_parameters={"cube": cube}
    )
    for number in range(found.sizes["t"]):
        found.isel(t=number).rio.to_raster(out / f"{number}.tif", driver="COG", compress="ZSTD", level=1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    else:
        main()
