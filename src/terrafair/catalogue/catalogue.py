"""The catalogue as one service: sync it, search it, read its records."""

import difflib
import fcntl
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from terrafair.catalogue import index, osc
from terrafair.catalogue.facets import Value
from terrafair.catalogue.index import Broken, Progress
from terrafair.catalogue.lineage import CHAIN, Lineage
from terrafair.catalogue.query import Found, Query
from terrafair.catalogue.records import Key, Kind, Record
from terrafair.catalogue.search import Searcher
from terrafair.errors import Conflict


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync found and did."""

    commit: str
    branch: str
    source: str
    documents: int
    """JSON documents in the catalogue."""
    changed: int
    """Documents that were read, since they are new or changed."""
    removed: int
    broken: tuple[Broken, ...]
    """Skipped documents with reason and remedy."""

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {**asdict(self), "broken": [asdict(entry) for entry in self.broken]}


class Catalogue:
    """The mirror and index below a home folder; many threads and processes may read while one syncs."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "catalogue"
        self._mirror = self._folder / "mirror.git"
        self._threads = threading.local()
        self._searchers: list[Any] = []
        self._lineage = Lineage()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that this thread and others opened."""
        for connection in self._searchers:
            connection.close()
        self._searchers.clear()
        self._threads = threading.local()

    @property
    def _sql(self) -> Any:
        if not hasattr(self._threads, "sql"):
            self._threads.sql = index.connect(self._folder / "index.db")
            self._searchers.append(self._threads.sql)
        return self._threads.sql

    @property
    def source(self) -> str:
        """Where the catalogue came from; empty before the first sync."""
        return index.meta(self._sql).get("source", "")

    @property
    def branch(self) -> str:
        """The branch that is mirrored; empty for a folder."""
        return index.meta(self._sql).get("branch", "")

    @property
    def commit(self) -> str:
        """The state that is indexed; empty before the first sync."""
        return index.meta(self._sql).get("commit", "")

    @property
    def synced_at(self) -> str:
        """When the last sync that changed something ended (UTC)."""
        return index.meta(self._sql).get("synced", "")

    def sync(self, source: str, branch: str = "", progress: Progress | None = None) -> SyncReport:
        """Bring the index to the newest state of a catalogue.

        Raises `InvalidInput` or `Unreachable` for a source that cannot be read, `Conflict` when another sync runs; the
        index that was there stays in service.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "sync.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Conflict("Another sync of this catalogue runs.", remedy="Wait for it, then try again.") from None
            state = osc.open_source(source, branch, self._mirror)
            if state.commit == self.commit and state.address == self.source:
                changes = self._unchanged()
            else:
                changes = index.update(self._sql, state, progress)
        return SyncReport(
            state.commit,
            state.branch,
            state.address,
            changes.documents,
            changes.changed,
            changes.removed,
            changes.broken,
        )

    def _unchanged(self) -> index.Changes:
        (documents,) = self._sql.execute("SELECT count(*) FROM documents").fetchone()
        return index.Changes(documents, 0, 0, index.broken(self._sql))

    def search(self, query: Query) -> Found:
        """Best matches first."""
        extra: Iterable[tuple[int, float]] = ()
        if query.semantic and query.text.strip():
            from terrafair.catalogue.semantic import nearest

            extra = nearest(self._sql, query.text)
        return self._searcher.search(query, self.commit, extra)

    def facets(self, query: Query) -> Mapping[str, tuple[Value, ...]]:
        """How all that a query finds spreads over kinds, themes, variables, missions and projects."""
        return self._searcher.facets(query, self.commit)

    def near(self, kind: str, id: str) -> dict[Kind, list[tuple[str, str]]]:  # noqa: A002 - the field's word
        """(id, title) of the workflows, experiments and products that belong to one of them."""
        records = (record for each in CHAIN for record in self.records(each.value))
        return self._lineage.near(self.commit, records, (Kind(kind), id))

    @property
    def _searcher(self) -> Searcher:
        if not hasattr(self._threads, "searcher"):
            self._threads.searcher = Searcher(self._sql)
        searcher: Searcher = self._threads.searcher
        return searcher

    def embed(self, progress: Progress | None = None) -> int:
        """Make the vectors for search by meaning that are missing; gives how many."""
        from terrafair.catalogue.semantic import embed_missing

        return embed_missing(self._sql, progress)

    def record(self, kind: str, id: str, parent: str = "") -> Record | None:  # noqa: A002 - the field's word
        """One record, or None; without a parent the first of that kind and id."""
        number = index.number_of(self._sql, Key(Kind(kind), parent, id))
        return None if number is None else index.load(self._sql, number)

    def records(self, kind: str) -> Iterator[Record]:
        """All records of a kind, sorted by id."""
        for number in index.numbers(self._sql, Kind(kind)):
            yield index.load(self._sql, number)

    def read(self, path: str) -> bytes | None:
        """Any file of the catalogue at the indexed commit, e.g. `experiments/polaris/input.yaml`."""
        about = index.meta(self._sql)
        if not about or ".." in path.split("/"):
            return None
        return osc.reopen(about["source"], about["commit"], about["branch"], self._mirror).read(path)

    def nearest(self, kinds: Iterable[str], id: str, n: int = 3) -> list[str]:  # noqa: A002
        """The ids of these kinds that look most like a given one."""
        wanted = [Kind(kind).value for kind in kinds]
        marks = ", ".join("?" * len(wanted))
        rows = self._sql.execute(f"SELECT DISTINCT id FROM records WHERE kind IN ({marks})", wanted).fetchall()
        ids = {identifier.casefold(): identifier for (identifier,) in rows}
        near = difflib.get_close_matches(id.casefold(), ids, n, 0.4)
        near += [lower for lower in ids if id.casefold() in lower and lower not in near]
        return [ids[lower] for lower in near[:n]]
