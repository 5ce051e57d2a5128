"""Looks at stored results, object by object: is each there, and is each what it was when its checksum was noted?

What is known of a result stands in three places, and each is checked: the job's row (its files with their sha256), its
STAC documents (`file:checksum`, a multihash) and its RO-Crate (`sha256` of what belongs to the run).
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa
import structlog

from terrafair.data.objects import ObjectStore
from terrafair.database import reading, transaction
from terrafair.errors import NotFound, TerrafairError, Unreachable
from terrafair.events import now
from terrafair.execution.job import Results
from terrafair.operations.kept import recall, remember

NAME = "scrub"
DAMAGE = sa.table("damage", *(sa.column(name, sa.String) for name in ("key", "job", "kind", "says", "found")))
_JOBS = sa.table("jobs", sa.column("number", sa.Integer), *(sa.column(name) for name in ("id", "state", "results")))
SHA256 = "1220"
"""Beginning of a multihash in hex: sha2-256, 32 bytes."""
DOCUMENT_LIMIT = 64 * 2**20
KINDS = ("corrupted", "missing", "unreadable")
LOOK_SECONDS = 60.0
Pause = Callable[[float], object]


@dataclass(frozen=True, slots=True)
class Damage:
    """One object that is not as it was."""

    key: str
    job: str
    kind: str
    """`corrupted`, `missing`, or `unreadable`: the store answers, and not for this one."""
    says: str


@dataclass(frozen=True, slots=True)
class Look:
    """How far a look at everything has come."""

    started: str
    ended: str = ""
    """Empty: it goes on."""
    position: int = 0
    """Number of the last job that was looked at."""
    jobs: int = 0
    objects: int = 0
    bytes: int = 0

    @property
    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Scrub:
    """Walks all results; what it knows lies in the database, so that another process goes on where one ended."""

    engine: sa.Engine
    objects: ObjectStore
    rate: int = 0
    """Bytes a second at the most; 0: as fast as the store gives them."""
    pause: Pause = time.sleep

    def last(self) -> Look | None:
        """The look that goes on, else the last one; None: there was none."""
        found = recall(self.engine, NAME)
        return Look(**found) if found else None

    def damages(self) -> list[Damage]:
        """What is known to be damaged, by key."""
        query = sa.select(DAMAGE).order_by(DAMAGE.c.key)
        with reading(self.engine) as connection:
            return [Damage(row.key, row.job, row.kind, row.says) for row in connection.execute(query)]

    def report(self) -> dict[str, Any]:
        """`{look, damaged: [{key, job, kind, says}]}`."""
        look = self.last()
        return {"look": look.document if look else None, "damaged": [asdict(each) for each in self.damages()]}

    def run(self, wanted: Callable[[], bool] = lambda: True, *, anew: bool = False) -> Look:
        """Go on with the look that was interrupted, or begin one; returns when it ends or is not wanted any more.

        Raises `Unreachable` when the store is away: that says nothing of any object.
        """
        look = self.last()
        if anew or look is None or look.ended:
            look = Look(now())
            remember(self.engine, NAME, look.document)
        while wanted():
            row = self._next(look.position)
            if row is None:
                look = Look(look.started, now(), look.position, look.jobs, look.objects, look.bytes)
                remember(self.engine, NAME, look.document)
                self._forget_ended()
                return look
            count, size = self._job(row.id, Results.read(json.loads(row.results)))
            look = Look(look.started, "", row.number, look.jobs + 1, look.objects + count, look.bytes + size)
            remember(self.engine, NAME, look.document)
        return look

    def _next(self, position: int) -> Any:
        done = sa.and_(_JOBS.c.number > position, _JOBS.c.state == "successful")
        with reading(self.engine) as connection:
            return connection.execute(sa.select(_JOBS).where(done).order_by(_JOBS.c.number).limit(1)).one_or_none()

    def _job(self, job: str, results: Results) -> tuple[int, int]:
        """Check all of one result, and keep what was found; gives how many objects and bytes were read."""
        if not results.prefix:
            return 0, 0
        begun, size, found = time.monotonic(), 0, list[Damage]()
        wanted = dict.fromkeys(filter(None, (results.collection, *results.items, results.crate)), "")
        wanted |= {asset.key: asset.sha256 for asset in results.assets}
        for key in [key for key in wanted if key.endswith(".json")]:
            self._add(wanted, key, results.prefix)
        for key, digest in wanted.items():
            read, damage = self._object(job, key, digest)
            size += read
            found += [damage] if damage else []
            if self.rate and (ahead := size / self.rate - (time.monotonic() - begun)) > 0:
                self.pause(ahead)
        self._keep(job, found)
        return len(wanted), size

    def _add(self, wanted: dict[str, str], key: str, prefix: str) -> None:
        """What one document of a result says of other objects of it."""
        try:
            if self.objects.head(key)[0] > DOCUMENT_LIMIT:
                return
            document = json.loads(self.objects.get(key))
        except (TerrafairError, ValueError):
            # Told when it is looked at itself.
            return
        for name, digest in told(document):
            place = resolve(self.objects, key, name)
            if place is not None and place.startswith(f"{prefix}/") and not wanted.get(place):
                wanted[place] = digest

    def _object(self, job: str, key: str, digest: str) -> tuple[int, Damage | None]:
        try:
            content = self.objects.open(key)
            read, seen, parsed = 0, hashlib.sha256(), bytearray()
            for chunk in content.chunks:
                seen.update(chunk)
                read += len(chunk)
                if not digest and len(parsed) < DOCUMENT_LIMIT:
                    parsed += chunk
        except NotFound:
            return 0, Damage(key, job, "missing", "It is not in the object store.")
        except Unreachable as fault:
            self._answers(fault)
            return 0, Damage(key, job, "unreadable", str(fault)[:500])
        if digest and seen.hexdigest() != digest:
            says = f"Its sha256 is {seen.hexdigest()}, {digest} was noted."
            return read, Damage(key, job, "corrupted", says)
        if not digest and key.endswith(".json") and not _is_json(bytes(parsed)):
            return read, Damage(key, job, "corrupted", "It is no JSON any more.")
        return read, None

    def _answers(self, fault: Unreachable) -> None:
        """Raise the fault where the store does not answer at all."""
        try:
            next(iter(self.objects.list("health")), None)
        except TerrafairError:
            raise fault from None

    def _keep(self, job: str, found: list[Damage]) -> None:
        with transaction(self.engine) as connection:
            row = connection.execute(sa.select(_JOBS.c.results).where(_JOBS.c.id == job)).one_or_none()
            gone = row is None or not Results.read(json.loads(row.results)).prefix
            connection.execute(DAMAGE.delete().where(DAMAGE.c.job == job))
            # Its owner has removed it meanwhile: nothing is missed.
            for each in () if gone else found:
                connection.execute(DAMAGE.insert().values(**asdict(each), found=now()))
        for each in () if gone else found:
            structlog.get_logger().error("object.damaged", job=job, key=each.key, kind=each.kind, reason=each.says)

    def _forget_ended(self) -> None:
        """What is told of results that are no more."""
        with transaction(self.engine) as connection:
            for job in connection.execute(sa.select(DAMAGE.c.job).distinct()).scalars().all():
                row = connection.execute(sa.select(_JOBS.c.results).where(_JOBS.c.id == job)).one_or_none()
                if row is None or not Results.read(json.loads(row.results)).prefix:
                    connection.execute(DAMAGE.delete().where(DAMAGE.c.job == job))


def told(document: Any) -> Iterator[tuple[str, str]]:
    """(reference, sha256) of all files that a STAC document or an RO-Crate tells a checksum of."""
    if not isinstance(document, Mapping):
        return
    assets = document.get("assets")
    for asset in assets.values() if isinstance(assets, Mapping) else ():
        digest = str(asset.get("file:checksum", "")) if isinstance(asset, Mapping) else ""
        if digest.startswith(SHA256) and len(digest) == len(SHA256) + 64:
            yield str(asset.get("href", "")), digest.removeprefix(SHA256).lower()
    graph = document.get("@graph")
    for entity in graph if isinstance(graph, list) else ():
        if isinstance(entity, Mapping) and len(str(entity.get("sha256", ""))) == 64:
            name = str(entity.get("@id", ""))
            # A fragment is a part of what a job has read: no file of the crate. Those have quoted names.
            if "#" not in name:
                yield name if "://" in name else unquote(name), str(entity["sha256"]).lower()


def resolve(objects: ObjectStore, key: str, reference: str) -> str | None:
    """The key that a document at a key refers to; None: it lies elsewhere."""
    if "://" in reference:
        return objects.key_of(reference)
    parts = key.split("/")[:-1]
    for part in reference.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts) or None


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Rounds:
    """Looks at everything every so many days, in the background."""

    scrub: Scrub
    days: int

    def run(self, ended: threading.Event) -> None:
        """Until the platform ends."""
        while not ended.wait(LOOK_SECONDS):
            try:
                if self.due(time.time()):
                    self.scrub.run(lambda: not ended.is_set())
            except TerrafairError as fault:
                structlog.get_logger().warning("scrub.waits", reason=str(fault)[:500])

    def due(self, moment: float) -> bool:
        """Whether one is to be begun, or to go on."""
        look = self.scrub.last()
        return look is None or not look.ended or moment - seconds(look.started) >= self.days * 86400


def seconds(moment: str) -> float:
    """Seconds since 1970 of an instant in RFC 3339; 0 for none."""
    from datetime import datetime

    return datetime.fromisoformat(moment).timestamp() if moment else 0.0
