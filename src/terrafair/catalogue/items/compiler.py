"""CQL2 trees to SQL with bound values: all classes of the standard but functions of one's own.

Comparisons are typed: where a property has another type than what it is compared with, the result is null (unknown),
as it is where the property is missing. So `NOT (a > 5)` does not find items without `a`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import shapely

from terrafair.catalogue.items import instants
from terrafair.catalogue.items.cql2 import Node, instant_of, interval_of
from terrafair.catalogue.items.documents import parse_geometry
from terrafair.catalogue.items.expressions import Dialect, Kind, Path, Sql, join
from terrafair.errors import InvalidInput

COMPARISONS = {"=": "=", "eq": "=", "<>": "<>", "neq": "<>", "<": "<", "lt": "<", "<=": "<=", "lte": "<="}
COMPARISONS |= {">": ">", "gt": ">", ">=": ">=", "gte": ">="}
ARITHMETIC = frozenset({"+", "-", "*", "/", "%", "^", "div"})
SPATIAL = frozenset({"intersects", "equals", "disjoint", "touches", "within", "overlaps", "crosses", "contains"})
ARRAYS = frozenset({"equals", "contains", "containedby", "overlaps"})
COLUMNS = {"id": ("id", Kind.TEXT), "collection": ("collection", Kind.TEXT), "datetime": ("start", Kind.INSTANT)}
COLUMNS |= {"start_datetime": ("start", Kind.INSTANT), "end_datetime": ("finish", Kind.INSTANT)}

# What holds between (a, b) and (c, d), by the standard's table of temporal relations.
TEMPORAL: dict[str, str] = {
    "after": "{a} > {d}",
    "before": "{b} < {c}",
    "contains": "{a} < {c} AND {b} > {d}",
    "disjoint": "({a} > {d} OR {b} < {c})",
    "during": "{a} > {c} AND {b} < {d}",
    "equals": "{a} = {c} AND {b} = {d}",
    "finishedby": "{a} < {c} AND {b} = {d}",
    "finishes": "{a} > {c} AND {b} = {d}",
    "intersects": "{a} <= {d} AND {b} >= {c}",
    "meets": "{b} = {c}",
    "metby": "{a} = {d}",
    "overlappedby": "{a} > {c} AND {a} < {d} AND {b} > {d}",
    "overlaps": "{a} < {c} AND {b} > {c} AND {b} < {d}",
    "startedby": "{a} = {c} AND {b} > {d}",
    "starts": "{a} = {c} AND {b} < {d}",
}


class Compiler:
    """Compiles for one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def condition(self, node: Node) -> Sql:
        """A filter as a condition; raises `InvalidInput` for what it cannot mean."""
        if isinstance(node, bool):
            return Sql("1 = 1" if node else "1 = 0")
        if isinstance(node, dict) and "property" in node:
            return self._dialect.get(_path(node), Kind.TRUTH)
        op, args = _operation(node)
        if op in {"and", "or"}:
            return join(f" {op.upper()} ", [self.condition(arg).inside for arg in args]).inside
        if op == "not":
            return "NOT " + self.condition(_exactly(op, args, 1)[0]).inside
        return self._predicate(op, args)

    def _predicate(self, op: str, args: Sequence[Node]) -> Sql:
        lower = op.lower()
        if op in COMPARISONS:
            return self._compare(COMPARISONS[op], *_exactly(op, args, 2))
        simple: dict[str, Callable[[Sequence[Node]], Sql]] = {
            "isnull": self._is_null,
            "between": self._between,
            "in": self._in,
            "like": self._like,
        }
        if lower in simple:
            return simple[lower](args)
        prefix, _, relation = lower.partition("_")
        if prefix == "s" and relation in SPATIAL:
            return self._spatial(relation, _exactly(op, args, 2))
        if prefix == "t" and relation in TEMPORAL:
            return self._temporal(relation, _exactly(op, args, 2))
        if lower == "anyinteracts":
            return self._temporal("intersects", _exactly(op, args, 2))
        if prefix == "a" and relation in ARRAYS:
            return self._arrays(relation, _exactly(op, args, 2))
        raise InvalidInput(
            f"The filter uses {op[:60]!r}, which is not known.",
            remedy="Known: comparisons, AND OR NOT LIKE BETWEEN IN IS NULL CASEI ACCENTI, arithmetic, S_ T_ A_.",
            where="filter",
        )

    def _is_null(self, args: Sequence[Node]) -> Sql:
        (node,) = _exactly("isNull", args, 1)
        if isinstance(node, dict) and "property" in node:
            name = _name(node)
            if name == "geometry":
                return self._dialect.without_geometry()
            return Sql("1 = 0") if name in COLUMNS else self._dialect.absent(_path(node))
        return self._scalar(node, self._kind(node) or Kind.TEXT) + " IS NULL"

    def _compare(self, op: str, first: Node, second: Node) -> Sql:
        if _is_geometry(first) and _is_geometry(second) and op in {"=", "<>"}:
            return (
                self._spatial("equals", (first, second))
                if op == "="
                else "NOT " + self._spatial("equals", (first, second))
            )
        if isinstance(first, list) and isinstance(second, list | dict):
            return self._arrays("equals", (first, second))
        if first is None or second is None:
            raise InvalidInput("The filter compares with null.", remedy="Write `IS NULL`.", where="filter")
        kind = self._common(first, second)
        if kind is not None:
            return self._scalar(first, kind) + f" {op} " + self._scalar(second, kind)
        # Two properties: of whichever type both are.
        kinds = (Kind.NUMBER, Kind.TEXT, Kind.TRUTH)
        choices = [self._scalar(first, kind) + f" {op} " + self._scalar(second, kind) for kind in kinds]
        return ("coalesce(" + join(", ", [choice.inside for choice in choices])) + ")"

    def _between(self, args: Sequence[Node]) -> Sql:
        if len(args) == 2 and isinstance(args[1], list):  # an earlier draft's form, which clients still send
            args = [args[0], *args[1]]
        value, low, high = _exactly("between", args, 3)
        kind = self._common(value, low, high) or Kind.NUMBER
        return self._scalar(value, kind) + " BETWEEN " + self._scalar(low, kind) + " AND " + self._scalar(high, kind)

    def _in(self, args: Sequence[Node]) -> Sql:
        value, choices = _exactly("in", args, 2)
        if not isinstance(choices, list):
            raise InvalidInput("IN takes a list.", where="filter")
        if not choices:
            return Sql("1 = 0")
        kinds = {self._common(value, choice) for choice in choices}
        if len(kinds) == 1 and (kind := kinds.pop()) is not None:
            listed = join(", ", [self._scalar(choice, kind) for choice in choices])
            return self._scalar(value, kind) + " IN " + listed.inside
        return join(" OR ", [self._compare("=", value, choice).inside for choice in choices]).inside

    def _like(self, args: Sequence[Node]) -> Sql:
        value, pattern = _exactly("like", args, 2)
        _check_pattern(pattern)
        return self._dialect.like(self._scalar(value, Kind.TEXT), self._scalar(pattern, Kind.TEXT))

    def _scalar(self, node: Node, kind: Kind) -> Sql:
        """A value of the kind that the comparison has."""
        if isinstance(node, dict):
            if "property" in node:
                return self._property(node, kind)
            if "op" in node:
                return self._computed(node, kind)
            if {"timestamp", "date"} & set(node) and kind is Kind.INSTANT:
                return self._dialect.instant(instant_of(node.get("timestamp", node.get("date"))))
        elif kind is Kind.INSTANT and isinstance(node, str):
            return self._dialect.instant(instant_of(node))
        elif self._kind(node) is kind:
            return self._dialect.value(node)
        raise InvalidInput(f"The filter has {_shown(node)} where a {kind.name.lower()} has to stand.", where="filter")

    def _property(self, node: Node, kind: Kind) -> Sql:
        if (column := COLUMNS.get(_name(node))) is not None:
            name, natural = column
            if natural is not kind:
                raise InvalidInput(f"{_name(node)!r} is no {kind.name.lower()}.", where="filter")
            return self._dialect.column(name)
        if _name(node) in {"geometry", "bbox"}:
            raise InvalidInput("A geometry cannot be compared.", remedy="Use S_INTERSECTS and its kin.", where="filter")
        return self._dialect.get(_path(node), kind)

    def _computed(self, node: Node, kind: Kind) -> Sql:
        op, args = _operation(node)
        natural = self._kind(node)
        if natural is not kind:
            raise InvalidInput(f"{op[:60]!r} does not give a {kind.name.lower()}.", where="filter")
        if op in ARITHMETIC:
            first, second = _exactly(op, args, 2)
            return self._dialect.arithmetic(op, self._scalar(first, kind), self._scalar(second, kind))
        (inner,) = _exactly(op, args, 1)
        change = self._dialect.lower if op.lower() == "casei" else self._dialect.plain
        return change(self._scalar(inner, Kind.TEXT))

    def _kind(self, node: Node) -> Kind | None:
        """What a node surely is; None for a property, which may be anything."""
        if isinstance(node, bool):
            return Kind.TRUTH
        if isinstance(node, int | float):
            return Kind.NUMBER
        if isinstance(node, str):
            return Kind.TEXT
        if isinstance(node, dict):
            if "property" in node:
                column = COLUMNS.get(_name(node))
                return column[1] if column else None
            if "timestamp" in node or "date" in node:
                return Kind.INSTANT
            if isinstance(node.get("op"), str):
                if node["op"] in ARITHMETIC:
                    return Kind.NUMBER
                if node["op"].lower() in {"casei", "accenti"}:
                    return Kind.TEXT
        raise InvalidInput(f"The filter has {_shown(node)} where a value has to stand.", where="filter")

    def _common(self, *nodes: Node) -> Kind | None:
        kinds = {kind for node in nodes if (kind := self._kind(node)) is not None}
        if kinds == {Kind.TEXT, Kind.INSTANT}:
            return Kind.INSTANT  # '2020-01-01' beside a time
        if len(kinds) > 1:
            names = " with ".join(sorted(kind.name.lower() for kind in kinds))
            raise InvalidInput(f"The filter compares {names}.", where="filter")
        return kinds.pop() if kinds else None

    def _spatial(self, relation: str, args: Sequence[Node]) -> Sql:
        first, second = (None if _is_item_geometry(node) else shape_of(node) for node in args)
        return self._dialect.spatial(relation, first, second)

    def _temporal(self, relation: str, args: Sequence[Node]) -> Sql:
        (a, b), (c, d) = (self._span(node) for node in args)
        marks = {"a": a, "b": b, "c": c, "d": d}
        pieces = TEMPORAL[relation].replace("}", "{").split("{")
        built = Sql("")
        for number, piece in enumerate(pieces):
            built = built + (marks[piece] if number % 2 else piece)
        return built.inside

    def _span(self, node: Node) -> tuple[Sql, Sql]:
        if isinstance(node, dict) and "property" in node:
            if _name(node) in {"datetime", "interval"}:
                return self._dialect.column("start"), self._dialect.column("finish")
            side = self._scalar(node, Kind.INSTANT)
            return side, side
        if isinstance(node, dict) and isinstance(node.get("interval"), list) and len(node["interval"]) == 2:
            first, last = node["interval"]
            return self._side(first, instants.EARLIEST), self._side(last, instants.LATEST, last=True)
        if not isinstance(node, dict | str):
            raise InvalidInput(f"The filter has {_shown(node)} where a time has to stand.", where="filter")
        start, end = interval_of(node)
        return self._dialect.instant(start), self._dialect.instant(end)

    def _side(self, node: Node, opened: int, *, last: bool = False) -> Sql:
        if node in ("..", "", None):
            return self._dialect.instant(opened)
        if isinstance(node, dict) and "property" in node:
            return self._scalar(node, Kind.INSTANT)
        return self._dialect.instant(interval_of(node)[1 if last else 0])

    def _arrays(self, relation: str, args: Sequence[Node]) -> Sql:
        first, second = (self._array(node) for node in args)
        return self._dialect.arrays(relation, first, second)

    def _array(self, node: Node) -> Sql:
        if isinstance(node, list):
            if not all(isinstance(value, str | int | float | bool) for value in node):
                raise InvalidInput("An array in a filter holds texts, numbers and truths.", where="filter")
            return self._dialect.array(node)
        if isinstance(node, dict) and "property" in node and _name(node) not in COLUMNS:
            return self._dialect.json(_path(node))
        raise InvalidInput(f"The filter has {_shown(node)} where an array has to stand.", where="filter")


