"""Find: search with facets and footprints, and one page for each entity."""

import json
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from terrafair.catalogue.facets import FACETS, Value
from terrafair.catalogue.query import Found, Query
from terrafair.catalogue.records import ENTITIES, Kind, Record
from terrafair.errors import InvalidInput, NotFound
from terrafair.portal import entity
from terrafair.portal.link_check import LinkCheck
from terrafair.portal.page import Pages

PAGE = 20
SHORT = 6
"""Values of a facet that are shown without asking for more."""
MOST = 60
SIDES = ("west", "south", "east", "north")


class Finding(Protocol):
    """What the pages ask of the catalogue."""

    def search(self, query: Query) -> Found:
        """Best matches first."""
        ...

    def facets(self, query: Query) -> Mapping[str, tuple[Value, ...]]:
        """How all that is found spreads."""
        ...

    def record(self, kind: str, id: str, parent: str = "") -> Record | None:  # noqa: A002
        """One record."""
        ...

    def near(self, kind: str, id: str) -> dict[Kind, list[tuple[str, str]]]:  # noqa: A002
        """What belongs to it."""
        ...

    def nearest(self, kinds: Any, id: str, n: int = 3) -> list[str]:  # noqa: A002
        """The ids that look most like one."""
        ...


def router(pages: Pages, catalogue: Finding, checks: LinkCheck | None = None) -> APIRouter:
    """`/find` and `/find/{kind}/{id}`; without `checks` no link is checked."""
    routes = pages.router()

    @routes.get("/find")
    def find(request: Request) -> Response:
        asked = _asked(request)
        content: dict[str, Any] = {"asked": asked, "found": None, "problem": None, "facets": [], "sides": SIDES}
        status = 200
        try:
            query = _query(asked)
            found = catalogue.search(query)
            content |= _found(catalogue, query, found, asked)
        except InvalidInput as error:
            content["problem"], status = error.problem, 400
        return pages.show(request, "find.html", content, status=status, drawn=True)

    @routes.get("/find/{kind}/{id}")
    def one(request: Request, kind: str, id: str, parent: str = "") -> Response:  # noqa: A002
        record = recorded(kind, id, parent)
        view = entity.read(record, lambda kind, id: _title(catalogue, kind, id))  # noqa: A006
        chain = entity.chain(record, catalogue.near(kind, id))
        content: dict[str, Any] = {"entity": view, "chain": chain, "products": None, "footprints": "[]"}
        content["footprints"] = _shapes([(view.title, "", record)])
        content |= {"checked": checks.known(view.checkable) if checks else {}, "checks": checks is not None}
        if kind in FACETS:
            users = Query.parse(kinds=("product",), limit=10, **{kind: id})
            content["products"] = catalogue.search(users)
            content["more"] = "/find?" + urlencode({"kind": "product", kind: id})
        return pages.show(request, "entity.html", content, drawn=True)

    @routes.post("/find/{kind}/{id}/links")
    def check(kind: str, id: str, parent: str = "") -> Response:  # noqa: A002
        """Ask the addresses that it names whether they answer."""
        view = entity.read(recorded(kind, id, parent), lambda kind, id: _title(catalogue, kind, id))  # noqa: A006
        if checks:
            checks.check(view.checkable)
        return RedirectResponse(f"{entity.href(kind, id)}#links", 303)

    def recorded(kind: str, id: str, parent: str) -> Record:  # noqa: A002
        if kind not in ENTITIES:
            raise NotFound(f"There is no kind of entity {kind!r}.", remedy=f"Kinds: {', '.join(ENTITIES)}.")
        record = catalogue.record(kind, id, parent)
        if record is None:
            near = catalogue.nearest([kind], id)
            remedy = f"Nearest: {', '.join(near)}." if near else "Look for it under Find."
            raise NotFound(f"The catalogue has no {kind} {id!r}.", remedy=remedy)
        return record

    return routes


