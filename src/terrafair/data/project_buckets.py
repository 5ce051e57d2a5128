"""Each project's bucket in the object store, for its people: who holds which keys, until when."""

import hashlib
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
import structlog

from terrafair.data import bucket_keys
from terrafair.data.bucket_keys import BucketKeys, KeyMaker
from terrafair.data.objects import S3Access
from terrafair.database import reading, transaction
from terrafair.errors import InvalidInput, NotFound, TerrafairError
from terrafair.identity.access import Action, Actor, Kind, Thing, Visibility, may, require
from terrafair.identity.people import TABLE as PEOPLE
from terrafair.identity.projects import PROJECTS

TABLE = sa.table(
    "object_keys",
    *(sa.column(name, sa.String) for name in ("id", "person", "project", "key", "handle", "created", "expires")),
    sa.column("write", sa.Boolean),
)
LONGEST = timedelta(hours=12)
LONGEST_LINK = timedelta(days=7)
"""More than this no signature of S3 holds."""
SHORT = 60


@dataclass(frozen=True, slots=True)
class Held:
    """Keys that somebody holds, without their secret."""

    id: str
    person: str
    project: str
    key: str
    write: bool
    created: str
    expires: str


@dataclass(frozen=True, slots=True)
class Minted:
    """New keys with all that a client needs."""

    held: Held
    keys: BucketKeys
    bucket: str
    endpoint: str
    region: str


class ProjectBuckets:
    """The buckets of one platform; every call says who asks."""

    def __init__(
        self,
        engine: sa.Engine,
        access: Callable[[], S3Access],
        maker: KeyMaker,
        actor: Callable[[str], Actor],
        *,
        public_url: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`actor` finds a person by id, as they are today; `public_url` is the store's address for people."""
        self._engine = engine
        self._access = access
        self._maker = maker
        self._actor = actor
        self._public_url = public_url.rstrip("/")
        self._now = now
        self._made: set[str] = set()

    def mint(self, actor: Actor, project: str, *, write: bool, lifetime: timedelta, identity: str = "") -> Minted:
        """Keys for a project's bucket, which is made when it is first asked for.

        Raises `Refused` or `NotFound` for somebody else's project, `InvalidInput` for an impossible time.
        """
        self._admit(actor, Action.CHANGE if write else Action.READ, project)
        if not timedelta(0) < lifetime <= LONGEST:
            hours = LONGEST.total_seconds() / 3600
            raise InvalidInput(f"The keys would hold {lifetime}.", f"At most {hours:.0f} hours.", where="seconds")
        place = self._bucket(project)
        moment, seconds = self._now(), int(lifetime.total_seconds())
        keys = self._maker.make(place.bucket, write=write, seconds=seconds, identity=identity)
        held = Held(
            secrets.token_hex(8), actor.person, project, keys.key, write, _text(moment), _text(moment + lifetime)
        )
        row = {name: getattr(held, name) for name in Held.__slots__} | {"handle": keys.handle}
        with transaction(self._engine) as connection:
            connection.execute(TABLE.insert().values(**row))
        return Minted(held, keys, place.bucket, self._public_url or place.endpoint, place.region)

    def share(self, actor: Actor, project: str, key: str, lifetime: timedelta) -> str:
        """An address at which everybody can read one object of the bucket for so long; nothing else."""
        self._admit(actor, Action.SHARE, project)
        if not timedelta(0) < lifetime <= LONGEST_LINK:
            raise InvalidInput(
                f"The link would hold {lifetime}.", f"At most {LONGEST_LINK.days} days.", where="seconds"
            )
        place = self._bucket(project)
        place = replace(place, endpoint=self._public_url or place.endpoint)
        return bucket_keys.link(place, key, int(lifetime.total_seconds()))

    def listing(self, person: str) -> list[Held]:
        """A person's keys that hold, newest first."""
        query = sa.select(TABLE).where(TABLE.c.person == person).order_by(TABLE.c.created.desc(), TABLE.c.id)
        with reading(self._engine) as connection:
            rows = connection.execute(query.where(TABLE.c.expires > _text(self._now()))).all()
        return [_held(row) for row in rows]

    def end(self, person: str, id: str) -> int:  # noqa: A002 - the field's word
        """End one of a person's keys; gives how many. Raises `NotFound` for one that is not theirs."""
        ended = self._end(sa.and_(TABLE.c.person == person, TABLE.c.id == id))
        if not ended:
            raise NotFound(f"There are no keys {id[:40]!r}.", where="keys")
        return ended

    def end_all(self, person: str, but: Sequence[str] = ()) -> int:
        """End all of a person's keys, some of them excepted; gives how many."""
        return self._end(sa.and_(TABLE.c.person == person, TABLE.c.id.not_in(but)))

    def sweep(self) -> int:
        """End what is over: by time, or since the person may no longer do what the keys allow."""
        ended = self._end(TABLE.c.expires <= _text(self._now()))
        with reading(self._engine) as connection:
            held = [_held(row) for row in connection.execute(sa.select(TABLE))]
        people = {each.person: self._actor(each.person) for each in held}
        for each in held:
            action = Action.CHANGE if each.write else Action.READ
            if not may(people[each.person], action, _thing(each.project)):
                ended += self._end(TABLE.c.id == each.id)
        return ended

    def sweeping(self, version: Callable[[], int], ended: threading.Event, pause: float = 1.0) -> None:
        """Sweep until the end, when something is over or has changed."""
        seen = -1
        while not ended.wait(pause):
            try:
                now = version()
                if now != seen or self._over():
                    self.sweep()
                    seen = now
            except TerrafairError as fault:
                # The store or the database is away: the next turn may find it well.
                structlog.get_logger().warning("keys.unswept", reason=str(fault)[:300])

    def _over(self) -> bool:
        with reading(self._engine) as connection:
            query = sa.select(TABLE.c.id).where(TABLE.c.expires <= _text(self._now())).limit(1)
            return connection.execute(query).first() is not None

    def _admit(self, actor: Actor, action: Action, project: str) -> None:
        if not may(actor, Action.READ, _thing(project)) or not self._exists(actor, project):
            # The same words for one that is not there.
            raise NotFound(f"There is no project {project[:80]!r}.", where="project")
        require(actor, action, _thing(project))

    def _exists(self, actor: Actor, project: str) -> bool:
        """An operator may see everything, also what there is not: no bucket is made for that."""
        if project in actor.roles or project == actor.person:
            return True
        known = sa.union_all(*(sa.select(table.c.id).where(table.c.id == project) for table in (PROJECTS, PEOPLE)))
        with reading(self._engine) as connection:
            return connection.execute(known).first() is not None

    def _bucket(self, project: str) -> S3Access:
        place = replace(self._access(), bucket=bucket_of(project))
        if place.bucket not in self._made:
            bucket_keys.make_bucket(place)
            self._made.add(place.bucket)
        return place

    def _end(self, condition: "sa.ColumnElement[bool]") -> int:
        """The store first: a row that is left is tried again, a key that is left would open a bucket."""
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(TABLE).where(condition)).all()
        for row in rows:
            if row.handle:
                self._maker.end(row.handle)
            with transaction(self._engine) as connection:
                connection.execute(TABLE.delete().where(TABLE.c.id == row.id))
        return len(rows)


