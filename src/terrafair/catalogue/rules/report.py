"""What validation found: problems that a person can mend, in a report that programs can read."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import attrgetter
from typing import Any


class Layer(StrEnum):
    """Whose rule it is."""

    OFFICIAL = "official"
    """The Open Science Catalog's validator rejects it: a pull request with it fails its check."""
    REVIEWER = "reviewer"
    """The validator lets it pass, and it is wrong all the same."""


class Severity(StrEnum):
    """Whether it makes the catalogue invalid."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in one file."""

    file: str
    """Path in the catalogue, e.g. `products/x/collection.json`; empty: the whole run."""
    pointer: str
    """JSON pointer (RFC 6901) to what is wrong, e.g. `/links/3/title`; empty: the whole document."""
    rule: str
    """Id of the rule; docs/validation.md has each."""
    layer: Layer
    severity: Severity
    message: str
    """What is wrong, with the value seen, and why it is."""
    fix: str
    """What to do about it."""

    def document(self) -> dict[str, str]:
        """The JSON form."""
        return {name: printable(str(getattr(self, name))) for name in FIELDS}


def printable(text: str) -> str:
    """A text that holds a file's name, which on disk may be no Unicode: those bytes are written as `\\xff`."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


FIELDS = tuple(Problem.__dataclass_fields__)
_ORDER = attrgetter(*FIELDS)


@dataclass(frozen=True, slots=True)
class Report:
    """The answer of one validation."""

    files: int
    """How many files were looked at."""
    problems: tuple[Problem, ...]
    """Sorted by file, pointer and rule."""

    @classmethod
    def of(cls, files: int, problems: Iterable[Problem], *, strict: bool = False) -> "Report":
        """Sort; `strict` makes errors of the warnings."""
        found = (replace(problem, severity=Severity.ERROR) if strict else problem for problem in problems)
        return cls(files, tuple(sorted(set(found), key=_ORDER)))

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What makes it invalid."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What a reviewer would ask to be mended."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.WARNING)

    @property
    def valid(self) -> bool:
        """Whether there are no errors."""
        return not self.errors

    def document(self) -> dict[str, Any]:
        """The JSON form: `{files, errors, warnings, problems}`."""
        return {
            "files": self.files,
            "errors": len(self.errors),
            "warnings": len(self.warnings),
            "problems": [problem.document() for problem in self.problems],
        }
