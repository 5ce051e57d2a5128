"""The rules applied to a draft: what it breaks that was not broken before."""

from collections.abc import Callable, Mapping
from typing import Any

from terrafair.catalogue.rules import Documents, Overlay, Report, Severity, validate
from terrafair.catalogue.schemas import Store
from terrafair.errors import Problem

Check = Callable[[Mapping[str, bytes], Mapping[str, bytes | None]], tuple[list[Problem], list[Problem]]]
"""(the catalogue's files, changed files) -> (errors, warnings)."""


class Rules:
    """The official validator's verdicts and the reviewers' questions; compiled schemas are kept."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def store(self) -> Store:
        """The schemas."""
        return self._store

    def __call__(
        self, files: Mapping[str, bytes], changes: Mapping[str, bytes | None]
    ) -> tuple[list[Problem], list[Problem]]:
        """New errors and new warnings of a change; what was wrong before is nobody's fault here."""
        base = Documents(files)
        before = {_name(problem) for problem in self._report(base, changes).problems}
        after = self._report(Overlay(base, dict(changes)), changes)
        found = [problem for problem in after.problems if _name(problem) not in before]
        errors = [_told(problem) for problem in found if problem.severity is Severity.ERROR]
        return errors, [_told(problem) for problem in found if problem.severity is not Severity.ERROR]

    def _report(self, tree: Any, changes: Mapping[str, bytes | None]) -> Report:
        return validate(tree, changes, store=self._store)


def _name(problem: Any) -> tuple[str, str, str]:
    return problem.file, problem.rule, problem.message


def _told(problem: Any) -> Problem:
    return Problem(problem.message, "", problem.fix, f"{problem.file}#{problem.pointer}", f"rule-{problem.rule}")
