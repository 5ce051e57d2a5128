"""SQLite's way of saying what a filter means; what it lacks are functions in Python."""

import json
import math
import sqlite3
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from terrafair.catalogue.items import instants, words
from terrafair.catalogue.items.expressions import Kind, Path, Sql
from terrafair.errors import InvalidInput

_GLOB = str.maketrans({"[": "[[]", "*": "[*]", "?": "[?]"})


class SqliteDialect:
    """Over the table `items AS i`; properties that are indexed are named in the text, as their index names them."""

    def __init__(self, indexed: Collection[str] = ()) -> None:
        self._indexed = indexed

    def value(self, value: Any) -> Sql:
        """A bound value."""
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            value = float(value)
        return Sql("?", (value,))

    def instant(self, micros: int) -> Sql:
        """Microseconds."""
        return Sql("?", (micros,))

    def column(self, name: str) -> Sql:
        """A real column."""
        return Sql(f"i.{name}")

    def get(self, path: Path, kind: Kind) -> Sql:
        """By `json_extract`."""
        if kind in {Kind.NUMBER, Kind.TEXT} and str(path) in self._indexed:
            return Sql(indexed_expression(path, kind, "i.properties"))
        where = (json_path(path),)
        if kind is Kind.TRUTH:
            return Sql("CASE json_type(i.properties, ?) WHEN 'true' THEN 1 WHEN 'false' THEN 0 END", where).inside
        if kind is Kind.INSTANT:
            return Sql("instant(json_extract(i.properties, ?))", where)
        types = "IN ('integer', 'real')" if kind is Kind.NUMBER else "= 'text'"
        return Sql(
            f"CASE WHEN json_type(i.properties, ?) {types} THEN json_extract(i.properties, ?) END", where * 2
        ).inside

    def json(self, path: Path) -> Sql:
        """As JSON text."""
        return Sql("json_extract(i.properties, ?)", (json_path(path),))

    def absent(self, path: Path) -> Sql:
        """Missing or null."""
        return Sql("coalesce(json_type(i.properties, ?), 'null') = 'null'", (json_path(path),))

    def without_geometry(self) -> Sql:
        """No bounds."""
        return Sql("i.west IS NULL")

    def like(self, text: Sql, pattern: Sql) -> Sql:
        """GLOB: SQLite's LIKE knows no case."""
        return text + " GLOB glob_of(" + pattern + ")"

    def lower(self, text: Sql) -> Sql:
        """Python's."""
        return "lower_of(" + text + ")"

    def plain(self, text: Sql) -> Sql:
        """Python's."""
        return "plain_of(" + text + ")"

    def arithmetic(self, op: str, first: Sql, second: Sql) -> Sql:
        """Python's, on doubles."""
        return "calculate(" + Sql("?, ", (op,)) + first + ", " + second + ")"

    def spatial(self, op: str, first: bytes | None, second: bytes | None) -> Sql:
        """GEOS; by bounds first where that settles it."""
        if first is None and second is None:
            return Sql(
                "CASE WHEN i.west IS NOT NULL THEN related(?, item_shape(i.west, i.south, i.east, i.north, i.shape),"
                " item_shape(i.west, i.south, i.east, i.north, i.shape)) END",
                (op,),
            ).inside
        item = Sql("item_shape(i.west, i.south, i.east, i.north, i.shape)")
        if first is not None and second is not None:
            return Sql("related(?, ?, ?)", (op, first, second))
        literal = second if first is None else first
        assert literal is not None  # noqa: S101 - one of the two
        one, other = (item, Sql("?", (literal,))) if first is None else (Sql("?", (literal,)), item)
        exact = Sql("related(?, ", (op,)) + one + ", " + other + ")"
        if op == "disjoint":
            return exact
        west, south, east, north = shapely.from_wkb(literal).bounds
        near = Sql("i.west <= ? AND i.east >= ? AND i.south <= ? AND i.north >= ?", (east, west, north, south))
        return near.inside + " AND " + exact

    def arrays(self, op: str, first: Sql, second: Sql) -> Sql:
        """Python's."""
        return "arrays(" + Sql("?, ", (op,)) + first + ", " + second + ")"

    def array(self, values: Sequence[Any]) -> Sql:
        """As JSON text."""
        return Sql("?", (json.dumps(values),))


