"""An entity of the catalogue as its page tells it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from terrafair.catalogue.records import FACETS, Kind, Record, data_reference, entity_of, links

INNER = frozenset({"root", "parent", "self", "collection", "prev", "next"})
EDITED = frozenset({Kind.PRODUCT, Kind.WORKFLOW, Kind.EXPERIMENT})
RUNNABLE = frozenset({Kind.WORKFLOW, Kind.EXPERIMENT})
Title = Callable[[str, str], str]
"""(kind, id) -> title; empty: the catalogue has no such entity."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another entity."""

    kind: str
    title: str
    href: str
    """Empty: the catalogue does not hold it."""
    here: bool = False


@dataclass(frozen=True, slots=True)
class Outside:
    """A link that leaves the catalogue."""

    title: str
    href: str
    rel: str
    safe: bool
    """Whether a browser may be sent there: http and https."""


@dataclass(frozen=True, slots=True)
class Entity:
    """What a page shows of one."""

    kind: str
    id: str
    title: str
    description: str
    facts: tuple[tuple[str, str], ...]
    """(name, value), in the order of reading."""
    about: tuple[Neighbour, ...]
    """Themes, variables, missions and projects."""
    data: str
    """Where machines find its data; empty: nowhere."""
    preview: str
    """Address of a picture elsewhere: shown as a link, never loaded."""
    outside: tuple[Outside, ...]
    citation: str
    run: str
    """Its page under Run; empty: it does not run."""
    start: str
    end: str
    stale: bool
    edit: str = ""
    """Where it is edited; empty: nowhere here."""
    s3: str = ""
    """Where its data lie in S3; empty: it does not say."""

    @property
    def checkable(self) -> tuple[str, ...]:
        """Addresses that can be asked whether they answer."""
        return tuple(link.href for link in self.outside if link.safe)


def href(kind: str, id: str) -> str:  # noqa: A002 - the field's word
    """An entity's page."""
    return f"/find/{kind}/{quote(id, safe='')}"


def read(record: Record, title: Title) -> Entity:
    """The page's content; `title` names the entities that the record links to."""
    properties = record.document.get("properties")
    about = {**record.document, **(properties if isinstance(properties, dict) else {})}
    named = sorted(record.links_to, key=lambda pair: (list(Kind).index(pair[0]), pair[1]))
    return Entity(
        kind=record.kind.value,
        id=record.id,
        title=record.title or record.id,
        description=record.description,
        facts=tuple(_facts(record, about)),
        about=tuple(_neighbour(kind, id, title) for kind, id in named if kind in FACETS),  # noqa: A001
        data=data_reference(record),
        preview=_preview(record),
        outside=tuple(_outside(record)),
        citation=_citation(record, about),
        run=f"/run/{record.kind.value}/{quote(record.id, safe='')}" if record.kind in RUNNABLE else "",
        start=record.start[:10],
        end=record.end[:10],
        stale=record.stale,
        edit=f"/publish/edit/{record.kind.value}/{quote(record.id, safe='')}" if record.kind in EDITED else "",
        s3=next((link["href"] for link in links(record.document) if link["href"].startswith("s3://")), ""),
    )


def chain(record: Record, near: Mapping[Kind, list[tuple[str, str]]]) -> list[tuple[str, list[Neighbour]]]:
    """Inputs -> workflow -> experiment -> product -> used by, with what the catalogue knows; empty for other kinds."""
    if record.kind not in {*RUNNABLE, Kind.PRODUCT}:
        return []
    inputs = [
        Neighbour("input", str(link.get("title") or link["href"]), link["href"] if _is_web(link["href"]) else "")
        for link in links(record.document)
        if link.get("rel") in {"input", "application-input"}
    ]
    used = _users(record, near)
    steps: list[tuple[str, list[Neighbour]]] = [("inputs", inputs)] if inputs else []
    for kind in (Kind.WORKFLOW, Kind.EXPERIMENT, Kind.PRODUCT):
        found = [(id, name) for id, name in near.get(kind, ()) if (kind, id) not in used]  # noqa: A001
        others = [Neighbour(kind.value, name, href(kind.value, id)) for id, name in found]  # noqa: A001
        if kind is record.kind:
            others = [Neighbour(kind.value, record.title or record.id, "", here=True)]
        steps.append((kind.value, others))
    if used:
        names = {(kind, id): name for kind, all_ in near.items() for id, name in all_}  # noqa: A001
        steps.append(("used by", [Neighbour(kind.value, names[kind, id], href(kind.value, id)) for kind, id in used]))  # noqa: A001
    return steps


