"""A person's own files in the object store, below a folder that only this platform can name."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from terrafair.api.openeo.faults import OpenEOFault
from terrafair.data.objects import Content, ObjectStore, StoredObject
from terrafair.errors import NotFound
from terrafair.identity.person import Person

PATTERN = re.compile(r"[^/\\:'\"\x00-\x1f\x7f][^\\:'\"\x00-\x1f\x7f]{0,499}")


@dataclass(frozen=True, slots=True)
class UserFile:
    """One file."""

    path: str
    size: int
    modified: datetime

    def document(self) -> dict[str, object]:
        """As the API shows it."""
        modified = self.modified.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return {"path": self.path, "size": self.size, "modified": modified}


@dataclass(frozen=True, slots=True)
class UserFiles:
    """All people's files."""

    objects: ObjectStore
    folder_of: Callable[[str], str]
    """`Person.id` -> a name that nobody can guess."""
    quota: int
    """Bytes of one person."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def listing(self, person: Person) -> list[UserFile]:
        """All, by path."""
        prefix = self._prefix(person)
        return [_file(each, prefix) for each in self.objects.list(prefix)]

    def used(self, person: Person) -> int:
        """Bytes of all files together."""
        return sum(each.size for each in self.objects.list(self._prefix(person)))

    def open(self, person: Person, path: str) -> Content:
        """The bytes of one; raises `OpenEOFault`."""
        key = self._key(person, path)
        try:
            return self.objects.open(key)
        except NotFound:
            raise self._missing(person, path) from None

    def put(self, person: Person, path: str, content: Path) -> UserFile:
        """Store one in place of what had its path."""
        key, size = self._key(person, path), content.stat().st_size
        with self._lock:
            known = {each.path: each.size for each in self.listing(person)}
            if any(each.startswith(f"{path}/") for each in known):
                raise OpenEOFault("FileOperationUnsupported", f"{path} is a folder.")
            parts = path.split("/")
            above = ["/".join(parts[:count]) for count in range(1, len(parts))]
            if taken := [each for each in above if each in known]:
                raise OpenEOFault("FilePathInvalid", reason=f"{taken[0]} is a file, not a folder.")
            if sum(known.values()) - known.get(path, 0) + size > self.quota:
                raise OpenEOFault("StorageQuotaExceeded", f"You may store {self.quota} bytes.")
            self.objects.put_file(key, content)
        return UserFile(path, size, datetime.now(UTC))

    def delete(self, person: Person, path: str) -> None:
        """Forget one; raises `OpenEOFault` for a folder and for what is not there."""
        key = self._key(person, path)
        with self._lock:
            if path not in {each.path for each in self.listing(person)}:
                raise self._missing(person, path)
            self.objects.delete(key)

    def reference(self, person: Person, path: str) -> str | None:
        """How a job finds a file of the person's; None: there is none at that path."""
        if not _is_path(path) or path not in {each.path for each in self.listing(person)}:
            return None
        return self.objects.url(self._key(person, path))

    def check_path(self, path: str) -> None:
        """Raise `OpenEOFault` for what is no path of a file."""
        if not _is_path(path):
            raise OpenEOFault("FilePathInvalid", reason="it is no relative path of plain names.")

    def _missing(self, person: Person, path: str) -> OpenEOFault:
        if any(each.path.startswith(f"{path.rstrip('/')}/") for each in self.listing(person)):
            return OpenEOFault("FileOperationUnsupported", f"{path} is a folder.")
        return OpenEOFault("FileNotFound", file=path)

    def _key(self, person: Person, path: str) -> str:
        self.check_path(path)
        return self._prefix(person) + path

    def _prefix(self, person: Person) -> str:
        return f"users/{self.folder_of(person.id)}/"


def _is_path(path: str) -> bool:
    return bool(PATTERN.fullmatch(path)) and not {"", ".", ".."} & set(path.split("/")) and path == path.strip()


def _file(stored: StoredObject, prefix: str) -> UserFile:
    return UserFile(stored.key.removeprefix(prefix), stored.size, stored.modified)
