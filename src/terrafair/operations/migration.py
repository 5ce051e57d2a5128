"""An embedded installation becomes one on PostgreSQL and another S3, without loss, and again after any interruption.

The control database goes over in one transaction: all of it or nothing, checked inside by the checksum of every table.
Objects and items go one by one; what has been checked is remembered in the home folder, and not copied twice. Nothing
is removed where it came from.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from terrafair.catalogue.items.search import ItemStore, Stored
from terrafair.data.objects import ObjectStore, StoredObject, sha256_of
from terrafair.database import reading, transaction
from terrafair.errors import Conflict, Damaged, Unreachable

Say = Callable[[str], None]
ROWS = 500
BORN_FULL = frozenset({"identity_version"})
"""Tables that have a row from their making, which triggers of others change."""
ITEMS = 500
REPLACES_NOTHING = "A migration replaces nothing that it did not bring."
EMPTY = "Name an empty one; if it holds an earlier attempt, empty it."
OURS = "health/"
"""Objects of the store's own probes; they stay."""
FOLDER = "migration"
"""In the home folder: what has been moved, and whereto."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What is at the new place now, each checked there."""

    rows: Mapping[str, int]
    """By table."""
    queued: int
    """Jobs that wait or run; they begin anew."""
    objects: int
    bytes: int
    items: int

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def move_tables(
    source: sa.Engine, target: sa.Engine, enqueue: Callable[[sa.Connection, str], None]
) -> tuple[dict[str, int], int]:
    """Copy every table and queue what has not ended; where that has been done, it is checked again.

    Raises `Conflict` for a target that is in use, `Damaged` when a table differs after it was copied.
    """
    tables = _tables(target)
    with reading(source) as there, transaction(target) as here:
        if here.dialect.name == "postgresql":
            # It rests for as long as the checksum of the largest table takes on the other side.
            here.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        waiting = _waiting(there)
        if not _moved(there, here, tables):
            for table in tables:
                _copy(there, here, table)
            for job in waiting:
                enqueue(here, job)
        return {table.name: _count(here, table) for table in tables}, len(waiting)


def check_tables(source: sa.Engine, target: sa.Engine) -> None:
    """Raise `Conflict` for a target that is in use: before anything large is copied."""
    with reading(source) as there, reading(target) as here:
        _moved(there, here, _tables(target))


def _moved(there: sa.Connection, here: sa.Connection, tables: Sequence[sa.Table]) -> bool:
    """Whether it has been done; raises `Conflict` where the target holds something else."""
    if not any(_count(here, table) for table in tables if table.name not in BORN_FULL):
        return False
    if other := next((table.name for table in tables if _differ(there, here, table)), ""):
        raise Conflict(f"The new database is in use: its table {other} is another.", REPLACES_NOTHING, EMPTY)
    return True


def _waiting(connection: sa.Connection) -> list[str]:
    """Jobs that are accepted or run, in their order; not those that a person holds."""
    jobs = sa.text("SELECT id, request FROM jobs WHERE state IN ('accepted', 'running') ORDER BY turn, number")
    return [row.id for row in connection.execute(jobs) if not json.loads(row.request).get("delivery", {}).get("held")]


def _tables(engine: sa.Engine) -> list[sa.Table]:
    """Those of the migrations, what others refer to first; what triggers write to last."""
    metadata = sa.MetaData()
    metadata.reflect(engine)
    tables = [table for table in metadata.sorted_tables if table.name != "alembic_version"]
    return sorted(tables, key=lambda table: table.name in BORN_FULL)


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def _query(table: sa.Table) -> "sa.Select[Any]":
    # As the target has them: SQLite keeps no booleans.
    plain = sa.table(table.name, *(sa.column(column.name, column.type.as_generic()) for column in table.columns))
    return sa.select(plain).order_by(*([plain.c[column.name] for column in table.primary_key] or list(plain.c)))


def _differ(there: sa.Connection, here: sa.Connection, table: sa.Table) -> bool:
    query = _query(table)
    return _checksum(there, query) != _checksum(here, query)


