"""One validation: which files, which rules, one report."""

from collections.abc import Iterable

from terrafair.catalogue.rules.report import Report
from terrafair.catalogue.rules.tree import Tree
from terrafair.catalogue.rules.versions import LATEST
from terrafair.catalogue.schemas import Store


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
    raise NotImplementedError
