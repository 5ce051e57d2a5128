"""Answers a query from the index: words ranked by bm25, those with all of them first, filters by real columns."""

import difflib
import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from terrafair.catalogue.acronyms import ACRONYMS
from terrafair.catalogue.facets import Value, facets
from terrafair.catalogue.query import TEXT_LIMIT, Found, Hit, Query
from terrafair.catalogue.records import ENTITIES, Kind
from terrafair.catalogue.spelling import COMMON, Stemmer, Vocabulary
from terrafair.errors import InvalidInput

WEIGHTS = "10.0, 4.0, 3.0, 1.0, 6.0"
"""Of title, keywords, linked titles, description, id."""
_COMMON = "a an and are as at by for from in into is it of on or over that the to using with"
STOP_WORDS = frozenset(_COMMON.split(" "))
TERM_LIMIT = 32


@dataclass(frozen=True, slots=True)
class Terms:
    """The words of a search text as FTS5 phrases; user text never reaches its syntax."""

    phrases: tuple[str, ...] = ()
    corrected: tuple[tuple[str, str], ...] = ()

    @property
    def any(self) -> str:
        """A match of at least one."""
        return " OR ".join(self.phrases)

    @property
    def all(self) -> str:
        """A match of every one."""
        return " AND ".join(f"({phrase})" for phrase in self.phrases)


