"""One call as the static check sees it, with the questions that rules ask about its arguments."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from terrafair.execution.engines.openeo.abstract import Cube, Dimension, Items, Some, nearest

Report = Callable[..., None]
"""what, why, remedy, argument, code."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call with its arguments as far as they are known."""

    process: str
    arguments: Mapping[str, Any]
    report: Report
    inside: Mapping[str, Any]
    """Argument -> what the callback given there would give."""

    def cube(self, argument: str = "data") -> Cube:
        """The cube given as an argument; one of which nothing is known for anything else."""
        value = self.arguments.get(argument)
        return value if isinstance(value, Cube) else Cube()

    def get(self, argument: str) -> Any:
        """A literal argument; None for what only the run will tell."""
        value = self.arguments.get(argument)
        return None if isinstance(value, Cube | Items | Some) else value

    def dimension(self, cube: Cube, argument: str, kind: str = "") -> Dimension | None:
        """The dimension that an argument names, reported where it is missing or of another kind."""
        name = self.get(argument)
        if cube.dimensions is None or not isinstance(name, str):
            return None
        found = cube.find(name)
        if found is None:
            known = [each.name for each in cube.dimensions]
            what = f"{self.process}: the cube has no dimension {name!r}."
            self.report(what, f"It has: {', '.join(known)}.", nearest(name, known), argument, "dimension-not-available")
        elif kind and found.kind != kind:
            what = f"{self.process}: the dimension {name} is of type {found.kind}, not {kind}."
            same = ", ".join(each.name for each in cube.of_kind(kind)) or "none"
            self.report(what, f"Dimensions of that type: {same}.", "", argument, "dimension-not-available")
        return found

    def only(self, cube: Cube, kind: str) -> Dimension | None:
        """The one dimension of a kind, reported where there is none or several."""
        if cube.dimensions is None:
            return None
        found = cube.of_kind(kind)
        names = ", ".join(each.name for each in cube.dimensions)
        if not found:
            code = "dimension-missing" if kind == "bands" else "dimension-not-available"
            self.report(f"{self.process}: the cube has no {kind} dimension.", f"It has: {names}.", "", "data", code)
        elif len(found) > 1 and kind != "spatial":
            what = f"{self.process}: the cube has {len(found)} {kind} dimensions."
            self.report(what, f"It has: {names}.", "Name one.", "data", "too-many-dimensions")
        return found[0] if len(found) == 1 else None

    def plane(self, cube: Cube) -> list[Dimension]:
        """The dimensions x and y."""
        if cube.dimensions is None:
            return []
        found = cube.of_kind("spatial")
        if not found:
            names = ", ".join(each.name for each in cube.dimensions) or "none"
            what = f"{self.process}: the cube has no x and y."
            self.report(what, f"It has: {names}.", "It works on rasters.", "data", "dimension-missing")
        return found


def check_bands(call: Call, found: Dimension | None, wanted: Any, argument: str) -> list[Any]:
    """Report the bands that are not there; gives the others."""
    kept = []
    for band in wanted if isinstance(wanted, list) else [wanted]:
        if isinstance(band, Cube | Items | Some) or found is None or found.labels is None:
            continue
        if band in found.labels or band in found.aliases:
            kept.append(band)
            continue
        what = f"{call.process}: there is no band {band!r}."
        why = f"Bands: {', '.join(map(str, found.labels[:30]))}."
        call.report(what, why, nearest(band, found.labels), argument, "band-unknown")
    return kept
