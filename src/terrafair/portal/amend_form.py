"""The form that changes an entry of the catalogue: the record as it is, what was typed, and what the rules say."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from terrafair.errors import Conflict, NotFound, Problem
from terrafair.identity.asking import asker
from terrafair.portal.kept import Draft, Kept
from terrafair.publishing import amendment, form
from terrafair.publishing.amendment import Texts
from terrafair.publishing.links import path, title_of
from terrafair.publishing.present import Present
from terrafair.publishing.publication import Publication, State
from terrafair.publishing.publisher import Prepared, Publisher
from terrafair.publishing.store import Store

Typed = Mapping[str, list[str]]
OVER = frozenset({State.MERGED, State.PUBLISHED, State.DECLINED})
WAS = "was"
"""The hidden field that says what the record held when the form was opened."""


@dataclass(frozen=True, slots=True)
class Amended:
    """A change as it stands."""

    kind: str
    id: str
    title: str
    publication: Publication | None
    texts: Texts
    fields: Texts
    """Those that differ from the record."""
    now: Texts
    """The record's own."""
    clashes: tuple[Problem, ...]
    prepared: Prepared
    stamp: str

    @property
    def entry(self) -> str:
        """The record's file."""
        return path(self.kind, self.id)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that keeps it from going on."""
        return self.clashes or self.prepared.problems

    def beside(self) -> tuple[dict[str, tuple[Problem, ...]], list[Problem]]:
        """Field -> its problems; and those of no field."""
        mine: dict[str, tuple[Problem, ...]] = {}
        loose: list[Problem] = []
        for problem in self.problems:
            name = self._owner(problem)
            told = form.told(problem)
            if name:
                mine[name] = (*mine.get(name, ()), told)
            else:
                loose.append(told)
        return mine, loose

    def _owner(self, problem: Problem) -> str:
        fields = amendment.FIELDS[self.kind]
        if problem.where in fields:
            return problem.where
        file, _, pointer = problem.where.partition("#")
        if file != self.entry:
            return ""
        places = {name: "/" + "/".join(place) for name, place in fields.items()}
        return next((name for name, at in places.items() if f"{pointer}/".startswith(f"{at}/")), "")


@dataclass(frozen=True, slots=True)
class Amending:
    """Reads and keeps changes."""

    publisher: Publisher
    store: Store
    kept: Kept
    catalogue: Callable[[], Mapping[str, bytes]]

    def publication(self, kind: str, identifier: str) -> Publication | None:
        """That of an entry."""
        try:
            return self.store.get(amendment.key(kind, identifier))
        except NotFound:
            return None

    def stamp(self, kind: str, identifier: str) -> str:
        """When the change was last kept, by whomever."""
        draft = self.kept.find(_person(), page(kind, identifier))
        publication = self.publication(kind, identifier)
        return "/".join((draft.updated if draft else "", publication.updated if publication else ""))

    def read(self, kind: str, identifier: str, typed: Typed | None = None, before: Draft | None = None) -> Amended:
        """The change by what was typed now, else what was typed before, else what was handed in; raises `NotFound`."""
        document = Present(self.catalogue().get).entry(kind, identifier)
        if document is None:
            raise NotFound(
                f"The catalogue has no {kind} {identifier[:80]!r}.", remedy="Find looks through what it has."
            )
        now, publication = amendment.texts(kind, document), self.publication(kind, identifier)
        if typed is None:
            before = before or self.kept.find(_person(), page(kind, identifier))
            typed = before.fields if before else None
        was: Texts = now
        fields: Texts = {}
        if typed is not None:
            was = _was(typed, now)
            fields = amendment.changed(kind, {name: tuple(values) for name, values in typed.items()}, was)
        elif publication is not None and publication.state not in OVER:
            was, fields = (_texts(publication.answers.get(part)) for part in ("was", "fields"))
        clashes = amendment.conflicts(fields, was, now)
        # A field that says what the catalogue says by now needs no change.
        fields = {
            name: values for name, values in fields.items() if not amendment.alike(name, values, now.get(name, ()))
        }
        prepared = self.publisher.amended((kind, identifier), fields, now)
        shown = {**now, **fields}
        title = title_of(document)
        stamp = self.stamp(kind, identifier)
        return Amended(kind, identifier, title, publication, shown, fields, now, clashes, prepared, stamp)

    def keep(self, kind: str, identifier: str, typed: Typed) -> str:
        """Keep what was typed, right or wrong; gives the stamp that this leaves."""
        names = {*amendment.FIELDS[kind], WAS}
        self.kept.save(_person(), page(kind, identifier), {name: typed[name] for name in typed if name in names})
        return self.stamp(kind, identifier)

    def hand_in(self, amended: Amended) -> Publication:
        """The change becomes the entry's publication; raises `Conflict` while somebody else's is under review."""
        self.free(amended.publication)
        name = amendment.key(amended.kind, amended.id)
        was = {field: list(amended.now.get(field, ())) for field in amended.fields}
        answers = {
            "fields": {field: list(values) for field, values in amended.fields.items()},
            "was": {field: values for field, values in was.items() if values},
            "product_title": amended.title,
            "by": _person(),
        }
        publication = self.publisher.begin_amendment(name, answers)
        self.kept.drop(_person(), page(amended.kind, amended.id))
        return publication

    def forget(self, kind: str, identifier: str) -> None:
        """What was typed and not handed in is given up."""
        self.kept.drop(_person(), page(kind, identifier))

    def free(self, publication: Publication | None) -> None:
        """Raise `Conflict` while a change of somebody else's is on its way: there is one pull request at a time."""
        if publication is None or publication.state in OVER or asker().actor.operator:
            return
        begun = publication.testing or publication.production
        if begun and publication.answers.get("by") != _person():
            raise Conflict(
                "Somebody else has proposed a change of this entry, and it is still under review.",
                "There is one pull request at a time for each entry.",
                f"Say what you would change there: {begun.url}",
                code="under-review",
            )


def page(kind: str, identifier: str) -> str:
    """Where a change is described."""
    return f"/publish/edit/{kind.removesuffix('s')}/{identifier}"


def was_text(now: Texts) -> str:
    """What the hidden field holds."""
    return json.dumps(now, ensure_ascii=False)


def _was(typed: Typed, now: Texts) -> Texts:
    """What the record held when the form was opened; a form that does not say means the record as it is."""
    try:
        found = json.loads((typed.get(WAS) or [""])[-1])
    except (ValueError, RecursionError):
        return now
    return _texts(found) if isinstance(found, dict) else now


def _texts(found: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(found, dict):
        return {}
    lists = {str(name): values for name, values in found.items() if isinstance(values, list)}
    return {name: tuple(str(each) for each in values) for name, values in lists.items()}


def _person() -> str:
    return asker().actor.person or "operator"
