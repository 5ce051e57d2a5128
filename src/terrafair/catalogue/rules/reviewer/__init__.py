"""What the official validator lets through and is wrong all the same, as a careful reviewer would see it."""

from collections.abc import Collection, Iterator

from terrafair.catalogue.rules.document import Document
from terrafair.catalogue.rules.findings import Finding
from terrafair.catalogue.rules.reviewer.backlinks import backlinks
from terrafair.catalogue.rules.reviewer.companions import companions
from terrafair.catalogue.rules.reviewer.content import content
from terrafair.catalogue.rules.reviewer.extents import extents
from terrafair.catalogue.rules.reviewer.likeness import likeness
from terrafair.catalogue.rules.reviewer.links import links
from terrafair.catalogue.rules.reviewer.text import text
from terrafair.catalogue.rules.snapshot import Snapshot
from terrafair.catalogue.rules.subject import subject_of

__all__ = ["review"]

PARTS = (text, links, backlinks, extents, content, companions, likeness)
ABOUT_OTHERS = (links, backlinks, content, companions, likeness)
"""Those with rules about two files, see `validate.RELATIONAL`."""


def review(document: Document, snapshot: Snapshot, told: Collection[str]) -> Iterator[Finding]:
    """Every finding about a document; `told` are the pointers that the official layer has found fault with."""
    if document.fault is not None or not isinstance(document.data, dict):
        return
    subject = subject_of(document, snapshot)
    for part in PARTS if snapshot.is_asked_about(document.path) else ABOUT_OTHERS:
        for finding in part(subject):
            if not finding.problem.pointer or finding.problem.pointer not in told:
                yield finding
