"""Orders that are total, and pages that start after a row rather than at a number.

Items without a value of a sort key come last, whichever the direction. Collection and id break ties in the direction
of the last key asked for, so that an index on (key, collection, id) serves the whole order.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from terrafair.catalogue.items.compiler import COLUMNS
from terrafair.catalogue.items.expressions import Dialect, Kind, Path, Sql, join
from terrafair.catalogue.items.queryables import KINDS
from terrafair.catalogue.items.search import Search, Sort
from terrafair.errors import InvalidInput

NEWEST_FIRST = (Sort("datetime", descending=True),)
KEY_LIMIT = 8


@dataclass(frozen=True, slots=True)
class Key:
    """One expression that rows are ordered by."""

    sql: Sql
    descending: bool
    nullable: bool
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page starts."""

    values: tuple[Any, ...]
    """Of the keys, in the row that comes just before it."""
    backwards: bool
    matched: int | None


def keys_of(search: Search, dialect: Dialect) -> list[Key]:
    """The keys of a search's order, made total."""
    sorts = search.sort or NEWEST_FIRST
    if len(sorts) > KEY_LIMIT:
        raise InvalidInput(f"The order has {len(sorts)} keys.", f"At most {KEY_LIMIT} are taken.", where="sortby")
    keys: list[Key] = []
    seen: set[str] = set()
    for sort in sorts:
        name = sort.field.removeprefix("properties.")
        if name in seen:
            continue
        seen.add(name)
        keys += _keys(name, sort.descending, dialect)
    last = sorts[-1].descending
    # With one collection its name orders nothing, and the shorter order fits the index.
    ties = ("id",) if len(search.collections) == 1 else ("collection", "id")
    return keys + [Key(dialect.column(tie), last, nullable=False) for tie in ties if tie not in seen]


def _keys(name: str, descending: bool, dialect: Dialect) -> list[Key]:
    if column := COLUMNS.get(name):
        return [Key(dialect.column(column[0]), descending, nullable=False, kind=column[1])]
    if name in {"geometry", "bbox", "assets", "links"}:
        raise InvalidInput(f"Items have no order by {name!r}.", where="sortby")
    kinds = [KINDS[name]] if name in KINDS else [Kind.NUMBER, Kind.TEXT]
    return [Key(dialect.get(Path.read(name), kind), descending, nullable=True, kind=kind) for kind in kinds]


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of rows that is ordered without nulls in its first key, so that an index gives the order."""

    condition: Sql | None
    order: Sql


def segments(keys: Sequence[Key], place: Place | None, dialect: Dialect) -> list[Segment]:
    """The statements' conditions and orders, in the order of their rows, from a place on."""
    backwards = place.backwards if place else False
    first = keys[0]
    if not first.nullable:
        return [Segment(_beyond(keys, place.values, backwards, dialect) if place else None, _order(keys, backwards))]
    settled = [replace(first, nullable=False), *keys[1:]]
    with_value = Segment(first.sql.inside + " IS NOT NULL", _order(settled, backwards))
    without = Segment(first.sql.inside + " IS NULL", _order(keys[1:], backwards))
    runs = [without, with_value] if backwards else [with_value, without]
    if place is None:
        return runs
    if place.values[0] is None:
        rest = _beyond(keys[1:], place.values[1:], backwards, dialect)
        begun = replace(without, condition=_and(without.condition, rest))
        return [begun, with_value] if backwards else [begun]
    begun = replace(
        with_value, condition=_and(with_value.condition, _beyond(settled, place.values, backwards, dialect))
    )
    return [begun] if backwards else [begun, without]


def whole(keys: Sequence[Key]) -> Sql:
    """The order of all rows at once, those without a value last."""
    return _order(keys, backwards=False)


def _and(first: Sql | None, second: Sql) -> Sql:
    return second if first is None else first.inside + " AND " + second.inside


def _order(keys: Sequence[Key], backwards: bool) -> Sql:
    parts = []
    for key in keys:
        direction = "DESC" if key.descending != backwards else "ASC"
        nulls = (" NULLS FIRST" if backwards else " NULLS LAST") if key.nullable else ""
        parts.append(key.sql + f" {direction}{nulls}")
    return join(", ", parts)


def _beyond(keys: Sequence[Key], values: Sequence[Any], backwards: bool, dialect: Dialect) -> Sql:
    """Whether a row comes after the one with these values, in the direction of reading."""
    bound = [_bound(key, value, dialect) for key, value in zip(keys, values, strict=True)]
    if not any(key.nullable for key in keys) and len({key.descending for key in keys}) == 1:
        op = "<" if keys[0].descending != backwards else ">"
        return join(", ", [key.sql for key in keys]).inside + f" {op} " + join(", ", bound).inside
    choices = []
    for number, key in enumerate(keys):
        same = [_same(keys[place], values[place], bound[place]) for place in range(number)]
        after = _after(key, values[number], bound[number], backwards)
        if after is not None:
            choices.append(join(" AND ", [*same, after.inside]).inside)
    chain = join(" OR ", choices) if choices else Sql("1 = 0")
    head = keys[0]
    if head.nullable:
        return chain
    # Implied by the rest, and a range that an index can start from.
    op = "<=" if head.descending != backwards else ">="
    return head.sql + f" {op} " + bound[0] + " AND " + chain.inside


def _same(key: Key, value: Any, bound: Sql) -> Sql:
    return key.sql.inside + " IS NULL" if value is None else key.sql.inside + " = " + bound


def _after(key: Key, value: Any, bound: Sql, backwards: bool) -> Sql | None:
    if value is None:
        return key.sql.inside + " IS NOT NULL" if backwards else None
    op = "<" if key.descending != backwards else ">"
    after = key.sql.inside + f" {op} " + bound
    return after + " OR " + key.sql.inside + " IS NULL" if key.nullable and not backwards else after


def _bound(key: Key, value: Any, dialect: Dialect) -> Sql:
    if value is None:
        return Sql("NULL")
    return dialect.instant(value) if key.kind is Kind.INSTANT else dialect.value(value)


def fingerprint(search: Search) -> str:
    """Names the question that a token belongs to; the size of the page may change on the way."""
    asked = replace(search, token="", limit=0, count=True)
    return hashlib.blake2b(repr(asked).encode(), digest_size=6).hexdigest()


def write_token(place: Place, asked: str) -> str:
    """An opaque text that checks itself."""
    content = orjson.dumps([list(place.values), place.backwards, place.matched, asked])
    return base64.urlsafe_b64encode(_seal(content) + content).decode().rstrip("=")


def read_token(token: str, asked: str, count: int) -> Place:
    """The place; raises `InvalidInput` for a token that was changed, cut, or belongs to another question."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)) if len(token) < 8192 else b""
        seal, content = raw[:8], raw[8:]
        values, backwards, matched, owner = orjson.loads(content) if seal == _seal(content) else (None,) * 4
    except ValueError:
        values = None
    if values is None or len(values) != count or owner != asked:
        raise InvalidInput(
            "The token does not belong to this search.",
            remedy="Follow the `next` and `prev` links as they are, with the same parameters.",
            where="token",
        )
    return Place(tuple(values), bool(backwards), matched)


def _seal(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=8, person=b"stac-token").digest()
