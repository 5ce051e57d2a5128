"""The files of a catalogue as validation sees them: a folder, a mapping, or changes laid over either."""

import errno
import os
import stat
from collections.abc import Collection, Hashable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import orjson

from terrafair.catalogue.rules.listing import Listing, is_document, mark_of, scanned
from terrafair.catalogue.rules.naming import Naming
from terrafair.errors import InvalidInput

ENTITY_FOLDERS = ("eo-missions", "products", "projects", "themes", "variables", "workflows", "experiments")
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
FILE_LIMIT = 32 * 2**20
"""A larger document is reported and not read; the largest real one has 0.2 MB."""


class Tree(Protocol):
    """Files by path relative to the folder that holds the root `catalog.json`, with `/` on every system."""

    @property
    def name(self) -> str:
        """Of the folder."""
        ...

    def paths(self) -> Iterable[str]:
        """Every document, in any folder: the official validator takes them all."""
        ...

    def read(self, path: str) -> bytes | None:
        """The content of any file; None where there is none. Raises `InvalidInput` over `FILE_LIMIT`."""
        ...

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder at the path."""
        ...

    def folders(self, path: str) -> Iterable[str]:
        """Names of the folders directly below a folder."""
        ...

    def below(self, path: str) -> Iterable[str]:
        """Every file in a folder and the folders in it, documents or not."""
        ...

    def naming(self, endings: Collection[str]) -> set[str]:
        """Documents that link to a file whose path ends so, see `naming.ending`; a few more may be among them."""
        ...

    def mark(self, path: str) -> Hashable:
        """What stands for the state of a file until it changes; None: nothing does."""
        ...

    @property
    def titles(self) -> MutableMapping[str, tuple[Hashable, str | None]]:
        """Path -> (mark, title), for whoever reads the tree next."""
        ...


def too_large(path: str, size: int) -> InvalidInput:
    """The refusal of a file that no document is as large as."""
    return InvalidInput(
        f"It has {size / 2**20:.0f} MB.",
        f"No document of the catalogue needs more than {FILE_LIMIT // 2**20} MB.",
        "Put data beside the catalogue and link to it.",
        path,
    )


@dataclass(frozen=True)
class Folder:
    """A catalogue in a folder on disk; its state is read when it is asked for."""

    root: Path

    @property
    def name(self) -> str:
        """Of the folder."""
        return self.root.absolute().name

    @cached_property
    def _root(self) -> str:
        return os.path.realpath(self.root)

    def paths(self) -> Iterable[str]:
        """Sorted; symbolic links to folders are not followed."""
        found: list[str] = []
        waiting = [""]
        while waiting:
            prefix = waiting.pop()
            documents, folders = scanned(f"{self._root}/{prefix}", prefix)
            found += documents
            waiting += folders
        return sorted(found)

    def _outside(self, place: str) -> bool:
        """Whether a symbolic link leads out of the folder."""
        return not os.path.realpath(place).startswith(self._root + os.sep)

    def read(self, path: str) -> bytes | None:
        """A file inside the folder."""
        place = f"{self._root}/{path}"
        try:
            try:
                handle = os.open(place, _READ)
            except OSError as fault:
                if fault.errno != errno.ELOOP or self._outside(place):
                    raise
                handle = os.open(place, os.O_RDONLY)
            try:
                size = os.fstat(handle).st_size
                if size > FILE_LIMIT:
                    raise too_large(path, size)
                return os.read(handle, size)
            finally:
                os.close(handle)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except (OSError, ValueError) as fault:
            if getattr(fault, "errno", 0) == errno.ELOOP:
                return None
            raise InvalidInput(f"It cannot be read: {fault}.", where=path) from None

    def exists(self, path: str) -> bool:
        """Files and folders count."""
        place = f"{self._root}/{path}"
        try:
            about = os.lstat(place)
        except (OSError, ValueError):
            return False
        return not stat.S_ISLNK(about.st_mode) or (os.path.exists(place) and not self._outside(place))  # noqa: PTH110

    def naming(self, endings: Collection[str]) -> set[str]:
        """By what was found before, where the files have not changed since."""
        seen = set()
        for path, mark in self._listing:
            seen.add(path)
            if not self._naming.knows(path, mark):
                self._naming.learn(path, mark, self._content(path))
        self._naming.keep(seen)
        return self._naming.find(endings)

    def _content(self, path: str) -> bytes:
        try:
            return self.read(path) or b""
        except InvalidInput:
            return b""

    @cached_property
    def _listing(self) -> Listing:
        return Listing(self._root)

    @cached_property
    def _naming(self) -> Naming:
        return Naming()

    def mark(self, path: str) -> Hashable:
        """Time of change, size and number of the file."""
        return mark_of(f"{self._root}/{path}")

    @cached_property
    def titles(self) -> MutableMapping[str, tuple[Hashable, str | None]]:
        """Kept with the folder."""
        return {}

    def folders(self, path: str) -> Iterable[str]:
        """Hidden ones count, as they do officially."""
        try:
            with os.scandir(f"{self._root}/{path}") as entries:
                return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError:
            return []

    def below(self, path: str) -> Iterable[str]:
        """Hidden ones too; an empty folder has none."""
        for place, _, names in os.walk(f"{self._root}/{path}"):
            for name in names:
                yield os.path.relpath(f"{place}/{name}", self._root).replace(os.sep, "/")


@dataclass(frozen=True)
class Documents:
    """A catalogue in memory: path -> content, as bytes or as a parsed document."""

    files: Mapping[str, Any]
    name: str = "open-science-catalog-metadata"

    @cached_property
    def _folders(self) -> Mapping[str, set[str]]:
        """Folder -> names of the folders in it."""
        below: dict[str, set[str]] = {"": set()}
        for path in self.files:
            parts = path.split("/")[:-1]
            for depth, part in enumerate(parts):
                below.setdefault("/".join(parts[:depth]), set()).add(part)
                below.setdefault("/".join(parts[: depth + 1]), set())
        return below

    def paths(self) -> Iterable[str]:
        """Those of documents."""
        return sorted(path for path in self.files if is_document(path))

    def read(self, path: str) -> bytes | None:
        """The content; a parsed document is written compactly."""
        return content_of(path, self.files[path]) if path in self.files else None

    def exists(self, path: str) -> bool:
        """Folders exist while something lies in them."""
        return path in self.files or path in self._folders

    def folders(self, path: str) -> Iterable[str]:
        """Those that hold something."""
        return sorted(self._folders.get(path, ()))

    def below(self, path: str) -> Iterable[str]:
        """All with that beginning."""
        return (file for file in self.files if file.startswith(f"{path}/"))

    def naming(self, endings: Collection[str]) -> set[str]:
        """Found once: the files stay as they are."""
        return self._naming.find(endings)

    @cached_property
    def _naming(self) -> Naming:
        found = Naming()
        for path in self.paths():
            found.learn(path, True, self.read(path) or b"")
        return found

    def mark(self, path: str) -> Hashable:
        """The same for ever."""
        return path in self.files

    @cached_property
    def titles(self) -> MutableMapping[str, tuple[Hashable, str | None]]:
        """Kept with the documents."""
        return {}


def content_of(path: str, value: Any) -> bytes:
    """The bytes of a file that is given as bytes, text or a parsed document."""
    content = value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else orjson.dumps(value)
    if len(content) > FILE_LIMIT:
        raise too_large(path, len(content))
    return content


@dataclass(frozen=True)
class Overlay:
    """A catalogue with some files changed, added (bytes or a parsed document) or deleted (None)."""

    base: Tree
    changes: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The base's."""
        return self.base.name

    @cached_property
    def _added(self) -> Documents:
        return Documents({path: value for path, value in self.changes.items() if value is not None})

    def paths(self) -> Iterable[str]:
        """Without what is deleted."""
        left = {path for path in self.base.paths() if path not in self.changes}
        return sorted(left.union(self._added.paths()))

    def read(self, path: str) -> bytes | None:
        """The changed content, else the base's."""
        if path in self.changes:
            return self._added.read(path)
        return self.base.read(path)

    def exists(self, path: str) -> bool:
        """A folder is gone with its last file, as after a git checkout."""
        if path in self.changes:
            return self.changes[path] is not None
        return self._added.exists(path) or (self.base.exists(path) and not self._emptied(path))

    def _emptied(self, path: str) -> bool:
        """Whether everything that the base has in a folder is deleted."""
        deleted = [file for file, value in self.changes.items() if value is None and file.startswith(f"{path}/")]
        return bool(deleted) and all(self.changes.get(file, file) is None for file in self.base.below(path))

    def folders(self, path: str) -> Iterable[str]:
        """Those of the base that are left, and new ones."""
        prefix = f"{path}/" if path else ""
        left = (name for name in self.base.folders(path) if not self._emptied(prefix + name))
        return sorted({*left, *self._added.folders(path)})

    def below(self, path: str) -> Iterable[str]:
        """The base's that are left, and new ones."""
        left = (file for file in self.base.below(path) if file not in self.changes)
        return sorted({*left, *self._added.below(path)})

    def naming(self, endings: Collection[str]) -> set[str]:
        """The base's that are left, and new ones."""
        return (self.base.naming(endings) - self.changes.keys()) | self._added.naming(endings)

    def mark(self, path: str) -> Hashable:
        """The base's; nothing for what is changed."""
        return None if path in self.changes else self.base.mark(path)

    @property
    def titles(self) -> MutableMapping[str, tuple[Hashable, str | None]]:
        """The base's, for what is not changed."""
        return self.base.titles
