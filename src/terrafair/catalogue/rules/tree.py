"""The files of a catalogue as validation sees them: a folder, a mapping, or changes laid over either."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


DOCUMENT_ENDINGS = (".json", ".geojson")
ENTITY_FOLDERS = ("eo-missions", "products", "projects", "themes", "variables", "workflows", "experiments")
FILE_LIMIT = 32 * 2**20
"""A larger document is reported and not read; the largest real one has 0.5 MB."""


class Tree(Protocol):
    """Files by path relative to the folder that holds the root `catalog.json`, with `/` on every system."""

    @property
    def name(self) -> str:
        """Of the folder."""
        ...

    def paths(self) -> Iterable[str]:
        """Every document of the catalogue: `catalog.json` and all JSON files below the entity folders."""
        ...

    def read(self, path: str) -> bytes | None:
        """The content of any file; None where there is none."""
        ...

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder at the path."""
        ...

    def folders(self, path: str) -> Iterable[str]:
        """Names of the folders directly below a folder."""
        ...


def is_document(name: str) -> bool:
    """Whether the official validator would take a file of this name."""
    return os.path.splitext(name)[1].lower() in DOCUMENT_ENDINGS  # noqa: PTH122 - a text, thousands of times


@dataclass(frozen=True)
class Folder:
    """A catalogue in a folder on disk; its state is read when it is asked for."""

    root: Path

    @property
    def name(self) -> str:
        """Of the folder."""
        return self.root.absolute().name

    def paths(self) -> Iterable[str]:
        """Sorted; symbolic links to folders are not followed."""
        raise NotImplementedError

    def read(self, path: str) -> bytes | None:
        """A file inside the folder."""
        raise NotImplementedError

    def exists(self, path: str) -> bool:
        """Files and folders count."""
        raise NotImplementedError

    def folders(self, path: str) -> Iterable[str]:
        """Hidden ones count, as they do officially."""
        raise NotImplementedError


@dataclass(frozen=True)
class Documents:
    """A catalogue in memory: path -> content, as bytes or as a parsed document."""

    files: Mapping[str, bytes | Any]
    name: str = "open-science-catalog-metadata"

    def paths(self) -> Iterable[str]:
        """Those of documents."""
        raise NotImplementedError

    def read(self, path: str) -> bytes | None:
        """The content; a parsed document is written compactly."""
        raise NotImplementedError

    def exists(self, path: str) -> bool:
        """Folders exist while something lies in them."""
        raise NotImplementedError

    def folders(self, path: str) -> Iterable[str]:
        """Those that hold something."""
        raise NotImplementedError


@dataclass(frozen=True)
class Overlay:
    """A catalogue with some files changed, added (bytes or a parsed document) or deleted (None)."""

    base: Tree
    changes: Mapping[str, bytes | Any | None]

    @property
    def name(self) -> str:
        """The base's."""
        return self.base.name

    def paths(self) -> Iterable[str]:
        """Without what is deleted."""
        raise NotImplementedError

    def read(self, path: str) -> bytes | None:
        """The changed content, else the base's."""
        raise NotImplementedError

    def exists(self, path: str) -> bool:
        """A folder that only deleted files were in is gone, as it is after a git checkout."""
        raise NotImplementedError

    def folders(self, path: str) -> Iterable[str]:
        """Those of the base that are left, and new ones."""
        raise NotImplementedError
