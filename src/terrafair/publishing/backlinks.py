"""Links from the entries that are there to those that are new, and their titles where one has changed."""

from collections.abc import Iterable, Mapping
from typing import Any

from terrafair.publishing.links import KINDS, Document, Link, child, link, path, related

CHILDREN: Mapping[str, frozenset[str]] = {
    "products": frozenset({"projects", "themes", "variables", "eo-missions", "experiments"}),
    "experiments": frozenset({"workflows"}),
}
"""Kind -> kinds whose entries hold it as a child; all others are related."""


def listed(folder: Document, kind: str, identifier: str, title: str) -> Document:
    """A folder's catalogue that lists an entry, in its order when it keeps one."""
    name = KINDS[kind][2]
    relation = "item" if name == "record.json" else "child"
    wanted = link(relation, f"./{identifier}/{name}", title)
    return {**folder, "links": _with(folder.get("links"), wanted)}


def back_link(document: Document, kind: str, target: str, identifier: str, title: str) -> Document:
    """An entry of `kind` that links back to an entry of the kind `target`."""
    wanted = child if kind in CHILDREN.get(target, ()) else related
    changed = {**document, "links": _with(document.get("links"), wanted(target, identifier, title))}
    workflows = document.get("osc:workflows")
    if kind == "projects" and target == "workflows" and isinstance(workflows, list) and identifier not in workflows:
        changed["osc:workflows"] = [*workflows, identifier]
    return changed


def retitled(document: Document, kind: str, identifier: str, title: str) -> Document:
    """A document whose links to an entry bear its new title."""
    end = "/" + path(kind, identifier)
    found: list[Any] = []
    for each in document.get("links") or ():
        if isinstance(each, dict) and str(each.get("href", "")).endswith(end) and each.get("rel") != "self":
            prefix = KINDS[kind][1] if str(each.get("title", "")).startswith(KINDS[kind][1]) else ""
            each = {**each, "title": prefix + title}  # noqa: PLW2901
        found.append(each)
    return {**document, "links": found}


def _with(links: Any, wanted: Link) -> list[Link]:
    known = [each for each in links or () if isinstance(each, dict)]
    for place, each in enumerate(known):
        if _place(each) == _place(wanted) and each.get("rel") == wanted["rel"]:
            return [*known[:place], {**each, "title": wanted["title"]}, *known[place + 1 :]]
    same = [n for n, each in enumerate(known) if each.get("rel") == wanted["rel"] and _folder(each) == _folder(wanted)]
    return [*known[: (at := _position(known, same, wanted))], wanted, *known[at:]]


def _position(known: list[Link], same: list[int], wanted: Link) -> int:
    """Among its like by address when they are sorted so, else behind the last of them, else before `self`."""
    hrefs = [str(known[n].get("href")) for n in same]
    if len(hrefs) > 1 and hrefs == sorted(hrefs) and [*same] == list(range(same[0], same[-1] + 1)):
        return same[0] + sum(href < str(wanted["href"]) for href in hrefs)
    if same:
        return same[-1] + 1
    return len(known) - 1 if known and known[-1].get("rel") == "self" else len(known)


def _place(each: Link) -> str:
    return str(each.get("href", "")).removeprefix("./")


def _folder(each: Link) -> str:
    parts = _place(each).split("/")
    return "/".join(parts[:-2])


def targets(document: Document) -> Iterable[tuple[str, str]]:
    """(kind, id) of the entries that a document links to."""
    for each in document.get("links") or ():
        parts = str(each.get("href", "") if isinstance(each, dict) else "").split("/")
        if len(parts) >= 3 and parts[-3] in KINDS and parts[-1] == KINDS[parts[-3]][2] and each.get("rel") != "self":
            yield parts[-3], parts[-2]
