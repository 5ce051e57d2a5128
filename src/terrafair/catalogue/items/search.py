"""A search for items as values, and what it gives."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from terrafair.catalogue.items.cql2 import Node
from terrafair.catalogue.items.documents import Bounds
from terrafair.catalogue.items.instants import Interval

LIMIT = 10
LIMIT_MOST = 10_000
COUNT_CAP = 10_000
"""Matches are counted exactly up to here; beyond, an answer tells no number."""
SPATIAL_CAP = 2_500
"""The same for searches in space. Up to here the spatial index leads; beyond, the order's index does: in a million
items a wide box takes 1.5 s through the R*Tree, and 0.02 ms through the index by time."""
SMALL = 5000
"""Archives up to here are counted whatever that costs: some 30 ms."""
SECONDS = 30.0
"""A search that takes longer is given up."""


@dataclass(frozen=True, slots=True)
class Sort:
    """One key of an order."""

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for; empty fields do not restrict."""

    collections: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    boxes: tuple[Bounds, ...] = ()
    """Any of these, each west to east."""
    intersects: bytes | None = None
    """WKB."""
    interval: Interval | None = None
    text: tuple[str, ...] = ()
    """Any of these phrases, in title, description or keywords."""
    filter: Node | None = None
    sort: tuple[Sort, ...] = ()
    limit: int = LIMIT
    token: str = ""
    count: bool = True
    """Whether the number of matches is wanted."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored document, ready to be sent: only the structural links are missing."""

    id: str
    head: bytes
    """A JSON object without `links`."""
    links: bytes
    """A JSON array."""
    collection: str = ""

    def document(self, links: Sequence[bytes] = ()) -> bytes:
        """The whole, with these links (JSON objects) before its own."""
        own = self.links[1:-1]
        listed = b",".join([*links, own] if own else links)
        return self.head[:-1] + b',"links":[' + listed + b"]}"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an answer."""

    items: tuple[Stored, ...]
    matched: int | None
    """None: more than `COUNT_CAP`, or not asked for."""
    next: str = ""
    """Token of the following page; empty: this is the last."""
    previous: str = ""


@dataclass(frozen=True, slots=True)
class Bucket:
    """One value of an aggregation."""

    key: Any
    count: int


@dataclass(frozen=True, slots=True)
class Aggregation:
    """What was counted: one value, or buckets."""

    name: str
    value: Any = None
    buckets: tuple[Bucket, ...] = field(default=())


Progress = Callable[[int], None]


class ItemStore(Protocol):
    """Collections and their items.

    Every method raises `InvalidInput` for what it is given wrongly and `Unreachable` when the store is away. Threads
    may share a store.
    """

    def version(self) -> str:
        """Changes whenever a collection does."""
        ...

    def collections(self) -> Sequence[Stored]:
        """All collections, by id."""
        ...

    def collection(self, id: str) -> Stored | None:  # noqa: A002 - the field's word
        """One collection."""
        ...

    def put_collection(self, document: Mapping[str, Any]) -> str:
        """Create or replace a collection; gives its id. Its items stay."""
        ...

    def delete_collection(self, id: str) -> None:  # noqa: A002
        """Remove a collection and its items; raises `NotFound`."""
        ...

    def put_items(self, collection: str, documents: Sequence[Mapping[str, Any]], *, replace: bool = True) -> int:
        """Store items in one transaction; without `replace`, raises `Conflict` when an id is taken. `NotFound`: no
        such collection.
        """
        ...

    def item(self, collection: str, id: str) -> Stored | None:  # noqa: A002
        """One item."""
        ...

    def delete_item(self, collection: str, id: str) -> None:  # noqa: A002
        """Remove an item; raises `NotFound`."""
        ...

    def search(self, search: Search) -> Page:
        """One page, in the order asked for: newest first if none is."""
        ...

    def aggregate(self, search: Search, names: Sequence[str]) -> Sequence[Aggregation]:
        """Counts over all that a search finds."""
        ...

    def properties(self, collections: Sequence[str]) -> Mapping[str, set[str]]:
        """Names and JSON types of the properties that a sample of the items has."""
        ...

    def all_items(self, collection: str) -> Iterator[Stored]:
        """Every item, by id, in one consistent state."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...