def shape_of(node: Node) -> bytes:
    """The WKB of a geometry or bbox literal; raises `InvalidInput`."""
    if isinstance(node, dict) and isinstance(node.get("bbox"), list):
        return bytes(shapely.to_wkb(shapely.union_all([shapely.box(*part) for part in boxes_of(node["bbox"])])))
    return bytes(shapely.to_wkb(shapely.force_2d(parse_geometry(node, "filter"))))


def boxes_of(numbers: Sequence[Any], where: str = "bbox") -> list[tuple[float, float, float, float]]:
    """A bbox of 4 or 6 numbers as boxes west to east: two where it crosses the antimeridian."""
    shown = str(list(numbers)[:7])
    if len(numbers) not in {4, 6}:
        raise InvalidInput(
            f"The bbox {shown} has {len(numbers)} numbers.", "It takes 4, or 6 with heights.", where=where
        )
    if not all(
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) for value in numbers
    ):
        raise InvalidInput(f"The bbox {shown} has something else than numbers.", where=where)
    west, south, east, north = (
        float(numbers[place]) for place in ((0, 1, 2, 3) if len(numbers) == 4 else (0, 1, 3, 4))
    )
    if not (-90 <= south <= 90 and -90 <= north <= 90 and -180 <= west <= 180 and -180 <= east <= 180):
        raise InvalidInput(f"The bbox {shown} lies outside the globe.", where=where)
    if south > north or (len(numbers) == 6 and numbers[2] > numbers[5]):
        raise InvalidInput(f"In the bbox {shown} a lower side is above its upper one.", where=where)
    return [(west, south, east, north)] if west <= east else [(west, south, 180.0, north), (-180.0, south, east, north)]


