"""Fetches what records link to: from the catalogue, a repository at its commit, the web, or a folder of copies."""

import posixpath
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from terrafair.errors import NotFound, Refused, TerrafairError, Unreachable
from terrafair.repositories import Repositories, Repository
from terrafair.web import Web
from terrafair.workflows.entry import Entry
from terrafair.workflows.references import is_repository, locate
from terrafair.workflows.workflow import CodeLocation

SELF = "https://esa-earthcode.github.io/open-science-catalog-metadata/"


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document that was read."""

    content: bytes
    location: CodeLocation
    """With the commit, where it came from a repository."""
    copied: bool = False
    """It came from the folder of copies, since its own address failed."""


class Files(Protocol):
    """The catalogue's own files."""

    def read(self, path: str) -> bytes | None:
        """A file at the indexed commit."""
        ...


class Documents:
    """One reading of many records: what failed once is not asked again."""

    def __init__(self, files: Files, repositories: Repositories, web: Web, copies: Path | None) -> None:
        self._files = files
        self._repositories = repositories
        self._web = web
        self._copies = copies
        self._read: dict[str, Fetched | TerrafairError] = {}
        self._dead: set[str] = set()

    def fetch(self, href: str, entry: Entry | None, *names: str) -> Fetched:
        """The document behind a record's link; `names` are further ids under which a copy may be kept.

        Raises `NotFound`, `Unreachable`, `Refused` or `InvalidInput`.
        """
        relative = "://" not in href and not href.startswith("git@")
        place = posixpath.dirname(entry.path) if entry else ""
        address = posixpath.normpath(posixpath.join(place, href)) if relative else href
        found = self._read.get(address)
        if found is None:
            try:
                found = self._inside(address) if relative else self._outside(href)
            except TerrafairError as error:
                found = error
            self._read[address] = found
        if isinstance(found, Fetched):
            return found
        if copy := self._copy(href, (*([entry.id] if entry else []), *names)):
            return copy
        raise found

    def open(self, location: CodeLocation) -> tuple[CodeLocation, dict[str, str]]:
        """A repository link with its commit, and the paths below it; raises as `fetch` does."""
        repository = self._repository(location.repository)
        commit = repository.resolve(location.reference)
        return replace(location, commit=commit), repository.files(commit, location.path)

    def read(self, location: CodeLocation, path: str) -> bytes:
        """A file of an opened repository."""
        return self._repository(location.repository).read(location.commit, path)

    def _inside(self, path: str) -> Fetched:
        content = None if path.startswith("..") else self._files.read(path)
        if content is None:
            raise NotFound(f"The catalogue has no file {path!r}.", where=path)
        return Fetched(content, CodeLocation(path))

    def _outside(self, href: str) -> Fetched:
        location = locate(href)
        if href.startswith(SELF) and (content := self._files.read(href.removeprefix(SELF))) is not None:
            return Fetched(content, location)
        if is_repository(location):
            raise NotFound(
                f"{href} is a repository or a folder, not a document.", where=href, code="link-to-repository"
            )
        if location.repository:
            repository = self._repository(location.repository)
            commit = repository.resolve(location.reference)
            return Fetched(repository.read(commit, location.path), replace(location, commit=commit))
        host = urlsplit(href).hostname or ""
        if host in self._dead:
            raise _silent(host)
        try:
            return Fetched(self._web.get(href).content, location)
        except Unreachable:
            self._dead.add(host)
            raise
        except Refused as error:
            raise Unreachable(error.problem.what, error.problem.why, error.problem.remedy, href) from None

    def _repository(self, url: str) -> Repository:
        host = urlsplit(url).hostname or ""
        if host in self._dead and not self._repositories.at_hand(url):
            raise _silent(host)
        try:
            return self._repositories.open(url)
        except Unreachable as error:
            if "resolve host" in str(error) or "timed out" in str(error).lower() or "connect" in str(error).lower():
                self._dead.add(host)
            raise

    def _copy(self, href: str, names: tuple[str, ...]) -> Fetched | None:
        base = posixpath.basename(unquote(urlsplit(href).path)) if href else ""
        for name in names if self._copies and base else ():
            path = self._copies / name / base if self._copies else Path()
            if ".." not in Path(name).parts and path.is_file():
                return Fetched(path.read_bytes(), locate(href), copied=True)
        return None


def _silent(host: str) -> Unreachable:
    return Unreachable(f"The host {host} did not answer a moment ago.", remedy="Try again later.")
