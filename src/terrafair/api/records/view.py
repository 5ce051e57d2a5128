"""A record as it is searched: flat properties beside its geometry, made from the document as it was published."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from terrafair.catalogue.records import Box, Kind, Record

COLLECTIONS: Mapping[str, Kind] = {
    "workflows": Kind.WORKFLOW,
    "experiments": Kind.EXPERIMENT,
    "products": Kind.PRODUCT,
}
QUERYABLES: Mapping[str, Mapping[str, Any]] = {
    "id": {"title": "Identifier", "type": "string"},
    "type": {"title": "Type of the resource", "type": "string"},
    "title": {"title": "Title", "type": "string"},
    "description": {"title": "Description", "type": "string"},
    "keywords": {"title": "Keywords", "type": "array", "items": {"type": "string"}},
    "themes": {"title": "Ids of themes", "type": "array", "items": {"type": "string"}},
    "variables": {"title": "Ids of variables", "type": "array", "items": {"type": "string"}},
    "missions": {"title": "Ids of EO missions", "type": "array", "items": {"type": "string"}},
    "formats": {"title": "Names of formats", "type": "array", "items": {"type": "string"}},
    "contacts": {"title": "Names of people and organisations", "type": "array", "items": {"type": "string"}},
    "created": {"title": "Created", "type": "string", "format": "date-time"},
    "updated": {"title": "Updated", "type": "string", "format": "date-time"},
    "start_datetime": {"title": "Begin of the time that it covers", "type": "string", "format": "date-time"},
    "end_datetime": {"title": "End of the time that it covers", "type": "string", "format": "date-time"},
    "license": {"title": "Licence", "type": "string"},
    "osc:project": {"title": "Id of the project", "type": "string"},
    "osc:workflow": {"title": "Id of the workflow (experiments)", "type": "string"},
    "osc:experiment": {"title": "Id of the experiment (products)", "type": "string"},
    "osc:status": {"title": "Status", "type": "string"},
    "osc:region": {"title": "Region", "type": "string"},
    "application:type": {"title": "Type of the workflow", "type": "string"},
}
FACETS = ("type", "keywords", "themes", "variables", "missions", "formats", "license", "osc:project", "osc:status")
_TYPES = {Kind.PRODUCT: "dataset"}


@dataclass(frozen=True, slots=True)
class View:
    """One record, read for searching."""

    record: Record
    properties: Mapping[str, Any]
    """By the names of `QUERYABLES`; those without a value are None."""
    geometry: Mapping[str, Any] | None
    external: tuple[str, ...]
    """Its ids elsewhere, alone and as `scheme:value`."""
    text: str
    """What free text is looked for in, folded."""

    def feature(self) -> dict[str, Any]:
        """For a CQL2 expression."""
        return {
            "type": "Feature",
            "id": self.record.id,
            "geometry": self.geometry,
            "properties": dict(self.properties),
        }


def view(record: Record) -> View:
    """Read one record."""
    document = record.document
    inner = document.get("properties")
    about: Mapping[str, Any] = inner if isinstance(inner, dict) else document
    properties: dict[str, Any] = dict.fromkeys(QUERYABLES)
    for name in ("created", "updated", "license", *(name for name in QUERYABLES if ":" in name)):
        value = about.get(name, document.get(name))
        properties[name] = value if isinstance(value, str) else None
    linked: dict[Kind, list[str]] = {}
    for kind, identifier in sorted(record.links_to):
        linked.setdefault(kind, []).append(identifier)
    projects = linked.get(Kind.PROJECT, [])
    properties |= {
        "id": record.id,
        "type": _TYPES.get(record.kind) or _text(about.get("type")) or record.kind.value,
        "title": record.title or None,
        "description": record.description or None,
        "keywords": list(record.keywords),
        "themes": linked.get(Kind.THEME, []),
        "variables": linked.get(Kind.VARIABLE, []),
        "missions": linked.get(Kind.MISSION, []),
        "formats": [_text(each.get("name")) for each in _objects(about.get("formats")) if _text(each.get("name"))],
        "contacts": list(_names(about, document)),
        "start_datetime": record.start or None,
        "end_datetime": record.end or None,
        "osc:project": properties["osc:project"] or (projects[0] if projects else None),
    }
    words = (record.id, record.title, record.description, *record.keywords, *properties["contacts"])
    return View(record, properties, _geometry(record), tuple(_external(about)), " \n ".join(words).casefold())


def _geometry(record: Record) -> Mapping[str, Any] | None:
    own = record.document.get("geometry")
    if isinstance(own, dict) and own.get("coordinates"):
        return own
    rings = [_ring(box) for box in record.boxes]
    if not rings:
        return None
    if len(rings) == 1:
        return {"type": "Polygon", "coordinates": rings[0]}
    return {"type": "MultiPolygon", "coordinates": rings}


def _ring(box: Box) -> list[list[list[float]]]:
    west, south, east, north = box
    east = east if west <= east else east + 360
    return [[[west, south], [east, south], [east, north], [west, north], [west, south]]]


def _external(about: Mapping[str, Any]) -> Iterator[str]:
    for each in _objects(about.get("externalIds")):
        if value := _text(each.get("value")):
            yield value
            if scheme := _text(each.get("scheme")):
                yield f"{scheme}:{value}"
    if doi := _text(about.get("sci:doi")):
        yield from (doi, f"doi:{doi}", f"https://doi.org/{doi}")


def _names(about: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    for each in (*_objects(about.get("contacts")), *_objects(document.get("providers"))):
        yield from filter(None, (_text(each.get("name")), _text(each.get("organization"))))


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
