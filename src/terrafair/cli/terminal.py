"""How the command line speaks: JSON, tables and messages for people, one stable shape for programs."""

import json
import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from terrafair.errors import Problem, TerrafairError

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for programs.")


class Ended(SystemExit):
    """The verb is done and leaves nothing behind that needs tidying, only much memory.

    Raised by verbs that neither started a process or thread nor hold a file open.
    """

    def leave(self) -> NoReturn:
        """End the process without giving its memory back piece by piece, which takes a tenth of a second."""
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(self.code if isinstance(self.code, int) else 0)


def print_json(document: Any) -> None:
    """One document on standard output."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def print_problem(problem: Problem, *, label: str = "Problem") -> None:
    """A problem as people read it: what, then why and the way out, indented."""
    where = f" ({problem.where})" if problem.where else ""
    click.echo(f"{click.style(label, fg='red', bold=True)}: {problem.what}{where}", err=True)
    for text in (problem.why, problem.remedy):
        if text:
            click.echo(f"  {text}", err=True)


def report(error: TerrafairError, *, as_json: bool) -> None:
    """An error as the command's whole answer."""
    if as_json:
        print_json({"problems": [problem.document() for problem in error.problems]})
        return
    for problem in error.problems:
        print_problem(problem, label="Error")


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Left-aligned columns; the last one takes what the terminal leaves."""
    if not rows:
        return
    widths = [max(len(row[index]) for row in [headings, *rows]) for index in range(len(headings))]
    room = shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else 10_000
    for number, row in enumerate([headings, *rows]):
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths[:-1], strict=True)]
        line = "  ".join([*cells, row[-1]])
        text = line if len(line) <= room else line[: room - 1] + "…"
        click.echo(click.style(text, dim=True) if number == 0 else text)


def duration(seconds: float | None) -> str:
    """Seconds as people say them."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def size(count: int | None) -> str:
    """Bytes as people say them."""
    value = float(count or 0)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
