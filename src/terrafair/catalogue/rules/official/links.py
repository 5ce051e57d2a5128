"""Official rules about links: where they lead, how they are typed and titled."""

from collections.abc import Iterator, Sequence
from typing import Any

from terrafair.catalogue.rules.findings import Finding, Put
from terrafair.catalogue.rules.paths import PUBLISHED, last, parent, relative
from terrafair.catalogue.rules.subject import Subject

JSON = "application/json"


def shape(subject: Subject) -> Iterator[Finding]:
    """`links` is an array of objects with texts; the official validator crashes on anything else."""
    links = subject.data.get("links")
    if not isinstance(links, list):
        seen = "It has no `links`." if links is None else f"`links` is {_kind(links)}."
        yield subject.finding("links-array", "/links" if links is not None else "", seen)
        return
    if sum(map(len, subject.by_relation.values())) == len(links):
        return
    for number, link in enumerate(links):
        if not isinstance(link, dict):
            yield subject.finding("link-object", f"/links/{number}", f"Link {number} is {_kind(link)}, not an object.")
        elif not isinstance(link.get("href"), str) or not link["href"]:
            yield subject.finding("link-object", f"/links/{number}", f"Link {number} has no `href` with an address.")
        elif not isinstance(link.get("rel"), str):
            yield subject.finding("link-object", f"/links/{number}", f"Link {number} to {link['href']} has no `rel`.")


def _kind(value: Any) -> str:
    names = {list: "an array", dict: "an object", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


def titled(subject: Subject, number: int, link: dict[str, Any], prefix: str = "") -> Iterator[Finding]:
    """A link to a file with a title carries exactly that title."""
    title = subject.snapshot.title(subject.resolve(link["href"]))
    if title is None or link.get("title") == prefix + title:
        return
    wanted, pointer = prefix + title, f"/links/{number}/title"
    seen = f"has the title {link['title']!r}" if "title" in link else "has no title"
    yield subject.finding(
        "link-title",
        pointer,
        f"The `{link.get('rel')}` link to {link['href']} {seen}; the file's title asks for {wanted!r}.",
        f"Set the link's title to {wanted!r}.",
        Put(subject.path, pointer, wanted),
    )


def typed(subject: Subject, number: int, link: dict[str, Any]) -> Iterator[Finding]:
    """A link to a document of the catalogue is `application/json`."""
    if link.get("type") == JSON:
        return
    pointer = f"/links/{number}/type"
    seen = f"has the type {link['type']!r}" if "type" in link else "has no type"
    yield subject.finding(
        "link-type",
        pointer,
        f"The `{link.get('rel')}` link to {link['href']} {seen}; it must be {JSON!r}.",
        f"Set the link's type to {JSON!r}.",
        Put(subject.path, pointer, JSON),
    )


def upward(subject: Subject, rel: str, expected: str) -> Iterator[Finding]:
    """The one link to the parent or the root; `expected` is a path in the catalogue."""
    found = subject.first(rel)
    if found is None:
        yield _no_way_up(subject, rel, expected)
        return
    number, link = found
    if subject.resolve(link["href"]) != expected:
        pointer, href = f"/links/{number}/href", relative(subject.path, expected)
        title = subject.snapshot.title(expected)
        edits = [Put(subject.path, pointer, href)]
        if title:
            edits.append(Put(subject.path, f"/links/{number}/title", title))
        yield subject.finding(
            f"{rel}-link",
            pointer,
            f"The `{rel}` link leads to {link['href']}; it must lead to {href}.",
            f"Set its href to {href}.",
            *edits,
        )
    yield from typed(subject, number, link)
    yield from titled(subject, number, link)


def _no_way_up(subject: Subject, rel: str, expected: str) -> Finding:
    href, title = relative(subject.path, expected), subject.snapshot.title(expected)
    link = {"rel": rel, "href": href, "type": JSON} | ({"title": title} if title else {})
    edits = [Put(subject.path, "/links/-", link)] if isinstance(subject.data.get("links"), list) else []
    message = f"It has no `{rel}` link."
    return subject.finding(f"{rel}-link", "/links", message, f"Add one to {href}, typed {JSON!r}.", *edits)


def present(subject: Subject, rel: str) -> Iterator[Finding]:
    """There is a link of that relation."""
    if subject.first(rel) is None:
        yield subject.finding(f"{rel}-link", "/links", f"It has no `{rel}` link.")


def relative_or_published(subject: Subject, *, downward: bool = True) -> Iterator[Finding]:
    """Links inside the catalogue are relative, `self` is the published address.

    The official validator stops at the first link of the relative kind, whatever it found there. What comes after is
    for the reviewer layer.
    """
    inside = ("related", "parent", *(("item", "child") if downward else ()))
    for number, link in subject.links:
        if link.get("rel") == "self":
            yield from self_link(subject, number, link)
        elif link.get("rel") in inside:
            if "://" in link["href"]:
                message = f"The `{link['rel']}` link to {link['href']} is absolute."
                yield subject.finding("link-relative", f"/links/{number}/href", message)
            return


def self_link(subject: Subject, number: int, link: dict[str, Any]) -> Iterator[Finding]:
    """The document's own published address."""
    if link["href"].startswith(PUBLISHED):
        return
    pointer, wanted = f"/links/{number}/href", PUBLISHED + subject.path
    yield subject.finding(
        "self-link",
        pointer,
        f"The `self` link is {link['href']}; it must start with {PUBLISHED}.",
        f"Set it to {wanted}.",
        Put(subject.path, pointer, wanted),
    )


def children(subject: Subject, folder: str = "products", file: str = "collection.json") -> Iterator[Finding]:
    """`child` links of an entity lead to documents of one kind that exist."""
    for number, link in subject.by_relation.get("child", ()):
        pointer, href = f"/links/{number}/href", link["href"]
        yield from typed(subject, number, link)
        if last(parent(parent(href))) != folder or last(href) != file:
            yield subject.finding(
                "child-place", pointer, f"The `child` link to {href} must lead to {folder}/ID/{file}."
            )
        yield from titled(subject, number, link)
        if not subject.snapshot.exists(subject.resolve(href)):
            yield subject.finding("child-missing", pointer, f"The `child` link leads to {href}, which does not exist.")


def entries(subject: Subject, rel: str, wanted: Sequence[str]) -> Iterator[Finding]:
    """A list has a link for every file of `wanted`, and no other of that relation."""
    there, known = set(), frozenset(wanted)
    for number, link in subject.by_relation.get(rel, ()):
        yield from typed(subject, number, link)
        yield from titled(subject, number, link)
        target = subject.resolve(link["href"])
        there.add(target)
        if target not in known:
            yield subject.finding(
                "entry-dead",
                f"/links/{number}/href",
                f"The `{rel}` link leads to {link['href']}, where no entity of this list is.",
            )
    for path in wanted:
        if path not in there:
            yield missing_entry(subject, rel, path)


def missing_entry(subject: Subject, rel: str, path: str) -> Finding:
    """The finding of an entity that its list does not name."""
    href, title = relative(subject.path, path), subject.snapshot.title(path)
    link = {"rel": rel, "href": href, "type": JSON} | ({"title": title} if title else {})
    exists = subject.snapshot.exists(path) and isinstance(subject.data.get("links"), list)
    return subject.finding(
        "entry-missing",
        "/links",
        f"It has no `{rel}` link to {href}"
        + ("." if exists else f", which the folder {path.rpartition('/')[0]} asks for and does not hold."),
        f"Add the link with the title {title!r}." if title else "",
        *([Put(subject.path, "/links/-", link)] if exists else []),
    )
