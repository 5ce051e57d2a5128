"""One validation: which files, which rules, one report."""

import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache

from terrafair.catalogue.rules.affected import affected
from terrafair.catalogue.rules.document import Document, Fault
from terrafair.catalogue.rules.findings import Finding
from terrafair.catalogue.rules.naming import ending
from terrafair.catalogue.rules.official.check import Official
from terrafair.catalogue.rules.report import Layer, Problem, Report, Severity
from terrafair.catalogue.rules.reviewer import review
from terrafair.catalogue.rules.rulebook import RULES
from terrafair.catalogue.rules.snapshot import Snapshot
from terrafair.catalogue.rules.tree import Tree
from terrafair.catalogue.rules.versions import LATEST, rule_set
from terrafair.catalogue.schemas import Store
from terrafair.errors import InvalidInput

SHOWN = 8
RELATIONAL = frozenset(
    {"dead-link", "back-link", "listed-unnamed", "stale-title", "near-duplicate", "no-experiment"}
    | {"input-file", "environment-file"}
)
"""Rules of the reviewer layer about two files."""


def validate(
    tree: Tree,
    changed: Iterable[str] | None = None,
    *,
    rules: str = LATEST,
    store: Store | None = None,
    strict: bool = False,
) -> Report:
    """Check a catalogue, or with `changed` only the files whose verdict these paths can affect.

    Of files that were not changed themselves the report has the errors, and the warnings about a changed one.
    `changed` may hold paths that are deleted in `tree`. Where `tree` is an `Overlay`, the base tells what a file was
    before, so that a change that others cannot see (any but its title and its being there) touches that file alone.
    Without a `store` the rules in code and the STAC core schemas still run, and a warning with the rule
    `schemas-missing` says what was not checked. Compiled schemas stay with the store: keep it for many validations.
    Raises `InvalidInput` for an unknown rule set and for a tree without `catalog.json` at its top.
    """
    official = Official(rule_set(rules), store or Store())
    given = None if changed is None else {path.strip("/").removeprefix("./") for path in changed}
    snapshot = Snapshot(tree, given)
    if not tree.exists("catalog.json"):
        raise InvalidInput(
            f"{tree.name} is no Open Science Catalog.",
            "It has no catalog.json at its top.",
            "Give the folder that holds catalog.json, products/, experiments/ ..., or a file in it.",
        )
    paths = list(tree.paths()) if given is None else affected(snapshot, given)
    found = [finding.problem for finding in findings(official, snapshot, paths)]
    if given is not None:
        found = [problem for problem in found if concerns(problem, given)]
    if official.unchecked:
        found.append(_missing(official.unchecked))
    return Report.of(len(paths), found, strict=strict)


def findings(official: Official, snapshot: Snapshot, paths: Iterable[str]) -> Iterator[Finding]:
    """What both layers say about the documents at these paths."""
    for path in paths:
        document = snapshot.document(path)
        if document is None:
            # Named like a document, and a folder or a link out of the catalogue.
            unreadable = Document(path, b"", None, Fault("file-unreadable", "It is no file.", "Rename or remove it."))
            yield from official.check(unreadable, snapshot)
            continue
        told = set()
        for finding in official.check(document, snapshot):
            told.add(finding.problem.pointer)
            yield finding
        yield from review(document, snapshot, told)


def concerns(problem: Problem, changed: Collection[str]) -> bool:
    """Whether a problem belongs to a change: all of the changed files', and what others have with one of these."""
    if problem.file in changed or problem.layer is Layer.OFFICIAL:
        return True
    if problem.rule not in RELATIONAL:
        return False
    return any(_about(path).search(problem.message) for path in changed)


@lru_cache(256)
def _about(path: str) -> re.Pattern[str]:
    """What a message about the file, or the entity that it describes, holds."""
    folder, _, _ = path.rpartition("/")
    names = [ending(path), *([folder] if "/" in folder else [])]
    return re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, names))})(?![\w-]|\.\w)")


def _missing(addresses: Iterable[str]) -> Problem:
    names = sorted(addresses)
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    rule = RULES["schemas-missing"]
    return Problem("", "", rule.id, Layer.REVIEWER, Severity.WARNING, f"Not checked against: {shown}.", rule.how)