def _copy(there: sa.Connection, here: sa.Connection, table: sa.Table) -> None:
    if table.name in BORN_FULL:
        here.execute(table.delete())
    rows = there.execute(_query(table).execution_options(yield_per=ROWS)).mappings()
    while batch := [dict(row) for row in islice(rows, ROWS)]:
        here.execute(table.insert(), batch)
    _continue_numbers(here, table)
    if _differ(there, here, table):
        raise Damaged(f"The table {table.name} differs after it was copied.")


def _continue_numbers(connection: sa.Connection, table: sa.Table) -> None:
    """New rows get numbers after those that were brought."""
    if connection.dialect.name != "postgresql":
        return
    for column in table.columns:
        if isinstance(column.type, sa.Integer):
            sequence = sa.select(sa.func.pg_get_serial_sequence(table.name, column.name))
            if (name := connection.execute(sequence).scalar()) is not None:
                last = sa.select(sa.func.coalesce(sa.func.max(column), 0) + 1).scalar_subquery()
                connection.execute(sa.select(sa.func.setval(name, last, sa.literal(value=False))))


def _checksum(connection: sa.Connection, query: "sa.Select[Any]") -> tuple[int, str]:
    """Count, and a sum over the rows whatever their order: databases sort texts in different ways."""
    count, total = 0, 0
    for row in connection.execute(query.execution_options(yield_per=ROWS)).mappings():
        # A job's turn is given anew with its place in the queue.
        text = json.dumps([_plain(value) for name, value in row.items() if name != "turn"], ensure_ascii=False)
        total += int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(), "big")
        count += 1
    return count, f"{total % 2**256:064x}"


def _plain(value: Any) -> Any:
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).hex()
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


class Checked:
    """What has been moved and checked: one line each in a file, so that an interruption loses one at most."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._known: dict[str, set[tuple[int, str]]] = {}
        for line in path.read_text("utf-8").splitlines() if path.exists() else []:
            # An interruption leaves half a line.
            with suppress(ValueError):
                url, size, modified = json.loads(line)
                self._known.setdefault(url, set()).add((size, modified))

    def knows(self, url: str, entry: StoredObject) -> bool:
        """Whether this state of the source's object has been moved."""
        return (entry.size, entry.modified.isoformat()) in self._known.get(url, ())

    def brought(self, url: str, size: int) -> bool:
        """Whether an object of that name and size has been moved, as it is or as it was at an earlier attempt."""
        return any(size == known for known, _ in self._known.get(url, ()))

    def add(self, url: str, entry: StoredObject) -> None:
        """Remember."""
        line = (entry.size, entry.modified.isoformat())
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"\n{json.dumps([url, *line])}\n")
        self._known.setdefault(url, set()).add(line)


def move_objects(source: ObjectStore, target: ObjectStore, checked: Checked, folder: Path, say: Say) -> tuple[int, int]:
    """Copy a bucket by way of a folder; gives how many objects and bytes are at the new place.

    Raises `Conflict` for a bucket with other objects, `Damaged` when one reads differently there.
    """
    count = size = 0
    entries = _entries(source)
    found = _without_others(source, target, {entry.key for entry in entries}, checked)
    for entry in entries:
        url, there = source.url(entry.key), found.get(entry.key)
        if there is None or not checked.knows(url, entry) or there.size != entry.size:
            replaces = there is None or checked.brought(url, there.size)
            _move_object(source, target, entry, folder, replaces=replaces)
            checked.add(url, entry)
        count, size = count + 1, size + entry.size
        if not count % 500:
            say(f"{count} objects ...")
    return count, size


def holds_anything(store: ObjectStore) -> bool:
    """Whether there is an object that would move."""
    return bool(_entries(store))


def _entries(store: ObjectStore) -> list[StoredObject]:
    return [entry for entry in store.list("") if not entry.key.startswith(OURS)]


