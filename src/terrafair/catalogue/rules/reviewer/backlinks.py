"""Both ends of a relation name each other."""

from collections.abc import Iterator
from typing import Any

from terrafair.catalogue.rules.findings import Finding, Put
from terrafair.catalogue.rules.official.links import JSON
from terrafair.catalogue.rules.official.place import Role
from terrafair.catalogue.rules.official.references import FILES, PREFIXES, THEMES_SCHEME
from terrafair.catalogue.rules.paths import relative
from terrafair.catalogue.rules.subject import Subject

Named = tuple[str, str, str]
"""Pointer, folder of the kind, id."""


def backlinks(subject: Subject) -> Iterator[Finding]:
    """What an entity names lists it as a child, and what it lists names it."""
    named = named_by(subject)
    for pointer, kind, identifier in named:
        target = f"{kind}/{identifier}/{FILES.get(kind, 'catalog')}.json"
        other = subject.around(target)
        if other is None or not isinstance(other.document.data, dict) or other.leads_to(subject.path, "child"):
            continue
        # Records and projects call what belongs to them `related` as often as `child`; lists by theme do not.
        either = kind in ("workflows", "experiments") or subject.role is Role.WORKFLOW
        if either and other.leads_to(subject.path, "related"):
            continue
        rel = "related" if subject.role is Role.WORKFLOW else "child"
        yield subject.finding(
            "back-link",
            pointer,
            f"It names {PREFIXES[kind].lower()} {identifier!r}, and {target} has no `{rel}` link back to it.",
            f"Add it to {target}.",
            *_back(subject, other, rel),
        )
    yield from _listed(subject)


def _back(subject: Subject, other: Subject, rel: str) -> Iterator[Put]:
    title = subject.document.title
    if not isinstance(other.document.data.get("links"), list):
        return
    prefix = f"{PREFIXES[subject.path.partition('/')[0]]}: " if rel == "related" else ""
    link = {"rel": rel, "href": relative(other.path, subject.path), "type": JSON}
    yield Put(other.path, "/links/-", link | ({"title": prefix + title} if title else {}))


def named_by(subject: Subject) -> list[Named]:
    """The entities that a document names by their ids."""
    data = subject.data
    if subject.role is Role.PRODUCT:
        found = [*_ids(data, "osc:project", "projects"), *_ids(data, "osc:experiment", "experiments")]
        found += [*_ids(data, "osc:variables", "variables"), *_ids(data, "osc:missions", "eo-missions")]
        return [*found, *_themes(data)]
    if subject.role is Role.EXPERIMENT:
        return [*_ids(subject.properties, "osc:workflow", "workflows", "/properties")]
    if subject.role is Role.WORKFLOW:
        return [*_ids(subject.properties, "osc:project", "projects", "/properties")]
    return []


def _ids(data: Any, field: str, kind: str, prefix: str = "") -> Iterator[Named]:
    value = data.get(field)
    if isinstance(value, str) and value:
        yield f"{prefix}/{field}", kind, value
    for number, entry in enumerate(value if isinstance(value, list) else ()):
        if isinstance(entry, str) and entry:
            yield f"{prefix}/{field}/{number}", kind, entry


def _themes(data: Any) -> Iterator[Named]:
    entries = data.get("themes")
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        concepts = entry.get("concepts") if isinstance(entry, dict) else None
        if not isinstance(concepts, list) or entry.get("scheme") != THEMES_SCHEME:
            continue
        for place, concept in enumerate(concepts):
            identifier = concept.get("id") if isinstance(concept, dict) else None
            if isinstance(identifier, str):
                yield f"/themes/{number}/concepts/{place}/id", "themes", identifier


_LISTING = {
    Role.PROJECT: ("osc:project", "projects"),
    Role.MISSION: ("osc:missions", "eo-missions"),
    Role.VARIABLE: ("osc:variables", "variables"),
    Role.THEME: ("themes", "themes"),
}


def _listed(subject: Subject) -> Iterator[Finding]:
    """Products that an entity lists and that do not name it."""
    if subject.role not in _LISTING:
        return
    field, kind = _LISTING[subject.role]
    identifier = subject.path.split("/")[1]
    for (number, link), place in zip(subject.links, subject.targets, strict=True):
        target = place if link.get("rel") == "child" and subject.snapshot.is_asked_about(subject.path, place) else ""
        other = subject.around(target) if target else None
        if other is None or not isinstance(other.document.data, dict) or other.role is not Role.PRODUCT:
            continue
        data = other.document.data
        names = _themes(data) if field == "themes" else _ids(data, field, kind)
        if identifier not in {name for _, _, name in names}:
            yield subject.finding(
                "listed-unnamed",
                f"/links/{number}",
                f"It lists {target}, which does not name it in `{field}`.",
                f"Name {identifier!r} in {target}, or remove the link.",
            )
