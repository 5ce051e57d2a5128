"""What a rule says about a document, and the edit that mends it where there is just one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from terrafair.catalogue.rules.rulebook import RULES
from terrafair.catalogue.rules.document import Document
from terrafair.catalogue.rules.report import Layer, Problem, Severity
from terrafair.catalogue.rules.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Put:
    """Set the value at a pointer; the object or array that holds it exists. `-` as last part appends to an array."""

    file: str
    pointer: str
    value: Any


@dataclass(frozen=True, slots=True)
class Drop:
    """Remove what is at a pointer."""

    file: str
    pointer: str


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Write the file's text anew, without what is no JSON."""

    file: str
    content: bytes


Edit = Put | Drop | Rewrite


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem with its edits; none: a person must decide."""

    problem: Problem
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """One document under test, with the catalogue around it."""

    document: Document
    snapshot: Snapshot

    @property
    def path(self) -> str:
        """Of the file."""
        return self.document.path

    @property
    def folder(self) -> str:
        """Of the file."""
        return self.document.folder

    @property
    def data(self) -> dict[str, Any]:
        """The document; objects only get this far."""
        data = self.document.data
        assert isinstance(data, dict)  # noqa: S101 - narrows the type
        return data

    def links(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """(number, link) of all links that are objects with an address."""
        found = self.data.get("links")
        for number, link in enumerate(found if isinstance(found, list) else ()):
            if isinstance(link, dict) and isinstance(link.get("href"), str) and link["href"]:
                yield number, link

    def first(self, rel: str) -> tuple[int, dict[str, Any]] | None:
        """The first link of a relation: the only one that the official validator looks at."""
        return next(((number, link) for number, link in self.links() if link.get("rel") == rel), None)

    def resolve(self, href: str) -> str:
        """Where a link of this document leads, officially."""
        return self.snapshot.resolve(self.folder, href)

    def finding(self, rule: str, pointer: str, message: str, fix: str = "", *edits: Edit) -> Finding:
        """A finding about this document; without `fix` the rule's own way out is told."""
        known = RULES[rule]
        severity = Severity.ERROR if known.layer is Layer.OFFICIAL else Severity.WARNING
        problem = Problem(self.path, pointer, rule, known.layer, severity, message, fix or known.how)
        return Finding(problem, edits)
