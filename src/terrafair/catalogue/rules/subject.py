"""One document under test, with the catalogue around it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from terrafair.catalogue.rules.document import Document
from terrafair.catalogue.rules.findings import Edit, Finding
from terrafair.catalogue.rules.official.place import Role, record_role, role_of
from terrafair.catalogue.rules.paths import local
from terrafair.catalogue.rules.report import Layer, Problem, Severity
from terrafair.catalogue.rules.rulebook import RULES
from terrafair.catalogue.rules.snapshot import Snapshot

Link = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """One document and its snapshot; what several rules ask for is worked out once."""

    document: Document
    snapshot: Snapshot

    @property
    def path(self) -> str:
        """Of the file."""
        return self.document.path

    @cached_property
    def folder(self) -> str:
        """Of the file."""
        return self.document.folder

    @cached_property
    def data(self) -> dict[str, Any]:
        """The document; empty where it is no object."""
        data = self.document.data
        return data if isinstance(data, dict) else {}

    @property
    def properties(self) -> Mapping[str, Any]:
        """Of a record or an item; empty where there are none."""
        found = self.data.get("properties")
        return found if isinstance(found, dict) else {}

    @cached_property
    def role(self) -> Role:
        """Which set of rules it falls under."""
        return role_of(self.path, self.data) if "stac_version" in self.data else record_role(self.path)

    @cached_property
    def links(self) -> tuple[tuple[int, Link], ...]:
        """(number, link) of all links that are objects with an address."""
        found = self.data.get("links")
        return tuple(
            (number, link)
            for number, link in enumerate(found if isinstance(found, list) else ())
            if isinstance(link, dict) and isinstance(link.get("href"), str) and link["href"]
        )

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """Where each of `links` leads in the catalogue, see `local`."""
        folder = self.folder
        return tuple(local(folder, link["href"]) for _, link in self.links)

    @cached_property
    def _children_and_related(self) -> frozenset[tuple[str, str]]:
        both = zip(self.links, self.targets, strict=True)
        return frozenset((link["rel"], to) for (_, link), to in both if link.get("rel") in ("child", "related"))

    def first(self, rel: str) -> tuple[int, Link] | None:
        """The first link of a relation: the only one that the official validator looks at."""
        return next(((number, link) for number, link in self.links if link.get("rel") == rel), None)

    def resolve(self, href: str) -> str:
        """Where a link of this document leads, officially."""
        return self.snapshot.resolve(self.folder, href)

    def local(self, href: str) -> str:
        """The path in the catalogue that a reader expects behind a link; empty: it leads elsewhere."""
        return local(self.folder, href)

    def leads_to(self, path: str, rel: str) -> bool:
        """Whether a `child` or `related` link leads to a file."""
        return (rel, path) in self._children_and_related

    def around(self, path: str) -> "Subject | None":
        """Another document of the catalogue; None where there is none."""
        document = self.snapshot.document(path)
        return subject_of(document, self.snapshot) if document is not None else None

    def finding(self, rule: str, pointer: str, message: str, fix: str = "", *edits: Edit) -> Finding:
        """A finding about this document; without `fix` the rule's own way out is told."""
        known = RULES[rule]
        severity = Severity.ERROR if known.layer is Layer.OFFICIAL else Severity.WARNING
        problem = Problem(self.path, pointer, rule, known.layer, severity, message, fix or known.how)
        return Finding(problem, edits)


def subject_of(document: Document, snapshot: Snapshot) -> Subject:
    """The subject of a document: one for each, so that its links are read once."""
    found = snapshot.subjects.get(document.path)
    if not isinstance(found, Subject):
        found = snapshot.subjects[document.path] = Subject(document, snapshot)
    return found
