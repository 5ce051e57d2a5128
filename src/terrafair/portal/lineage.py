"""Where a result comes from and what came of it, as a drawing of boxes and lines with the same facts as a list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from terrafair.portal.results_files import ResultFile
from terrafair.portal.results_provenance import Used, summary

SHOWN = 7
"""Boxes of one side; the others are counted in one box and named in the list."""
BOX, HIGH, GAP = 220, 46, 12
COLUMNS = (0, 290, 580)
LETTERS = 30


@dataclass(frozen=True, slots=True)
class Box:
    """One thing."""

    x: float
    y: float
    title: str
    detail: str
    href: str
    kind: str
    """`input`, `job`, `code` or `output`."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """The whole of it."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[str, ...]
    """The `d` of each path."""
    words: str
    inputs: tuple[tuple[str, str], ...]
    """(name, value or address) of all that are listed."""
    outputs: tuple[tuple[str, str], ...]
    """(name, address of its page)."""
    facts: tuple[tuple[str, str], ...]


def drawing(crate: Any, job: Mapping[str, Any], entry: str, files: Sequence[ResultFile]) -> Drawing:
    """By the run's crate; without one, by what was asked for."""
    told = summary(crate)
    used = list(told.inputs) if told else [Used(name, str(value), "", "") for name, value in job["inputs"].items()]
    left = told.left if told else 0
    made = [file for file in files if file.data]
    inputs = _column(0, [_input(each) for each in used], left)
    outputs = _column(2, [("output", file.short, file.word, file.page) for file in made], 0)
    height = max(_height(len(inputs)), _height(len(outputs)), 2 * HIGH + 4 * GAP)
    middle = height / 2
    facts = told.facts if told else ()
    code = Box(COLUMNS[1], middle - HIGH - GAP, _short(job["subject"]), _code(facts, job), entry, "code")
    run = Box(COLUMNS[1], middle + GAP, "This run", job["status"], "", "job")
    boxes = [*_placed(inputs, height), code, run, *_placed(outputs, height)]
    lines = [f"M{COLUMNS[1] + BOX / 2},{code.y + HIGH}V{run.y}"]
    lines += [_line(box, run) for box in boxes if box.kind == "input"]
    lines += [_line(run, box) for box in boxes if box.kind == "output"]
    return Drawing(
        COLUMNS[2] + BOX,
        int(height),
        tuple(boxes),
        tuple(lines),
        f"{_count(len(used) + left, 'input')} went into this run of {job['subject']};"
        f" {_count(len(made), 'file')} came of it.",
        tuple((each.name, each.value or each.address or each.sha256) for each in used),
        tuple((file.short, file.page) for file in made),
        facts,
    )


def _input(used: Used) -> tuple[str, str, str, str]:
    link = used.address if used.address.startswith(("https://", "http://")) else ""
    return "input", used.name, used.value or used.address or used.sha256[:12], link


def _code(facts: Sequence[tuple[str, str]], job: Mapping[str, Any]) -> str:
    version = dict(facts).get("Version", "")
    return " ".join(part for part in (str(job["kind"]), str(job["type"]), version[:12]) if part)


def _column(number: int, rows: list[tuple[str, str, str, str]], left: int) -> list[Box]:
    shown = rows if len(rows) <= SHOWN and not left else rows[: SHOWN - 1]
    boxes = [Box(COLUMNS[number], 0, _short(title), _short(detail), href, kind) for kind, title, detail, href in shown]
    if rest := len(rows) - len(shown) + left:
        boxes.append(Box(COLUMNS[number], 0, f"{rest} more", "in the list below", "", rows[0][0]))
    return boxes


def _placed(boxes: list[Box], height: float) -> list[Box]:
    top = (height - _height(len(boxes))) / 2
    return [Box(b.x, top + at * (HIGH + GAP), b.title, b.detail, b.href, b.kind) for at, b in enumerate(boxes)]


def _height(count: int) -> float:
    return count * (HIGH + GAP) - GAP if count else 0


def _line(one: Box, other: Box) -> str:
    begin, end = (one.x + BOX, one.y + HIGH / 2), (other.x, other.y + HIGH / 2)
    bend = (begin[0] + end[0]) / 2
    return f"M{begin[0]},{begin[1]:.1f}C{bend},{begin[1]:.1f} {bend},{end[1]:.1f} {end[0]},{end[1]:.1f}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _short(text: str) -> str:
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"
