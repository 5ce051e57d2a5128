"""A search of records as values, read from query parameters, and its answer from the records themselves."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import QueryParams

from terrafair.api.negotiation import whole
from terrafair.api.records import filter as cql
from terrafair.api.records.view import FACETS, QUERYABLES, View
from terrafair.catalogue.query import parse_box, parse_time
from terrafair.catalogue.records import Box
from terrafair.errors import InvalidInput, InvalidInputs, Problem

LIMIT, MOST = 20, 1000
FACET_BUCKETS = 50
KNOWN = frozenset(
    {
        "bbox", "bbox-crs", "datetime", "limit", "offset", "q", "type", "ids", "externalIds", "sortby", "filter",
        "filter-lang", "filter-crs", "facets", "f", "lang", "profile",
    }
)  # fmt: skip
CRS84 = ("http://www.opengis.net/def/crs/OGC/1.3/CRS84", "http://www.opengis.net/def/crs/EPSG/0/4326")


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for; empty fields do not restrict."""

    box: Box | None
    start: str
    end: str
    phrases: tuple[str, ...]
    """Any of them, folded."""
    types: tuple[str, ...]
    ids: tuple[str, ...]
    external: tuple[str, ...]
    equal: Mapping[str, tuple[str, ...]]
    """Property -> any of these values."""
    test: cql.Test | None
    order: tuple[tuple[str, bool], ...]
    """(property, descending)."""
    facets: tuple[str, ...]
    limit: int
    offset: int

    @classmethod
    def read(cls, parameters: QueryParams) -> "Search":
        """From a request; raises `InvalidInputs` naming each parameter that is wrong."""
        names = set(parameters) - KNOWN
        if strange := sorted(name for name in names if name not in QUERYABLES):
            known = ", ".join(sorted(KNOWN | set(QUERYABLES)))
            raise InvalidInputs([_strange(name, known) for name in strange])
        for name in ("bbox-crs", "filter-crs"):
            if (crs := parameters.get(name)) and crs not in CRS84:
                raise InvalidInput(f"{name} is {crs[:80]!r}.", f"It takes {CRS84[0]}.", where=name)
        box, moment = parameters.get("bbox", ""), parameters.get("datetime", "")
        text = parameters.get("filter", "")
        language = parameters.get("filter-lang") or ("cql2-json" if text.lstrip().startswith("{") else "cql2-text")
        start, end = parse_time(moment) if moment else ("", "")
        return cls(
            box=parse_box(box) if box else None,
            start=start,
            end=end,
            phrases=tuple(" ".join(part.split()).casefold() for part in _parts(parameters, "q")),
            types=tuple(_parts(parameters, "type")),
            ids=tuple(_parts(parameters, "ids")),
            external=tuple(_parts(parameters, "externalIds")),
            equal={name: tuple(parameters.getlist(name)) for name in names},
            test=cql.parse(text, language, QUERYABLES) if text else None,
            order=tuple(_order(parameters)),
            facets=tuple(_facets(parameters)),
            limit=whole(parameters, "limit", LIMIT, MOST),
            offset=whole(parameters, "offset", 0, 10**9, 0),
        )

    def fits(self, view: View) -> bool:
        """Whether a record is among what is looked for."""
        record = view.record
        return (
            (not self.ids or record.id in self.ids)
            and (not self.types or view.properties["type"] in self.types)
            and (not self.external or bool(set(self.external) & set(view.external)))
            and (not self.phrases or any(phrase in " ".join(view.text.split()) for phrase in self.phrases))
            and all(_equal(view.properties[name], values) for name, values in self.equal.items())
            and (self.box is None or any(_touches(self.box, box) for box in record.boxes))
            and self._in_time(view)
            and (self.test is None or self.test(view.feature()))
        )

    def _in_time(self, view: View) -> bool:
        if not (self.start or self.end):
            return True
        record = view.record
        early, late = record.start or "", record.end or "9999"
        return record.dated and (not self.start or late >= self.start) and (not self.end or early <= self.end)


@dataclass(frozen=True, slots=True)
class Answer:
    """One page."""

    views: Sequence[View]
    total: int
    facets: Mapping[str, Any]


def answer(search: Search, views: Iterable[View]) -> Answer:
    """The records that fit, in order, one page of them."""
    found = [view for view in views if search.fits(view)]
    for name, descending in reversed(search.order):
        found.sort(key=_key(name), reverse=descending)
        # What has no value comes last, whichever way.
        found.sort(key=lambda view, name=name: view.properties[name] in (None, []))  # type: ignore[misc]
    page = found[search.offset : search.offset + search.limit]
    return Answer(page, len(found), {name: _facet(name, found) for name in search.facets})


def _key(name: str) -> Callable[[View], Any]:
    return lambda view: str(view.properties[name] or "").casefold()


def _facet(name: str, found: Sequence[View]) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    for view in found:
        value = view.properties[name]
        counts.update(value if isinstance(value, list) else [value] if value else [])
    buckets = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:FACET_BUCKETS]
    return {
        "type": "term",
        "property": name,
        "buckets": [{"value": value, "count": count} for value, count in buckets],
        "more": len(counts) > FACET_BUCKETS,
    }


def _touches(one: Box, two: Box) -> bool:
    across = any(a <= d and c <= b for a, b in _spans(one) for c, d in _spans(two))
    return across and one[1] <= two[3] and two[1] <= one[3]


def _spans(box: Box) -> list[tuple[float, float]]:
    west, _, east, _ = box
    return [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]


def _equal(value: Any, wanted: Sequence[str]) -> bool:
    return any(each in value if isinstance(value, list) else each == value for each in wanted)


def _parts(parameters: QueryParams, name: str) -> list[str]:
    return [part.strip() for text in parameters.getlist(name) for part in text.split(",") if part.strip()]


def _order(parameters: QueryParams) -> Iterable[tuple[str, bool]]:
    for part in _parts(parameters, "sortby"):
        # A plus sign in a query is a blank once it is decoded, and has been stripped.
        name = part.lstrip("+-")
        if name not in QUERYABLES:
            raise InvalidInput(
                f"There is no property {name[:80]!r} to sort by.", "", f"It takes {', '.join(QUERYABLES)}.", "sortby"
            )
        yield name, part.startswith("-")


def _facets(parameters: QueryParams) -> Iterable[str]:
    if "facets" not in parameters:
        return
    wanted = _parts(parameters, "facets")
    if not wanted or wanted == ["true"]:
        yield from FACETS
        return
    for name in wanted:
        if name not in FACETS:
            raise InvalidInput(f"There is no facet {name[:80]!r}.", "", f"Facets: {', '.join(FACETS)}.", "facets")
        yield name


def _strange(name: str, known: str) -> Problem:
    return Problem(f"There is no parameter {name[:80]!r}.", "", f"Known: {known}.", name[:80], "unknown-parameter")
