"""The documents in a folder on disk with the state of each; a folder is listed again only when it has changed."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

DOCUMENT_ENDINGS = (".json", ".geojson")
SETTLED = 2 * 10**9
"""Nanoseconds after which a folder's time of change tells of every change; file systems count in ticks."""
Mark = tuple[int, int, int]
"""State of a file: it differs when the content does."""


def is_document(name: str) -> bool:
    """Whether the official validator would take a file of this name."""
    if name.endswith(DOCUMENT_ENDINGS) and name[-6:] != "/.json" and name[-9:] != "/.geojson" and name[0] != ".":
        return True
    stem, dot, ending = name.rpartition("/")[2].rpartition(".")
    return bool(stem and dot) and f".{ending.lower()}" in DOCUMENT_ENDINGS


def mark_of(place: str) -> Mark | None:
    """The state of what is at a place; None where nothing is."""
    try:
        about = os.lstat(place)
    except (OSError, ValueError):
        return None
    return about.st_ctime_ns, about.st_size, about.st_ino


@dataclass(frozen=True, slots=True)
class Entries:
    """What lies in one folder."""

    changed: int
    settled: bool
    documents: tuple[str, ...]
    folders: tuple[str, ...]


class Listing:
    """Remembers what lies in each folder."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._folders: dict[str, Entries] = {}

    def __iter__(self) -> Iterator[tuple[str, Mark]]:
        """(path, state) of every document now."""
        waiting = [""]
        while waiting:
            prefix = waiting.pop()
            with suppress(OSError):
                entries = self._entries(prefix)
                waiting += entries.folders
                for path in entries.documents:
                    if (mark := mark_of(f"{self._root}/{path}")) is not None:
                        yield path, mark

    def _entries(self, prefix: str) -> Entries:
        place = f"{self._root}/{prefix}"
        changed = os.lstat(place).st_mtime_ns
        known = self._folders.get(prefix)
        if known is None or not known.settled or known.changed != changed:
            documents, folders = scanned(place, prefix)
            settled = time.time_ns() - changed > SETTLED
            known = self._folders[prefix] = Entries(changed, settled, documents, folders)
        return known


def scanned(place: str, prefix: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Paths of the documents and, with a slash at the end, of the folders; symbolic links to folders are left out."""
    documents, folders = [], []
    with os.scandir(place) as entries:
        for entry in entries:
            path = f"{prefix}{entry.name}"
            if is_document(entry.name):
                # A folder of that name, too: the official validator fails to read it as a file.
                documents.append(path)
            elif entry.is_dir(follow_symlinks=False) and entry.name != ".git":
                folders.append(f"{path}/")
    return tuple(documents), tuple(folders)