def json_path(path: Path) -> str:
    """SQLite's path to a property; `Path` admits no quotes."""
    return "$" + "".join(f'."{name}"' for name in path.names)


def indexed_expression(path: Path, kind: Kind, column: str) -> str:
    """What an index holds of a property, with the path as a literal: SQLite wants it letter by letter the same."""
    where = "'" + json_path(path).replace("'", "''") + "'"
    types = "IN ('integer', 'real')" if kind is Kind.NUMBER else "= 'text'"
    return f"(CASE WHEN json_type({column}, {where}) {types} THEN json_extract({column}, {where}) END)"


def install(connection: sqlite3.Connection) -> None:
    """Teach a connection the functions that the dialect calls."""
    functions: tuple[tuple[str, int, Callable[..., Any]], ...] = (
        ("instant", 1, lambda value: instants.lenient(_text(value))),
        ("glob_of", 1, lambda pattern: None if pattern is None else glob(_text(pattern))),
        ("lower_of", 1, lambda value: None if value is None else _text(value).lower()),
        ("plain_of", 1, lambda value: None if value is None else words.plain(_text(value))),
        ("calculate", 3, _calculate),
        ("item_shape", 5, _item_shape),
        ("related", 3, _related),
        ("hits", 2, _hits),
        ("arrays", 3, _arrays),
    )
    for name, count, function in functions:
        connection.create_function(name, count, function, deterministic=True)


def glob(pattern: str) -> str:
    """A LIKE pattern with `\\` as its escape, as a GLOB pattern."""
    built, escaped = [], False
    for letter in pattern:
        if escaped or letter not in "%_\\":
            built.append(letter.translate(_GLOB))
            escaped = False
        elif letter == "\\":
            escaped = True
        else:
            built.append("*" if letter == "%" else "?")
    if escaped:
        raise InvalidInput("A LIKE pattern ends with a backslash.", where="filter")
    return "".join(built)


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _calculate(op: str, first: float | None, second: float | None) -> float | None:
    if first is None or second is None:
        return None
    op, a, b = _text(op), float(first), float(second)
    try:
        results: dict[str, Callable[[], float]] = {
            "+": lambda: a + b,
            "-": lambda: a - b,
            "*": lambda: a * b,
            "/": lambda: a / b,
            "%": lambda: math.fmod(a, b),
            "^": lambda: math.pow(a, b),
            "div": lambda: float(math.trunc(a / b)),
        }
        found = results[op]()
    except (ArithmeticError, ValueError):
        return None
    return found if math.isfinite(found) else None


@lru_cache(256)
def _literal(wkb: bytes) -> BaseGeometry:
    geometry = shapely.from_wkb(wkb)
    shapely.prepare(geometry)
    return geometry


def _item_shape(west: float | None, south: float, east: float, north: float, shape: bytes | None) -> bytes | None:
    if west is None:
        return None
    return shape if shape is not None else bytes(shapely.to_wkb(shapely.box(west, south, east, north)))


def _related(op: str, first: bytes | None, second: bytes | None) -> bool | None:
    if first is None or second is None:
        return None
    try:
        return bool(getattr(shapely, _text(op))(_literal(first), _literal(second)))
    except shapely.errors.GEOSException:
        return None  # geometries that are not valid have no such relation


def _hits(shape: bytes, literal: bytes) -> bool:
    try:
        return bool(_literal(literal).intersects(shapely.from_wkb(shape)))
    except shapely.errors.GEOSException:
        return False


def _arrays(op: str, first: str | None, second: str | None) -> bool | None:
    try:
        a, b = json.loads(first or ""), json.loads(second or "")
    except ValueError:
        return None
    if not isinstance(a, list) or not isinstance(b, list):
        return None
    one, other = ([json.dumps(_comparable(value), sort_keys=True) for value in side] for side in (a, b))
    op = _text(op)
    if op == "equals":
        return one == other
    if op == "overlaps":
        return bool(set(one) & set(other))
    return set(other) <= set(one) if op == "contains" else set(one) <= set(other)


def _comparable(value: Any) -> Any:
    """1 and 1.0 are one number."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
