"""Counts over what a search finds."""

import sqlite3
from collections.abc import Sequence

from terrafair.catalogue.items import aggregations, instants
from terrafair.catalogue.items.expressions import Path
from terrafair.catalogue.items.search import Aggregation, Bucket
from terrafair.catalogue.items.sqlite.dialect import SqliteDialect, json_path
from terrafair.catalogue.items.sqlite.plan import Plan


def total(connection: sqlite3.Connection, collections: Sequence[str]) -> int:
    """How many items these collections hold; all, if none is named."""
    where = f" WHERE id IN ({', '.join('?' * len(collections))})" if collections else ""
    (count,) = connection.execute(
        f"SELECT coalesce(sum(total), 0) FROM collections{where}", tuple(collections)
    ).fetchone()
    return int(count)


def aggregate(connection: sqlite3.Connection, name: str, plan: Plan, _: SqliteDialect) -> Aggregation:
    """One aggregation by its name."""
    chosen = aggregations.read(name)
    if chosen.frequency is None:
        expression = {"total_count": "count(*)", "datetime_min": "min(i.start)", "datetime_max": "max(i.finish)"}[name]
        statement = f"SELECT {expression} FROM " + plan.source + plan.where()
        (value,) = connection.execute(statement.text, statement.values).fetchone()
        return Aggregation(name, value if name == "total_count" or value is None else instants.text(value))
    values: tuple[object, ...] = ()
    if chosen.frequency == "collection":
        key = "i.collection"
    elif chosen.frequency == "datetime":
        key = f"strftime('{aggregations.FORMATS[chosen.step]}', i.start / 1000000, 'unixepoch')"
    else:
        key, values = "json_extract(i.properties, ?)", (json_path(Path.read(chosen.frequency)),)
    where = plan.where()
    source = "SELECT k, count(*) FROM (SELECT " + key + " AS k FROM "
    text = (
        source
        + plan.source.text
        + where.text
        + f") WHERE k IS NOT NULL GROUP BY k ORDER BY 2 DESC, 1 LIMIT {aggregations.BUCKETS}"
    )
    rows = connection.execute(text, (*values, *plan.source.values, *where.values)).fetchall()
    buckets = [Bucket(key.decode() if isinstance(key, bytes) else key, count) for key, count in rows]
    return aggregations.frequency(name, buckets)
