"""Map tiles per second over HTTP: ours and titiler's, side by side in one run, 256 pixels, two workers each.

    python benchmarks/tiles.py [SECONDS]

Ours is the whole platform: web server, then a painter in its sandbox. titiler (with titiler.xarray for Zarr) is
installed once from PyPI into a cache below the system's temporary folder and runs under uvicorn with two processes.
Neither may answer from a cache: every tile is asked for once, in the same order. Eight clients ask at a time.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import httpx2
import numpy as np

TITILER = ("titiler.core", "titiler.xarray", "uvicorn", "zarr", "h5netcdf", "aiohttp")
CLIENTS = 8
SECONDS = 8.0
PORT = 18_641
APP = """
from fastapi import FastAPI
from titiler.core.factory import TilerFactory
from titiler.xarray.extensions import VariablesExtension
from titiler.xarray.factory import TilerFactory as CubeFactory
app = FastAPI()
app.include_router(TilerFactory().router, prefix="/cog")
app.include_router(CubeFactory(router_prefix="/cube").router, prefix="/cube")
"""
Times = list[float]


def make_data(folder: Path) -> None:
    """A picture, a float raster and a cube, each 8192 or 2048 pixels wide, tiled as COG and Zarr are."""
    import rasterio
    import xarray as xr
    from affine import Affine

    random = np.random.default_rng(7)
    size, transform = 8192, Affine(10, 0, 600_000, 0, -10, 5_300_000)
    base = random.random((512, 512), "float32").repeat(16, 0).repeat(16, 1)
    shared = {"driver": "COG", "width": size, "height": size, "crs": "EPSG:32632", "transform": transform}
    with rasterio.open(folder / "rgb.tif", "w", count=3, dtype="uint8", compress="deflate", nodata=0, **shared) as out:
        for band in (1, 2, 3):
            out.write((1 + 254 * np.roll(base, band * 99, 0)).astype("uint8"), band)
    with rasterio.open(folder / "float.tif", "w", count=1, dtype="float32", compress="zstd", **shared) as out:
        out.write(base, 1)
    y, x = np.linspace(50, 40, 2048), np.linspace(5, 15, 2048)
    values = random.random((4, 2048, 2048), "float32")
    cube = xr.Dataset({"t": (("time", "y", "x"), values)}, {"time": np.arange(4), "y": y, "x": x})
    cube["spatial_ref"] = ((), 0, {"crs_wkt": "EPSG:4326", "grid_mapping_name": "latitude_longitude"})
    cube["t"].attrs["grid_mapping"] = "spatial_ref"
    cube.chunk({"time": 1, "y": 512, "x": 512}).to_zarr(folder / "cube.zarr", zarr_format=2, consolidated=True)


def tiles(bounds: tuple[float, float, float, float], zooms: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """All tiles of some levels over an area in degrees, shuffled in one fixed way."""
    from terrafair.data.tiles.mercator import HALF, metres

    west, south = metres(bounds[0], bounds[1])
    east, north = metres(bounds[2], bounds[3])
    found = []
    for z in zooms:
        side = 2 * HALF / 2**z
        columns = range(int((west + HALF) // side) + 1, int((east + HALF) // side))
        rows = range(int((HALF - north) // side) + 1, int((HALF - south) // side))
        found += [(z, x, y) for x in columns for y in rows]
    np.random.default_rng(1).shuffle(found)
    return [(int(z), int(x), int(y)) for z, x, y in found]


@contextmanager
def ours(home: Path, data: Path) -> Iterator[Callable[[str], str]]:
    """Our platform with the data as one job's results; gives the address of a file's tiles."""
    from terrafair.app import Parts
    from terrafair.config import load
    from terrafair.database import open_engine
    from terrafair.execution.job import Asset, JobRequest, Results, Started, Succeeded, Usage
    from terrafair.execution.jobs import Jobs

    class NoQueue:
        def enqueue(self, connection: object, job: str) -> None: ...

    environment = {**os.environ, "TERRAFAIR_HOME": str(home), "TERRAFAIR_DEMO": "no"}
    log = (home / "serve.log").open("ab")
    command = [sys.executable, "-m", "terrafair", "serve", "--port", "0", "--no-demo"]
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        while not (home / "serving.json").exists():
            if process.poll() is not None:
                sys.exit((home / "serve.log").read_text())
            time.sleep(0.1)
        parts = Parts(load({"TERRAFAIR_HOME": str(home)}))
        jobs = Jobs(open_engine(parts.config.database_url), NoQueue(), home / "jobs")  # type: ignore[arg-type]
        job = jobs.submit(JobRequest("bench", "workflow")).id
        assets = []
        for path in sorted(data.rglob("*")):
            if path.is_file():
                name = path.relative_to(data).as_posix()
                parts.objects.put_file(f"jobs/{job}/outputs/{name}", path)
                assets.append(Asset(name, f"jobs/{job}/outputs/{name}", "", path.stat().st_size, "0" * 64))
        jobs.apply(job, Started("2026-01-01T00:00:00.000Z"))
        jobs.apply(job, Succeeded("2026-01-01T00:00:01.000Z", Results(f"jobs/{job}", assets=tuple(assets)), Usage()))
        url = json.loads((home / "serving.json").read_text())["url"]
        yield lambda name: f"{url}/tiles/jobs/{job}/outputs/{name}"
    finally:
        process.terminate()
        process.wait()
        log.close()


@contextmanager
def titiler(folder: Path) -> Iterator[str]:
    """titiler with two processes; gives its address, or raises RuntimeError."""
    place = Path(tempfile.gettempdir(), f"terrafair-benchmarks-{os.getuid()}", "titiler")
    python = place / "bin/python"
    if not (place / "installed").exists():
        place.parent.mkdir(mode=0o700, exist_ok=True)
        for line in (
            [sys.executable, "-m", "venv", "--clear", str(place)],
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *TITILER],
        ):
            done = subprocess.run(line, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"titiler cannot be installed: {done.stderr.strip()[-300:]}")
        (place / "installed").touch()
    (folder / "tiling.py").write_text(APP)
    command = [
        str(python),
        "-m",
        "uvicorn",
        "tiling:app",
        "--port",
        str(PORT),
        "--workers",
        "2",
        "--log-level",
        "error",
    ]
    # Its documentation's own settings for GDAL.
    settings = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_CACHEMAX": "200", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, **settings})
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                httpx2.get(f"http://127.0.0.1:{PORT}/docs", timeout=5)
                break
            except httpx2.HTTPError:
                time.sleep(0.3)
        yield f"http://127.0.0.1:{PORT}"
    finally:
        process.terminate()
        process.wait()


def measure(
    address: Callable[[tuple[int, int, int]], str], wanted: list[tuple[int, int, int]], seconds: float
) -> Times:
    """Seconds of each request of eight clients, for so long or until all tiles were asked for."""
    left, times, lock = iter(wanted), [], threading.Lock()
    deadline = time.perf_counter() + seconds

    def ask() -> None:
        with httpx2.Client(timeout=60, trust_env=False) as client:
            while time.perf_counter() < deadline:
                with lock:
                    tile = next(left, None)
                if tile is None:
                    return
                begun = time.perf_counter()
                reply = client.get(address(tile))
                if reply.status_code != httpx2.codes.OK:
                    raise RuntimeError(f"{address(tile)}: {reply.status_code} {reply.text[:200]}")
                with lock:
                    times.append(time.perf_counter() - begun)

    threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    utm = tiles((10.4, 47.2, 11.3, 47.75), (11, 12, 13))
    cube = tiles((5.2, 40.2, 14.8, 49.8), (7, 8, 9))
    cases = (
        ("RGB JPEG", "rgb.tif", utm, ".jpeg", {"resampling": "nearest"}, "cog", {"bidx": [1, 2, 3]}, ".jpg"),
        ("RGB PNG", "rgb.tif", utm, ".png", {"resampling": "nearest"}, "cog", {"bidx": [1, 2, 3]}, ".png"),
        ("float, colour map", "float.tif", utm, ".png", {"ramp": "viridis", "rescale": "0,1", "resampling": "nearest"},
         "cog", {"colormap_name": "viridis", "rescale": "0,1"}, ".png"),
        ("Zarr slice", "cube.zarr", cube, ".png", {"ramp": "viridis", "rescale": "0,1", "resampling": "nearest"},
         "cube", {"variable": "t", "sel": "time=0", "colormap_name": "viridis", "rescale": "0,1"}, ".png"),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        data, home = Path(folder, "data"), Path(folder, "home")
        data.mkdir()
        home.mkdir()
        make_data(data)
        mine = stack.enter_context(ours(home, data))
        try:
            theirs = stack.enter_context(titiler(Path(folder)))
        except RuntimeError as fault:
            theirs, _ = "", print(f"titiler: not measured: {fault}")
        for title, name, wanted, ending, style, kind, query, suffix in cases:

            def ask_ours(
                tile: tuple[int, int, int], name: str = name, ending: str = ending, style: object = style
            ) -> str:
                z, x, y = tile
                return f"{mine(name)}/{z}/{x}/{y}{ending}?{urlencode(style)}"  # type: ignore[arg-type]

            def ask_theirs(
                tile: tuple[int, int, int],
                name: str = name,
                kind: str = kind,
                query: object = query,
                suffix: str = suffix,
            ) -> str:
                z, x, y = tile
                asked = urlencode({"url": str(data / name), **query}, doseq=True)  # type: ignore[dict-item]
                return f"{theirs}/{kind}/tiles/WebMercatorQuad/{z}/{x}/{y}{suffix}?{asked}"

            report(title, "terrafair", ask_ours, wanted, seconds)
            if theirs:
                report(title, "titiler", ask_theirs, wanted, seconds)


def report(
    title: str, who: str, ask: Callable[[tuple[int, int, int]], str], wanted: list[tuple[int, int, int]], seconds: float
) -> None:
    """Warm up with the first tiles, then measure the others."""
    try:
        measure(ask, wanted[:16], seconds)
        begun = time.perf_counter()
        times = measure(ask, wanted[16:], seconds)
        rate = len(times) / (time.perf_counter() - begun)
    except RuntimeError as fault:
        print(f"{title}, {who}: not measured: {fault}")
        return
    p99 = statistics.quantiles(times, n=100)[98]
    print(f"{title}, {who}: {rate:.0f} tiles/s, p50 {statistics.median(times) * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
