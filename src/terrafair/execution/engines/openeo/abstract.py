"""What is known of a value before anything runs: a literal, a cube with some of its metadata, an array, or a kind."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

UNKNOWN_SIZE = None


@dataclass(frozen=True, slots=True)
class Dimension:
    """A dimension of a cube, as far as it is known."""

    name: str
    kind: str
    """spatial | temporal | bands | geometry | other."""
    labels: tuple[Any, ...] | None = None
    size: int | None = UNKNOWN_SIZE
    aliases: frozenset[str] = frozenset()
    """Other names that a process may use, and other names of labels for bands."""
    numbered: bool = False
    """Whether the labels count from 0."""
    span: tuple[float, float] | None = None
    """From the first pixel's outer edge to the last one's, low before high, in the unit of the reference system."""

    @property
    def count(self) -> int | None:
        """How many labels there are."""
        return len(self.labels) if self.labels is not None else self.size

    def without_labels(self, size: int | None = None) -> "Dimension":
        """The same with labels that only the run will tell."""
        return replace(self, labels=None, size=size, numbered=False, span=None)


@dataclass(frozen=True, slots=True)
class Cube:
    """A data cube."""

    dimensions: tuple[Dimension, ...] | None = None
    """None: not known."""
    crs: Any = None
    itemsize: int = 4
    """Bytes of a value."""

    def find(self, name: Any) -> Dimension | None:
        """The dimension of that name or alias."""
        return next((each for each in self.dimensions or () if name == each.name or name in each.aliases), None)

    def of_kind(self, kind: str) -> list[Dimension]:
        """All dimensions of a kind."""
        return [each for each in self.dimensions or () if each.kind == kind]

    def with_dimensions(self, dimensions: Iterable[Dimension] | None) -> "Cube":
        """The same cube with other dimensions."""
        return replace(self, dimensions=None if dimensions is None else tuple(dimensions))

    def without(self, names: Iterable[str]) -> "Cube":
        """The cube without some dimensions."""
        gone = set(names)
        return (
            self if self.dimensions is None else self.with_dimensions(d for d in self.dimensions if d.name not in gone)
        )

    def changed(self, dimension: Dimension, to: Dimension) -> "Cube":
        """The cube with another dimension in the place of one."""
        return self.with_dimensions(to if each is dimension else each for each in self.dimensions or ())

    @property
    def bytes(self) -> int | None:
        """The size of all values, if it is known."""
        if self.dimensions is None:
            return None
        total = self.itemsize
        for each in self.dimensions:
            if each.count is None:
                return None
            total *= max(each.count, 1)
        return total


@dataclass(frozen=True, slots=True)
class Items:
    """An array: what callbacks get as `data`, and what array processes give."""

    labels: tuple[Any, ...] | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Some:
    """A value of a kind: number | boolean | string | array | object | model | stac | any."""

    kind: str = "any"


ANY = Some()


def describe(value: Any) -> str:
    """What a value is, for messages."""
    from terrafair.execution.engines.openeo.values import describe as literal

    if isinstance(value, Cube):
        names = "" if value.dimensions is None else f" ({', '.join(each.name for each in value.dimensions)})"
        return f"a data cube{names}"
    if isinstance(value, Items):
        return "an array"
    if isinstance(value, Some):
        return {"any": "some value", "object": "an object", "array": "an array"}.get(value.kind, f"a {value.kind}")
    if type(value).__name__ == "Graph":
        return "a process"
    return literal(value)


def cube_of(document: Mapping[str, Any], bands: Any = None, pixels: tuple[int, int] | None = None) -> Cube:
    """The cube that a STAC collection with `cube:dimensions` describes."""
    found = []
    crs: Any = None
    for name, about in (document.get("cube:dimensions") or {}).items():
        if not isinstance(about, Mapping):
            continue
        kind = str(about.get("type", "other"))
        labels = about.get("values")
        axis = about.get("axis")
        crs = crs or (about.get("reference_system") if axis in {"x", "y"} else None)
        size = pixels[0 if axis == "x" else 1] if pixels and axis in {"x", "y"} else None
        known = tuple(labels) if isinstance(labels, list) and kind != "temporal" else None
        found.append(Dimension(str(name), kind, known, size, _aliases(document, kind)))
    if not found:
        return Cube(None)
    cube = Cube(tuple(found), crs)
    own = next(iter(cube.of_kind("bands")), None)
    return cube.changed(own, replace(own, labels=tuple(bands))) if own is not None and bands else cube


def _aliases(document: Mapping[str, Any], kind: str) -> frozenset[str]:
    if kind == "temporal":
        return frozenset({"t", "time", "temporal"})
    if kind != "bands":
        return frozenset()
    summaries = document.get("summaries") or {}
    listed = [*(summaries.get("eo:bands") or ()), *(summaries.get("bands") or ()), *(document.get("bands") or ())]
    names = {
        str(band.get("common_name") or band.get("eo:common_name") or "") for band in listed if isinstance(band, Mapping)
    }
    return frozenset(names - {""})


def nearest(name: Any, known: Iterable[Any]) -> str:
    """`Did you mean ...?` with the names that are alike, or the names that there are."""
    texts = [str(each) for each in known]
    near = difflib.get_close_matches(str(name), texts, 3)
    if near:
        return f"Did you mean {', '.join(near)}?"
    shown = ", ".join(texts[:20])
    return f"Choose from: {shown}." if texts else ""
