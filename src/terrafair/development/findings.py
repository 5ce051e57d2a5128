"""What a check has found, and what it comes to: runs, runs with changes, or cannot."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Self

from terrafair.errors import Problem


class Severity(StrEnum):
    """How much a finding weighs."""

    ERROR = "error"
    """It cannot run so."""
    CHANGE = "change"
    """It runs once this one thing is changed, and the change is known."""
    WARNING = "warning"
    """It runs, and somebody will be sorry."""


class Verdict(StrEnum):
    """What the findings come to."""

    RUNS = "runs"
    CHANGES = "runs with changes"
    CANNOT = "cannot run"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, with its place."""

    rule: str
    """A stable kebab-case word."""
    what: str
    """What is wrong, with the value seen."""
    file: str = ""
    """Relative to the repository's root; empty: the repository, or the target."""
    line: int = 0
    """Counts from 1; 0: no line is known."""
    severity: Severity = Severity.ERROR
    why: str = ""
    remedy: str = ""
    """How to mend it."""
    place: str = ""
    """Node, cell, input or step, where there is one."""

    @classmethod
    def of(cls, problem: Problem, file: str, severity: Severity = Severity.ERROR) -> Self:
        """From a problem of the platform; a line at the end of its place or in its words is the finding's."""
        place, line = problem.where, 0
        if found := re.search(r":(\d+)(?::\d+)?$", place):
            place, line = place[: found.start()], int(found[1])
        elif found := re.search(r"\bline (\d+)|:(\d+):\d+:", problem.what):
            line = int(found[1] or found[2])
        place = "" if place == file else place
        rule = problem.code or "problem"
        return cls(rule, problem.what, file, line, severity, problem.why, problem.remedy, place)

    def at(self, file: str, line: int = 0) -> Self:
        """The same at another place."""
        return replace(self, file=file, line=line or self.line)

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {name: value for name, value in asdict(self).items() if value not in ("", 0)}

    def __str__(self) -> str:
        """One line."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        where = " ".join(part for part in (place, self.place) if part)
        text = f"{self.severity.value} {self.rule}: {self.what}"
        return " ".join(part for part in (f"{where}:" if where else "", text, self.why, self.remedy) if part)


@dataclass(frozen=True, slots=True)
class Report:
    """All findings of one check."""

    findings: tuple[Finding, ...]
    subject: str = ""
    target: str = ""
    """What it was judged against; empty: this platform."""

    @classmethod
    def of(cls, findings: Iterable[Finding], subject: str = "", target: str = "") -> Self:
        """Sorted and each once: what stops it first, then by place."""
        order = list(Severity)
        unique = dict.fromkeys(findings)
        ranked = sorted(unique, key=lambda each: (order.index(each.severity), each.file, each.line, each.rule))
        return cls(tuple(ranked), subject, target)

    def of_severity(self, severity: Severity) -> Sequence[Finding]:
        """Those that weigh so much."""
        return [each for each in self.findings if each.severity is severity]

    @property
    def verdict(self) -> Verdict:
        """Whether it runs."""
        if self.of_severity(Severity.ERROR):
            return Verdict.CANNOT
        return Verdict.CHANGES if self.of_severity(Severity.CHANGE) else Verdict.RUNS

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "subject": self.subject,
            "target": self.target or "here",
            "verdict": self.verdict.value,
            "findings": [each.document() for each in self.findings],
        }
