"""Texts that are opened to be edited: of templates, entries, processes, and repositories of one's projects."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from terrafair.development import new
from terrafair.development.links import Links, Source
from terrafair.development.single import LARGEST, admit
from terrafair.errors import InvalidInput, NotFound, Refused
from terrafair.execution.job import Owner
from terrafair.identity.access import Action, may, require
from terrafair.identity.asking import asker
from terrafair.repositories.commits import Change, commit
from terrafair.workflows.content import decode
from terrafair.workflows.processes import Processes
from terrafair.workflows.resolve import Resolver

ORIGINS = ("template", "workflow", "experiment", "process", "source")
SUFFIXES = frozenset(
    {".cwl", ".yaml", ".yml", ".json", ".ipynb", ".py", ".toml", ".txt", ".md", ".cff", ".lock", ".cfg"}
)
PLAIN = frozenset({"LICENSE", "MLmodel", "Containerfile", "Dockerfile", ".gitignore"})
FILES, BESIDE_FILES, BESIDE_BYTES = 2000, 300, 2**20
_NAMES = {"cwl": "workflow.cwl", "openeo": "graph.json", "notebook": "notebook.ipynb", "mlflow": "MLmodel"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text comes from; all parts empty: it is new."""

    origin: str = ""
    id: str = ""
    """Type of a template, id of an entry, process or linked repository."""
    file: str = ""
    ref: str = ""
    """Branch, tag or commit."""
    name: str = ""
    license: str = ""
    author: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """A text with its name, and what it lies in."""

    text: str
    file: str
    title: str
    commit: str = ""
    files: tuple[str, ...] = ()
    """What else can be opened there."""


class Repositories(Protocol):
    """The platform's mirrors."""

    def open(self, url: str, *, refresh: bool = False) -> Any:
        """One, brought up to date where asked for."""
        ...


