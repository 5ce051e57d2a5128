"""Reads the links and properties of records, in the spellings that authors use."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit


class Entry(Protocol):
    """A record of the catalogue, as much of it as the resolver reads."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def path(self) -> str:
        """In the catalogue's repository."""
        ...

    @property
    def title(self) -> str:
        """Its title."""
        ...

    @property
    def document(self) -> Mapping[str, Any]:
        """As published."""
        ...


_ENTITY = re.compile(
    r"(?:^|/)(?P<folder>products|projects|workflows|experiments)/(?P<id>[^/]+)/(?:collection|record)\.json$"
)


def links(entry: Entry, *relations: str) -> Iterator[Mapping[str, Any]]:
    """The well-formed links of these relations, whatever their case; all without one."""
    found = entry.document.get("links")
    wanted = {relation.casefold() for relation in relations}
    for link in found if isinstance(found, list) else ():
        if isinstance(link, Mapping) and _is_address(link.get("href")):
            relation = str(link.get("rel", "")).casefold().rpartition("#")[2].rpartition("/")[2]
            if not wanted or relation in wanted:
                yield link


def _is_address(href: object) -> bool:
    try:
        return isinstance(href, str) and bool(href.strip()) and urlsplit(href) is not None
    except ValueError:
        return False


def related(entry: Entry, folder: str, *relations: str) -> list[str]:
    """Ids of the entities of one folder that an entry links to."""
    found: dict[str, None] = {}
    for link in links(entry, *relations):
        match = _ENTITY.search(link["href"].split("?")[0])
        if match and match["folder"] == folder:
            found.setdefault(match["id"])
    return list(found)


def properties(entry: Entry) -> Mapping[str, Any]:
    """The `properties` of a record; a STAC collection has its fields at the top."""
    about = entry.document.get("properties")
    return about if isinstance(about, Mapping) else entry.document


def text(entry: Entry, name: str) -> str:
    """A text among the properties; empty where there is none."""
    value = properties(entry).get(name)
    return value.strip() if isinstance(value, str) else ""