def _title(catalogue: Finding, kind: str, id: str) -> str:  # noqa: A002
    record = catalogue.record(kind, id)
    return record.title or id if record else ""


def _asked(request: Request) -> dict[str, Any]:
    """The query string as the form shows it again."""
    given = request.query_params
    asked: dict[str, Any] = {name: given.get(name, "").strip() for name in (*FACETS[1:], "text", "time", *SIDES)}
    asked["kind"] = [kind for kind in given.getlist("kind") if kind]
    asked["page"] = given.get("page", "1")
    box = given.get("bbox", "").split(",")
    if len(box) == 4 and not any(asked[side] for side in SIDES):
        asked |= dict(zip(SIDES, (part.strip() for part in box), strict=True))
    return asked


def _query(asked: Mapping[str, Any]) -> Query:
    sides = [asked[side] for side in SIDES]
    if any(sides) and not all(sides):
        missing = next(side for side in SIDES if not asked[side])
        raise InvalidInput(f"The area has no {missing}.", remedy="Give all four sides, or none.", where=missing)
    if not asked["page"].isdecimal() or not 1 <= int(asked["page"]) <= 100_000:
        raise InvalidInput(f"There is no page {asked['page']!r}.", remedy="Pages count from 1.", where="page")
    fields = {name: asked[name] for name in (*FACETS[1:], "text", "time")}
    return Query.parse(
        kinds=tuple(asked["kind"]),
        bbox=",".join(sides) if any(sides) else "",
        limit=PAGE,
        offset=(int(asked["page"]) - 1) * PAGE,
        **fields,
    )


def _link(asked: Mapping[str, Any], **changes: Any) -> str:
    """The same search with some things changed; on its first page unless told."""
    kept = {name: value for name, value in {**asked, "page": "", **changes}.items() if value}
    return "/find" + (f"?{urlencode(kept, doseq=True)}" if kept else "")


def _found(catalogue: Finding, query: Query, found: Found, asked: dict[str, Any]) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for hit in found.items:
        record = catalogue.record(hit.kind.value, hit.id, hit.parent)
        if record is not None:
            rows.append({"hit": hit, "record": record, "href": entity.href(hit.kind.value, hit.id)})
    facets = [(name, _choices(name, values, asked)) for name, values in catalogue.facets(query).items()]
    page, last = int(asked["page"]), max(1, -(-found.total // PAGE))
    chosen = [(name, choice) for name, choices in facets for choice in choices["all"] if choice["chosen"]]
    return {
        "found": found,
        "rows": rows,
        "facets": facets,
        "chosen": chosen,
        "page": page,
        "last": last,
        "previous": _link(asked, page=str(page - 1)) if page > 1 else "",
        "following": _link(asked, page=str(page + 1)) if page < last else "",
        "anywhere": _link(asked, **dict.fromkeys(SIDES, "")) if query.box else "",
        "footprints": _shapes([(row["hit"].title, row["href"], row["record"]) for row in rows]),
    }


def _choices(name: str, values: tuple[Value, ...], asked: Mapping[str, Any]) -> dict[str, Any]:
    choices = []
    for value in values[:MOST]:
        chosen: Any = [value.id] if name == "kind" else value.id
        href = _link(asked, **{name: "" if value.chosen else chosen})
        choices.append({"title": value.title, "count": value.count, "chosen": value.chosen, "href": href})
    return {"all": choices, "short": choices[:SHORT], "rest": choices[SHORT:], "left": max(0, len(values) - MOST)}


def _shapes(entries: list[tuple[str, str, Record]]) -> str:
    """Boxes for the map, as JSON: `[{title, href, box}]`; those of the whole world tell nothing."""
    shapes = [
        {"title": title, "href": href, "box": box}
        for title, href, record in entries
        for box in record.boxes[:20]
        if (box[2] - box[0]) % 360 < 350 and not (box[2] - box[0] >= 350)
    ]
    # A title may hold `</script>`.
    return json.dumps(shapes).replace("<", "\\u003c")
