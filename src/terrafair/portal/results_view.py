"""What a job made, looked at: files, layers on a map, tables, notebooks, headers, pictures, provenance."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from fastapi import APIRouter, Request
from fastapi.responses import Response

from terrafair.errors import InvalidInput, NotFound, TerrafairError
from terrafair.portal import results_notebook
from terrafair.portal.page import STATIC, Pages, address
from terrafair.portal.results_files import ResultFile, client_code, listed, snippets
from terrafair.portal.results_provenance import summary
from terrafair.portal.results_workbook import workbook

Document = dict[str, Any]
RAMPS = ("grey", "viridis", "magma", "inferno", "ndvi", "water", "thermal", "ice", "balance")
CRATE = "ro-crate-metadata.json"
CRATE_LIMIT = 16 * 2**20
POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; frame-ancestors 'none';"
    " object-src 'none'; base-uri 'none'"
)
"""Maps draw pictures that they have made themselves; no script but ours, and none from text."""


class Source(Protocol):
    """What the view asks of the platform."""

    def job(self, id: str) -> Document:  # noqa: A002
        """One job; raises `NotFound`."""
        ...

    def results(self, id: str) -> Document | None:  # noqa: A002
        """`{files: [{name, size, sha256, type, role, s3}], ...}`, once there are."""
        ...

    def content(self, id: str, name: str, limit: int) -> bytes:  # noqa: A002
        """The beginning of a file that the platform itself has written."""
        ...

    def ask(self, id: str, name: str, order: Mapping[str, Any]) -> Document:  # noqa: A002
        """What the sandbox finds in a file; raises `InvalidInput` for one that it cannot read."""
        ...


def router(source: Source, pages: Pages) -> APIRouter:
    """`/results/JOB/view` and the page of each file below it."""
    routes = pages.router()

    def show(request: Request, name: str, content: Document) -> Response:
        reply = pages.show(request, name, content)
        reply.headers["Content-Security-Policy"] = POLICY
        return reply

    @routes.get("/results/{job}/view")
    def whole(request: Request, job: str, layer: str = "") -> Response:
        return show(request, "results/page.html", panel(source, job, _base(request), layer))

    @routes.get("/results/{job}/notebook")
    def notebook(request: Request, job: str, file: str = "") -> Response:
        subject = str(source.job(job)["subject"])
        chosen = next((each for each in _files(source, job) if each.name == file), None)
        if file and chosen is None:
            raise NotFound(f"Job {job} has no file {file!r}.", remedy="Its page lists its files.", where="file")
        text = workbook(job, subject, _base(request), chosen)
        named = f'attachment; filename="results-{"".join(each for each in job if each.isalnum() or each == "-")}.ipynb"'
        return Response(text, media_type="application/x-ipynb+json", headers={"Content-Disposition": named})

    @routes.get("/results/{job}/view/{name:path}")
    def one(request: Request, job: str, name: str, start: int = 0) -> Response:
        content = {"job": source.job(job), **_shared(_base(request))}
        file = next((each for each in _files(source, job) if each.name == name), None)
        if file is None:
            raise NotFound(f"Job {job} has no file {name!r}.", remedy="Its page lists its files.", where="name")
        content |= {"file": file, "snippets": snippets(file, _base(request)), **_viewed(source, file, start)}
        return show(request, "results/file.html", content)

    return routes


def panel(source: Source, job: str, base: str, layer: str = "") -> Document:
    """What the template `results/panel.html` needs; a job's page may include it."""
    files = _files(source, job)
    layers = [file for file in files if file.on_map]
    return {
        "job": source.job(job),
        "files": [file for file in files if file.data],
        "described": [file for file in files if not file.data],
        "layers": layers,
        "config": _config(layers, layer),
        "told": _told(source, job, files),
        "ways": _ways(job, files, base),
        **_shared(base),
    }


def _shared(base: str) -> Document:
    """What all templates of the results need."""
    basemap = STATIC / "vendor/countries-50m.json"
    return {
        "base": base,
        "map_library": (STATIC / "vendor/ol.js").exists(),
        "world": address("vendor/countries-50m.json") if basemap.exists() else "",
    }


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _files(source: Source, job: str) -> list[ResultFile]:
    found = source.results(job)
    return listed(job, found["files"]) if found else []


def _config(layers: list[ResultFile], chosen: str, view: str = "") -> str:
    """What the map's script needs to know, as JSON that may stand in a page; `view`: what the file was found to be."""
    rows = [
        {
            "name": file.short,
            "view": view or file.view,
            "tiles": file.tiles,
            "page": file.page,
            "first": file.name == chosen,
        }
        for file in layers
    ]
    return json.dumps({"layers": rows, "ramps": RAMPS}).replace("<", "\\u003c")


def _ways(job: str, files: list[ResultFile], base: str) -> list[tuple[str, str]]:
    """How to get all of it."""
    found = [("Command line", f"terrafair results {job} --to ./results"), ("Python", client_code(job, base))]
    collection = next((file for file in files if file.name == "collection.json"), None)
    if collection is not None:
        stac = f'import pystac\n\ncollection = pystac.Collection.from_file("{base}{collection.href}")'
        found.append(("STAC", stac))
        if collection.s3:
            found.append(("S3", f"aws s3 sync {collection.s3.rpartition('/')[0]} ./results"))
    return found


def _told(source: Source, job: str, files: list[ResultFile]) -> Any:
    crate = next((file for file in files if file.name == CRATE), None)
    if crate is None or crate.size > CRATE_LIMIT:
        return None
    try:
        return summary(json.loads(source.content(job, CRATE, CRATE_LIMIT)))
    except (ValueError, RecursionError):
        return None


def _viewed(source: Source, file: ResultFile, start: int) -> Document:
    """What is in one file; what cannot be read is told, and the file can still be downloaded."""
    content: Document = {"view": {"view": ""}, "problem": None, "about": None, "config": _config([], "")}
    try:
        found = content["view"] = source.ask(file.job, file.name, {"do": "view", "start": start})
        if found["view"] in {"raster", "cube"}:
            content["about"] = source.ask(file.job, file.name, {"do": "about", "style": {}})
        if found["view"] == "notebook":
            content["parts"] = results_notebook.parts(found["cells"])
        if found["view"] == "features" or (content["about"] or {}).get("bounds"):
            content["config"] = _config([file], file.name, found["view"])
    except InvalidInput as error:
        content["problem"] = error.problem
    except NotFound:
        raise
    except TerrafairError as error:
        content["problem"] = error.problem
    return content
