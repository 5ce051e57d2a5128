"""Repositories that a project has linked: a signed push, or a look every few minutes, starts a build."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from terrafair import events
from terrafair.database import reading, transaction
from terrafair.errors import InvalidInput, NotFound, Refused

TABLE = sa.table(
    "sources",
    *(sa.column(name, sa.String) for name in ("id", "project", "author", "created", "repository", "branch", "secret")),
    sa.column("revision", sa.String),
)
TAG = re.compile(r"refs/tags/v?(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)")


@dataclass(frozen=True, slots=True)
class Source:
    """One linked repository."""

    id: str
    project: str
    author: str
    repository: str
    branch: str
    """Whose pushes are built; tags like v1.2.3 are released."""
    secret: str = field(repr=False)
    """What the forge signs its calls with; kept as it is, since signatures are made from it."""
    revision: str = ""
    """Commit that was built last."""
    created: str = ""

    def document(self) -> dict[str, Any]:
        """The JSON form, without the secret."""
        names = ("id", "project", "author", "repository", "branch", "revision", "created")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Push:
    """What a call of a forge asks for."""

    commit: str
    version: str = ""
    """Of a tag; empty: a push to the branch."""


def name_of(repository: str) -> str:
    """What the builds of a repository are listed under."""
    return repository.rstrip("/").removesuffix(".git").rpartition("/")[2][:62]


def wishes(source: Source, push: Push) -> dict[str, Any]:
    """The inputs of the build that a push asks for."""
    wanted: dict[str, Any] = {"repository": source.repository, "reference": push.commit}
    return wanted | ({"version": push.version, "release": True} if push.version else {})


class Links:
    """All linked repositories."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def add(self, repository: str, branch: str, project: str, author: str) -> Source:
        """Link a repository; the secret is told this once."""
        source = Source(
            f"src-{secrets.token_hex(8)}", project, author, repository, branch, secrets.token_hex(32), "", events.now()
        )
        row = {**source.document(), "secret": source.secret}
        with transaction(self._engine) as connection:
            connection.execute(TABLE.insert().values(**row))
        return source

    def get(self, id: str) -> Source:  # noqa: A002
        """One; raises `NotFound`."""
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(TABLE).where(TABLE.c.id == id)).one_or_none()
        if row is None:
            raise NotFound(f"There is no linked repository {id[:60]!r}.")
        return Source(**{name: getattr(row, name) for name in Source.__dataclass_fields__})

    def listing(self) -> list[Source]:
        """All, newest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(TABLE).order_by(TABLE.c.created.desc())).all()
        return [Source(**{name: getattr(row, name) for name in Source.__dataclass_fields__}) for row in rows]

    def remove(self, id: str) -> None:  # noqa: A002
        """Unlink; what was built stays."""
        with transaction(self._engine) as connection:
            connection.execute(TABLE.delete().where(TABLE.c.id == id))

    def built(self, id: str, revision: str) -> bool:  # noqa: A002
        """Note a commit; False when it was the last one already, so that a call repeated builds nothing twice."""
        with transaction(self._engine) as connection:
            query = TABLE.update().where(TABLE.c.id == id, TABLE.c.revision != revision).values(revision=revision)
            return bool(connection.execute(query).rowcount)


def verify(secret: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Raise `Refused` unless a forge that has the secret sent this (HMAC of GitHub and Gitea, token of GitLab)."""
    said = headers.get("x-hub-signature-256", "")
    mine = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    token = headers.get("x-gitlab-token", "")
    if said and hmac.compare_digest(said.encode(), mine.encode()):
        return
    if token and hmac.compare_digest(token.encode(), secret.encode()):
        return
    remedy = "Give the forge the secret that linking the repository answered."
    raise Refused("The call's signature is not ours.", "X-Hub-Signature-256 or X-Gitlab-Token is wrong.", remedy)


def pushed(document: Any, branch: str) -> Push | None:
    """What a push event asks for; None where it is of another branch, or removes something."""
    if not isinstance(document, Mapping) or not isinstance(document.get("ref"), str):
        raise InvalidInput("The call is no push event.", "It has no `ref`.", "Choose push events at the forge.")
    ref, commit = document["ref"], str(document.get("after") or document.get("checkout_sha") or "")
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit) or set(commit) == {"0"}:
        return None
    if tag := TAG.fullmatch(ref):
        return Push(commit, tag[1])
    return Push(commit) if ref == f"refs/heads/{branch}" else None
