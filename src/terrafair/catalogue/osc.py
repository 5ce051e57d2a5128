"""Where the catalogue's documents come from: a git repository mirrored bare, or a plain folder."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from terrafair.errors import InvalidInput
from terrafair.repositories import Repository


class Source(Protocol):
    """One state of a catalogue's files."""

    @property
    def address(self) -> str:
        """As given: URL or path."""
        ...

    @property
    def commit(self) -> str:
        """Names the state: a git commit, or a digest over the folder's listing."""
        ...

    @property
    def branch(self) -> str:
        """The branch; empty for a folder."""
        ...

    def versions(self) -> dict[str, str]:
        """Path -> something that changes when the file does, for every JSON document."""
        ...

    def contents(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | str]]:
        """(path, bytes) of each document, or (path, reason) where it cannot be read."""
        ...

    def read(self, path: str) -> bytes | None:
        """Any file of this state."""
        ...


def is_document(path: str) -> bool:
    """Whether a path holds a catalogue document: JSON, outside hidden folders."""
    return path.endswith(".json") and not any(part.startswith(".") for part in path.split("/"))


@dataclass(frozen=True, slots=True)
class GitSource:
    """The catalogue at a commit of a mirrored repository."""

    address: str
    commit: str
    branch: str
    repository: Repository

    def versions(self) -> dict[str, str]:
        """Path -> blob id."""
        return {path: blob for path, blob in self.repository.files(self.commit).items() if is_document(path)}

    def contents(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | str]]:
        """All through one git process."""
        wanted = list(paths)
        blobs = self.repository.files(self.commit) if wanted else {}
        # Two paths may share one blob: each is answered.
        for path, (_, content) in zip(wanted, self.repository.read_blobs(blobs[path] for path in wanted), strict=True):
            yield path, content

    def read(self, path: str) -> bytes | None:
        """A file at the commit."""
        from terrafair.errors import NotFound

        try:
            return self.repository.read(self.commit, path)
        except NotFound:
            return None


@dataclass(frozen=True, slots=True)
class FolderSource:
    """The catalogue as files in a folder, without git."""

    address: str
    commit: str
    branch: str
    listing: dict[str, str]

    def versions(self) -> dict[str, str]:
        """Path -> size and time of change."""
        return self.listing

    def contents(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | str]]:
        """Read one by one; what fails says why."""
        for path in paths:
            try:
                yield path, (Path(self.address) / path).read_bytes()
            except OSError as fault:
                yield path, f"It cannot be read: {fault.strerror}."

    def read(self, path: str) -> bytes | None:
        """A file below the folder, links that leave it excluded."""
        root = Path(self.address).resolve()
        place = (root / path).resolve()
        if not place.is_relative_to(root) or not place.is_file():
            return None
        return place.read_bytes()


def open_source(address: str, branch: str, mirror: Path) -> Source:
    """The present state of the catalogue at an address; `mirror` is where a repository's mirror lies."""
    path = Path(address).expanduser()
    if "://" not in address and path.is_dir() and not _is_repository(path):
        return _folder(path.resolve(), branch)
    if "://" not in address and path.is_file():
        raise InvalidInput(f"{address} is a file.", remedy="Give the catalogue's folder or git repository.")
    plain = str(path.resolve()) if "://" not in address and path.exists() else address
    existing = Repository(mirror)
    if (mirror / "HEAD").exists() and existing.url != plain:
        # Another catalogue: the objects of the old one are of no use to it.
        import shutil

        shutil.rmtree(mirror)
    repository = Repository.clone(plain, mirror)
    chosen = branch or repository.branch
    return GitSource(plain, repository.resolve(chosen), chosen, repository)


def reopen(address: str, commit: str, branch: str, mirror: Path) -> Source:
    """The state that was indexed, without looking whether there is a newer one."""
    if (mirror / "HEAD").exists() and Repository(mirror).url == address:
        return GitSource(address, commit, branch, Repository(mirror))
    return FolderSource(address, commit, branch, {})


def _is_repository(path: Path) -> bool:
    return (path / ".git").exists() or ((path / "HEAD").is_file() and (path / "objects").is_dir())


def _folder(root: Path, branch: str) -> FolderSource:
    if branch:
        raise InvalidInput(f"{root} is a plain folder and has no branch {branch!r}.", remedy="Leave --branch out.")
    listing = dict(sorted(_walk(str(root), "")))
    if "catalog.json" not in listing:
        raise InvalidInput(
            f"{root} is no Open Science Catalog.",
            "It has no catalog.json at its top.",
            "Give the folder or repository that holds catalog.json, products/, experiments/ ...",
        )
    digest = hashlib.sha256("\n".join(f"{path} {version}" for path, version in listing.items()).encode()).hexdigest()
    return FolderSource(str(root), digest, "", listing)


def _walk(root: str, prefix: str) -> Iterator[tuple[str, str]]:
    with os.scandir(os.path.join(root, prefix)) as entries:  # noqa: PTH118 - 2,224 files: Path objects cost 30 ms
        for entry in entries:
            path = f"{prefix}{entry.name}"
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(root, f"{path}/")
            elif entry.name.endswith(".json") and entry.is_file():
                about = entry.stat()
                yield path, f"{about.st_size}-{about.st_mtime_ns}-{about.st_ino}"
