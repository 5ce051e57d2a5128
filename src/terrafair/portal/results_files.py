"""The files of a job's results as people count them, and how to get at each from elsewhere."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote

from terrafair.portal import words

STORE = re.compile(r"(.*?\.zarr)/")
VIEWS: Mapping[str, str] = {
    "image/tiff": "raster",
    "image/jp2": "raster",
    "application/wmo-GRIB2": "raster",
    "application/wmo-GRIB1": "raster",
    "application/netcdf": "cube",
    "application/x-hdf5": "cube",
    "application/vnd+zarr": "cube",
    "application/geo+json": "features",
    "application/geopackage+sqlite3": "features",
    "application/vnd.shp": "features",
    "application/vnd.apache.parquet": "table",
    "text/csv": "table",
    "application/x-ipynb+json": "notebook",
    "image/png": "picture",
    "image/jpeg": "picture",
    "image/webp": "picture",
    "image/gif": "picture",
    "image/svg+xml": "picture",
    "application/xml": "text",
    "application/yaml": "text",
    "application/cwl+yaml": "text",
}
"""Media type -> what shows it; the file itself decides once it is opened, in the sandbox."""
ON_MAP = frozenset({"raster", "cube", "features"})
WORDS: Mapping[str, str] = {
    "raster": "raster",
    "cube": "data cube",
    "features": "vector",
    "table": "table",
    "notebook": "notebook",
    "picture": "picture",
    "text": "text",
}


@dataclass(frozen=True, slots=True)
class ResultFile:
    """One file, or one Zarr store, of a job's results."""

    job: str
    name: str
    type: str
    size: int
    sha256: str
    s3: str
    data: bool
    """Made by the job, not by the platform to describe it."""
    parts: int = 0
    """Files inside, for a store that is a folder; 0: a plain file."""

    @property
    def view(self) -> str:
        """What shows it, as far as the media type tells."""
        if self.type:
            # `image/tiff; application=geotiff; profile=cloud-optimized` is a raster, too.
            plain = self.type.partition(";")[0].strip()
            known = VIEWS.get(self.type) or VIEWS.get(plain) or ("raster" if "geotiff" in self.type else "")
            return known or ("text" if plain.startswith("text/") or "json" in plain else "")
        return "" if self.data else "text"

    @property
    def word(self) -> str:
        """What it is, in a word."""
        return WORDS.get(self.view, "file") if self.data else "description"

    @property
    def short(self) -> str:
        """Without the folder that all have in common."""
        return self.name.removeprefix("outputs/")

    @property
    def on_map(self) -> bool:
        """Whether it can be a layer."""
        return self.data and self.view in ON_MAP

    @property
    def page(self) -> str:
        """Its own page."""
        return f"/results/{quote(self.job, safe='')}/view/{quote(self.name)}"

    @property
    def href(self) -> str:
        """Where it is downloaded; empty for a folder."""
        return "" if self.parts else f"/api/jobs/{quote(self.job, safe='')}/files/{quote(self.name)}"

    @property
    def tiles(self) -> str:
        """Where its pictures, series and features are."""
        return f"/tiles/jobs/{quote(self.job, safe='')}/{quote(self.name)}"


def listed(job: str, documents: Iterable[Mapping[str, object]]) -> list[ResultFile]:
    """Files of `/api/jobs/JOB/results`, data first; a Zarr store, which is a folder of thousands, is one."""
    rows: dict[str, ResultFile] = {}
    for document in documents:
        name, size, s3 = str(document["name"]), int(str(document["size"])), str(document.get("s3", ""))
        inside = STORE.match(name)
        data = name.startswith("outputs/")
        if inside is None:
            checksum, kind = str(document.get("sha256", "")), str(document.get("type", ""))
            rows[name] = ResultFile(job, name, kind, size, checksum, s3, data)
        elif inside[1] in rows:
            row = rows[inside[1]]
            rows[inside[1]] = replace(row, size=row.size + size, parts=row.parts + 1)
        else:
            whole = s3.removesuffix(name.removeprefix(inside[1]))
            rows[inside[1]] = ResultFile(job, inside[1], "application/vnd+zarr", size, "", whole, data, 1)
    return sorted(rows.values(), key=lambda row: (not row.data, row.name))


def snippets(file: ResultFile, base: str) -> list[tuple[str, str]]:
    """(where, code): how the file is reached from a script, a shell, a desktop GIS."""
    found = [("Command line", f"terrafair results {file.job} --to ./results")]
    if file.href:
        found.append(("Shell", f"curl -O {base}{file.href}"))
    brought = client_code(file.job, base)
    found.append(("Python", "\n\n".join(part for part in (brought, opening(file)) if part)))
    if file.s3:
        copy = "sync" if file.parts else "cp"
        found.append(("S3", f"aws s3 {copy} {file.s3} ."))
    if file.view in {"raster", "cube"}:
        found.append((words.QGIS, f"{base}{file.tiles}/{{z}}/{{x}}/{{y}}.png"))
    return found


def opening(file: ResultFile) -> str:
    """Python that opens a file that has been brought; empty for kinds without a reader of their own."""
    local = json.dumps(f"./results/{file.name}", ensure_ascii=False)
    return {
        "raster": f"import rioxarray\n\ndata = rioxarray.open_rasterio({local})",
        "cube": f"import xarray as xr\n\ndata = xr.open_{'zarr' if file.parts else 'dataset'}({local})",
        "features": f"import geopandas\n\ndata = geopandas.read_file({local})",
        "table": f"import pandas\n\ndata = pandas.read_{'parquet' if 'parquet' in file.type else 'csv'}({local})",
    }.get(file.view, "")


def client_code(job: str, base: str) -> str:
    """Python that brings all files of a job."""
    lines = (
        "from pathlib import Path",
        "",
        "from terrafair.client import Client",
        "",
        f'Client("{base}").download("{job}", Path("results"))',
    )
    return "\n".join(lines)
