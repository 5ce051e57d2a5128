"""Routes about development: builds, releases, linked repositories."""

from collections.abc import Callable, Mapping
from html import escape
from typing import Any, Protocol

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from terrafair.errors import InvalidInput, NotFound
from terrafair.execution.builtin import BUILD
from terrafair.execution.job import Job, JobRequest, Owner
from terrafair.execution.jobs import Jobs, own
from terrafair.identity.access import Action, may, require
from terrafair.identity.asking import asker

Document = dict[str, Any]
_COLOURS = {"successful": "#2e7d32", "failed": "#c62828", "running": "#1565c0", "accepted": "#1565c0"}


class Order(BaseModel):
    """The body of `POST /api/builds`."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=3, max_length=62)
    file: str = Field("", max_length=2000)
    repository: str = Field("", max_length=500)
    reference: str = Field("", max_length=200)
    revision: str = Field("", max_length=80, pattern="^[0-9a-f]*(-dirty)?$")
    version: str = Field("", max_length=64)
    release: bool = False
    project: str = Field("", max_length=64)


class Link(BaseModel):
    """The body of `POST /api/sources`."""

    model_config = ConfigDict(extra="forbid")

    repository: str = Field(min_length=8, max_length=500)
    branch: str = Field("main", max_length=200)
    project: str = Field("", max_length=64)


class Register(Protocol):
    """The releases."""

    def history(self, name: str = "") -> list[Any]:
        """Newest first."""
        ...

    def get(self, name: str, version: str) -> Any:
        """One."""
        ...


class Sources(Protocol):
    """The linked repositories."""

    def add(self, repository: str, branch: str, project: str, author: str) -> Any:
        """Link one."""
        ...

    def get(self, id: str) -> Any:  # noqa: A002
        """One."""
        ...

    def listing(self) -> list[Any]:
        """All."""
        ...

    def remove(self, id: str) -> None:  # noqa: A002
        """Unlink."""
        ...

    def built(self, id: str, revision: str) -> bool:  # noqa: A002
        """Note a commit."""
        ...


Build = Callable[[Any, Any], str]
"""Linked repository and what is asked for -> id of the job."""
Push = Callable[[str, bytes, Mapping[str, str], str], Any]
"""Secret, body, headers and branch -> what is to be built; raises `Refused` for a wrong signature."""


def router(jobs: Jobs, all_jobs: Jobs, register: Register, shape: Callable[[Job], Document]) -> APIRouter:
    """`/api/builds` and `/api/releases`; `all_jobs` are those that the badge speaks of, whoever asks."""
    routes = APIRouter(prefix="/api", tags=["development"])

    @routes.post("/builds", status_code=201)
    def build(order: Order) -> JSONResponse:
        """Build sources that were uploaded, or a repository at a commit; a release becomes a process."""
        if bool(order.file) == bool(order.repository):
            raise InvalidInput("A build needs a file or a repository; not both.", where="file")
        if order.release and not order.version:
            raise InvalidInput("A release needs a version.", remedy="Give one like 1.0.0.", where="version")
        owner = _owner(order.project)
        names = ("repository", "reference", "revision", "version", "release")
        wishes = {name: getattr(order, name) for name in names if getattr(order, name)}
        job = jobs.submit(JobRequest(order.name, BUILD, order.file, wishes), owner=owner)
        return JSONResponse(shape(job), 201, headers={"Location": f"/api/jobs/{job.id}"})

    @routes.get("/builds")
    def builds(name: str = "", limit: int = 50) -> list[Document]:
        """Builds, newest first."""
        found = [job for job in jobs.listing(subject=name, limit=500) if job.request.kind == BUILD]
        return [shape(job) for job in found[: max(1, min(limit, 500))]]

    @routes.get("/builds/{name}/badge.svg")
    def badge(name: str) -> Response:
        """How the last build of a workflow went, for a README."""
        released = register.history(name)
        # Anybody may name a build so; the badge speaks of the project that has released the workflow.
        projects = {each.project for each in released}
        found = [
            job
            for job in (all_jobs.listing(subject=name, limit=50) if released else ())
            if job.request.kind == BUILD and job.owner.project in projects
        ]
        state = found[0].state.value if found else "unknown"
        return Response(_badge("build", state), media_type="image/svg+xml", headers={"Cache-Control": "no-cache"})

    @routes.get("/releases")
    def releases(name: str = "") -> list[Document]:
        """Versions that the asker's projects have released, newest first; what they run as is in `/processes`."""
        return [each.document() for each in register.history(name) if _may(each)]

    @routes.get("/releases/{name}/{version}")
    def release(name: str, version: str) -> Document:
        """One version: image, commit, build, outputs of its run on tiny data."""
        found = register.get(name, version)
        if not _may(found):
            what = f"There is no release {name[:80]} {version[:40]}."
            raise NotFound(what, remedy="`terrafair releases` lists them.")
        document: Document = found.document()
        return document

    return routes


def links(sources: Sources, push: Push, order_build: Build, admit: Callable[[str], None]) -> APIRouter:
    """`/api/sources`; the builds that a push starts are the linking person's; `admit` knows addresses by sight."""
    routes = APIRouter(prefix="/api", tags=["development"])

    @routes.get("/sources")
    def linked() -> list[Document]:
        """Repositories that the asker's projects have linked."""
        seen = [each for each in sources.listing() if _may(each)]
        return [each.document() for each in seen]

    @routes.post("/sources", status_code=201)
    def link(order: Link) -> Document:
        """Link a repository; the answer holds the secret for the forge's webhook, this once."""
        admit(order.repository)
        owner = _owner(order.project)
        source = sources.add(order.repository, order.branch, owner.project, owner.author)
        return {**source.document(), "secret": source.secret, "hook": f"/api/sources/{source.id}/hook"}

    @routes.delete("/sources/{id}", status_code=204)
    def unlink(id: str) -> Response:  # noqa: A002
        """Unlink a repository."""
        source = sources.get(id)
        require(asker().actor, Action.CHANGE, Owner(source.project, source.author).thing)
        sources.remove(id)
        return Response(status_code=204)

    @routes.post("/sources/{id}/hook")
    async def hook(id: str, request: Request) -> Document:  # noqa: A002
        """A forge tells of a push; it is believed by its signature alone."""
        source, body = sources.get(id), await request.body()
        try:
            asked = push(source.secret, body, request.headers, source.branch)
        except orjson.JSONDecodeError:
            raise InvalidInput("The call's body is no JSON.", where="body") from None
        if asked is None or not sources.built(id, f"{asked.commit}{asked.version}"[:80]):
            return {"build": None}
        return {"build": order_build(source, asked)}

    return routes


def _owner(project: str) -> Owner:
    mine = own(asker())
    owner = Owner(project or mine.project, mine.author)
    require(asker().actor, Action.CREATE, owner.thing)
    return owner


def _may(thing: Any) -> bool:
    """Whether the asker may see a release or a linked repository."""
    return may(asker().actor, Action.READ, Owner(thing.project, thing.author).thing)


def _badge(label: str, state: str) -> str:
    colour = _COLOURS.get(state, "#757575")
    left, right = 6 * len(label) + 14, 7 * len(state) + 14
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-label="{escape(label)}: {escape(state)}"><rect width="{left}" height="20" fill="#424242"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{colour}"/>'
        '<g fill="#fff" font-family="sans-serif" font-size="11">'
        f'<text x="7" y="14">{escape(label)}</text><text x="{left + 7}" y="14">{escape(state)}</text></g></svg>'
    )
