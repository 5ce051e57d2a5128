"""Wires the move of an embedded installation; part of the composition root."""

import fcntl
import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import sqlalchemy as sa

from terrafair.app import Parts
from terrafair.catalogue.items.sqlite.store import SqliteItems
from terrafair.config import Config
from terrafair.data.objects import OWN, S3Access, S3Objects
from terrafair.data.seaweedfs import ObjectServer
from terrafair.database import migrate, open_engine
from terrafair.errors import Conflict, InvalidInput, NotFound
from terrafair.execution import queue
from terrafair.operations import migration, own_bucket
from terrafair.operations.migration import Checked, Moved
from terrafair.operations_parts import EMBEDDED_ITEMS, answering, bucket_names, buckets_of_others, client, prepare_items

Say = Callable[[str], None]


def move(config: Config, say: Say) -> Moved:
    """Move what lies in the home folder to where the settings lead.

    Raises `InvalidInput` where they lead nowhere else, `Conflict` while the platform runs or for a place in use,
    `Unreachable` or `Refused` for a place that does not let us in. Whether it does is seen before anything is copied.
    """
    if not config.database.startswith("postgresql") and not config.store_url:
        raise InvalidInput(
            "The settings name no other place.",
            remedy="Set `database` (PostgreSQL), and `items_database` and `store_url` as you like; then again.",
        )
    if not (config.home / "platform.db").exists():
        raise NotFound(f"There is no embedded installation at {config.home}.", remedy="Set TERRAFAIR_HOME.")
    with _at_rest(config), ExitStack() as stack:
        engines = _engines(config, stack) if config.database else None
        prepare_items(config)
        if engines:
            migration.check_tables(*engines)
        objects, size = _objects(config, say) if config.store_url else (0, 0)
        items = _items(config, say) if config.items_database else 0
        rows, queued = _tables(config, engines, say) if engines else ({}, 0)
    return Moved(rows, queued, objects, size, items)


@contextmanager
def _at_rest(config: Config) -> Iterator[None]:
    """Nobody writes here meanwhile: neither the platform, nor a worker that a killed one left."""
    with ExitStack() as stack:
        for path in (config.home / "platform.lock", *sorted(config.home.glob("worker-*.lock"))):
            lock = stack.enter_context(path.open("a"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(
                    "The platform runs, or another migration does.",
                    f"{path} is held; what is written now would be lost.",
                    "End it first.",
                ) from None
        yield


def _engines(config: Config, stack: ExitStack) -> tuple[sa.Engine, sa.Engine]:
    """The databases here and there, each with its tables."""
    engines = open_engine(f"sqlite:///{config.home / 'platform.db'}"), open_engine(config.database)
    for engine in engines:
        stack.callback(engine.dispose)
        migrate(engine)
    return engines


def _tables(config: Config, engines: tuple[sa.Engine, sa.Engine], say: Say) -> tuple[dict[str, int], int]:
    say("Moving the control database ...")
    queue.prepare(config.database)
    waiting = queue.DurableQueue(config.database)
    try:
        return migration.move_tables(*engines, waiting.enqueue)
    finally:
        waiting.close()


def _objects(config: Config, say: Say) -> tuple[int, int]:
    say("Moving the objects ...")
    target = S3Access(config.store_url, config.store_key, config.store_secret, config.store_bucket)
    with answering(target):
        known = set(bucket_names(target))
    folder = config.home / migration.FOLDER
    folder.mkdir(exist_ok=True)
    # Of this target: another one has nothing yet.
    place = f"{target.endpoint} {target.bucket}"
    checked = Checked(folder / f"objects-{hashlib.sha256(place.encode()).hexdigest()[:12]}")
    server = ObjectServer(config.home, OWN, say)
    try:
        server.start()
        if server.access.endpoint == target.endpoint.rstrip("/"):
            raise InvalidInput("`store_url` is the embedded store itself.", remedy="Name another S3.")
        count, size = 0, 0
        for old, new in _places(config, server.access).items():
            if new not in known:
                with answering(target):
                    client(target).create_bucket(Bucket=new)
            there, here = S3Objects(replace(server.access, bucket=old)), S3Objects(replace(target, bucket=new))
            more, of = migration.move_objects(there, here, checked, folder, say)
            count, size = count + more, size + of
    finally:
        server.stop()
    return count, size


def _places(config: Config, source: S3Access) -> dict[str, str]:
    """New names of the embedded store's buckets by their old ones."""
    others = buckets_of_others(f"sqlite:///{config.home / 'platform.db'}")

    def counts(name: str) -> bool:
        return name in others or migration.holds_anything(S3Objects(replace(source, bucket=name)))

    return own_bucket.places([name for name in bucket_names(source) if counts(name)], others, config.store_bucket)


def _items(config: Config, say: Say) -> int:
    say("Moving the STAC items ...")
    source, target = SqliteItems(config.home / EMBEDDED_ITEMS), Parts(config).items
    try:
        return migration.move_items(source, target, say)
    finally:
        source.close()
        target.close()
