"""What a forge keeps beside git: repositories, pull requests, comments, checks; one JSON file, written whole."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self


@dataclass(slots=True)
class Hosted:
    """One repository."""

    name: str
    """`owner/name`."""
    path: str
    created: str
    parent: str = ""
    """The repository that it is a fork of."""
    ready: float = 0.0
    """Unix time from which a fork can be used: GitHub makes them in the background."""


@dataclass(slots=True)
class Said:
    """A comment or a review."""

    user: str
    body: str
    time: str
    state: str = ""
    """`APPROVED`, `CHANGES_REQUESTED`, `COMMENTED` for a review; empty for a comment."""
    commit: str = ""


@dataclass(slots=True)
class Check:
    """An automatic check of a commit."""

    name: str
    started: str
    status: str = "in_progress"
    conclusion: str = ""
    completed: str = ""
    title: str = ""
    summary: str = ""


@dataclass(slots=True)
class Pull:
    """A pull request."""

    number: int
    title: str
    body: str
    user: str
    head_repo: str
    head: str
    """Branch of the head repository; likewise the next of the base."""
    base: str
    head_sha: str
    created: str
    updated: str
    open: bool = True
    closed: str = ""
    merged: str = ""
    """When; empty: it is not."""
    merged_by: str = ""
    merge_sha: str = ""
    base_sha: str = ""
    """Of the base when it was merged or closed."""
    judged: str = ""
    """`HEAD BASE` for which mergeability has been computed: the first look only asks for it, as on GitHub."""
    rewritten: bool = False
    """Its branch was forced elsewhere after it was closed: GitHub does not open it again then."""
    labels: list[str] = field(default_factory=list)
    comments: list[Said] = field(default_factory=list)
    reviews: list[Said] = field(default_factory=list)

    @classmethod
    def read(cls, document: dict[str, Any]) -> Self:
        """From its JSON form."""
        comments, reviews = ([Said(**each) for each in document.pop(name)] for name in ("comments", "reviews"))
        return cls(**document, comments=comments, reviews=reviews)


@dataclass(slots=True)
class State:
    """All of it."""

    repositories: dict[str, Hosted] = field(default_factory=dict)
    pulls: dict[str, list[Pull]] = field(default_factory=dict)
    """By repository, number by number from 1."""
    checks: dict[str, list[Check]] = field(default_factory=dict)
    """By `repository sha`."""

    @classmethod
    def load(cls, file: Path) -> Self:
        """What was saved; nothing yet where there is no file."""
        try:
            document = json.loads(file.read_text("utf-8"))
        except FileNotFoundError:
            return cls()
        return cls(
            {name: Hosted(**each) for name, each in document["repositories"].items()},
            {name: [Pull.read(each) for each in pulls] for name, pulls in document["pulls"].items()},
            {key: [Check(**each) for each in checks] for key, checks in document["checks"].items()},
        )

    def save(self, file: Path) -> None:
        """Whole or not at all."""
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self), indent=1), "utf-8")
        partial.replace(file)