def bucket_of(project: str) -> str:
    """The name of a project's bucket; a project's id may be as long as a bucket's name."""
    name = f"p-{project}"
    if len(name) <= 63:
        return name
    # Another beginning, so that nobody can choose a project's id to meet it.
    return f"h-{project[:40].rstrip('-')}-{hashlib.sha256(project.encode()).hexdigest()[:20]}"


def environment(minted: Minted) -> dict[str, str]:
    """Variables that boto3, `aws`, obstore, s3fs and GDAL (`/vsis3/`) read."""
    keys, place = minted.keys, minted.endpoint
    scheme, _, host = place.partition("://")
    found = {"AWS_ACCESS_KEY_ID": keys.key, "AWS_SECRET_ACCESS_KEY": keys.secret, "AWS_ENDPOINT_URL": place}
    found |= {"AWS_REGION": minted.region, "AWS_DEFAULT_REGION": minted.region}
    if keys.token:
        found["AWS_SESSION_TOKEN"] = keys.token
    # GDAL wants the host alone, and to be told of plain HTTP and of buckets in the path; obstore of plain HTTP, too.
    found |= {
        "AWS_S3_ENDPOINT": host,
        "AWS_HTTPS": "YES" if scheme == "https" else "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE",
    }
    if scheme == "http":
        found["AWS_ALLOW_HTTP"] = "true"
    return found


def _thing(project: str) -> Thing:
    return Thing(Kind.BUCKET, project, visibility=Visibility.PROJECT)


def _held(row: "sa.Row[tuple[object, ...]]") -> Held:
    return Held(row.id, row.person, row.project, row.key, bool(row.write), row.created, row.expires)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
