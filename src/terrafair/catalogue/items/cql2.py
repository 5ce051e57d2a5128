"""CQL2 text and JSON as one tree of plain values, with limits that keep a request small."""

import re
from functools import lru_cache
from typing import Any

import cql2
import orjson

from terrafair.catalogue.items import instants
from terrafair.errors import InvalidInput

TEXT_LIMIT = 20_000
"""Characters of a filter, in either form."""
WORK_LIMIT = 300_000
"""Characters times two to the depth of brackets: the parser's time on a fault inside them, some half a second here."""
NODE_LIMIT = 2_000
DEPTH_LIMIT = 100
OPERATOR_LIMIT = 200
"""Arithmetic signs and NOTs: each may nest the parser once more, and where its stack ends it ends the whole process.
Signs of numbers do not count: coordinates may have thousands."""

Node = Any
"""A dict `{op, args}`, `{property}`, `{timestamp}`, `{date}`, `{interval}`, `{bbox}`, a GeoJSON geometry, a list or a
scalar: the shape of CQL2 JSON."""

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_NUMBER = r"-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?"
_POSITION = re.compile(rf"(?<=[(,])\s*{_NUMBER}(?:\s+{_NUMBER}){{1,3}}\s*(?=[,)])")
_OPERATOR = re.compile(r"[+*/^%]|-(?=\s*[^\s\d.])|(?<=[^\s(,=<>])\s*-|\b(?:NOT|DIV)\b", re.IGNORECASE)
ACCEPTED = "CQL2 is OGC 21-065r2; /stac/queryables lists the properties."


def parse_text(text: str) -> Node:
    """CQL2 text; raises `InvalidInput` with the place of the fault."""
    check_text(text)
    return _parse_text(text)


def check_text(text: str) -> None:
    """Raise `InvalidInput` for what the parser, which is native and recursive, had better not see."""
    _bounded(len(text))
    bare = _QUOTED.sub("''", text)
    depth = deepest = 0
    for letter in bare:
        depth += (letter in "([") - (letter in ")]")
        deepest = max(deepest, depth)
    if depth or len(text) << min(deepest, 60) > WORK_LIMIT:
        why = "Its brackets do not match." if depth else "Brackets are nested too deeply for its length."
        raise InvalidInput(
            "The filter is no CQL2 text.", why, "Send it as CQL2 JSON, which has no such limit.", "filter"
        )
    if (found := len(_OPERATOR.findall(_POSITION.sub("0", bare)))) > OPERATOR_LIMIT:
        raise InvalidInput(
            f"The filter has {found} arithmetic signs and NOTs.", f"At most {OPERATOR_LIMIT} are read.", where="filter"
        )


def parse_json(document: Any) -> Node:
    """CQL2 JSON, already read from JSON."""
    if not isinstance(document, dict | bool):
        raise InvalidInput("The filter is no CQL2 JSON.", "It is an object with `op` and `args`.", ACCEPTED, "filter")
    _check(document, 0)
    try:
        content = orjson.dumps(document)
    except (TypeError, ValueError) as fault:
        raise InvalidInput(f"The filter is no JSON: {fault}.", where="filter") from None
    _bounded(len(content))
    return _parse_json(content)


@lru_cache(2048)
def _parse_text(text: str) -> Node:
    try:
        tree = cql2.parse_text(text).to_json()
    except cql2.ParseError as fault:
        raise InvalidInput("The filter is no CQL2 text.", _where(fault), ACCEPTED, "filter") from None
    _check(tree, 0)
    return tree


@lru_cache(2048)
def _parse_json(content: bytes) -> Node:
    try:
        return cql2.parse_json(content.decode()).to_json()
    except cql2.ParseError as fault:
        raise InvalidInput("The filter is no CQL2 JSON.", _where(fault), ACCEPTED, "filter") from None


def _bounded(length: int) -> None:
    if length > TEXT_LIMIT:
        raise InvalidInput(f"The filter has {length} characters.", f"At most {TEXT_LIMIT} are read.", where="filter")


def _where(fault: Exception) -> str:
    return " ".join(str(fault).split())[:300]


def _check(node: Node, depth: int) -> int:
    """Count the nodes; raises `InvalidInput` for a tree that is too large or too deep."""
    if depth > DEPTH_LIMIT:
        raise InvalidInput(f"The filter is nested deeper than {DEPTH_LIMIT}.", where="filter")
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    count = 1
    for child in children:
        if isinstance(child, dict | list):
            count += _check(child, depth + 1)
        else:
            count += 1
    if count > NODE_LIMIT * 10:
        raise InvalidInput(f"The filter has over {NODE_LIMIT * 10} parts.", where="filter")
    return count


def conjuncts(node: Node) -> list[Node]:
    """The parts of a filter that must all hold."""
    if isinstance(node, dict) and node.get("op") == "and":
        return [part for child in node["args"] for part in conjuncts(child)]
    return [node]


def both(first: Node | None, second: Node | None) -> Node | None:
    """A filter that holds where both do; None does not restrict."""
    if first is None or second is None:
        return second if first is None else first
    return {"op": "and", "args": [first, second]}


def instant_of(text: Any) -> int:
    """A timestamp or date literal as an instant; raises `InvalidInput`."""
    found = instants.lenient(text)
    if found is None:
        raise InvalidInput(f"{str(text)[:60]!r} is no RFC 3339 instant or date.", where="filter")
    return found


def interval_of(literal: Node) -> instants.Interval:
    """The span of a timestamp, date, interval or text literal; raises `InvalidInput`."""
    if isinstance(literal, str):
        literal = {"date" if len(literal) == 10 else "timestamp": literal}
    if "timestamp" in literal:
        moment = instant_of(literal["timestamp"])
        return moment, moment
    if "date" in literal:
        start = instant_of(literal["date"])
        return start, start + instants.DAY - 1
    sides = literal.get("interval")
    if not isinstance(sides, list) or len(sides) != 2:
        raise InvalidInput("An interval has two sides.", "Write INTERVAL('2020-01-01', '..').", where="filter")
    return _side(sides[0], first=True), _side(sides[1], first=False)


def _side(side: Node, *, first: bool) -> int:
    if side in ("..", "", None):
        return instants.EARLIEST if first else instants.LATEST
    if isinstance(side, dict) and "property" in side:
        raise InvalidInput("An interval between properties is not supported.", where="filter")
    return interval_of(side)[0 if first else 1]
