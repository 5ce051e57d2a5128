"""Routes about publications: begin, walk step by step, look."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from terrafair.errors import Conflict, InvalidInput, NotFound, Refused
from terrafair.identity.access import Action, Kind, Thing, require
from terrafair.identity.asking import actor
from terrafair.publishing.publication import PREFIX, Publication
from terrafair.publishing.publisher import Prepared, Publisher
from terrafair.publishing.store import Store

Document = dict[str, Any]
Admit = Callable[[str, Action], None]


class Request(BaseModel):
    """The body of `POST /api/publications`."""

    model_config = ConfigDict(extra="forbid")

    job: str = Field(max_length=80)
    answers: dict[str, Any] = {}
    dry_run: bool = False


class Forge(Protocol):
    """The embedded stand-in for GitHub, where the person at this platform is the reviewer."""

    def merge(self, name: str, number: int, login: str) -> Any:
        """Merge a pull request."""
        ...


def shape(publication: Publication) -> Document:
    """A publication as it is now."""
    return {
        "id": publication.id,
        "job": publication.job,
        "kind": "change" if publication.amends else "result",
        "state": publication.state.value,
        "next": publication.next.value,
        "waiting": publication.waiting,
        "answers": dict(publication.answers),
        "entries": list(publication.entries),
        "problems": [problem.document() for problem in publication.problems],
        "warnings": [problem.document() for problem in publication.warnings],
        "receipt": publication.receipt and publication.receipt.document(),
        "testing": publication.testing and publication.testing.document(),
        "production": publication.production and publication.production.document(),
        "revision": publication.revision,
        "created": publication.created,
        "updated": publication.updated,
    }


def preview(job: str, prepared: Prepared) -> Document:
    """What would be published."""
    draft = prepared.draft
    return {
        "job": job,
        "state": "preview",
        "answers": prepared.answers.document(),
        "entries": ["/".join(entry) for entry in draft.entries] if draft else [],
        "problems": [problem.document() for problem in prepared.problems],
        "warnings": [problem.document() for problem in prepared.warnings],
        "files": {name: content.decode("utf-8", "replace") for name, content in draft.files.items()} if draft else {},
        "diff": draft.diff() if draft else "",
    }


@dataclass(frozen=True, slots=True)
class Gate:
    """Publications, for those who may see the jobs that they come from."""

    store: Store
    admit: Admit

    def find(self, id: str, action: Action) -> Publication:  # noqa: A002 - the field's word
        """One; raises `NotFound` or `Refused`."""
        publication = self.store.get(id)
        self.admit(publication.job, action)
        return publication

    def seen(self, publication: Publication) -> bool:
        """Whether the asker may look at it."""
        try:
            self.admit(publication.job, Action.READ)
        except (NotFound, Refused):
            return False
        return True


def router(publisher: Publisher, store: Store, forge: Forge | None, admit: Admit) -> APIRouter:
    """`/api/publications`; `admit` says who may look at what a job made, or publish it."""
    routes = APIRouter(prefix="/api", tags=["publications"])

    gate = Gate(store, admit)
    found = gate.find

    @routes.post("/publications", status_code=201)
    def begin(body: Request) -> JSONResponse:
        """Begin to publish a job's result, or add answers; with `dry_run` only show what it would be."""
        if body.job.startswith(PREFIX):
            way = "Describe it under /publish/edit; what is handed in there goes on here, too."
            raise InvalidInput("A change of an entry does not begin with a job.", remedy=way, where="job")
        admit(body.job, Action.READ if body.dry_run else Action.PUBLISH)
        if body.dry_run:
            return JSONResponse(preview(body.job, publisher.preview(body.job, body.answers)), 200)
        begun = shape(publisher.begin(body.job, body.answers))
        return JSONResponse(begun, 201, headers={"Location": f"/api/publications/{begun['id']}"})

    @routes.get("/publications")
    def listing(state: str = "", limit: int = 100) -> list[Document]:
        """Publications of results and changes of entries, each with its kind, newest first."""
        return [shape(publication) for publication in store.listing(state=state, limit=limit) if gate.seen(publication)]

    @routes.get("/publications/{id}")
    def get(id: str) -> Document:  # noqa: A002
        """One publication, by its id or its job's."""
        return shape(found(id, Action.READ))

    @routes.get("/publications/{id}/diff")
    def diff(id: str) -> PlainTextResponse:  # noqa: A002
        """What it changes in the catalogue as that is now."""
        return PlainTextResponse(publisher.diff(found(id, Action.READ)))

    @routes.post("/publications/{id}/advance")
    def advance(id: str) -> Document:  # noqa: A002
        """Do its next step; answers once that is done or has failed."""
        return shape(publisher.advance(found(id, Action.PUBLISH).id))

    @routes.post("/publications/{id}/merge")
    def merge(id: str) -> Document:  # noqa: A002
        """Play the reviewer: merge the pull request in the forge that stands in for GitHub."""
        publication = found(id, Action.PUBLISH)
        require(actor(), Action.GRANT, Thing(Kind.PLATFORM))
        pull = publication.production
        if forge is None:
            raise Refused("Only the catalogue's reviewers merge.", "This platform publishes to GitHub itself.")
        if pull is None:
            raise Conflict(f"The publication {id} has no pull request yet.", f"It is {publication.state.value}.")
        if pull.state == "open":
            forge.merge(pull.repository, pull.number, pull.repository.partition("/")[0])
        return shape(publisher.advance(publication.id))

    return routes
