"""Items into pgSTAC's tables, whole: its own loaders drop what is null, and a `datetime` may be null."""

from collections.abc import Sequence
from typing import Any

import orjson

from terrafair.catalogue.items import instants
from terrafair.catalogue.items.documents import Entry

# Partitions as pgSTAC's own staging trigger makes them.
_PARTITIONS = """
WITH given AS (
    SELECT collection, start, finish, c.partition_trunc
    FROM unnest(%(starts)s::timestamptz[], %(finishes)s::timestamptz[]) AS t (start, finish),
        (SELECT id AS collection, partition_trunc FROM collections WHERE id = %(collection)s) AS c
), ranges AS (
    SELECT collection, coalesce(date_trunc(partition_trunc, start), '-infinity') AS d,
        tstzrange(min(start), max(start), '[]') AS starts, tstzrange(min(finish), max(finish), '[]') AS finishes
    FROM given GROUP BY 1, 2
)
SELECT check_partition(collection, starts, finishes) FROM (SELECT * FROM ranges ORDER BY d) AS r
"""

_INSERT = """
INSERT INTO items (id, geometry, collection, datetime, end_datetime, content, private)
SELECT id, coalesce(ST_GeomFromGeoJSON(geometry), ST_GeomFromText('POINT EMPTY', 4326)), %(collection)s, start, finish,
    content, '{"whole": true}'
FROM unnest(%(ids)s::text[], %(geometries)s::text[], %(starts)s::timestamptz[], %(finishes)s::timestamptz[],
    %(contents)s::jsonb[]) AS t (id, geometry, start, finish, content)
"""

WHOLE = """CASE WHEN (p.i).private ->> 'whole' IS NULL THEN content_hydrate(p.i)
    ELSE (p.i).content || jsonb_build_object(
    'id', (p.i).id, 'type', 'Feature', 'collection', (p.i).collection, 'geometry',
    CASE WHEN NOT ST_IsEmpty((p.i).geometry) THEN ST_AsGeoJSON((p.i).geometry, 20)::jsonb END) END"""
"""The document of `p.i`, whoever stored it."""


WHOLE_COLLECTION = """(content || CASE WHEN private ? 'extent'
    THEN jsonb_build_object('extent', private -> 'extent') ELSE '{}' END)"""
_UNREADABLE = """
UPDATE collections SET private = coalesce(private, '{}')
    || jsonb_build_object('extent', %(document)s::jsonb -> 'extent')
WHERE id = %(id)s
"""
_EVERYWHERE = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}}


def put_collection(cursor: Any, id: str, document: str) -> None:  # noqa: A002 - the field's word
    """Create or replace; an extent that PostgreSQL cannot read stands beside, and pgSTAC sees the whole world."""
    import psycopg

    given = {"id": id, "document": document}
    cursor.execute(
        "UPDATE collections SET private = private - 'extent' WHERE id = %(id)s AND private ? 'extent'", given
    )
    try:
        with cursor.connection.transaction():
            cursor.execute("SELECT upsert_collection(%(document)s::jsonb)", given)
    except psycopg.DataError:
        readable = orjson.dumps(orjson.loads(document) | {"extent": _EVERYWHERE}).decode()
        cursor.execute("SELECT upsert_collection(%s::jsonb)", (readable,))
        cursor.execute(_UNREADABLE, given)


def put(cursor: Any, collection: str, entries: Sequence[Entry]) -> None:
    """Replace or create, in the cursor's transaction."""
    rows = [_row(entry) for entry in entries]
    values = {
        "collection": collection,
        "ids": [entry.id for entry in entries],
        "geometries": [geometry for geometry, _ in rows],
        "starts": [instants.text(entry.start) for entry in entries],
        "finishes": [instants.text(entry.finish) for entry in entries],
        "contents": [content for _, content in rows],
    }
    cursor.execute(_PARTITIONS, values)
    cursor.execute("DELETE FROM items WHERE collection = %(collection)s AND id = ANY(%(ids)s)", values)
    cursor.execute(_INSERT, values)


def _row(entry: Entry) -> tuple[str | None, str]:
    head = orjson.loads(entry.head)
    geometry = head.pop("geometry", None)
    for name in ("id", "type", "collection"):
        head.pop(name, None)
    content = orjson.dumps(head)
    rest = b'"properties":' + entry.properties + b',"links":' + entry.links + b"}"
    body = (content[:-1] + b"," if head else b"{") + rest
    return None if geometry is None else orjson.dumps(geometry).decode(), body.decode()