def _operation(node: Node) -> tuple[str, Sequence[Node]]:
    if isinstance(node, dict) and isinstance(node.get("op"), str) and isinstance(node.get("args"), list):
        return node["op"], node["args"]
    raise InvalidInput(f"The filter has {_shown(node)} where a condition has to stand.", where="filter")


def _check_pattern(node: Node) -> None:
    """Said before any row is looked at: PostgreSQL would say it when it meets the first that could match."""
    while isinstance(node, dict) and isinstance(node.get("args"), list) and len(node["args"]) == 1:
        node = node["args"][0]
    if isinstance(node, str) and (len(node) - len(node.rstrip("\\"))) % 2:
        raise InvalidInput("A LIKE pattern ends with a backslash.", where="filter")


def _exactly(op: str, args: Sequence[Node], count: int) -> Sequence[Node]:
    if len(args) != count:
        raise InvalidInput(f"{op[:60]!r} has {len(args)} arguments.", f"It takes {count}.", where="filter")
    return args


def _name(node: Node) -> str:
    name = node["property"]
    if not isinstance(name, str):
        raise InvalidInput("A property's name is a text.", where="filter")
    return name.removeprefix("properties.")


def _path(node: Node) -> Path:
    return Path.read(_name(node))


def _is_item_geometry(node: Node) -> bool:
    return isinstance(node, dict) and node.get("property") in {"geometry", "footprint"}


def _is_geometry(node: Node) -> bool:
    return _is_item_geometry(node) or (
        isinstance(node, dict) and bool({"coordinates", "geometries", "bbox"} & set(node))
    )


def _shown(node: Node) -> str:
    return f"{str(node)[:80]!r}"
