"""CQL2 over records: parsed within limits, and asked of one record at a time."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import cql2
import orjson

from terrafair.catalogue.items.cql2 import check_text
from terrafair.errors import InvalidInput

TEXT_LIMIT, DEPTH_LIMIT, NODE_LIMIT = 20_000, 50, 5_000
BOOLEAN = frozenset(
    {"and", "or", "not", "=", "<>", "<", ">", "<=", ">=", "like", "between", "in", "isNull"}
)  # fmt: skip
_PREFIXES = ("s_", "t_", "a_")

Test = Callable[[Mapping[str, Any]], bool]


def parse(text: str, language: str, known: Mapping[str, Any]) -> Test:
    """What tells whether a feature fits; raises `InvalidInput` with the place of the fault.

    `known` are the properties that may be named.
    """
    if len(text) > TEXT_LIMIT:
        raise InvalidInput(f"The filter has {len(text)} characters.", f"At most {TEXT_LIMIT} are read.", where="filter")
    if language not in {"cql2-text", "cql2-json"}:
        what = f"There is no filter language {language[:40]!r}."
        raise InvalidInput(what, remedy="Languages: cql2-text, cql2-json.", where="filter-lang")
    try:
        expression = _text(text) if language == "cql2-text" else _json(text)
        tree = expression.to_json()
        _count(tree, 0)
    except cql2.ParseError as fault:
        raise _wrong(str(fault)) from None
    except InvalidInput:
        raise
    except Exception as fault:  # the package raises plain exceptions for what its grammar does not know
        raise _wrong(str(fault)) from None
    for name in _names(tree):
        if name not in known and name != "geometry":
            remedy = f"Queryables: {', '.join(known)}, geometry."
            raise InvalidInput(f"There is no property {name[:80]!r}.", "", remedy, "filter", "unknown-property")
    if not _is_boolean(tree):
        raise _wrong("it does not come to true or false")
    return lambda feature: _fits(expression, feature)


def _text(text: str) -> Any:
    check_text(text)
    return cql2.parse_text(text)


def _json(text: str) -> Any:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as fault:
        raise _wrong(str(fault)) from None
    if _count(document, 0) > NODE_LIMIT:
        raise InvalidInput(f"The filter has more than {NODE_LIMIT} parts.", where="filter")
    return cql2.parse_json(orjson.dumps(document).decode())


def _count(node: Any, depth: int) -> int:
    if depth > DEPTH_LIMIT:
        raise InvalidInput(
            "The filter is nested too deeply.", f"At most {DEPTH_LIMIT} levels are read.", where="filter"
        )
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return 1 + sum(_count(child, depth + 1) for child in children)


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("property"), str):
            yield node["property"]
        for child in node.values():
            yield from _names(child)
    elif isinstance(node, list):
        for child in node:
            yield from _names(child)


def _is_boolean(tree: Any) -> bool:
    if isinstance(tree, bool):
        return True
    operation = tree.get("op") if isinstance(tree, dict) else None
    return isinstance(operation, str) and (operation in BOOLEAN or operation.lower().startswith(_PREFIXES))


def _fits(expression: Any, feature: Mapping[str, Any]) -> bool:
    try:
        return bool(expression.matches(dict(feature)))
    except Exception:  # a comparison with what the record does not have is neither true nor false: it does not fit
        return False


def _wrong(why: str) -> InvalidInput:
    return InvalidInput("The filter is no CQL2.", " ".join(why.split())[:300], "CQL2 is OGC 21-065r2.", "filter")
