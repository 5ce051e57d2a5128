"""Forgives small typing errors: the nearest word of the index for one that no document has."""

import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass

CANDIDATES = 60
PART, COMMON = 3, 5
"""Letters of each of two words written as one, and how many documents must have each."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The stems of the index with the count of documents that have each."""

    counts: dict[str, int]
    by_pair: dict[str, list[str]]
    """Two letters in a row -> stems that contain them."""

    @classmethod
    def of(cls, connection: sqlite3.Connection) -> "Vocabulary":
        """Read from the index; some 15,000 stems take 30 ms, so keep it for as long as the commit stays."""
        counts = dict(connection.execute("SELECT term, doc FROM vocabulary").fetchall())
        by_pair: dict[str, list[str]] = defaultdict(list)
        for stem in counts:
            for pair in _pairs(stem):
                by_pair[pair].append(stem)
        return cls(counts, by_pair)

    def parts(self, word: str, stemmer: "Stemmer") -> str:
        """Two words of the index that somebody wrote as one, with a space between; empty: it is none."""
        cuts = [(word[:at], word[at:]) for at in range(PART, len(word) - PART + 1)]
        if not cuts:
            return ""
        stems = stemmer.stems([part for cut in cuts for part in cut])
        common = [min(self.counts.get(stem, 0) for stem in pair) for pair in zip(stems[::2], stems[1::2], strict=True)]
        best = max(range(len(cuts)), key=common.__getitem__)
        return " ".join(cuts[best]) if common[best] >= COMMON else ""

    def nearest(self, stem: str) -> str | None:
        """The nearest stem within one error for short words, two for longer; the commoner of equals."""
        allowed = 0 if len(stem) < 4 else 1 if len(stem) < 6 else 2
        shared = Counter(
            other for pair in _pairs(stem) for other in self.by_pair.get(pair, ()) if abs(len(other) - len(stem)) <= 2
        )
        best: tuple[int, int, str] | None = None
        for other, _ in shared.most_common(CANDIDATES):
            errors = distance(stem, other)
            if errors <= allowed and (best is None or (errors, -self.counts[other]) < best[:2]):
                best = (errors, -self.counts[other], other)
        return best[2] if best else None


def _pairs(word: str) -> set[str]:
    padded = f"^{word}$"
    return {padded[start : start + 2] for start in range(len(padded) - 1)}


def distance(one: str, other: str) -> int:
    """Optimal string alignment distance: insertions, deletions, replacements, swaps of neighbours."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        now = [row]
        for column, other_letter in enumerate(other, start=1):
            cost = letter != other_letter
            best = min(last[column] + 1, now[column - 1] + 1, last[column - 1] + cost)
            swapped = row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == other_letter
            now.append(min(best, before[column - 2] + 1) if swapped else best)
        before, last = last, now
    return last[-1]


class Stemmer:
    """FTS5's own porter stemmer, so that typed words and indexed words are cut alike."""

    def __init__(self) -> None:
        self._sql = sqlite3.connect(":memory:", check_same_thread=False)
        self._sql.execute("CREATE VIRTUAL TABLE cut USING fts5 (word, tokenize = 'porter unicode61')")
        self._sql.execute("CREATE VIRTUAL TABLE stems USING fts5vocab (cut, 'instance')")

    def stems(self, words: list[str]) -> list[str]:
        """One stem for each word; a word that the tokeniser drops stays as it is."""
        self._sql.execute("DELETE FROM cut")
        self._sql.executemany("INSERT INTO cut (rowid, word) VALUES (?, ?)", enumerate(words))
        found = {number: stem for stem, number in self._sql.execute("SELECT term, doc FROM stems")}
        return [found.get(number, word) for number, word in enumerate(words)]
