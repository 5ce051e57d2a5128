"""What is proposed to a catalogue's repository, and how it fares there."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Protocol, Self

Reader = Callable[[str], bytes | None]
"""Path in the catalogue -> content of the file, None where there is none."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change of a catalogue that can be made on any state of it."""

    id: str
    """Names the branch; the same id is the same pull request."""
    title: str
    body: str
    message: str
    """Of the commit."""
    author: str
    """`Name <address>`."""
    date: str
    """RFC 3339; fixed, so that the same change is the same commit."""
    files: Callable[[Reader], Mapping[str, bytes | None]]
    """The changed files over a state of the catalogue; None: deleted."""


class Verdict(StrEnum):
    """What the automatic checks say together."""

    PENDING = "pending"
    GREEN = "green"
    RED = "red"
    NONE = "none"
    """There are no checks."""


@dataclass(frozen=True, slots=True)
class PullRequest:
    """Where a proposal is under review."""

    repository: str
    """`owner/name`."""
    number: int
    url: str
    branch: str
    """`account:branch`."""
    commit: str
    """Head of the branch."""
    base: str
    """Commit of the catalogue that the change was made on."""
    state: str = "open"
    """`open`, `closed` or `merged`."""
    merge_commit: str = ""
    verdict: Verdict = Verdict.PENDING
    mergeable: bool | None = None
    remarks: tuple[str, ...] = field(default=())
    """What checks and reviewers say."""

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """From its JSON form."""
        known = dict(document)
        known["remarks"] = tuple(known.get("remarks", ()))
        known["verdict"] = Verdict(known.get("verdict", "pending"))
        return cls(**known)

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {**asdict(self), "remarks": list(self.remarks), "verdict": self.verdict.value}


class Review(Protocol):
    """Where proposals go."""

    def propose(self, repository: str, proposal: Proposal) -> PullRequest:
        """Open the pull request, or bring the one that is there up to date; the same proposal twice changes nothing."""
        ...

    def follow(self, pull: PullRequest) -> PullRequest:
        """How it fares."""
        ...
