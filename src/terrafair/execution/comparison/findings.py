"""What a comparison finds, as values with a JSON form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self


class Match(StrEnum):
    """How two files, one expected and one new, relate."""

    IDENTICAL = "identical bytes"
    EQUAL = "equal values within tolerance"
    DIFFERENT = "different"
    MISSING = "missing"
    """Expected, and not among the new ones."""
    ADDITIONAL = "additional"
    """New, and nothing like it was expected."""
    NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far floating-point values may lie apart: |new - expected| <= absolute + relative * |expected|."""

    relative: float = 1e-6
    absolute: float = 1e-9


@dataclass(frozen=True, slots=True)
class LocalAsset:
    """A file, or a folder that is one dataset (Zarr), with what it is called."""

    name: str
    """For people: the path in the results, or item and asset key."""
    path: Path
    key: str = ""
    """Asset key in its STAC Item."""
    item: str = ""
    """Id of that Item."""
    source: str = ""
    """Where it came from."""

    def document(self) -> dict[str, str]:
        """The JSON form."""
        return {"name": self.name, "path": str(self.path), "key": self.key, "item": self.item, "source": self.source}

    @classmethod
    def read(cls, document: Mapping[str, str]) -> Self:
        """From its JSON form."""
        return cls(**{**document, "path": Path(document["path"])})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two files differ."""

    where: str
    """`band 1 (ndvi)`, `variable sst`, `column ndvi`, `line 3`, a JSON pointer."""
    what: str
    """In words, with figures."""
    count: int = 0
    """Values that differ; 0 where that is no number of values."""
    compared: int = 0
    """Values looked at."""
    largest: float | None = None
    """Largest absolute difference; None where none can be given."""
    largest_relative: float | None = None
    """Relative to the expected value."""
    examples: tuple[str, ...] = ()
    """The first places with both values."""
    bbox: tuple[float, ...] = ()
    """Of all that differs, in the file's own coordinates: west, south, east, north."""
    crs: str = ""
    """Of `bbox`."""
    spread: tuple[tuple[str, int], ...] = ()
    """How many values differ by how much, by powers of ten."""

    def document(self) -> dict[str, Any]:
        """The JSON form; empty fields are left out."""
        full: dict[str, Any] = {
            "where": self.where,
            "what": self.what,
            "count": self.count or None,
            "compared": self.compared or None,
            "largest": self.largest,
            "largest_relative": self.largest_relative,
            "examples": list(self.examples) or None,
            "bbox": list(self.bbox) or None,
            "crs": self.crs or None,
            "spread": dict(self.spread) or None,
        }
        return {name: value for name, value in full.items() if value is not None}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """From its JSON form."""
        known = dict(document)
        known["examples"] = tuple(known.get("examples", ()))
        known["bbox"] = tuple(known.get("bbox", ()))
        known["spread"] = tuple(known.get("spread", {}).items())
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Contents:
    """How the values of two readable files of one kind compare."""

    differences: tuple[Difference, ...] = ()
    remarks: tuple[str, ...] = ()
    """What differs without being a value: data type, packing, what was left out of the comparison."""
    largest: float = 0.0
    """Largest absolute difference among values that count as equal."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The verdict on one asset."""

    name: str
    match: Match
    expected: str = ""
    """Name of the expected one; empty for an additional one."""
    found: str = ""
    """Name of the new one; empty for a missing one."""
    kind: str = ""
    """What it was read as: `raster`, `cube`, `table`, `json` ..."""
    reason: str = ""
    """Why it cannot be compared."""
    differences: tuple[Difference, ...] = ()
    remarks: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    """Bytes of the expected and of the new one, where both are there."""
    digests: tuple[str, ...] = ()
    """Likewise their sha256."""

    @property
    def where(self) -> str:
        """One line: the first difference, or the reason."""
        if self.differences:
            first, more = self.differences[0], len(self.differences) - 1
            return f"{first.where}: {first.what}" + (f" (and {more} more)" if more else "")
        return self.reason or "; ".join(self.remarks)

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        full: dict[str, Any] = {
            "name": self.name,
            "verdict": self.match.value,
            "where": self.where,
            "kind": self.kind,
            "expected": self.expected,
            "found": self.found,
            "reason": self.reason,
            "sizes": list(self.sizes),
            "sha256": list(self.digests),
            "differences": [difference.document() for difference in self.differences],
            "remarks": list(self.remarks),
        }
        return {name: value for name, value in full.items() if value or name in {"name", "verdict"}}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """From its JSON form."""
        return cls(
            document["name"],
            Match(document["verdict"]),
            document.get("expected", ""),
            document.get("found", ""),
            document.get("kind", ""),
            document.get("reason", ""),
            tuple(Difference.read(entry) for entry in document.get("differences", ())),
            tuple(document.get("remarks", ())),
            tuple(document.get("sizes", ())),
            tuple(document.get("sha256", ())),
        )


class Unreadable(Exception):
    """A file cannot be read as what it claims to be."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


def count(found: Sequence[Compared], *matches: Match) -> int:
    """How many have one of these verdicts."""
    return sum(each.match in matches for each in found)
