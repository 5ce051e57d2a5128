"""Which documents link to a file: found in the text of each, and read again only where the text changes."""

import json
import re
from collections.abc import Collection, Hashable, Iterable

from terrafair.catalogue.rules.paths import local

_HREF = re.compile(r'"href"\s*:\s*"((?:[^"\\]|\\.)*)"')
_UNUSUAL = re.compile(r"[?#%]|[^/.]\./|[^:]//|/$|[^.]\.\./")


def ending(path: str) -> str:
    """What an address of the file ends with, from wherever it leads there: folder and name."""
    return "/".join(path.split("/")[-2:])


def endings(path: str, raw: bytes) -> frozenset[str]:
    """The endings of all files that a document links to; one too many costs little, one too few is an error.

    Links of entities up to a `catalog.json` are left out: every one has them.
    """
    folder = path.rpartition("/")[0]
    above = folder.split("/") if folder else []
    found = set()
    for href in set(_HREF.findall(raw.decode("utf-8", "replace"))):
        address = _unescaped(href) if "\\" in href else href
        *start, name = address.rsplit("/", 2)
        holder = start[-1] if start else "."
        if holder == ".":
            found.add("/".join([*above[-1:], name]))
        elif holder != "..":
            found.add(f"{holder}/{name}")
        elif name != "catalog.json" or len(above) > 2:
            found.update([name, *(f"{folder}/{name}" for folder in above)])
        if _UNUSUAL.search(address) and (target := local(folder, address)):
            found.add(ending(target))
    return frozenset(found)


def _unescaped(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text


class Naming:
    """Ending -> documents that link to a file with it."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Hashable, frozenset[str]]] = {}
        self._documents: dict[str, set[str]] = {}

    def knows(self, path: str, mark: Hashable) -> bool:
        """Whether the document has been read in the state that `mark` stands for."""
        known = self._known.get(path)
        return known is not None and known[0] == mark

    def learn(self, path: str, mark: Hashable, raw: bytes) -> None:
        """Read a document's text."""
        self._forget(path)
        found = endings(path, raw)
        self._known[path] = mark, found
        for one in found:
            self._documents.setdefault(one, set()).add(path)

    def keep(self, paths: Collection[str]) -> None:
        """Forget all others."""
        if len(paths) != len(self._known):
            for path in self._known.keys() - paths:
                self._forget(path)

    def find(self, wanted: Iterable[str]) -> set[str]:
        """Documents that link to a file with one of these endings."""
        return set().union(*(self._documents.get(one, ()) for one in wanted))

    def _forget(self, path: str) -> None:
        _, found = self._known.pop(path, (None, frozenset[str]()))
        for one in found:
            self._documents[one].discard(path)
