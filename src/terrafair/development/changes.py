"""What differs between the sources of two released versions, file by file: of commits, or of archives sent here."""

import difflib
import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from terrafair.data.objects import ObjectStore
from terrafair.development.releases import Release
from terrafair.errors import NotFound, TerrafairError
from terrafair.execution.job import Job
from terrafair.workflows.content import decode

FILE_BYTES, ARCHIVE_BYTES, FILES = 2**20, 64 * 2**20, 20_000
LINES = 2000
"""Of all files together."""
Row = tuple[str, str]
"""`file`, `where`, `same`, `removed` or `added`, and the text."""


class Repositories(Protocol):
    """The platform's mirrors."""

    def open(self, url: str, *, refresh: bool = False) -> Any:
        """One of them."""
        ...


@dataclass(frozen=True, slots=True)
class Tree:
    """The files of one version."""

    files: Mapping[str, str]
    """Path -> id of the content, as git has it."""
    read: Callable[[str], bytes]
    """Path -> content, cut beyond `FILE_BYTES`."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Reads the sources of releases from where they came."""

    repositories: Repositories
    objects: ObjectStore
    job: Callable[[str], Job]
    """The build of a release."""

    def between(self, old: Release, new: Release) -> list[Row]:
        """Lines of all files that differ, each file's name before them; raises `NotFound` for sources that are gone."""
        return lines(self._tree(old), self._tree(new))

    def _tree(self, release: Release) -> Tree:
        try:
            if (address := str(release.about.get("repository") or "")) and release.revision:
                repository = self.repositories.open(address)
                files = repository.files(release.revision)
                return Tree(files, lambda path: next(repository.read_blobs([files[path]], limit=FILE_BYTES))[1])
            key = self.objects.key_of(self.job(release.job).request.file)
            return archived(self.objects.get(key) if key else b"")
        except TerrafairError as fault:
            what = f"The sources of {release.name} {release.version} are not at hand."
            raise NotFound(what, str(fault), code="sources-gone") from None


def archived(content: bytes) -> Tree:
    """The files of a packed archive of sources; raises `NotFound` where it is none."""
    found: dict[str, bytes] = {}
    total = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            for member in archive:
                total += member.size
                if total > ARCHIVE_BYTES or len(found) > FILES:
                    raise NotFound(f"They are more than {ARCHIVE_BYTES // 2**20} MiB.")
                if member.isfile() and (file := archive.extractfile(member)):
                    found[member.name] = file.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error):
        raise NotFound("Their archive cannot be read.") from None
    return Tree({path: _blob(text) for path, text in found.items()}, lambda path: found[path][: FILE_BYTES + 1])


def lines(old: Tree, new: Tree) -> list[Row]:
    """The differences of two trees; at most `LINES`."""
    found: list[Row] = []
    for path in sorted({*old.files, *new.files}):
        before, after = old.files.get(path), new.files.get(path)
        if before == after:
            continue
        word = "added" if before is None else "removed" if after is None else "changed"
        found.append(("file", f"{path}: {word}"))
        found += _lines(old.read(path) if before else b"", new.read(path) if after else b"")
        if len(found) > LINES:
            return [*found[:LINES], ("where", f"There is more; these are the first {LINES} lines.")]
    return found


def difference(old: Sequence[str], new: Sequence[str]) -> Iterator[Row]:
    """Changed lines with three around each."""
    kinds = {"+": "added", "-": "removed", "@": "where"}
    for number, line in enumerate(difflib.unified_diff(old, new, lineterm="")):
        if number > 1:
            yield kinds.get(line[:1], "same"), line


def _lines(before: bytes, after: bytes) -> list[Row]:
    if max(len(before), len(after)) > FILE_BYTES or b"\0" in before + after:
        return [("same", "no text that could be shown")]
    return list(difference(decode(before).splitlines(), decode(after).splitlines()))


def _blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
