"""Official rules about what an entity names: it exists, and there is a `related` link to it."""

from collections.abc import Iterator
from typing import Any

from terrafair.catalogue.rules.findings import Finding, Put
from terrafair.catalogue.rules.official.links import JSON, titled
from terrafair.catalogue.rules.paths import relative
from terrafair.catalogue.rules.subject import Subject

FILES = {"projects": "collection", "products": "collection", "experiments": "record", "workflows": "record"}
PREFIXES = {
    "projects": "Project",
    "products": "Product",
    "experiments": "Experiment",
    "workflows": "Workflow",
    "themes": "Theme",
    "variables": "Variable",
    "eo-missions": "EO Mission",
}
THEMES_SCHEME = "https://github.com/stac-extensions/osc#theme"
EXTENSIONS = {
    "themes": "https://stac-extensions.github.io/themes/v1.0.0/schema.json",
    "contacts": "https://stac-extensions.github.io/contacts/v0.1.1/schema.json",
    "osc": "https://stac-extensions.github.io/osc/v1.0.0/schema.json",
}


def reference(subject: Subject, pointer: str, value: Any, kind: str) -> Iterator[Finding]:
    """One id of another entity."""
    name, file = _spelled(value), FILES.get(kind, "catalog")
    target = subject.resolve(f"../../{kind}/{name}/{file}.json")
    exists = subject.snapshot.exists(target)
    if not exists:
        seen = f"It names the {PREFIXES[kind].lower()} {name!r}" if value is not None else f"It names no {kind[:-1]}"
        yield subject.finding("reference-missing", pointer, f"{seen}; {target} does not exist.")
    yield from related(subject, pointer, kind, name, target if exists else "")


def _spelled(value: Any) -> str:
    """As JavaScript writes a value into a text; absent values are `undefined` there."""
    return value if isinstance(value, str) else "undefined" if value is None else str(value)


def related(subject: Subject, pointer: str, kind: str, name: str, target: str) -> Iterator[Finding]:
    """The `related` link to an entity that is named; `target` is its file, or empty where there is none."""
    ending = f"/{kind}/{name}/{FILES.get(kind, 'catalog')}.json"
    prefix = f"{PREFIXES[kind]}: "
    for number, link in subject.by_relation.get("related", ()):
        if not link["href"].endswith(ending):
            continue
        if link.get("type") != JSON:
            place = f"/links/{number}/type"
            message = f"The `related` link to {link['href']} must have the type {JSON!r}."
            yield subject.finding("link-type", place, message, "", Put(subject.path, place, JSON))
        yield from titled(subject, number, link, prefix)
        return
    edits = []
    if target and isinstance(subject.data.get("links"), list):
        title = subject.snapshot.title(target)
        link = {"rel": "related", "href": relative(subject.path, target), "type": JSON}
        edits.append(Put(subject.path, "/links/-", link | ({"title": prefix + title} if title else {})))
    yield subject.finding(
        "related-link",
        pointer,
        f"It names {name!r} and has no `related` link to ../..{ending}.",
        f"Add the link with the type {JSON!r} and the title `{prefix}` and the entity's own.",
        *edits,
    )


def references(subject: Subject, field: str, kind: str) -> Iterator[Finding]:
    """A list of ids, where there is one."""
    values = subject.data.get(field)
    for number, value in enumerate(values if isinstance(values, list) else ()):
        yield from reference(subject, f"/{field}/{number}", value, kind)


def themes(subject: Subject) -> Iterator[Finding]:
    """The themes of the first entry with the catalogue's own scheme."""
    found = subject.data.get("themes")
    yield from extensions(subject, "themes")
    if not isinstance(found, list):
        yield subject.finding("themes", "", "It has no array `themes`.")
        return
    entry = next(
        ((number, item) for number, item in enumerate(found) if isinstance(item, dict) and _is_own(item)), None
    )
    if entry is None:
        yield subject.finding("themes", "/themes", f"None of its themes has the scheme {THEMES_SCHEME}.")
        return
    number, item = entry
    concepts = item.get("concepts")
    if not isinstance(concepts, list):
        yield subject.finding("themes", f"/themes/{number}", "Its themes have no array `concepts`.")
        return
    for place, concept in enumerate(concepts):
        pointer = f"/themes/{number}/concepts/{place}"
        if not isinstance(concept, dict):
            yield subject.finding("themes", pointer, "The concept is no object with an `id`.")
        else:
            yield from reference(subject, f"{pointer}/id", concept.get("id"), "themes")


def _is_own(item: dict[str, Any]) -> bool:
    return item.get("scheme") == THEMES_SCHEME


def extensions(subject: Subject, *names: str) -> Iterator[Finding]:
    """STAC extensions that the document declares."""
    declared = subject.data.get("stac_extensions")
    for name in names:
        address = EXTENSIONS[name]
        if isinstance(declared, list) and address in declared:
            continue
        if isinstance(declared, list):
            edit = Put(subject.path, "/stac_extensions/-", address)
        else:
            edit = Put(subject.path, "/stac_extensions", [address])
        yield subject.finding(
            "extension-missing",
            "/stac_extensions" if declared is not None else "",
            f"It does not declare the {name} extension.",
            f"Add {address} to `stac_extensions`.",
            edit,
        )
