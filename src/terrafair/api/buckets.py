"""Routes about the object store for people: keys to a project's bucket, and links to one object of it."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from terrafair.api.account import signed_in
from terrafair.data.project_buckets import Minted, ProjectBuckets, bucket_of, environment
from terrafair.identity.asking import actor, asker
from terrafair.identity.sessions import COOKIE

Document = dict[str, Any]


class NewKeys(BaseModel):
    """The body of `POST /api/s3/keys`."""

    model_config = ConfigDict(extra="forbid")

    project: str = Field("", max_length=64)
    write: bool = True
    seconds: int = Field(3600, ge=1, le=43_200)


class NewLink(BaseModel):
    """The body of `POST /api/s3/links`."""

    model_config = ConfigDict(extra="forbid")

    project: str = Field("", max_length=64)
    key: str = Field(min_length=1, max_length=1024)
    seconds: int = Field(3600, ge=1, le=604_800)


def router(buckets: ProjectBuckets, id_token: Callable[[str], str]) -> APIRouter:
    """`/api/s3`; `id_token` gives the provider's token of a session's cookie, for stores that want to see it."""
    routes = APIRouter(prefix="/api/s3", tags=["object store"])

    @routes.get("/keys")
    def listing() -> list[Document]:
        """One's keys that hold, without their secrets."""
        return [{**asdict(held), "bucket": bucket_of(held.project)} for held in buckets.listing(signed_in().id)]

    @routes.post("/keys", status_code=201)
    def mint(request: Request, response: Response, wanted: NewKeys) -> Document:
        """Keys for the bucket of a project, one's own by default; the secret is shown this once."""
        response.headers["Cache-Control"] = "no-store"
        lifetime = timedelta(seconds=wanted.seconds)
        token = _shown(request) or id_token(request.cookies.get(COOKIE, ""))
        return document(buckets.mint(actor(), _project(wanted.project), write=wanted.write, lifetime=lifetime,
                                     identity=token))  # fmt: skip

    @routes.delete("/keys/{id}", status_code=204)
    def end(id: str) -> Response:  # noqa: A002 - the field's word
        """End one's keys before their time."""
        buckets.end(signed_in().id, id)
        return Response(status_code=204)

    @routes.post("/links", status_code=201)
    def share(wanted: NewLink) -> Document:
        """An address at which everybody can read one object until the time is over."""
        url = buckets.share(actor(), _project(wanted.project), wanted.key, timedelta(seconds=wanted.seconds))
        return {"url": url, "seconds": wanted.seconds}

    return routes


def document(minted: Minted) -> Document:
    """New keys under the names that clients know them by."""
    keys, place = minted.keys, minted.endpoint
    return {
        **asdict(minted.held),
        "bucket": minted.bucket,
        "endpoint": place,
        "region": minted.region,
        "secret": keys.secret,
        "token": keys.token,
        "environment": environment(minted),
    }


def _project(named: str) -> str:
    return named or asker().project or signed_in().id


def _shown(request: Request) -> str:
    """The provider's own token, where the request was made with one."""
    token = request.headers.get("authorization", "").rpartition(" ")[2].rpartition("/")[2]
    return token if token.count(".") == 2 else ""
