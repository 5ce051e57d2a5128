"""Facets: how the entities that a query finds spread over kinds, themes, variables, missions and projects."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

from terrafair.catalogue.query import Query
from terrafair.catalogue.records import Kind

FACETS = ("kind", "theme", "variable", "mission", "project")


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a facet."""

    id: str
    title: str
    count: int
    """Entities that the query finds once this value is chosen and the rest of it stays."""
    chosen: bool = False


def facets(
    connection: sqlite3.Connection, query: Query, matching: Callable[[Query], AbstractSet[int]]
) -> Mapping[str, tuple[Value, ...]]:
    """The values of each facet, most frequent first; `matching` gives the records that a query finds."""
    whole = matching(query)
    return {
        name: tuple(_values(connection, name, query, whole if _free(query, name) else matching(_without(query, name))))
        for name in FACETS
    }


def _chosen(query: Query, facet: str) -> tuple[str, ...]:
    if facet == "kind":
        return tuple(kind.value for kind in query.kinds)
    name: str = getattr(query, facet)
    return (name.casefold().strip(),) if name else ()


def _free(query: Query, facet: str) -> bool:
    return not _chosen(query, facet)


def _without(query: Query, facet: str) -> Query:
    changes: dict[str, Any] = {"kinds": ()} if facet == "kind" else {facet: ""}
    return replace(query, **changes)


def _values(connection: sqlite3.Connection, facet: str, query: Query, numbers: AbstractSet[int]) -> list[Value]:
    chosen, among = _chosen(query, facet), json.dumps(sorted(numbers))
    if facet == "kind":
        rows = connection.execute(
            "SELECT kind, kind, count(*) FROM records WHERE number IN (SELECT value FROM json_each(?)) GROUP BY kind",
            (among,),
        ).fetchall()
    else:
        rows = connection.execute(
            "SELECT facets.id, coalesce(nullif(max(named.title), ''), facets.id), count(DISTINCT facets.number)"
            " FROM facets LEFT JOIN records AS named ON named.kind = facets.kind AND named.id = facets.id"
            " WHERE facets.kind = ? AND facets.number IN (SELECT value FROM json_each(?)) GROUP BY facets.id",
            (Kind(facet).value, among),
        ).fetchall()
    found = [
        Value(name, title, count, bool({name.casefold(), title.casefold()} & {*chosen})) for name, title, count in rows
    ]
    return sorted(found, key=lambda value: (not value.chosen, -value.count, value.title.casefold()))
