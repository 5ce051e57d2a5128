"""A publication and its life: pure values and one pure function from (publication, what happened) to the next state.

    draft -> checked -> archived -> testing -> tested -> proposed -> merged -> published

What is to be done next follows from the state alone (`next_step`), so a publication goes on wherever it was left.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from terrafair.errors import Problem
from terrafair.publishing.archive import Receipt
from terrafair.publishing.proposal import PullRequest, Verdict


class State(StrEnum):
    """How far it has come."""

    DRAFT = "draft"
    """Answers are missing, or rules are broken."""
    CHECKED = "checked"
    """The entries are complete and valid."""
    ARCHIVED = "archived"
    """The data are in the archive."""
    TESTING = "testing"
    """The pull request at the testing repository waits for a green check."""
    TESTED = "tested"
    """Its check is green."""
    PROPOSED = "proposed"
    """The pull request at the catalogue itself waits for its reviewers."""
    DECLINED = "declined"
    """The reviewers closed it."""
    MERGED = "merged"
    """They merged it."""
    PUBLISHED = "published"
    """The catalogue that this platform shows has it."""


class Step(StrEnum):
    """What brings it further."""

    CHECK = "check"
    DELIVER = "deliver"
    TEST = "test"
    FOLLOW_TEST = "follow-test"
    PROPOSE = "propose"
    FOLLOW = "follow"
    SYNC = "sync"
    NONE = "none"


_NEXT = {
    State.DRAFT: Step.CHECK,
    State.CHECKED: Step.DELIVER,
    State.ARCHIVED: Step.TEST,
    State.TESTING: Step.FOLLOW_TEST,
    State.TESTED: Step.PROPOSE,
    State.PROPOSED: Step.FOLLOW,
    State.MERGED: Step.SYNC,
}
PREFIX = "edit:"
"""Before kind and id of the entry that a publication amends, where others have the job's id."""
WAITING = frozenset({State.TESTING, State.PROPOSED, State.MERGED})
"""States that somebody else ends."""


@dataclass(frozen=True, slots=True)
class Publication:
    """One result on its way into the catalogue."""

    id: str
    job: str
    created: str
    """RFC 3339, UTC."""
    state: State = State.DRAFT
    answers: Mapping[str, Any] = field(default_factory=dict)
    """As `Answers.document`; complete once it has been checked."""
    entries: tuple[str, ...] = ()
    """Paths of the entries in the catalogue."""
    problems: tuple[Problem, ...] = ()
    """Why it does not go on."""
    warnings: tuple[Problem, ...] = ()
    """What reviewers would ask about."""
    receipt: Receipt | None = None
    testing: PullRequest | None = None
    production: PullRequest | None = None
    revision: int = 1
    """Counts published versions: an edit after the merge is a new pull request."""
    updated: str = ""

    @property
    def next(self) -> Step:
        """What is to be done."""
        if self.amends and self.state is State.CHECKED:
            return Step.TEST
        return _NEXT.get(self.state, Step.NONE)

    @property
    def waiting(self) -> bool:
        """Whether somebody else has to do something before it goes on."""
        return self.state in WAITING or bool(self.problems)

    @property
    def amends(self) -> bool:
        """Whether it changes an entry of the catalogue, and has no result to archive."""
        return self.job.startswith(PREFIX)

    @property
    def name(self) -> str:
        """Names the branch of this revision."""
        return self.id if self.revision == 1 else f"{self.id}-{self.revision}"

    def json(self) -> str:
        """For the database."""
        document = asdict(self)
        for name in ("receipt", "testing", "production"):
            value = getattr(self, name)
            document[name] = value.document() if value else None
        return json.dumps(document, sort_keys=True)

    @classmethod
    def read(cls, text: str) -> Self:
        """From the database."""
        known = json.loads(text)
        for name in ("problems", "warnings"):
            known[name] = tuple(Problem(**each) for each in known[name])
        known["state"], known["entries"] = State(known["state"]), tuple(known["entries"])
        known["receipt"] = Receipt.read(known["receipt"]) if known["receipt"] else None
        for name in ("testing", "production"):
            known[name] = PullRequest.read(known[name]) if known[name] else None
        return cls(**known)


# What can happen


@dataclass(frozen=True, slots=True)
class Answered:
    """Somebody has said more, or something else."""

    answers: Mapping[str, Any]
    """An empty one takes back what was said."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The draft has been made and the rules applied."""

    answers: Mapping[str, Any]
    """Completed."""
    entries: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivered:
    """The archive has the data."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Tested:
    """The pull request at the testing repository, as it is now; None: there is no testing repository."""

    pull: PullRequest | None


@dataclass(frozen=True, slots=True)
class Proposed:
    """The pull request at the catalogue, as it is now."""

    pull: PullRequest


@dataclass(frozen=True, slots=True)
class Seen:
    """The catalogue that this platform shows has all of it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A step failed; it is tried again when somebody asks."""

    problems: tuple[Problem, ...]


Happening = Answered | Checked | Delivered | Tested | Proposed | Seen | Failed


def step(publication: Publication, happening: Happening) -> Publication:
    """The publication after something happened."""
    match happening:
        case Answered(answers):
            return _answered(publication, answers)
        case Checked(answers, entries, problems, warnings):
            if publication.state is not State.DRAFT:
                return publication
            state = State.DRAFT if problems else State.CHECKED
            return replace(
                publication, state=state, answers=answers, entries=entries, problems=problems, warnings=warnings
            )
        case Delivered(receipt):
            if publication.state is not State.CHECKED:
                return publication
            return replace(publication, state=State.ARCHIVED, receipt=receipt, problems=())
        case Tested(pull):
            return _tested(publication, pull)
        case Proposed(pull):
            return _proposed(publication, pull)
        case Seen():
            if publication.state in {State.PROPOSED, State.MERGED}:
                return replace(publication, state=State.PUBLISHED, problems=())
            return publication
        case Failed(problems):
            return replace(publication, problems=problems)


def _answered(publication: Publication, answers: Mapping[str, Any]) -> Publication:
    together = {name: value for name, value in {**publication.answers, **answers}.items() if value}
    if together == dict(publication.answers):
        return publication
    over = {State.MERGED, State.PUBLISHED, *((State.DECLINED,) if publication.amends else ())}
    if publication.state in over:
        publication = replace(publication, revision=publication.revision + 1, testing=None, production=None)
    return replace(publication, state=State.DRAFT, answers=together, problems=(), warnings=())


def _tested(publication: Publication, pull: PullRequest | None) -> Publication:
    if publication.state not in {State.CHECKED if publication.amends else State.ARCHIVED, State.TESTING}:
        return publication
    if pull is None or pull.verdict is Verdict.GREEN:
        return replace(publication, state=State.TESTED, testing=pull, problems=())
    problems: tuple[Problem, ...] = ()
    if pull.verdict is Verdict.RED:
        remedy = "Mend the answers (`terrafair publish JOB --set ...`)."
        problems = tuple(
            Problem(remark, "The testing repository's check is red.", remedy, pull.url, "check-red")
            for remark in pull.remarks or ("The check failed.",)
        )
    return replace(publication, state=State.TESTING, testing=pull, problems=problems)


def _proposed(publication: Publication, pull: PullRequest) -> Publication:
    if publication.state not in {State.TESTED, State.PROPOSED}:
        return publication
    state = {"merged": State.MERGED, "closed": State.DECLINED}.get(pull.state, State.PROPOSED)
    return replace(publication, state=state, production=pull, problems=())
