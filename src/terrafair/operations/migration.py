"""An embedded installation becomes one on PostgreSQL and another S3, without loss, and again after any interruption.

The control database goes over in one transaction: all of it or nothing, checked inside by the checksum of every table.
Objects and items go one by one; what has been checked is remembered in the home folder, and not copied twice. Nothing
is removed where it came from.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from terrafair.catalogue.items.search import ItemStore, Stored
from terrafair.data.objects import ObjectStore, sha256_of
from terrafair.database import reading, transaction
from terrafair.errors import Conflict, Damaged, NotFound

Say = Callable[[str], None]
ROWS = 500
BORN_FULL = frozenset({"identity_version"})
"""Tables that have a row from their making."""
ITEMS = 500
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
        used = [table.name for table in tables if table.name not in BORN_FULL and _count(here, table)]
        if used and (other := [table.name for table in tables if _differ(there, here, table)]):
            raise Conflict(
                f"The new database is in use: its table {other[0]} is another.",
                "A migration replaces nothing.",
                "Name an empty database.",
            )
        waiting = _waiting(there)
        if not used:
            for table in tables:
                _copy(there, here, table)
            for job in waiting:
                enqueue(here, job)
        return {table.name: _count(here, table) for table in tables}, len(waiting)


def _waiting(connection: sa.Connection) -> list[str]:
    """Jobs that are accepted or run, in their order; not those that a person holds."""
    jobs = sa.text("SELECT id, request FROM jobs WHERE state IN ('accepted', 'running') ORDER BY turn, number")
    return [row.id for row in connection.execute(jobs) if not json.loads(row.request).get("delivery", {}).get("held")]


def _tables(engine: sa.Engine) -> list[sa.Table]:
    """Those of the migrations, what others refer to first."""
    metadata = sa.MetaData()
    metadata.reflect(engine)
    return [table for table in metadata.sorted_tables if table.name != "alembic_version"]


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
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        self._known: set[str] = set(lines)

    def __contains__(self, line: str) -> bool:
        return line in self._known

    def add(self, line: str) -> None:
        """Remember."""
        with self._path.open("a", encoding="utf-8") as file:
            # Before the line too: an interrupted attempt may have left half of one.
            file.write(f"\n{line}\n")
        self._known.add(line)


def move_objects(source: ObjectStore, target: ObjectStore, checked: Checked, say: Say) -> tuple[int, int]:
    """Copy a bucket; gives how many objects and bytes are at the new place.

    Raises `Damaged` when an object reads differently there.
    """
    count = size = 0
    with tempfile.TemporaryDirectory(prefix="terrafair-migration-") as folder:
        for entry in source.list(""):
            line = json.dumps([source.url(entry.key), entry.size, entry.modified.isoformat()])
            if line not in checked or not _there(target, entry.key, entry.size):
                _move_object(source, target, entry.key, Path(folder))
                checked.add(line)
            count, size = count + 1, size + entry.size
            if not count % 500:
                say(f"{count} objects ...")
    return count, size


def _there(store: ObjectStore, key: str, size: int) -> bool:
    try:
        return store.head(key)[0] == size
    except NotFound:
        return False


def _move_object(source: ObjectStore, target: ObjectStore, key: str, folder: Path) -> None:
    near, far = folder / "near", folder / "far"
    source.get_file(key, near)
    target.put_file(key, near, source.head(key)[1])
    target.get_file(key, far)
    if sha256_of(near) != sha256_of(far):
        raise Damaged(f"The object {source.url(key)} reads differently after it was copied.")


def move_items(source: ItemStore, target: ItemStore, say: Say) -> int:
    """Copy collections and items; gives how many items are at the new place.

    Raises `Damaged` when a collection reads differently there.
    """
    total = 0
    for collection in source.collections():
        if _sum([collection]) != _sum(filter(None, [target.collection(collection.id)])):
            target.put_collection(orjson.loads(collection.document()))
        wanted = _sum(source.all_items(collection.id))
        if wanted != _sum(target.all_items(collection.id)):
            for batch in _batches(source.all_items(collection.id)):
                target.put_items(collection.id, [orjson.loads(item.document()) for item in batch])
            found = _sum(target.all_items(collection.id))
            if wanted != found:
                raise Damaged(f"The items of {collection.id} differ after they were copied: {wanted} and {found}.")
        total += wanted[0]
        say(f"{total} items ...")
    return total


def _batches(items: Iterator[Stored]) -> Iterator[Sequence[Stored]]:
    while batch := list(islice(items, ITEMS)):
        yield batch


def _sum(documents: Any) -> tuple[int, str]:
    count, total = 0, 0
    for stored in documents:
        text = orjson.dumps(orjson.loads(stored.document()), option=orjson.OPT_SORT_KEYS)
        total += int.from_bytes(hashlib.sha256(text).digest(), "big")
        count += 1
    return count, f"{total % 2**256:064x}"
