"""Typed pieces of SQL, and what an engine must be able to say in its own dialect."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

from terrafair.errors import InvalidInput


class Kind(Enum):
    """What a piece of SQL evaluates to."""

    TRUTH = auto()
    NUMBER = auto()
    TEXT = auto()
    INSTANT = auto()


@dataclass(frozen=True, slots=True)
class Sql:
    """Text with marks, and the values for them; values never stand in the text."""

    text: str
    values: tuple[Any, ...] = ()

    def __add__(self, other: "Sql | str") -> "Sql":
        """One after the other."""
        if isinstance(other, str):
            return Sql(self.text + other, self.values)
        return Sql(self.text + other.text, self.values + other.values)

    def __radd__(self, other: str) -> "Sql":
        """Plain SQL before it."""
        return Sql(other + self.text, self.values)

    @property
    def inside(self) -> "Sql":
        """In brackets."""
        return Sql(f"({self.text})", self.values)


def join(separator: str, parts: Sequence[Sql]) -> Sql:
    """Pieces with plain SQL between them."""
    return Sql(separator.join(part.text for part in parts), tuple(value for part in parts for value in part.values))


@dataclass(frozen=True, slots=True)
class Path:
    """A property of an item, as the names on the way to it."""

    names: tuple[str, ...]

    @classmethod
    def read(cls, name: str) -> "Path":
        """`eo:cloud_cover`, `properties.eo:cloud_cover` or `proj:centroid.lat`; raises `InvalidInput`."""
        plain = name.removeprefix("properties.")
        names = tuple(plain.split("."))
        if not all(names) or len(plain) > 250 or any(ord(letter) < 32 or letter in '"\\' for letter in plain):
            raise InvalidInput(f"{name[:80]!r} is no name of a property.", where="filter")
        return cls(names)

    def __str__(self) -> str:
        """As it is written."""
        return ".".join(self.names)


class Dialect(Protocol):
    """SQL of one engine. A property of another type than asked for is null."""

    def value(self, value: Any) -> Sql:
        """A bound text, number or truth."""
        ...

    def instant(self, micros: int) -> Sql:
        """A bound instant."""
        ...

    def column(self, name: str) -> Sql:
        """`id`, `collection`, `start`, `finish`."""
        ...

    def get(self, path: Path, kind: Kind) -> Sql:
        """A property as one kind."""
        ...

    def json(self, path: Path) -> Sql:
        """A property as it is, for arrays."""
        ...

    def absent(self, path: Path) -> Sql:
        """Whether a property is missing or null."""
        ...

    def without_geometry(self) -> Sql:
        """Whether the item has no geometry."""
        ...

    def like(self, text: Sql, pattern: Sql) -> Sql:
        """`%`, `_` and `\\` as in SQL; case counts."""
        ...

    def lower(self, text: Sql) -> Sql:
        """Without case."""
        ...

    def plain(self, text: Sql) -> Sql:
        """Without accents."""
        ...

    def arithmetic(self, op: str, first: Sql, second: Sql) -> Sql:
        """`+ - * / % ^ div` on doubles; null for a division by zero."""
        ...

    def spatial(self, op: str, first: bytes | None, second: bytes | None) -> Sql:
        """A relation such as `intersects` between WKB and WKB; None stands for the item's geometry."""
        ...

    def arrays(self, op: str, first: Sql, second: Sql) -> Sql:
        """`equals contains containedBy overlaps` on two JSON arrays."""
        ...

    def array(self, values: Sequence[Any]) -> Sql:
        """A bound JSON array."""
        ...
