"""One document under test, with the catalogue around it."""

import re
from collections.abc import Mapping
from typing import Any

from terrafair.catalogue.rules.document import Document
from terrafair.catalogue.rules.findings import Edit, Finding
from terrafair.catalogue.rules.official.place import Role, record_role, role_of
from terrafair.catalogue.rules.paths import local, step
from terrafair.catalogue.rules.report import Layer, Problem, Severity
from terrafair.catalogue.rules.rulebook import RULES
from terrafair.catalogue.rules.snapshot import Snapshot

Link = dict[str, Any]
DOWNWARD = ("child", "related")
_SPECIAL = re.compile("[%?#:]")
"""What makes readers and the official validator see different addresses."""


class Subject:
    """One document and its snapshot; what several rules ask for is worked out once."""

    __slots__ = (
        *("document", "snapshot", "path", "folder", "data", "role", "links", "by_relation", "targets"),
        *("_official", "_led_to"),
    )

    document: Document
    snapshot: Snapshot
    path: str
    """Of the file."""
    folder: str
    """Of the file."""
    data: dict[str, Any]
    """The document; empty where it is no object."""
    role: Role
    """Which set of rules it falls under."""
    links: list[tuple[int, Link]]
    """(number, link) of all links that are objects with an address."""
    by_relation: dict[str, list[tuple[int, Link]]]
    """`links` by their relation, in order; those whose relation is no text are left out."""
    targets: list[str]
    """Where each of `links` leads in the catalogue, see `local`."""

    def __init__(self, document: Document, snapshot: Snapshot) -> None:
        self.document, self.snapshot = document, snapshot
        self.path, self.folder = document.path, document.folder
        data = document.data
        self.data = data if isinstance(data, dict) else {}
        self.role = role_of(self.path, self.data) if "stac_version" in self.data else record_role(self.path)
        self.links, self.by_relation, self.targets = [], {}, []
        self._official: dict[str, str] = {}
        self._led_to: frozenset[tuple[str, str]] | None = None
        found = self.data.get("links")
        if isinstance(found, list):
            self._read(found)

    def _read(self, links: list[Any]) -> None:
        folder, official = self.folder, self._official
        for number, link in enumerate(links):
            href = link.get("href") if isinstance(link, dict) else None
            if not isinstance(href, str) or not href:
                continue
            target = "" if href.startswith("https://") else step(folder, href)
            if target and not _SPECIAL.search(href):
                # Readers and the official validator agree.
                official[href] = target
            else:
                target = local(folder, href)
            self.targets.append(target)
            entry = number, link
            self.links.append(entry)
            if isinstance(rel := link.get("rel"), str):
                self.by_relation.setdefault(rel, []).append(entry)

    @property
    def properties(self) -> Mapping[str, Any]:
        """Of a record or an item; empty where there are none."""
        found = self.data.get("properties")
        return found if isinstance(found, dict) else {}

    def first(self, rel: str) -> tuple[int, Link] | None:
        """The first link of a relation: the only one that the official validator looks at."""
        found = self.by_relation.get(rel)
        return found[0] if found else None

    def resolve(self, href: str) -> str:
        """Where a link of this document leads, officially."""
        if (known := self._official.get(href)) is None:
            known = self._official[href] = self.snapshot.resolve(self.folder, href)
        return known

    def local(self, href: str) -> str:
        """The path in the catalogue that a reader expects behind a link; empty: it leads elsewhere."""
        return local(self.folder, href)

    def leads_to(self, path: str, rel: str) -> bool:
        """Whether a `child` or `related` link leads to a file."""
        if self._led_to is None:
            both = zip(self.links, self.targets, strict=True)
            self._led_to = frozenset([(link["rel"], to) for (_, link), to in both if link.get("rel") in DOWNWARD])
        return (rel, path) in self._led_to

    def around(self, path: str) -> "Subject | None":
        """Another document of the catalogue; None where there is none."""
        if (known := self.snapshot.subjects.get(path)) is not None:
            return known
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
    if (found := snapshot.subjects.get(document.path)) is None:
        found = snapshot.subjects[document.path] = Subject(document, snapshot)
    return found
