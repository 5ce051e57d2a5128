"""A catalogue while it is looked at: each file is read and parsed once, and only when somebody asks."""

from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from terrafair.catalogue.rules.document import Document, Fault, read, title_of, without_mark
from terrafair.catalogue.rules.paths import OUTSIDE, resolve
from terrafair.catalogue.rules.tree import Tree
from terrafair.errors import InvalidInput

if TYPE_CHECKING:
    from terrafair.catalogue.rules.subject import Subject


class Snapshot:
    """Documents, titles and existence of a tree's files, remembered."""

    def __init__(self, tree: Tree, focus: Collection[str] | None = None) -> None:
        self.tree = tree
        self.focus = None if focus is None else frozenset(focus)
        """Changed files: of all others only what they have with one of these is asked for. None: all is asked for."""
        self._documents: dict[str, Document | None] = {}
        self._titles: dict[str, str | None] = {}
        self._exists: dict[str, bool] = {}
        self.folders = lru_cache(64)(tree.folders)
        self.name = tree.name
        self.notes: dict[str, Any] = {}
        """What a rule works out once for all documents."""
        self.subjects: dict[str, Subject] = {}
        """Kept for `Subject.around`."""

    def document(self, path: str) -> Document | None:
        """The document at a path; None where there is no file."""
        if path not in self._documents:
            try:
                raw = self.tree.read(path)
            except InvalidInput as refusal:
                problem = refusal.problem
                fault = Fault("file-unreadable", f"{problem.what} {problem.why}".strip(), problem.remedy)
                self._documents[path] = Document(path, b"", None, fault)
            else:
                self._documents[path] = None if raw is None else read(path, raw)
        return self._documents[path]

    def title(self, path: str) -> str | None:
        """What a link to the file must be titled; None: there is no file, or it has no title."""
        if path not in self._titles:
            self._titles[path] = None if path.startswith(OUTSIDE) or not path else self._find_title(path)
        return self._titles[path]

    def _find_title(self, path: str) -> str | None:
        """From the last validation, where only few documents are looked at and this one has not changed since."""
        if self.focus is None or path in self._documents or (mark := self.tree.mark(path)) is None:
            return self._read_title(path)
        known = self.tree.titles.get(path)
        if known is None or known[0] != mark:
            known = self.tree.titles[path] = mark, self._read_title(path)
        return known[1]

    def is_asked_about(self, *paths: str) -> bool:
        """Whether one of the files is among the changed ones."""
        return self.focus is None or not self.focus.isdisjoint(paths)

    def known_title(self, path: str) -> str | None:
        """The same, where somebody has asked for it before; None: there is none, or nobody has."""
        return self._titles.get(path)

    def _read_title(self, path: str) -> str | None:
        document = self.document(path)
        if document is not None and document.fault is not None and document.fault.rule == "json-encoding":
            # Officially a byte order mark makes the file invalid, and its title is read all the same.
            return title_of(read(path, without_mark(document.raw)).data)
        return document.title if document else None

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder."""
        if path not in self._exists:
            self._exists[path] = not path.startswith(OUTSIDE) and (
                self._documents.get(path) is not None or self.tree.exists(path)
            )
        return self._exists[path]

    def resolve(self, folder: str, href: str) -> str:
        """See `paths.resolve`."""
        return resolve(folder, href, self.name)

    def documents(self, paths: Iterator[str]) -> Iterator[Document]:
        """Those that exist."""
        for path in paths:
            if (document := self.document(path)) is not None:
                yield document
