"""Released versions: a name belongs to the project that released it first, and a version never changes."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from terrafair import events
from terrafair.database import reading, transaction
from terrafair.errors import Conflict, NotFound, Refused
from terrafair.workflows.workflow import Resolution

TABLE = sa.table(
    "releases",
    *(sa.column(name, sa.String) for name in ("name", "version", "project", "author", "job", "created")),
    *(sa.column(name, sa.String) for name in ("digest", "revision", "process")),
    sa.column("about", sa.Text),
)


@dataclass(frozen=True, slots=True)
class Release:
    """One version of a workflow."""

    name: str
    version: str
    project: str
    author: str
    job: str
    """The build that made it."""
    digest: str
    """`sha256:...` of its image, or of its document."""
    revision: str
    """Commit; empty where the sources came from no repository."""
    process: str
    """Id under which it is executed."""
    created: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Type, title, image, environment, outputs of the run on tiny data."""

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {**asdict(self), "about": dict(self.about)}


class Releases:
    """All releases of one platform."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def admit(self, name: str, version: str, project: str) -> None:
        """Raise `Refused` for another project's name, `Conflict` for a version that is there."""
        with reading(self._engine) as connection:
            self._admit(connection, name, version, project)

    def add(self, release: Release) -> Release:
        """Keep a version; raises as `admit` does."""
        with transaction(self._engine) as connection:
            self._admit(connection, release.name, release.version, release.project)
            row = {**asdict(release), "created": events.now(), "about": json.dumps(dict(release.about))}
            connection.execute(TABLE.insert().values(**row))
        return self.get(release.name, release.version)

    def get(self, name: str, version: str) -> Release:
        """One version; raises `NotFound`."""
        for each in self.history(name):
            if each.version == version:
                return each
        raise NotFound(f"There is no release {name[:80]} {version[:40]}.", remedy="`terrafair releases` lists them.")

    def history(self, name: str = "") -> list[Release]:
        """Newest first; of one workflow, or of all."""
        query = sa.select(TABLE).order_by(TABLE.c.created.desc(), TABLE.c.version.desc())
        query = query.where(TABLE.c.name == name) if name else query
        with reading(self._engine) as connection:
            return [_release(row) for row in connection.execute(query)]

    def traced(self, resolution: Resolution) -> Resolution:
        """What ran, with the place in its repository where a release's code lies; anything else as it was."""
        application = resolution.application
        if application is None or application.location.repository or not application.digest:
            return resolution
        name = application.location.path.rpartition("/")[2].rpartition(".")[0]
        query = sa.select(TABLE).where(sa.or_(TABLE.c.name == name, TABLE.c.process == name), TABLE.c.revision != "")
        with reading(self._engine) as connection:
            found = [{**_release(row).about, "commit": row.revision} for row in connection.execute(query)]
        for about in found:
            if about.get("document") == application.digest and about.get("repository"):
                place = replace(
                    application.location, repository=about["repository"], commit=about["commit"], path=about["path"]
                )
                return replace(resolution, application=replace(application, location=place))
        return resolution

    def _admit(self, connection: sa.Connection, name: str, version: str, project: str) -> None:
        rows = connection.execute(sa.select(TABLE.c.version, TABLE.c.project).where(TABLE.c.name == name)).all()
        if rows and any(row.project != project for row in rows):
            what = f"The workflow {name} is another project's."
            raise Refused(what, "It released it first.", "Choose another name in workflow.toml.", "name")
        if any(row.version == version for row in rows):
            what = f"{name} {version} has been released."
            raise Conflict(what, "A released version never changes.", "Release under a new version.", "version")


def _release(row: Any) -> Release:
    known = {name: getattr(row, name) for name in Release.__dataclass_fields__ if name != "about"}
    return Release(**known, about=json.loads(row.about))
