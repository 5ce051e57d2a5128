"""The aggregations that are offered, as the STAC aggregation extension names them."""

from collections.abc import Sequence
from dataclasses import dataclass

from terrafair.catalogue.items.expressions import Path
from terrafair.catalogue.items.search import Aggregation, Bucket
from terrafair.errors import InvalidInput

VALUES = ("total_count", "datetime_min", "datetime_max")
STEPS = ("year", "month", "day")
FORMATS = {"year": "%Y-01-01T00:00:00Z", "month": "%Y-%m-01T00:00:00Z", "day": "%Y-%m-%dT00:00:00Z"}
FREQUENCIES = {"collection_frequency": "collection"}
FREQUENCIES |= {f"datetime_frequency_{step}" if step != "month" else "datetime_frequency": "datetime" for step in STEPS}
BUCKETS = 1000
"""At most so many buckets are given, the fullest first."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An aggregation, understood."""

    frequency: str | None = None
    """What is counted by: `collection`, `datetime` or a property; None: one value."""
    step: str = "month"


def read(name: str) -> Wanted:
    """By its name; a property `p` is counted by `p_frequency`. Raises `InvalidInput`."""
    if name in VALUES:
        return Wanted()
    if name.startswith("datetime_frequency") and name in FREQUENCIES:
        return Wanted("datetime", name.rpartition("_")[2] if name != "datetime_frequency" else "month")
    if name in FREQUENCIES:
        return Wanted(FREQUENCIES[name])
    if name.endswith("_frequency"):
        field = name.removesuffix("_frequency")
        Path.read(field)
        return Wanted(field)
    known = ", ".join([*VALUES, *FREQUENCIES, "PROPERTY_frequency"])
    raise InvalidInput(f"There is no aggregation {name[:60]!r}.", remedy=f"Known: {known}.", where="aggregations")


def frequency(name: str, buckets: Sequence[Bucket]) -> Aggregation:
    """Times in their order, all else by count."""
    if name.startswith("datetime_"):
        buckets = sorted(buckets, key=lambda bucket: str(bucket.key))
    return Aggregation(name, None, tuple(buckets))