@dataclass(frozen=True, slots=True)
class Texts:
    """Reads them for whoever asks."""

    links: Links
    repositories: Repositories
    processes: Processes
    resolver: Resolver
    writable: frozenset[str] = frozenset()
    """Addresses of repositories that are committed to; the key of a host is no one project's, so the operator says."""

    def commits(self, place: Place) -> bool:
        """Whether texts of that place can be committed here."""
        if place.origin != "source" or not self.writable:
            return False
        try:
            source = self.links.get(place.id)
        except NotFound:
            return False
        return _seen(source) and source.repository in self.writable

    def sources(self) -> list[Source]:
        """Linked repositories that the asker may see."""
        return [each for each in self.links.listing() if _seen(each)]

    def open(self, place: Place) -> Opened:
        """The text; raises `NotFound` and `InvalidInput` for what cannot be opened."""
        if place.origin not in ORIGINS:
            raise InvalidInput(f"Nothing is opened from {place.origin[:40]!r}.", remedy=f"Known: {', '.join(ORIGINS)}.")
        if place.origin == "template":
            return self._template(place)
        if place.origin == "source":
            return self._source(place)
        if place.origin == "process":
            content, kind = self.processes.package(place.id)
            name = "graph.json" if kind == "application/json" else "workflow.cwl"
            return Opened(_text(content, place.id), place.file or name, place.id)
        found = self.resolver.resolve(place.id, place.origin)
        application = found.application
        if application is None or not application.content:
            why = str(found.reasons[0]) if found.reasons else "It is a whole repository."
            raise NotFound(f"The {place.origin} {place.id[:80]} has no document.", why)
        name = PurePosixPath(application.location.path).name or _NAMES.get(application.type.value, "workflow.txt")
        return Opened(_text(application.content, place.id), name, found.title, application.location.commit)

    def beside(self, place: Place) -> Callable[[Path], None] | None:
        """What writes the other files of the repository, so that references are followed as they will be."""
        if place.origin == "template":
            return lambda folder: _write(folder, self._files_of(place))
        if place.origin != "source":
            return None
        repository, commit, _ = self._repository(place)

        def write(folder: Path) -> None:
            chosen = {path: blob for path, blob in repository.files(commit).items() if _is_text(path)}
            names = {blob: path for path, blob in list(chosen.items())[:BESIDE_FILES]}
            blobs = repository.read_blobs(names, limit=BESIDE_BYTES)
            _write(folder, {names[blob]: content for blob, content in blobs if len(content) <= BESIDE_BYTES})

        return write

    def commit(self, place: Place, text: str, base: str, message: str) -> str:
        """Keep a text in the linked repository, as a commit of whoever asks; gives its id.

        Raises as `repositories.commits.commit` does, `InvalidInput` without a message, `Refused` for those who only
        look.
        """
        if place.origin != "source":
            what = "Only texts of a linked repository are committed."
            raise InvalidInput(what, remedy="Download it, or link the repository.")
        source, who = self.links.get(place.id), asker()
        if not _seen(source):
            raise NotFound(f"There is no linked repository {place.id[:60]!r}.")
        require(who.actor, Action.CHANGE, Owner(source.project, source.author).thing)
        if source.repository not in self.writable:
            what = "The platform commits nothing to this repository."
            remedy = "Download the text and push it, or let the operator name it in `editor_repositories`."
            raise Refused(what, "Its operator has not allowed that.", remedy)
        if not message.strip():
            remedy = "Say in a line what is changed and why."
            raise InvalidInput("The commit has no message.", remedy=remedy, where="message")
        admit(text, place.file)
        repository = self.repositories.open(source.repository, refresh=True)
        begun = repository.resolve(base or source.branch)
        name, email = (who.profile.name, who.profile.email) if who.profile else ("The operator", "operator@localhost")
        branch = place.ref or source.branch
        return commit(repository, Change(branch, begun, place.file, text.encode(), message[:4000], name, email))

    def _files_of(self, place: Place) -> dict[str, bytes]:
        return new.files(place.id, place.name or "my-workflow", place.author, place.license or new.LICENCES[0])

    def _template(self, place: Place) -> Opened:
        files = self._files_of(place)
        name = place.name or "my-workflow"
        application = new.KINDS[place.id].application.format(package=name.replace("-", "_"))
        file = place.file or application
        if file not in files:
            raise NotFound(f"The template has no file {file[:200]!r}.", where="file")
        listed = tuple(path for path in files if _is_text(path))
        return Opened(_text(files[file], file), file, f"{name}, a new {place.id} workflow", "", listed)

    def _source(self, place: Place) -> Opened:
        repository, commit, source = self._repository(place)
        listed = tuple(path for path in repository.files(commit) if _is_text(path))[:FILES]
        preferred = ("workflow.cwl", "graph.json", "workflow.toml", *listed)
        file = place.file or next((each for each in preferred if each in listed), "")
        if not file:
            raise NotFound(f"{source.repository} has no text to edit at {commit[:12]}.")
        return Opened(_text(repository.read(commit, file), file), file, source.repository, commit, listed)

    def _repository(self, place: Place) -> tuple[Any, str, Source]:
        source = self.links.get(place.id)
        if not _seen(source):
            raise NotFound(f"There is no linked repository {place.id[:60]!r}.")
        repository = self.repositories.open(source.repository, refresh=True)
        return repository, repository.resolve(place.ref or source.branch), source


def _seen(source: Source) -> bool:
    return may(asker().actor, Action.READ, Owner(source.project, source.author).thing)


def _is_text(path: str) -> bool:
    plain = PurePosixPath(path)
    return plain.suffix.lower() in SUFFIXES or plain.name in PLAIN


def _text(content: bytes, name: str) -> str:
    text = decode(content)
    if len(text) > LARGEST or "\0" in text:
        what = f"{name[:100]} is {'no text' if chr(0) in text else f'a text of {len(text):,} characters'}."
        raise InvalidInput(what, f"Texts of at most {LARGEST:,} characters are edited here.", code="too-large")
    return text


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
