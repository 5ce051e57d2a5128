"""What a request asks for: parameters and bodies as one search."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson
import shapely

from terrafair.catalogue.items import cql2, instants, words
from terrafair.catalogue.items.compiler import COLUMNS, boxes_of
from terrafair.catalogue.items.cql2 import Node
from terrafair.catalogue.items.documents import parse_geometry
from terrafair.catalogue.items.expressions import Kind
from terrafair.catalogue.items.queryables import KINDS
from terrafair.catalogue.items.search import LIMIT, LIMIT_MOST, Search, Sort
from terrafair.errors import InvalidInput

LISTED = 10_000
"""Ids or collections in one request."""
CRS = frozenset({"http://www.opengis.net/def/crs/OGC/1.3/CRS84", "https://www.opengis.net/def/crs/OGC/1.3/CRS84"})

_OPERATORS = {"eq": "=", "neq": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


@dataclass(frozen=True, slots=True)
class Fields:
    """Which parts of an item are wanted."""

    include: frozenset[str] | None = None
    """None: not said; empty: STAC's default fields."""
    exclude: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Asked:
    """A search and how its answer is shown."""

    search: Search
    fields: Fields | None = None


def from_parameters(parameters: Mapping[str, str]) -> dict[str, Any]:
    """GET parameters in the form that a POST body has; raises `InvalidInput`."""
    document: dict[str, Any] = {}
    readers: Mapping[str, Callable[[str], Any]] = {
        "bbox": _numbers,
        "intersects": lambda text: _json(text, "intersects"),
        "query": lambda text: _json(text, "query"),
        "ids": _listed,
        "collections": _listed,
        "sortby": _sorts,
        "fields": _fields,
        "filter": lambda text: _json(text, "filter") if parameters.get("filter-lang") == "cql2-json" else text,
    }
    for name, text in parameters.items():
        if name in readers:
            document[name] = readers[name](text) if text or name == "fields" else None
        else:
            document[name] = text
    if "filter" in document and "filter-lang" not in document:
        document["filter-lang"] = "cql2-text"
    return {name: value for name, value in document.items() if value is not None}


def read(document: Any) -> Asked:
    """A search from a body's form; raises `InvalidInput` naming the field."""
    if not isinstance(document, dict):
        raise InvalidInput("The body is no JSON object.", where="body")
    if document.get("bbox") is not None and document.get("intersects") is not None:
        raise InvalidInput("There is both a bbox and an intersects.", "A search takes one of them.", where="bbox")
    box, geometry, time = document.get("bbox"), document.get("intersects"), document.get("datetime")
    search = Search(
        collections=_texts(document.get("collections"), "collections"),
        ids=_texts(document.get("ids"), "ids"),
        boxes=tuple(boxes_of(_array(box, "bbox"))) if box is not None else (),
        intersects=None if geometry is None else _wkb(geometry),
        interval=None if time in (None, "") else instants.parse_interval(_text(time, "datetime")),
        text=_phrases(document.get("q")),
        filter=cql2.both(_filter(document), _query(document.get("query"))),
        sort=_sort(document.get("sortby")),
        limit=_limit(document.get("limit")),
        token=_text(document.get("token") or "", "token"),
    )
    return Asked(search, _wanted(document["fields"]) if "fields" in document else None)


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InvalidInput(f"The bbox {text[:100]!r} is not made of numbers.", where="bbox") from None


