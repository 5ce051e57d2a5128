"""The link conventions of the Open Science Catalog."""

from typing import Any

ROOT_TITLE = "Open Science Catalog"
KINDS = {
    "projects": ("Projects", "Project: ", "collection.json"),
    "themes": ("Themes", "Theme: ", "catalog.json"),
    "variables": ("Variables", "Variable: ", "catalog.json"),
    "eo-missions": ("EO Missions", "EO Mission: ", "catalog.json"),
    "products": ("Products", "Product: ", "collection.json"),
    "workflows": ("Workflows", "Workflow: ", "record.json"),
    "experiments": ("Experiments", "Experiment: ", "record.json"),
}
"""Folder -> title of its catalogue, prefix of titles in `related` links, file name; in the root's order."""

Link = dict[str, Any]
Document = dict[str, Any]
JSON = "application/json"


def path(kind: str, identifier: str) -> str:
    """Give the file of an entry."""
    return f"{kind}/{identifier}/{KINDS[kind][2]}"


def link(relation: str, href: str, title: str = "", media_type: str = JSON, **fields: Any) -> Link:
    """Give a link with its keys in the order that the catalogue uses."""
    found: Link = {"rel": relation, "href": href}
    if media_type:
        found["type"] = media_type
    if title:
        found["title"] = title
    return found | fields


def related(kind: str, identifier: str, title: str) -> Link:
    """Point from one entry to another, which bears the prefix of its kind."""
    return link("related", f"../../{path(kind, identifier)}", KINDS[kind][1] + title)


def child(kind: str, identifier: str, title: str) -> Link:
    """Point from one entry to another that belongs to it."""
    return link("child", f"../../{path(kind, identifier)}", title)


def framed(kind: str, identifier: str, between: list[Link], site: str) -> list[Link]:
    """Put root and parent before an entry's links, and self after them; `site` is where the catalogue is published.

    `self` must come last: the official validator compares only the first relative link type with its own site.
    """
    up = [link("root", "../../catalog.json", ROOT_TITLE), link("parent", "../catalog.json", KINDS[kind][0])]
    return [*up, *between, link("self", site + path(kind, identifier))]


def title_of(document: Document) -> str:
    """The title of an entry; records have it among their properties."""
    properties = document.get("properties")
    own = document.get("title")
    return str(own or (properties.get("title") if isinstance(properties, dict) else "") or document.get("id", ""))
