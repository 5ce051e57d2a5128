"""A report for the programs of others: SARIF 2.1.0 for code scanning, workflow commands for GitHub's annotations."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from terrafair import __version__
from terrafair.catalogue.editing import JsonText
from terrafair.catalogue.rules.report import Problem, Report, printable
from terrafair.catalogue.rules.rulebook import RULES
from terrafair.catalogue.rules.tree import Tree
from terrafair.errors import InvalidInput

SARIF = "https://json.schemastore.org/sarif-2.1.0.json"
GUIDE = "https://github.com/terrafair/terrafair/blob/main/docs/validation.md"


class Lines:
    """Line numbers of what problems point to."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._text = lru_cache(8)(self._read)

    def _read(self, path: str) -> JsonText | None:
        try:
            return JsonText(self._tree.read(path) or b"")
        except InvalidInput:
            return None

    def of(self, problem: Problem) -> int:
        """From 1; the first where the file cannot be read."""
        text = self._text(problem.file) if problem.file else None
        return text.line(problem.pointer) if text is not None else 1


def sarif(report: Report, tree: Tree, prefix: str = "") -> dict[str, Any]:
    """One run; paths are given relative to the repository, whose folder of the catalogue is `prefix`."""
    lines = Lines(tree)
    used = sorted({problem.rule for problem in report.problems})
    return {
        "$schema": SARIF,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "terrafair",
                        "version": __version__,
                        "informationUri": GUIDE,
                        "rules": [_rule(name) for name in used],
                    }
                },
                "results": [
                    {
                        "ruleId": problem.rule,
                        "ruleIndex": used.index(problem.rule),
                        "level": str(problem.severity),
                        "message": {"text": printable(f"{problem.message} {problem.fix}")},
                    }
                    | ({"locations": [_location(problem, lines.of(problem), prefix)]} if problem.file else {})
                    for problem in report.problems
                ],
            }
        ],
    }


def _rule(name: str) -> dict[str, Any]:
    rule = RULES[name]
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.what},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.how},
        "helpUri": f"{GUIDE}#{rule.id}",
        "properties": {"layer": str(rule.layer)},
    }


def _location(problem: Problem, line: int, prefix: str) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _address(prefix + problem.file)},
            "region": {"startLine": line},
        },
        "logicalLocations": [{"fullyQualifiedName": problem.pointer or "/"}],
    }


def _address(path: str) -> str:
    from urllib.parse import quote

    return quote(path.encode("utf-8", "surrogateescape"))


def annotations(report: Report, tree: Tree, prefix: str = "") -> Iterator[str]:
    """Lines that a workflow prints for GitHub to show beside the changed files."""
    lines = Lines(tree)
    for problem in report.problems:
        place = f"file={_property(prefix + problem.file)},line={lines.of(problem)}," if problem.file else ""
        title = _property(f"{problem.rule} {problem.pointer}".strip())
        yield f"::{problem.severity} {place}title={title}::{_data(f'{problem.message} {problem.fix}')}"


def _data(text: str) -> str:
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