class Searcher:
    """Search over one connection's index; not for several threads at once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection
        self._stemmer = Stemmer()
        self._vocabulary: Vocabulary | None = None
        self._vocabulary_of = ""

    def search(self, query: Query, commit: str, extra: Iterable[tuple[int, float]] = ()) -> Found:
        """One page; `extra` are further candidates (number, similarity), fused in by reciprocal rank."""
        allowed = self._allowed(query)
        if not query.text.strip():
            return self._listing(query, allowed)
        terms = self._terms(query.text, commit)
        ranked = self._ranked(query, terms, allowed, extra)
        page = ranked[query.offset : query.offset + query.limit]
        return Found(len(ranked), tuple(self._hit(number, score) for score, number in page), terms.corrected)

    def facets(self, query: Query, commit: str) -> Mapping[str, tuple[Value, ...]]:
        """How all that a query finds, beyond its page, spreads over each facet."""
        return facets(self._sql, query, lambda wanted: self._matching(wanted, commit))

    def _matching(self, query: Query, commit: str) -> set[int]:
        """The numbers of all that a query finds."""
        allowed = self._allowed(query)
        if not query.text.strip():
            return self._of_kinds(ENTITIES) if allowed is None else allowed
        return {number for _, number in self._ranked(query, self._terms(query.text, commit), allowed)}

    def _ranked(
        self, query: Query, terms: Terms, allowed: set[int] | None, extra: Iterable[tuple[int, float]] = ()
    ) -> list[tuple[float, int]]:
        scores = self._scores(terms)
        self._prefer_the_named(scores, query.text)
        for rank, (number, _) in enumerate(extra):
            scores[number] = scores.get(number, 0.0) + 20.0 / (1 + rank)
        wanted = self._of_kinds(ENTITIES) if allowed is None else allowed
        ranked = [(score, number) for number, score in scores.items() if number in wanted]
        return sorted(ranked, key=lambda pair: (-pair[0], pair[1]))

    def _terms(self, text: str, commit: str) -> Terms:
        words = re.findall(r"[^\W_]+", text[:TEXT_LIMIT].lower())[:TERM_LIMIT]
        # One letter alone comes from an apostrophe or an initial, and is in every text.
        telling = [word for word in words if word not in STOP_WORDS and (len(word) > 1 or word.isdigit())]
        words = list(dict.fromkeys(telling)) or words
        if self._vocabulary is None or self._vocabulary_of != commit:
            self._vocabulary, self._vocabulary_of = Vocabulary.of(self._sql), commit
        phrases, corrected = [], []
        for word, stem in zip(words, self._stemmer.stems(words), strict=True):
            if word in ACRONYMS:
                phrases.append(f'"{word}" OR "{ACRONYMS[word]}"')
            elif self._vocabulary.counts.get(stem, 0) >= COMMON:
                phrases.append(f'"{word}"')
            elif parts := self._vocabulary.parts(word, self._stemmer):
                phrases.append(f'"{word}" OR "{parts}"')
                corrected += [] if stem in self._vocabulary.counts else [(word, parts)]
            elif stem in self._vocabulary.counts:
                phrases.append(f'"{word}"')
            elif meant := self._vocabulary.nearest(stem):
                phrases.append(f'"{meant}"')
                corrected.append((word, meant))
            else:
                # Not a word and near none: perhaps the start of one.
                phrases.append(f'"{word}" *')
        return Terms(tuple(phrases), tuple(corrected))

    def _scores(self, terms: Terms) -> dict[int, float]:
        """Number -> score; those with every term lie above those without."""
        if not terms.phrases:
            return {}
        rows = self._sql.execute(
            f"SELECT rowid, bm25(words, {WEIGHTS}) FROM words WHERE words MATCH ?", (terms.any,)
        ).fetchall()
        every = {number for (number,) in self._sql.execute("SELECT rowid FROM words WHERE words MATCH ?", (terms.all,))}
        top = max((-score for _, score in rows), default=0.0)
        return {number: -score + (top if number in every else 0.0) for number, score in rows}

    def _prefer_the_named(self, scores: dict[int, float], text: str) -> None:
        """An entity that is called exactly what was typed comes first."""
        top = max(scores.values(), default=0.0)
        rows = self._sql.execute(
            "SELECT number FROM records WHERE title = ?1 COLLATE NOCASE OR id = ?1", (text.strip(),)
        )
        for (number,) in rows:
            if number in scores:
                scores[number] += top

    def _listing(self, query: Query, allowed: set[int] | None) -> Found:
        chosen = self._of_kinds(ENTITIES) if allowed is None else allowed
        rows = self._sql.execute(
            "SELECT number FROM records ORDER BY kind, CASE title WHEN '' THEN id ELSE title END COLLATE NOCASE, id"
        )
        ordered = [number for (number,) in rows if number in chosen]
        page = ordered[query.offset : query.offset + query.limit]
        return Found(len(ordered), tuple(self._hit(number, 0.0) for number in page))

    def _of_kinds(self, kinds: Iterable[Kind]) -> set[int]:
        chosen = [kind.value for kind in kinds]
        marks = ", ".join("?" * len(chosen))
        return {row[0] for row in self._sql.execute(f"SELECT number FROM records WHERE kind IN ({marks})", chosen)}

    def _allowed(self, query: Query) -> set[int] | None:
        """The records that pass every filter; None where nothing is filtered."""
        sets = [self._of_kinds(query.kinds)] if query.kinds else []
        for kind, name in (
            (Kind.THEME, query.theme),
            (Kind.VARIABLE, query.variable),
            (Kind.MISSION, query.mission),
            (Kind.PROJECT, query.project),
        ):
            if name:
                sets.append(self._with_facet(kind, name))
        if query.box is not None:
            sets.append(self._in_box(*query.box))
        if query.start or query.end:
            sets.append(self._in_time(query.start, query.end))
        if not sets:
            return None
        if not query.kinds:
            sets.append(self._of_kinds(ENTITIES))
        return set.intersection(*sets)

    def _with_facet(self, kind: Kind, name: str) -> set[int]:
        rows = self._sql.execute("SELECT id, title FROM records WHERE kind = ?", (kind.value,)).fetchall()
        wanted = name.casefold().strip()
        ids = [identifier for identifier, title in rows if wanted in (identifier.casefold(), title.casefold())]
        if not ids:
            names = {text.casefold(): identifier for identifier, title in rows for text in (identifier, title) if text}
            near = [names[text] for text in difflib.get_close_matches(wanted, names, 3, 0.5)]
            raise InvalidInput(
                f"The catalogue has no {kind.value} {name!r}.",
                remedy=f"Nearest: {', '.join(dict.fromkeys(near))}."
                if near
                else f"See `terrafair find --kind {kind}`.",
                where=kind.value,
            )
        marks = ", ".join("?" * len(ids))
        found = self._sql.execute(f"SELECT number FROM facets WHERE kind = ? AND id IN ({marks})", (kind.value, *ids))
        return {number for (number,) in found}

    def _in_box(self, west: float, south: float, east: float, north: float) -> set[int]:
        found: set[int] = set()
        for left, right in [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]:
            rows = self._sql.execute(
                "SELECT number FROM space WHERE west <= ? AND east >= ? AND south <= ? AND north >= ?",
                (right, left, north, south),
            )
            found.update(number for (number,) in rows)
        return found

    def _in_time(self, start: str, end: str) -> set[int]:
        rows = self._sql.execute(
            "SELECT number FROM records WHERE dated AND (finish = '' OR ? = '' OR finish >= ?)"
            " AND (start = '' OR ? = '' OR start <= ?)",
            (start, start, end, end),
        )
        return {number for (number,) in rows}

    def _hit(self, number: int, score: float) -> Hit:
        kind, parent, identifier, title = self._sql.execute(
            "SELECT kind, parent, id, title FROM records WHERE number = ?", (number,)
        ).fetchone()
        return Hit(Kind(kind), parent, identifier, title or identifier, score)
