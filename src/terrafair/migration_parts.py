"""Wires the move of an embedded installation; part of the composition root."""

import fcntl
from collections.abc import Callable
from dataclasses import replace

from terrafair.app import Parts
from terrafair.catalogue.items.sqlite.store import SqliteItems
from terrafair.config import Config
from terrafair.data.objects import S3Access, S3Objects
from terrafair.data.seaweedfs import ObjectServer
from terrafair.database import migrate, open_engine
from terrafair.errors import Conflict, InvalidInput, NotFound
from terrafair.execution import queue
from terrafair.operations import migration
from terrafair.operations.migration import Checked, Moved
from terrafair.operations_parts import bucket_names, client


def move(config: Config, say: Callable[[str], None]) -> Moved:
    """Move what lies in the home folder to where the settings lead.

    Raises `InvalidInput` where they lead nowhere else, `Conflict` while the platform runs or for a place in use.
    """
    if not config.database.startswith("postgresql") and not config.store_url:
        raise InvalidInput(
            "The settings name no other place.",
            remedy="Set `database` (PostgreSQL), and `items_database` and `store_url` as you like; then again.",
        )
    if not (config.home / "platform.db").exists():
        raise NotFound(f"There is no embedded installation at {config.home}.", remedy="Set TERRAFAIR_HOME.")
    with (config.home / "platform.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict("The platform runs.", "What it writes now would be lost.", "End it first.") from None
        objects, size = _objects(config, say) if config.store_url else (0, 0)
        items = _items(config, say) if config.items_database else 0
        rows, queued = _tables(config, say) if config.database else ({}, 0)
    return Moved(rows, queued, objects, size, items)


def _tables(config: Config, say: Callable[[str], None]) -> tuple[dict[str, int], int]:
    say("Moving the control database ...")
    source, target = open_engine(f"sqlite:///{config.home / 'platform.db'}"), open_engine(config.database)
    try:
        migrate(source)
        migrate(target)
        queue.prepare(config.database)
        waiting = queue.DurableQueue(config.database)
        try:
            found = migration.move_tables(source, target, waiting.enqueue)
        finally:
            waiting.close()
    finally:
        source.dispose()
        target.dispose()
    return found


def _objects(config: Config, say: Callable[[str], None]) -> tuple[int, int]:
    say("Moving the objects ...")
    target = S3Access(config.store_url, config.store_key, config.store_secret, config.store_bucket)
    server = ObjectServer(config.home, config.store_bucket, say)
    try:
        server.start()
        known, count, size = set(bucket_names(target)), 0, 0
        checked = Checked(config.home / migration.FOLDER / "objects")
        for name in bucket_names(server.access):
            if name not in known:
                client(target).create_bucket(Bucket=name)
            there = S3Objects(replace(server.access, bucket=name))
            more, of = migration.move_objects(there, S3Objects(replace(target, bucket=name)), checked, say)
            count, size = count + more, size + of
    finally:
        server.stop()
    return count, size


def _items(config: Config, say: Callable[[str], None]) -> int:
    say("Moving the STAC items ...")
    source, target = SqliteItems(config.home / "catalogue/items.db"), Parts(config).items
    try:
        return migration.move_items(source, target, say)
    finally:
        source.close()
        target.close()
