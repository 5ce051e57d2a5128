"""What a workspace is opened on: a notebook that begins with the data, and the workflow's repository.

The home is its person's: anything in it may be a link to elsewhere. So everything is made beside it and moved in under
a name that was free, which follows no link.
"""

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terrafair.workspaces.workspace import Seed

Cells = Iterator[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Source:
    """A repository at a commit."""

    mirror: Path
    """The platform's own copy."""
    url: str
    commit: str
    modules: str = ""
    """Folder in it whose packages the workflow imports; empty: none."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the platform knows of a seed."""

    title: str
    inputs: Mapping[str, Any]
    """Of an experiment or a job."""
    source: Source | None = None
    """Of its workflow's code."""
    remark: str = ""
    """What else is to be said of it, in Markdown."""


def folder_name(source: Source) -> str:
    """The name under which a repository lies in the home."""
    return _plain(source.url.rstrip("/").rpartition("/")[2].removesuffix(".git")) or "workflow"


def notebook(seed: Seed, told: Told) -> dict[str, Any]:
    """The notebook that a workspace begins with."""
    cells = [_cell(kind, number, text) for number, (kind, text) in enumerate(_cells(seed, told))]
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": about, "cells": cells}


def _cells(seed: Seed, told: Told) -> Cells:
    yield "markdown", f"# {told.title or seed.id}\n\nOpened from the {seed.kind} `{seed.id}`."
    if told.remark:
        yield "markdown", told.remark
    yield "code", 'import terrafair\n\nplatform = terrafair.connect()\nplatform.me()["name"]'
    if seed.kind in {"product", "job"}:
        yield "code", f"data = terrafair.open({seed.id!r})\ndata"
        return
    inputs = json.dumps(dict(told.inputs), indent=4, ensure_ascii=False, default=str)
    inputs = re.sub(r"\b(true|false|null)\b(?=,?$)", _python, inputs, flags=re.MULTILINE)
    yield "code", f"inputs = {inputs}"
    yield "code", f'job = platform.run({seed.id!r}, kind={seed.kind!r}, inputs=inputs)\njob["id"]'
    yield "code", 'for line in platform.follow(job["id"]):\n    print(line["message"])'
    yield "code", 'data = terrafair.open(job["id"])\ndata'
    if told.source:
        name = folder_name(told.source)
        yield "markdown", f"The workflow's repository lies in `{name}`. Check and build it with what is changed in it:"
        yield "code", f"!terrafair check {name} --offline"


def _python(found: "re.Match[str]") -> str:
    return {"true": "True", "false": "False", "null": "None"}[found.group(1)]


def _cell(kind: str, number: int, text: str) -> dict[str, Any]:
    more: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"id": f"cell-{number}", "cell_type": kind, "metadata": {}, "source": text, **more}


def plant(home: Path, seed: Seed, told: Told) -> str:
    """Put it into the home; gives the notebook's path there. What is there already is left as it is."""
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="seed-", dir=home.parent) as folder:
        made = Path(folder)
        if told.source:
            _checkout(told.source, made / "repository")
            _move(made / "repository", home, folder_name(told.source))
        if not seed.kind:
            return ""
        name = f"{seed.kind}-{_plain(seed.id)}.ipynb"
        (made / name).write_text(json.dumps(notebook(seed, told), indent=1, ensure_ascii=False), "utf-8")
        _move(made / name, home, name)
        return name


def _checkout(source: Source, target: Path) -> None:
    """A clone that pushes to where the code came from."""
    from terrafair.repositories.program import git

    git(["clone", "--quiet", "--no-hardlinks", "--no-checkout", str(source.mirror), str(target)])
    inside = target / ".git"
    git(["remote", "set-url", "origin", source.url], path=inside)
    git(["--work-tree", str(target), "checkout", "--quiet", "-B", "workspace", source.commit], path=inside)


def _move(made: Path, home: Path, name: str) -> None:
    if os.path.lexists(home / name):
        return
    owner = home.lstat()
    for path in (made, *made.rglob("*")):
        os.lchown(path, owner.st_uid, owner.st_gid)
    if made.is_dir():
        # On a name that somebody takes meanwhile it fails, or replaces what is empty.
        made.rename(home / name)
    else:
        os.link(made, home / name)


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.")[:100]
