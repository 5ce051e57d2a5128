"""Where and when: boxes and intervals that cannot be, or say nothing."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from terrafair.catalogue.rules.findings import Finding
from terrafair.catalogue.rules.official.place import Role
from terrafair.catalogue.rules.subject import Subject

GLOBE = (340, 160)
"""Degrees of longitude and latitude from which a box counts as the whole globe."""
_WIDE = re.compile(
    r"global|globe|world|earth|planet|hemisphere|regional|various|multiple|several|ocean|sphere|\band\b|[,;/&]", re.I
)
Place = tuple[str, Any]


def extents(subject: Subject) -> Iterator[Finding]:
    """The extent of a collection; box and time of an item or a record."""
    spatial, temporal = _spatial(subject.data), _temporal(subject.data)
    for number, (pointer, box) in enumerate(spatial):
        yield from _box(subject, pointer, box, first=number == 0)
    for pointer, interval in temporal:
        yield from _interval(subject, pointer, interval)
    if subject.role is Role.PRODUCT and temporal and all(_is_open(interval) for _, interval in temporal):
        pointer = temporal[0][0]
        yield subject.finding("interval-empty", pointer, "Its time has neither a start nor an end.")


def _spatial(data: dict[str, Any]) -> list[Place]:
    extent = data.get("extent")
    spatial = extent.get("spatial") if isinstance(extent, dict) else None
    boxes = spatial.get("bbox") if isinstance(spatial, dict) else None
    if isinstance(boxes, list):
        return [(f"/extent/spatial/bbox/{number}", box) for number, box in enumerate(boxes)]
    return [("/bbox", data["bbox"])] if isinstance(data.get("bbox"), list) else []


def _temporal(data: dict[str, Any]) -> list[Place]:
    extent, properties = data.get("extent"), data.get("properties")
    temporal = extent.get("temporal") if isinstance(extent, dict) else None
    intervals = temporal.get("interval") if isinstance(temporal, dict) else None
    if isinstance(intervals, list):
        return [(f"/extent/temporal/interval/{number}", one) for number, one in enumerate(intervals)]
    if isinstance(properties, dict) and "start_datetime" in properties and "end_datetime" in properties:
        return [("/properties/end_datetime", [properties["start_datetime"], properties["end_datetime"]])]
    time = data.get("time")
    if isinstance(time, dict) and isinstance(time.get("interval"), list):
        return [("/time/interval", time["interval"])]
    return []


def _box(subject: Subject, pointer: str, box: Any, *, first: bool) -> Iterator[Finding]:
    numbers = box if isinstance(box, list) else []
    if len(numbers) not in {4, 6} or not all(_is_number(number) for number in numbers):
        return
    half = len(numbers) // 2
    (west, south), (east, north) = numbers[:2], numbers[half : half + 2]
    outside = [
        f"{name} {value}"
        for name, value, limit in (("west", west, 180), ("south", south, 90), ("east", east, 180), ("north", north, 90))
        if abs(value) > limit
    ]
    if outside:
        yield subject.finding("bbox-range", pointer, f"Its box {numbers} is outside the globe: {', '.join(outside)}.")
    if south > north:
        yield subject.finding(
            "bbox-order", pointer, f"Its box {numbers} has its south ({south}) above its north ({north})."
        )
    if half == 3 and numbers[2] > numbers[5]:
        yield subject.finding("bbox-order", pointer, f"Its box {numbers} has its bottom above its top.")
    region = subject.data.get("osc:region")
    covers = east - west >= GLOBE[0] and north - south >= GLOBE[1]
    if first and covers and isinstance(region, str) and region and not _WIDE.search(region):
        yield subject.finding(
            "bbox-globe", pointer, f"Its box {numbers} covers the globe, and its region is {region!r}."
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_open(interval: Any) -> bool:
    return isinstance(interval, list) and all(side in (None, "", "..") for side in interval)


def _interval(subject: Subject, pointer: str, interval: Any) -> Iterator[Finding]:
    if not isinstance(interval, list) or len(interval) != 2:
        return
    start, end = (_moment(side) for side in interval)
    if start is not None and end is not None and start > end:
        message = f"Its time starts at {interval[0]} and ends before that, at {interval[1]}."
        yield subject.finding("interval-reversed", pointer, message)


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str) or value in ("", ".."):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