def _without_others(
    source: ObjectStore, target: ObjectStore, wanted: set[str], checked: Checked
) -> dict[str, StoredObject]:
    """What the target holds of the source; what an earlier attempt brought and the source has no more is removed."""
    found = {entry.key: entry for entry in _entries(target)}
    stale = sorted(found.keys() - wanted)
    for key in stale:
        if not checked.brought(source.url(key), found[key].size):
            raise Conflict(f"The new object store is in use: it holds {source.url(key)}.", REPLACES_NOTHING, EMPTY)
    for key in stale:
        target.delete(key)
    # A deletion takes all below a key with it.
    return {entry.key: entry for entry in _entries(target)} if stale else found


def _move_object(
    source: ObjectStore, target: ObjectStore, entry: StoredObject, folder: Path, *, replaces: bool
) -> None:
    near = folder / "object"
    try:
        source.get_file(entry.key, near)
        wanted = sha256_of(near)
        if not replaces:
            if _sha256(target, entry.key) != wanted:
                url = source.url(entry.key)
                raise Conflict(f"The new object store is in use: its {url} is another.", REPLACES_NOTHING, EMPTY)
            return
        target.put_file(entry.key, near, source.head(entry.key)[1])
    except OSError as fault:
        raise Unreachable(
            f"{source.url(entry.key)} cannot be copied by way of {folder}.",
            fault.strerror or str(fault),
            f"Make room for {entry.size} bytes there; then again: it goes on.",
        ) from fault
    finally:
        near.unlink(missing_ok=True)
    if (size := target.head(entry.key)[0]) != entry.size or _sha256(target, entry.key) != wanted:
        raise Damaged(
            f"The object {source.url(entry.key)} reads differently after it was copied.",
            f"{entry.size} bytes went, {size} came.",
            "See whether the new store is sound and has room; then again: it goes on.",
        )


def _sha256(store: ObjectStore, key: str) -> str:
    digest = hashlib.sha256()
    for chunk in store.open(key).chunks:
        digest.update(chunk)
    return digest.hexdigest()


def move_items(source: ItemStore, target: ItemStore, say: Say) -> int:
    """Copy collections and items; gives how many items are at the new place.

    Raises `Conflict` for a target with other ones, `Damaged` when a collection reads differently there.
    """
    total, wanted = 0, {collection.id: collection for collection in source.collections()}
    for collection in target.collections():
        if collection.id not in wanted or _sum([collection]) != _sum([wanted[collection.id]]):
            raise Conflict(f"The new item database is in use: see its {collection.id}.", REPLACES_NOTHING, EMPTY)
    for collection in wanted.values():
        if target.collection(collection.id) is None:
            target.put_collection(orjson.loads(collection.document()))
        total += _move_collection(source, target, collection.id)
        say(f"{total} items ...")
    return total


def _move_collection(source: ItemStore, target: ItemStore, collection: str) -> int:
    wanted = _sum(source.all_items(collection))
    if wanted == _sum(target.all_items(collection)):
        return wanted[0]
    known = {_digest(item) for item in source.all_items(collection)}
    if other := next((item for item in target.all_items(collection) if _digest(item) not in known), None):
        item = orjson.loads(other.document())["id"]
        raise Conflict(f"The new item database is in use: see {item} of {collection}.", REPLACES_NOTHING, EMPTY)
    for batch in _batches(source.all_items(collection)):
        target.put_items(collection, [orjson.loads(item.document()) for item in batch])
    if wanted != (found := _sum(target.all_items(collection))):
        raise Damaged(f"The items of {collection} differ after they were copied: {wanted[0]} went, {found[0]} came.")
    return wanted[0]


def _batches(items: Iterator[Stored]) -> Iterator[Sequence[Stored]]:
    while batch := list(islice(items, ITEMS)):
        yield batch


def _sum(documents: Iterable[Stored]) -> tuple[int, str]:
    count, total = 0, 0
    for stored in documents:
        total += int.from_bytes(_digest(stored), "big")
        count += 1
    return count, f"{total % 2**256:064x}"


def _digest(stored: Stored) -> bytes:
    text = orjson.dumps(orjson.loads(stored.document()), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).digest()
