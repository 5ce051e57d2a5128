"""How a layer is drawn: which bands or variable, between which values, in which colours."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from terrafair.data.tiles.colours import RAMPS
from terrafair.errors import InvalidInput

FORMATS = ("png", "jpeg", "webp")
RESAMPLINGS = ("", "nearest", "bilinear")


@dataclass(frozen=True, slots=True)
class Style:
    """One way to draw a file."""

    bands: tuple[int, ...] = ()
    """Counted from 1; empty: the first three of a picture, else the first."""
    variable: str = ""
    """Of a cube; empty: the first that has a place."""
    index: tuple[tuple[str, int], ...] = ()
    """Dimension -> position along it, counted from 0; negative from the end."""
    rescale: tuple[tuple[float, float], ...] = ()
    """Values shown darkest and brightest, one pair for all bands or each; empty: 2 to 98 per cent of the data."""
    ramp: str = ""
    """Name of a colour map for one band; empty: the file's own colours, else grey."""
    resampling: str = ""
    """`nearest`, `bilinear`; empty: nearest for categories, else bilinear."""
    format: str = "png"
    size: int = 256

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn, each with what can."""
        if self.format not in FORMATS:
            raise InvalidInput(f"The format {self.format!r} is not known.", remedy=f"Known: {', '.join(FORMATS)}.")
        if self.resampling not in RESAMPLINGS:
            raise InvalidInput(f"The resampling {self.resampling!r} is not known.", remedy="Known: nearest, bilinear.")
        if self.ramp and self.ramp.removesuffix("_r") not in RAMPS:
            raise InvalidInput(f"The colour map {self.ramp!r} is not known.", remedy=f"Known: {', '.join(RAMPS)}.")
        if self.size not in {128, 256, 512}:
            raise InvalidInput(f"The size is {self.size}.", remedy="128, 256 or 512.")
        if len(self.bands) not in {0, 1, 3} or any(band < 1 for band in self.bands):
            raise InvalidInput(f"The bands are {self.bands}.", "One or three are shown, counted from 1.")
        if any(not low < high for low, high in self.rescale) or len(self.rescale) not in {
            0,
            1,
            max(len(self.bands), 1),
        }:
            raise InvalidInput(
                f"rescale is {self.rescale}.", "It takes low,high with low < high, once or for each band."
            )

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Self:
        """From the query of a URL: `bands=4,3,2&rescale=0,3000&ramp=ndvi&variable=sst&index=time:3`."""
        known: dict[str, Any] = {}
        try:
            if query.get("bands"):
                known["bands"] = tuple(int(band) for band in query["bands"].split(","))
            if query.get("rescale"):
                numbers = [float(number) for number in re.split(r"[,;]", query["rescale"])]
                known["rescale"] = tuple(zip(numbers[::2], numbers[1::2], strict=True))
            if query.get("index"):
                pairs = (part.rpartition(":") for part in query["index"].split(","))
                known["index"] = tuple((name, int(number)) for name, _, number in pairs)
            if query.get("size"):
                known["size"] = int(query["size"])
        except ValueError as fault:
            raise InvalidInput(f"The query does not parse: {fault}.", "bands=1,2,3 rescale=0,1 index=time:0") from None
        known |= {name: query[name] for name in ("variable", "ramp", "resampling", "format") if query.get(name)}
        return cls(**known)
