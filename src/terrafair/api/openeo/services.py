"""Secondary web services: `/services`, and the tiles that they serve at `/xyz`."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from terrafair.api.openeo.asking import PAGE, Document, Limit, Offset, base, body, page_links, signed_in
from terrafair.api.openeo.batch import usage_of
from terrafair.api.openeo.faults import OpenEOFault
from terrafair.api.openeo.jobs import log_page
from terrafair.api.openeo.shelf import Kept, Shelf
from terrafair.api.openeo.submission import LEVELS, Submission, level_of
from terrafair.api.openeo.tiles import Tiles
from terrafair.api.openeo.xyz import TYPE, Block, Look, block_process
from terrafair.errors import NotFound
from terrafair.execution.job import Job
from terrafair.identity.person import Authenticator, Person

OWN = ("enabled", "configuration")
KEPT_SECONDS = 300
"""How long browsers keep a tile."""


def router(shelf: Shelf, tiles: Tiles, authenticator: Authenticator) -> APIRouter:
    """The routes."""
    routes = APIRouter()
    person = signed_in(authenticator)
    Who = Annotated[Person, Depends(person)]  # noqa: N806 - a type
    Body = Annotated[Document, Depends(body)]  # noqa: N806

    @routes.get("/services")
    def listing(request: Request, who: Who, limit: Limit = None, offset: Offset = 0) -> Document:
        """All, newest first."""
        most = min(limit or PAGE, PAGE)
        found = shelf.listing(who, most + 1, offset)
        shown = [shown_as(each, base(request), whole=False) for each in found[:most]]
        return {"services": shown, "links": page_links(request, most, offset, len(found) > most)}

    @routes.post("/services", status_code=201)
    def create(request: Request, who: Who, document: Body) -> Response:
        """Make one."""
        kind = document.get("type")
        if not isinstance(kind, str) or kind.lower() != TYPE:
            raise OpenEOFault("ServiceUnsupported", type=kind)
        submission = Submission.read(document)
        _check(submission, document)
        enabled = _enabled(document)
        kept = shelf.add(
            who, {**submission.document(), **_settings(document), "enabled": enabled, "owner": who.subject}
        )
        headers = {"Location": f"{base(request)}/services/{kept.id}", "OpenEO-Identifier": kept.id}
        return Response(status_code=201, headers=headers)

    @routes.get("/services/{service_id}")
    def one(service_id: str, request: Request, who: Who) -> Document:
        """One, with its process."""
        return shown_as(shelf.get(who, service_id), base(request), whole=True, job=_last(tiles, service_id))

    @routes.patch("/services/{service_id}", status_code=204)
    def change(service_id: str, who: Who, document: Body) -> Response:
        """Change it; tiles are computed anew."""
        if "type" in document:
            raise OpenEOFault("PropertyNotEditable", property="type")
        kept = shelf.get(who, service_id)
        changed = Submission.of(kept.document).changed(document, OWN)
        _check(changed, {**kept.document, **document})
        settings = {**_settings(kept.document), **_settings(document)}
        enabled = _enabled(document) if "enabled" in document else kept.document["enabled"]
        shelf.replace(kept, {**kept.document, **changed.document(), **settings, "enabled": enabled})
        tiles.forget(kept)
        return Response(status_code=204)

    @routes.delete("/services/{service_id}", status_code=204)
    def delete(service_id: str, who: Who) -> Response:
        """Forget it with its tiles."""
        kept = shelf.get(who, service_id)
        shelf.delete(kept)
        tiles.forget(kept)
        return Response(status_code=204)

    @routes.get("/services/{service_id}/logs")
    def logs(
        service_id: str, request: Request, who: Who, offset: str = "", level: str = "debug", limit: Limit = None
    ) -> Document:
        """What its last run has said."""
        submission = Submission.of(shelf.get(who, service_id).document)
        least = max(level_of(level), submission.log_level, key=LEVELS.index)
        return log_page(tiles.batch, _last(tiles, service_id), request, offset, least, limit)

    @routes.get("/xyz/{service_id}/{z}/{x}/{y}.png", include_in_schema=False)
    async def tile(service_id: str, z: int, x: int, y: int, request: Request) -> Response:
        """One tile; whoever knows the address may look."""
        kept = await run_in_threadpool(shelf.get, None, service_id)
        if not kept.document["enabled"]:
            raise OpenEOFault("ServiceNotFound", identifier=service_id)
        owner = Person(str(kept.document["owner"]))
        content = await tiles.tile(kept, owner, z, x, y, base(request))
        headers = {"Cache-Control": f"public, max-age={KEPT_SECONDS}", "Cross-Origin-Resource-Policy": "cross-origin"}
        return Response(content, media_type="image/png", headers=headers)

    return routes


def shown_as(kept: Kept, here: str, *, whole: bool, job: Job | None = None) -> Document:
    """A service as the API shows it."""
    found: Document = {
        "id": kept.id,
        "type": TYPE,
        "enabled": kept.document["enabled"],
        "url": f"{here}/xyz/{kept.id}/{{z}}/{{x}}/{{y}}.png",
        "created": kept.created,
        **Submission.of(kept.document).shown(whole=whole),
    }
    if whole:
        found |= {"configuration": kept.document.get("configuration") or {}, "attributes": {}}
        if job is not None and job.usage.wall_seconds:
            found["usage"] = usage_of(job)
    return found


def _check(submission: Submission, document: Document) -> None:
    """Everything that a tile needs and that can be known before."""
    look = Look.read(document.get("configuration"))
    block_process(submission.process, Block.around(0, 0, 0), look)


def _settings(document: Mapping[str, Any]) -> Document:
    return {"configuration": dict(document["configuration"] or {})} if "configuration" in document else {}


def _enabled(document: Document) -> bool:
    enabled = document.get("enabled", True)
    if not isinstance(enabled, bool):
        raise OpenEOFault("RequestInvalid", reason="`enabled` is neither true nor false.")
    return enabled


def _last(tiles: Tiles, service: str) -> Job | None:
    run = tiles.runs.get(service)
    try:
        return tiles.batch.jobs.get(run) if run else None
    except NotFound:
        return None
