"""One validation: which files, which rules, one report."""

from collections.abc import Iterable, Iterator

from terrafair.catalogue.rules.affected import affected
from terrafair.catalogue.rules.findings import Finding
from terrafair.catalogue.rules.official.check import Official
from terrafair.catalogue.rules.report import Layer, Problem, Report, Severity
from terrafair.catalogue.rules.rulebook import RULES
from terrafair.catalogue.rules.snapshot import Snapshot
from terrafair.catalogue.rules.tree import Tree
from terrafair.catalogue.rules.versions import LATEST, rule_set
from terrafair.catalogue.schemas import Store
from terrafair.errors import InvalidInput


def validate(
    tree: Tree,
    changed: Iterable[str] | None = None,
    *,
    rules: str = LATEST,
    store: Store | None = None,
    strict: bool = False,
) -> Report:
    """Check a catalogue, or with `changed` only the files whose verdict these paths can affect.

    `changed` may hold paths that are deleted in `tree`. Where `tree` is an `Overlay`, the base tells what a file was
    before, so that a change that others cannot see (any but its title and its being there) touches that file alone.
    Without a `store` the rules in code and the STAC core schemas still run, and a warning with the rule
    `schemas-missing` says what was not checked. Compiled schemas stay with the store: keep it for many validations.
    Raises `InvalidInput` for an unknown rule set and for a tree without `catalog.json` at its top.
    """
    official = Official(rule_set(rules), store or Store())
    snapshot = Snapshot(tree)
    paths = list(tree.paths()) if changed is None else affected(snapshot, changed)
    found = [finding.problem for finding in _findings(official, snapshot, paths)]
    return Report.of(len(paths), found, strict=strict)


def _findings(official: Official, snapshot: Snapshot, paths: Iterable[str]) -> Iterator[Finding]:
    for path in paths:
        document = snapshot.document(path)
        if document is not None:
            yield from official.check(document, snapshot)