def _json(text: str, where: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as fault:
        raise InvalidInput(f"The parameter {where} is no JSON: {fault}.", where=where) from None


def _listed(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def _sorts(text: str) -> list[dict[str, str]]:
    found = []
    for part in (part.strip() for part in text.split(",")):
        # A plus sign in a query string arrives as a space.
        name = part.lstrip("+- ")
        found.append({"field": name, "direction": "desc" if part.startswith("-") else "asc"})
    return found


def _fields(text: str) -> dict[str, list[str]]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    include = [part.lstrip("+ ") for part in parts if not part.startswith("-")]
    exclude = [part[1:] for part in parts if part.startswith("-")]
    return {"exclude": exclude} if exclude and not include else {"include": include, "exclude": exclude}


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{where} is {str(value)[:60]!r}.", "It takes a text.", where=where)
    return value


def _texts(value: Any, where: str) -> tuple[str, ...]:
    """A list of texts; one text alone is taken as such, since clients send it."""
    if value is None:
        return ()
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(part, str) for part in listed):
        raise InvalidInput(f"{where} is {str(value)[:60]!r}.", "It takes an array of texts.", where=where)
    if len(listed) > LISTED:
        raise InvalidInput(f"{where} has {len(listed)} entries.", f"At most {LISTED} are taken.", where=where)
    return tuple(dict.fromkeys(listed))


def _array(value: Any, where: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise InvalidInput(f"{where} is {str(value)[:60]!r}.", "It takes an array of numbers.", where=where)
    return value


def _wkb(value: Any) -> bytes:
    return bytes(shapely.to_wkb(shapely.force_2d(parse_geometry(value, "intersects"))))


def _limit(value: Any) -> int:
    if value is None:
        return LIMIT
    try:
        limit = int(value) if not isinstance(value, bool | float) else None
    except (TypeError, ValueError):
        limit = None
    if limit is None or limit < 1:
        raise InvalidInput(f"limit is {str(value)[:40]!r}.", "It takes a whole number from 1.", where="limit")
    return min(limit, LIMIT_MOST)


def _phrases(value: Any) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(part, str) for part in listed):
        raise InvalidInput(f"q is {str(value)[:60]!r}.", "It takes words, or an array of them.", where="q")
    found = words.phrases(",".join(listed)[:4000])
    if not found:
        raise InvalidInput(f"q {str(value)[:60]!r} has no word.", where="q")
    return found


def _filter(document: Mapping[str, Any]) -> Node | None:
    given = document.get("filter")
    if given is None:
        return None
    crs = document.get("filter-crs")
    if crs is not None and crs not in CRS:
        raise InvalidInput(
            f"filter-crs is {str(crs)[:80]!r}.", remedy=f"Known: {', '.join(sorted(CRS))}.", where="filter-crs"
        )
    language = document.get("filter-lang") or ("cql2-text" if isinstance(given, str) else "cql2-json")
    if language not in {"cql2-text", "cql2-json"}:
        raise InvalidInput(
            f"filter-lang is {str(language)[:40]!r}.", "It is cql2-text or cql2-json.", where="filter-lang"
        )
    if language == "cql2-text":
        return cql2.parse_text(_text(given, "filter"))
    return cql2.parse_json(given)


def _query(query: Any) -> Node | None:
    """The query extension's operators as CQL2."""
    if query is None:
        return None
    if not isinstance(query, dict) or not all(isinstance(asked, dict) for asked in query.values()):
        raise InvalidInput("query is no object of objects.", 'Write {"eo:cloud_cover": {"lt": 10}}.', where="query")
    found: Node | None = None
    for name, operations in query.items():
        for operator, value in operations.items():
            found = cql2.both(found, _operation({"property": name}, operator, value))
    return found


def _operation(field: Node, operator: str, value: Any) -> Node:
    if isinstance(value, str) and KINDS.get(field["property"].removeprefix("properties.")) is Kind.NUMBER:
        with suppress(ValueError):  # some clients send every value as a text
            value = float(value)
    if operator in _OPERATORS and isinstance(value, str | int | float | bool):
        return {"op": _OPERATORS[operator], "args": [field, value]}
    if operator == "in" and isinstance(value, list) and len(value) <= LISTED:
        one = {"op": "in", "args": [field, value]}
        # In an array property one of its values is enough.
        return (
            one
            if field["property"] in COLUMNS
            else {"op": "or", "args": [one, {"op": "a_overlaps", "args": [field, value]}]}
        )
    if operator in {"startsWith", "endsWith", "contains"} and isinstance(value, str):
        escaped = "".join(f"\\{letter}" if letter in "%_\\" else letter for letter in value)
        before, after = ("" if operator == "startsWith" else "%"), ("" if operator == "endsWith" else "%")
        return {"op": "like", "args": [field, f"{before}{escaped}{after}"]}
    known = "eq neq lt lte gt gte in startsWith endsWith contains"
    raise InvalidInput(
        f"query has {operator[:40]!r} with {str(value)[:40]!r}.", remedy=f"Known: {known}.", where="query"
    )


def _sort(value: Any) -> tuple[Sort, ...]:
    if value is None:
        return ()
    listed = _sorts(value) if isinstance(value, str) else [value] if isinstance(value, dict) else value
    found = []
    for entry in listed if isinstance(listed, list) else [None]:
        field = entry.get("field") if isinstance(entry, dict) else None
        direction = entry.get("direction", "asc") if isinstance(entry, dict) else None
        if not isinstance(field, str) or not field or direction not in {"asc", "desc"}:
            raise InvalidInput(
                f"sortby has {str(entry)[:60]!r}.",
                'It takes {"field": ..., "direction": "asc" or "desc"}.',
                where="sortby",
            )
        found.append(Sort(field, direction == "desc"))
    return tuple(found)


def _wanted(value: Any) -> Fields:
    if isinstance(value, str | list):
        value = _fields(value if isinstance(value, str) else ",".join(_texts(value, "fields")))
    if not isinstance(value, dict):
        raise InvalidInput("fields is no object.", "It has `include` and `exclude`.", where="fields")
    include, exclude = (frozenset(_texts(value.get(side), "fields")) for side in ("include", "exclude"))
    return Fields(include if "include" in value or not exclude else None, exclude)
