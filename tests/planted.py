"""Results of a job, planted into a running platform: ordinary files of every kind, and hostile ones."""

import base64
import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio
import xarray as xr
from affine import Affine
from PIL import Image

from terrafair.app import Parts
from terrafair.config import load
from terrafair.data.classify import classify, media_type
from terrafair.database import open_engine
from terrafair.execution.job import Asset, JobRequest, Results, Started, Succeeded, Usage
from terrafair.execution.jobs import Jobs

from .conftest import Platform

SCRIPT = "<script>window.hacked = 1</script>"
EVIL_HTML = f"{SCRIPT}<img src=x onerror='window.hacked=2'><a href='javascript:window.hacked=3'>click</a>"
STYLED = "<style>body{display:none}</style><form action=/api/jobs><input></form><p id=content style='top:0'>x</p>"


class NoQueue:
    def enqueue(self, connection: object, job: str) -> None: ...


def plant(platform: Platform, folder: Path) -> str:
    """Make everything below `folder` the results of a new job; gives its id."""
    parts = Parts(load(platform.environment))
    engine = open_engine(parts.config.database_url)
    jobs = Jobs(engine, NoQueue(), platform.home / "jobs")  # type: ignore[arg-type]
    job = jobs.submit(JobRequest("planted", "workflow")).id
    assets, stores = [], sorted(folder.rglob("*.zarr"))
    for store in stores:
        name = store.relative_to(folder).as_posix()
        assets.append(Asset(name, f"jobs/{job}/outputs/{name}", "application/vnd+zarr", 0, ""))
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        name = path.relative_to(folder).as_posix()
        key = f"jobs/{job}/outputs/{name}"
        parts.objects.put_file(key, path)
        if not any(path.is_relative_to(store) for store in stores):
            checksum = hashlib.sha256(path.read_bytes()).hexdigest()
            assets.append(Asset(name, key, media_type(path, classify(path)), path.stat().st_size, checksum))
    parts.objects.put(f"jobs/{job}/ro-crate-metadata.json", json.dumps(crate()).encode())
    jobs.apply(job, Started("2026-01-01T00:00:00.000Z"))
    jobs.apply(job, Succeeded("2026-01-01T00:00:01.000Z", Results(f"jobs/{job}", assets=tuple(assets)), Usage()))
    engine.dispose()
    return job


def crate() -> dict[str, Any]:
    run = {
        "@id": "#run-1",
        "@type": "CreateAction",
        "name": "Run of planted",
        "startTime": "2026-01-01T00:00:00Z",
        "endTime": "2026-01-01T00:00:01Z",
        "instrument": {"@id": "#workflow"},
        "object": [{"@id": "#year"}, {"@id": "https://example.org/scene.tif"}],
        "result": [{"@id": "outputs/ndvi.tif"}],
    }
    year = {"@id": "#year", "@type": "PropertyValue", "name": "year", "value": "2025 <b>bold</b>"}
    scene = {"@id": "https://example.org/scene.tif", "@type": "File", "name": "scene", "sha256": "a" * 64}
    return {"@graph": [run, year, scene, {"@id": "#workflow", "name": "Planted workflow", "version": "3.1"}]}


