"""Processes that people deployed: each revision's document in the object store, what is in force in the database."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from terrafair import events
from terrafair.data.objects import ObjectStore
from terrafair.database import reading, transaction
from terrafair.errors import Conflict, NotFound, Refused
from terrafair.workflows.described import descriptions
from terrafair.workflows.package import Package

TABLE = sa.table(
    "deployments",
    *(sa.column(name, sa.String) for name in ("id", "state", "media_type", "key", "entry", "digest", "created")),
    sa.column("revision", sa.Integer),
    sa.column("about", sa.Text),
)
FOLDER = "processes"


@dataclass(frozen=True, slots=True)
class Deployment:
    """One revision of a deployed process."""

    id: str
    revision: int
    """Counts from 1; goes on counting when a process is deployed again after its end."""
    media_type: str
    key: str
    """Of the document in the object store; never overwritten, since jobs may still run it."""
    entry: str
    digest: str
    """sha256 of the document, hex."""
    created: str
    title: str = ""
    description: str = ""
    version: str = ""
    keywords: tuple[str, ...] = ()
    mutable: bool = True
    project: str = ""
    """That it belongs to, and the person who deployed it; empty: an operator's alone."""
    author: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """What its description said of its inputs, by name."""


class Deployments:
    """All deployed processes of one platform."""

    def __init__(self, engine: sa.Engine, objects: ObjectStore) -> None:
        self._engine = engine
        self._objects = objects

    def listing(self) -> list[Deployment]:
        """What is in force, sorted by id."""
        query = sa.select(TABLE).where(TABLE.c.state == "current").order_by(TABLE.c.id)
        with reading(self._engine) as connection:
            return [_deployment(row) for row in connection.execute(query)]

    def get(self, id: str) -> Deployment | None:  # noqa: A002 - the field's word
        """The one of that id, if it is in force."""
        with reading(self._engine) as connection:
            row = _current(connection, id)
        return _deployment(row) if row else None

    def content(self, deployment: Deployment) -> bytes:
        """Its document."""
        return self._objects.get(deployment.key)

    def reference(self, deployment: Deployment) -> str:
        """What a job names to run exactly this revision."""
        fragment = f"#{deployment.entry}" if deployment.entry else ""
        return self._objects.url(deployment.key) + fragment

    def deploy(self, package: Package, project: str = "", author: str = "") -> Deployment:
        """Add a process of somebody's; raises `Conflict` when there is one of that id."""
        return self._put(package, (project, author))

    def replace(self, package: Package) -> Deployment:
        """Put a new revision in the place of a process; raises `NotFound` or `Refused` (immutable)."""
        return self._put(package, None)

    def undeploy(self, id: str) -> None:  # noqa: A002
        """Take a process away; its revisions stay for the provenance of the jobs that ran them."""
        with transaction(self._engine) as connection:
            self._changeable(connection, id)
            connection.execute(_of(id).values(state="undeployed"))

    def _put(self, package: Package, owner: tuple[str, str] | None) -> Deployment:
        """A new revision; without an owner it stays its present one's."""
        digest = hashlib.sha256(package.content).hexdigest()
        key = f"{FOLDER}/{package.id}/{digest[:16]}/{package.id}.cwl"
        self._objects.put(key, package.content, package.media_type)
        with transaction(self._engine) as connection:
            if owner is None:
                present = self._changeable(connection, package.id)
                owner = (present.project, present.author)
                connection.execute(_of(package.id).values(state="replaced"))
            elif _current(connection, package.id):
                raise duplicated(package.id)
            last = sa.select(sa.func.max(TABLE.c.revision)).where(TABLE.c.id == package.id)
            deployment = Deployment(
                package.id,
                (connection.execute(last).scalar() or 0) + 1,
                package.media_type,
                key,
                package.entry,
                digest,
                events.now(),
                package.title,
                package.description,
                package.version,
                package.keywords,
                package.mutable,
                *owner,
                descriptions(package.about),
            )
            try:
                connection.execute(TABLE.insert().values(**_row(deployment)))
            except sa.exc.IntegrityError:
                # On PostgreSQL two may get here at once.
                raise duplicated(package.id) from None
        return deployment

    def _changeable(self, connection: sa.Connection, id: str) -> Deployment:  # noqa: A002
        row = _current(connection, id)
        if row is None:
            raise NotFound(f"There is no deployed process {id[:100]!r}.", where="processID", code="no-such-process")
        found = _deployment(row)
        if not found.mutable:
            raise immutable(id, "It was deployed as immutable.")
        return found


def duplicated(id: str) -> Conflict:  # noqa: A002
    """The error for an id that is taken."""
    remedy = "Replace it (PUT), or choose another id."
    return Conflict(f"There is a process {id!r} already.", "", remedy, "id", "duplicated-process")


def immutable(id: str, why: str) -> Refused:  # noqa: A002
    """The error for a process that cannot be changed."""
    return Refused(
        f"The process {id!r} cannot be changed.", why, "Deploy one of another id.", "id", "immutable-process"
    )


def _current(connection: sa.Connection, id: str) -> Any:  # noqa: A002
    query = sa.select(TABLE).where(TABLE.c.id == id, TABLE.c.state == "current")
    return connection.execute(query).one_or_none()


def _of(id: str) -> sa.Update:  # noqa: A002
    return TABLE.update().where(TABLE.c.id == id, TABLE.c.state == "current")


_ABOUT = ("title", "description", "version", "keywords", "mutable", "project", "author", "inputs")


def _row(deployment: Deployment) -> dict[str, Any]:
    plain = ("id", "revision", "media_type", "key", "entry", "digest", "created")
    about = {name: getattr(deployment, name) for name in _ABOUT}
    return {name: getattr(deployment, name) for name in plain} | {"state": "current", "about": json.dumps(about)}


def _deployment(row: Any) -> Deployment:
    about = json.loads(row.about)
    about["keywords"] = tuple(about["keywords"])
    columns = (row.id, row.revision, row.media_type, row.key, row.entry, row.digest, row.created)
    return Deployment(*columns, **about)
