"""Links that lead nowhere, twice to one place, or by the wrong name."""

import re
from collections.abc import Iterator
from typing import Any

from terrafair.catalogue.rules.findings import Drop, Finding, Put
from terrafair.catalogue.rules.official.references import PREFIXES
from terrafair.catalogue.rules.paths import PUBLISHED, relative
from terrafair.catalogue.rules.subject import Subject

INSIDE = ("related", "parent", "root", "child", "item", "collection")
ENTITY_FILES = frozenset({"catalog.json", "collection.json", "record.json"})
_DOI = re.compile(r"10\.\d{4,9}/\S+")
TITLED = ("related", "parent", "root", "child", "item")


def links(subject: Subject) -> Iterator[Finding]:
    """All links of a document."""
    seen: dict[tuple[str, str], int] = {}
    exists, title = subject.snapshot.exists, subject.snapshot.known_title
    for (number, link), target in zip(subject.links, subject.targets, strict=True):
        href, rel = link["href"], link.get("rel")
        if rel == "self":
            yield from _self(subject, number, href)
        elif target and (
            href.startswith(("10.", PUBLISHED))
            or not exists(target)
            or _is_named_apart(link.get("title"), title(target))
        ):
            yield from _inside(subject, number, link, target)
        if not isinstance(rel, str):
            continue
        first = seen.setdefault((rel, target or href), number)
        if first != number:
            edits = [Drop(subject.path, f"/links/{number}")] if subject.data["links"][first] == link else []
            yield subject.finding(
                "duplicate-link",
                f"/links/{number}",
                f"Link {number} is a second `{rel}` link to {href}; link {first} is the first.",
                "",
                *edits,
            )


def _is_named_apart(given: Any, title: str | None) -> bool:
    """Whether a link may be titled otherwise than what it leads to."""
    return given is not None and given != title and (title is None or not str(given).endswith(f": {title}"))


def _self(subject: Subject, number: int, href: str) -> Iterator[Finding]:
    wanted = PUBLISHED + subject.path
    # Items of a product may be published elsewhere.
    if href.startswith(PUBLISHED) and href != wanted:
        pointer = f"/links/{number}/href"
        message = f"The `self` link is {href}, which is another document's address."
        yield subject.finding(
            "self-elsewhere", pointer, message, f"Set it to {wanted}.", Put(subject.path, pointer, wanted)
        )


def _inside(subject: Subject, number: int, link: dict[str, Any], target: str) -> Iterator[Finding]:
    href, rel = link["href"], link.get("rel")
    pointer = f"/links/{number}/href"
    if href.startswith("10.") and _DOI.fullmatch(href):
        wanted = f"https://doi.org/{href}"
        message = f"The `{rel}` link is the DOI {href} without its address, so it leads to a file of that name."
        yield subject.finding("dead-link", pointer, message, f"Write {wanted}.", Put(subject.path, pointer, wanted))
        return
    if not subject.snapshot.exists(target):
        yield subject.finding("dead-link", pointer, f"The `{rel}` link leads to {href}; {target} does not exist.")
        return
    if rel in INSIDE and href.startswith(PUBLISHED):
        wanted = relative(subject.path, target)
        message = f"The `{rel}` link to {href} leads into the catalogue by its published address."
        yield subject.finding("absolute-link", pointer, message, f"Write {wanted}.", Put(subject.path, pointer, wanted))
    given = link.get("title")
    if rel not in TITLED or not isinstance(given, str):
        return
    if target.count("/") != 2 or target.rpartition("/")[2] not in ENTITY_FILES:
        # The items of a product may be called by other names.
        return
    title = subject.snapshot.title(target)
    if title is None or title == given:
        return
    prefix = PREFIXES.get(target.partition("/")[0], "") if rel == "related" else ""
    wanted = f"{prefix}: {title}" if prefix else title
    if given != wanted:
        place = f"/links/{number}/title"
        message = f"The `{rel}` link to {href} is titled {given!r}; what it leads to is titled {title!r}."
        yield subject.finding("stale-title", place, message, f"Set it to {wanted!r}.", Put(subject.path, place, wanted))