def ordinary(folder: Path) -> None:
    """What workflows make."""
    folder.mkdir(parents=True, exist_ok=True)
    rasters(folder)
    cubes(folder)
    tables(folder)
    vectors(folder)
    (folder / "report.pdf").write_bytes(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n%%EOF")
    Image.fromarray(np.full((60, 90, 3), 120, "uint8")).save(folder / "chart.png")
    (folder / "settings.json").write_text(json.dumps({"alpha": 1, "beta": [1, 2, {"deep": True}]}))
    (folder / "notes.txt").write_text("All went well.\n")
    (folder / "report.ipynb").write_text(json.dumps(notebook()))


def rasters(folder: Path) -> None:
    y, x = np.mgrid[0:300, 0:400]
    field = (np.sin(x / 40) * np.cos(y / 30) * 0.5 + 0.3).astype("float32")
    field[:40, :60] = np.nan
    at = Affine(30, 0, 600_000, 0, -30, 5_200_000)
    shared: dict[str, Any] = {"driver": "COG", "width": 400, "height": 300, "crs": "EPSG:32632", "transform": at}
    with rasterio.open(folder / "ndvi.tif", "w", count=1, dtype="float32", nodata=np.nan, **shared) as out:
        out.write(field, 1)
    with rasterio.open(folder / "true_colour.tif", "w", count=3, dtype="uint8", **shared) as out:
        for band in (1, 2, 3):
            out.write(np.roll((np.nan_to_num(field) * 120 + 60).astype("uint8"), band * 20, 1), band)


def cubes(folder: Path) -> None:
    times = pd.date_range("2024-01-01", periods=24, freq="MS")
    lat, lon = np.linspace(50, 45, 50), np.linspace(5, 15, 100)
    season = np.sin(np.arange(24) / 12 * 2 * np.pi)[:, None, None]
    values = (285 + 10 * season + lat[None, :, None] * -0.2 + lon[None, None, :] * 0.1).astype("float32")
    cube = xr.Dataset(
        {"sst": (("time", "lat", "lon"), values), "ice": (("time", "lat", "lon"), values / 300)},
        {"time": times, "lat": lat, "lon": lon},
        {"title": "A planted cube", "history": "<b>made</b>"},
    )
    cube["sst"].attrs = {"units": "K", "long_name": "Sea surface temperature"}
    cube["lat"].attrs, cube["lon"].attrs = {"units": "degrees_north"}, {"units": "degrees_east"}
    cube.to_zarr(folder / "sst.zarr", zarr_format=2, consolidated=True)
    cube.isel(time=slice(0, 3)).to_netcdf(folder / "sst.nc")


def tables(folder: Path) -> None:
    rows = pd.DataFrame({"station": [f"s{n}" for n in range(120)], "value": np.arange(120) / 7, "kind": "tide"})
    rows.to_csv(folder / "stations.csv", index=False)
    rows.to_parquet(folder / "stations.parquet", row_group_size=30)


def vectors(folder: Path) -> None:
    import geopandas

    corner = [[[8.5, 46], [10, 46], [10, 47], [8.5, 47], [8.5, 46]]]
    feature = {"type": "Feature", "properties": {"name": "A <i>lake</i>", "area": 12.5}}
    feature |= {"geometry": {"type": "Polygon", "coordinates": corner}}
    path = folder / "lakes.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    geopandas.read_file(path).to_crs(3035).to_parquet(folder / "lakes.parquet")


def hostile(folder: Path) -> None:
    """What somebody makes who wants the person who looks at it to come to harm."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evil.ipynb").write_text(json.dumps(evil_notebook()))
    (folder / "evil.svg").write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20">{SCRIPT}</svg>')
    (folder / "evil.html").write_text(f"<!doctype html><html><body>{EVIL_HTML}</body></html>")
    cells = ['=HYPERLINK("javascript:alert(1)")', EVIL_HTML.replace(",", ";"), "@SUM(1)", "x" * 300_000]
    (folder / "evil.csv").write_text(
        "name,value\n" + "".join(f'"{c.replace(chr(34), chr(34) * 2)}",1\n' for c in cells)
    )
    with (folder / "million.geojson").open("w") as out:
        out.write('{"type":"FeatureCollection","features":[')
        point = '{"type":"Feature","properties":{},"geometry":{"type":"Point","coordinates":[%.3f,%.3f]}}'
        out.write(",".join(point % (n % 360 - 180, n % 170 - 85) for n in range(1_000_000)))
        out.write("]}")
    (folder / "broken.tif").write_bytes(b"II*\0" + b"\xff" * 200)
    (folder / "broken.parquet").write_bytes(b"PAR1" + b"\0" * 40 + b"PAR1")
    (folder / f"{'<img src=x onerror=window.hacked=4>'}.txt").write_text(EVIL_HTML)


def notebook() -> dict[str, Any]:
    out = io.BytesIO()
    Image.fromarray(np.full((40, 120, 3), (20, 120, 90), "uint8")).save(out, "PNG")
    picture = base64.b64encode(out.getvalue()).decode()
    table = pd.DataFrame({"month": ["May", "June"], "ndvi": [0.41, 0.62]}).to_html()
    cells = [
        {"cell_type": "markdown", "source": ["# Season\n", "Where it is *greenest*, see [the guide](https://example.org)."]},
        {
            "cell_type": "code",
            "execution_count": 1,
            "source": "frame.head()",
            "outputs": [
                {"output_type": "stream", "text": ["\x1b[31mred\x1b[0m words\n"]},
                {"output_type": "execute_result", "data": {"text/html": table, "text/plain": "frame"}},
                {"output_type": "display_data", "data": {"image/png": picture, "text/plain": "<Figure>"}},
            ],
        },
        {"cell_type": "code", "execution_count": 2, "source": "1 / 0", "outputs": [
            {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "division by zero", "traceback": []}]},
    ]  # fmt: skip
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}


def evil_notebook() -> dict[str, Any]:
    script = {"text/html": EVIL_HTML, "application/javascript": "window.hacked = 5"}
    svg = {"image/svg+xml": f"<svg onload='window.hacked=6'>{SCRIPT}</svg>"}
    false_picture = {"image/png": '"><script>window.hacked = 7</script>'}
    cells = [
        {"cell_type": "markdown", "source": f"# Hi\n{EVIL_HTML}\n[go](javascript:window.hacked=8) ![i](http://192.0.2.1/x.png)"},
        {"cell_type": "code", "source": "</pre>" + SCRIPT, "outputs": [
            {"output_type": "display_data", "data": script},
            {"output_type": "display_data", "data": svg},
            {"output_type": "display_data", "data": false_picture},
            {"output_type": "display_data", "data": {"text/html": STYLED}},
        ]},
    ]  # fmt: skip
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}


def chromium() -> str:
    """Where the browser is; empty: it is not there."""
    return next((path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if os.access(path, os.X_OK)), "")
