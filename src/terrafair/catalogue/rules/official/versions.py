"""How the official validator reads `stac_version`."""

import re
from enum import Enum

CHECKED = ("1.0.0", "1.1.0")
_VERSION = re.compile(
    r"[v^~<>=]*?(\d+)(?:\.([x*]|\d+)(?:\.([x*]|\d+)(?:\.([x*]|\d+))?(?:-([\da-z\-]+(?:\.[\da-z\-]+)*))?"
    r"(?:\+[\da-z\-]+(?:\.[\da-z\-]+)*)?)?)?",
    re.IGNORECASE | re.ASCII,
)


class Reading(Enum):
    """What becomes of a document."""

    CHECKED = "checked"
    SKIPPED = "skipped"
    """Counted as neither valid nor invalid: nobody looks at it."""
    UNREADABLE = "unreadable"
    """No version number: the official validator stops altogether."""


def reading(version: object) -> Reading:
    """Versions before 1.0.0-rc.1, and what is no text, are skipped."""
    if not isinstance(version, str):
        return Reading.SKIPPED
    found = _VERSION.fullmatch(version)
    if found is None:
        return Reading.UNREADABLE
    return Reading.SKIPPED if _before_first(found) else Reading.CHECKED


def _before_first(found: re.Match[str]) -> bool:
    """Older than 1.0.0-rc.1, part by part; `x` and `*` equal anything."""
    for part, first in zip(found.group(1, 2, 3, 4), (1, 0, 0, 0), strict=True):
        if part is None or part in "xX*":
            continue
        if int(part) != first:
            return int(part) < first
    suffix = found[5]
    if suffix is None:
        return False
    for part, first in zip([*suffix.split("."), "0", "0"], ("rc", "1"), strict=False):
        one, other = (int(part), first) if part.isdigit() and first.isdigit() else (part, first)
        if str(one) != other:
            return int(one) < int(other) if isinstance(one, int) else str(one) < other
    return False