def _users(record: Record, near: Mapping[Kind, list[tuple[str, str]]]) -> list[tuple[Kind, str]]:
    """What links to a product that was made by something else: it has used the product."""
    if record.kind is not Kind.PRODUCT:
        return []
    makers = {pair for pair in record.links_to if pair[0] is Kind.EXPERIMENT}
    named = record.document.get("osc:experiment")
    makers |= {(Kind.EXPERIMENT, named)} if isinstance(named, str) else set()
    linked = [(Kind.EXPERIMENT, id) for id, _ in near.get(Kind.EXPERIMENT, ())]  # noqa: A001
    return [pair for pair in linked if makers and pair not in makers]


def _neighbour(kind: Kind, id: str, title: Title) -> Neighbour:  # noqa: A002
    found = title(kind.value, id)
    return Neighbour(kind.value, found or id, href(kind.value, id) if found else "")


def _facts(record: Record, about: Mapping[str, Any]) -> list[tuple[str, str]]:
    time = f"{record.start[:10] or 'open'} to {record.end[:10] or 'open'}" if record.dated else ""
    boxes = "; ".join(", ".join(f"{side:g}" for side in box) for box in record.boxes[:3])
    rows = [
        ("Time", time),
        ("Area", f"{boxes} (west, south, east, north)" if boxes else ""),
        ("Region", about.get("osc:region")),
        ("Status", about.get("osc:status")),
        ("Version", about.get("version")),
        ("Licence", about.get("license")),
        ("DOI", about.get("sci:doi")),
        ("Keywords", ", ".join(record.keywords)),
        ("Published", str(about.get("created") or "")[:10]),
        ("Updated", str(about.get("updated") or "")[:10]),
    ]
    return [(name, str(value)) for name, value in rows if value and isinstance(value, str | int | float)]


def _citation(record: Record, about: Mapping[str, Any]) -> str:
    """As its authors wish it, else from what the record says."""
    given = about.get("sci:citation")
    if isinstance(given, str) and given.strip():
        return given.strip()
    if record.kind not in {*RUNNABLE, Kind.PRODUCT}:
        return ""
    people = [
        str(person.get("name"))
        for name in ("contacts", "providers")
        for person in _list(about.get(name))
        if isinstance(person, dict) and person.get("name")
    ]
    year = str(about.get("updated") or about.get("created") or "")[:4]
    doi = f" https://doi.org/{about['sci:doi']}" if isinstance(about.get("sci:doi"), str) else ""
    who = f"{', '.join(dict.fromkeys(people))}. " if people else ""
    what = f"{record.title or record.id}{f' ({year})' if year else ''}"
    return f"{who}{what}. Open Science Catalog, {record.kind.value} {record.id}.{doi}"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _preview(record: Record) -> str:
    found = (link["href"] for link in links(record.document) if link.get("rel") in {"preview", "thumbnail"})
    return next((address for address in found if _is_web(address)), "")


def _outside(record: Record) -> list[Outside]:
    kept: dict[str, Outside] = {}
    for link in links(record.document):
        rel, address = str(link.get("rel", "")), link["href"]
        if rel in INNER or entity_of(address) or not urlsplit(address).scheme:
            continue
        title = str(link.get("title") or address)
        kept.setdefault(address, Outside(title, address, rel, _is_web(address)))
    return list(kept.values())


def _is_web(address: str) -> bool:
    return address.lower().startswith(("https://", "http://"))
