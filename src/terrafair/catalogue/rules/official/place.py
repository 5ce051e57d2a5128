"""What a file is, by its path: the official validator's own patterns, first match first."""

import re
from enum import StrEnum
from typing import Any

_FOLDERS = "eo-missions|products|projects|themes|variables|workflows|experiments"
_LEVEL = re.compile(rf"/({_FOLDERS})/(catalog.json|(?:[^/]+/)?collection.json)")
_ANY_LEVEL = re.compile(rf"/({_FOLDERS})/(catalog.json|.+)")
_LIST = re.compile(rf"/({_FOLDERS})/catalog.json")
_USER_CONTENT = re.compile(r"/products/[^/]+/.+.json")
_OWNER = re.compile(r"/([^/]+)/[^/]+.json")


class Role(StrEnum):
    """Which set of rules a file falls under."""

    USER_CONTENT = "item of a product"
    LIST = "list of entities"
    ROOT = "root catalogue"
    MISSION = "EO mission"
    PRODUCT = "product"
    PROJECT = "project"
    THEME = "theme"
    VARIABLE = "variable"
    WORKFLOW = "workflow"
    EXPERIMENT = "experiment"
    RECORD = "other record"
    UNEXPECTED = "unexpected"


_ENTITIES = (
    (re.compile(r"/eo-missions/[^/]+/catalog.json"), Role.MISSION),
    (re.compile(r"/products/[^/]+/collection.json"), Role.PRODUCT),
    (re.compile(r"/projects/[^/]+/collection.json"), Role.PROJECT),
    (re.compile(r"/themes/[^/]+/catalog.json"), Role.THEME),
    (re.compile(r"/variables/[^/]+/catalog.json"), Role.VARIABLE),
)
_RECORDS = (
    (re.compile(r"/workflows/[^/]+/record.json"), Role.WORKFLOW),
    (re.compile(r"/experiments/[^/]+/record.json"), Role.EXPERIMENT),
)


_KINDS = frozenset(_FOLDERS.split("|"))
_USUAL = {
    ("eo-missions", "catalog.json"): Role.MISSION,
    ("products", "collection.json"): Role.PRODUCT,
    ("projects", "collection.json"): Role.PROJECT,
    ("themes", "catalog.json"): Role.THEME,
    ("variables", "catalog.json"): Role.VARIABLE,
    ("workflows", "record.json"): Role.WORKFLOW,
    ("experiments", "record.json"): Role.EXPERIMENT,
}
"""(kind, file) of nearly all documents, as only one pattern takes it: the folder is called like no kind or file."""


def _usual(path: str) -> tuple[str, str, str] | None:
    """(kind, folder, file) of a document that lies where entities do."""
    parts = path.split("/")
    if len(parts) != 3 or (parts[0], parts[2]) not in _USUAL or parts[1] in _KINDS or "json" in parts[1]:
        return None
    return parts[0], parts[1], parts[2]


def role_of(path: str, data: Any) -> Role:
    """The role of a document with a STAC version."""
    if (usual := _usual(path)) is not None and usual[2] != "record.json" and data.get("id") != "osc":
        return _USUAL[usual[0], usual[2]]
    place = f"/{path}"
    entity = _entity(place, _ENTITIES)
    if entity is not Role.PRODUCT and _USER_CONTENT.search(place):
        return Role.USER_CONTENT
    if _LIST.search(place):
        return Role.LIST
    if place.endswith("/catalog.json") and data.get("id") == "osc":
        return Role.ROOT
    return entity or Role.UNEXPECTED


def record_role(path: str) -> Role:
    """The role of a document without a STAC version."""
    if (usual := _usual(path)) is not None:
        return _USUAL[usual[0], usual[2]] if usual[2] == "record.json" else Role.RECORD
    return _entity(f"/{path}", _RECORDS) or Role.RECORD


def _entity(place: str, patterns: tuple[tuple[re.Pattern[str], Role], ...]) -> Role | None:
    return next((role for pattern, role in patterns if pattern.search(place)), None)


def own_schema(path: str, *, every_file: bool) -> str:
    """The schema that a release adds to the document's extensions: `products/children.json`; empty: none.

    `every_file` is the way up to rc.14, where any file below an entity folder got its `children` schema.
    """
    if not every_file and (usual := _usual(path)) is not None:
        return f"{usual[0]}/children.json" if usual[2] == "collection.json" else ""
    found = (_ANY_LEVEL if every_file else _LEVEL).search(f"/{path}")
    if found is None:
        return ""
    return f"{found[1]}/{'parent' if found[2] == 'catalog.json' else 'children'}.json"


def owner(path: str, name: str) -> str:
    """The folder name that must equal the id.

    A folder whose name begins with `json` is taken for a file of the folder above it: no id is right there.
    """
    if (usual := _usual(path)) is not None and "json" not in name:
        return usual[1]
    found = _OWNER.search(f"/\0/{name}/{path}")
    return found[1] if found else ""
