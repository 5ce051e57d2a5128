"""The form that describes a publication: what was typed, what is prefilled, and what the rules say of both."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from terrafair.errors import InvalidInput, NotFound, Problem
from terrafair.identity.asking import asker
from terrafair.portal.kept import Draft, Kept
from terrafair.publishing import answers, form
from terrafair.publishing.publication import Publication, State
from terrafair.publishing.publisher import Prepared, Publisher
from terrafair.publishing.store import Store

Texts = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Described:
    """A description as it stands."""

    job: str
    publication: Publication | None
    prepared: Prepared
    texts: Mapping[str, tuple[str, ...]]
    """What the fields hold: what was typed, else what is prefilled."""
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    stamp: str
    """When what was said was last kept; another tab that has kept since has another."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """The answers that were typed, without those that cannot be read."""


@dataclass(frozen=True, slots=True)
class Describing:
    """Reads and keeps descriptions."""

    publisher: Publisher
    store: Store
    kept: Kept

    def publication(self, job: str) -> Publication | None:
        """That of a job; None: it has none yet."""
        try:
            return self.store.get(job)
        except NotFound:
            return None

    def stamp(self, job: str) -> str:
        """When its description was last kept, by whomever."""
        draft, publication = self.kept.find(_person(), _path(job)), self.publication(job)
        return "/".join((draft.updated if draft else "", publication.updated if publication else ""))

    def read(self, job: str, typed: Texts | None = None, before: Draft | None = None) -> Described:
        """The description with what was typed now, else with what was typed `before`, else as it was said last."""
        if typed is None and before is None:
            before = self.kept.find(_person(), _path(job))
        texts = typed if typed is not None else (before.fields if before else {})
        given, wrong = _readable(form.answers(texts))
        prepared = self.publisher.preview(job, given)
        shown = form.said(prepared.answers.document())
        shown |= {name: kept for name in form.NAMES if (kept := _kept(texts.get(name)))}
        return Described(
            job,
            self.publication(job),
            prepared,
            shown,
            (*wrong, *prepared.problems),
            prepared.warnings,
            self.stamp(job),
            given,
        )

    def keep(self, job: str, typed: Texts) -> str:
        """Keep what was typed, right or wrong; gives the stamp that this leaves."""
        self.kept.save(_person(), _path(job), {name: typed[name] for name in form.NAMES if name in typed})
        return self.stamp(job)

    def hand_in(self, job: str, given: Mapping[str, Any]) -> Publication:
        """The answers become those of the publication."""
        publication = self.publisher.begin(job, given)
        self.kept.drop(_person(), _path(job))
        return publication

    def forget(self, job: str) -> None:
        """What was typed and not handed in is given up."""
        self.kept.drop(_person(), _path(job))


def differing(described: Described, typed: Texts) -> list[tuple[str, str]]:
    """(question, what is kept) of what another tab or person has said otherwise."""
    found = []
    for name in form.NAMES:
        now, mine = described.texts.get(name, ()), _kept(typed.get(name)) or ()
        if name in typed and ", ".join(now) != ", ".join(mine):
            found.append((form.TITLES.get(name) or name.replace("_", " ").capitalize(), ", ".join(now)))
    return found


def _kept(values: list[str] | None) -> tuple[str, ...]:
    return tuple(text.replace("\r\n", "\n") for text in values or () if text.strip())


def _readable(given: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """The answers that can be read, and what is wrong with the others."""
    try:
        answers.read(given)
    except InvalidInput as error:
        wrong = {problem.where for problem in error.problems}
        return {name: value for name, value in given.items() if name not in wrong}, error.problems
    return dict(given), ()


def _person() -> str:
    return asker().actor.person or "operator"


def _path(job: str) -> str:
    return f"/publish/{job}"


def place(publication: Publication | None, job: str) -> str:
    """The page on which it goes on."""
    if publication is None or publication.state is State.DRAFT:
        return _path(job)
    return f"{_path(job)}/review" if publication.state is State.CHECKED else f"{_path(job)}/follow"
