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
    if version in CHECKED:
        return Reading.CHECKED
    found = _VERSION.fullmatch(version)
    if found is None:
        return Reading.UNREADABLE
    return Reading.SKIPPED if _before_first(found) else Reading.CHECKED


def _before_first(found: re.Match[str]) -> bool:
    """Older than 1.0.0-rc.1, part by part; `x` and `*` equal anything."""
    for number, first in zip(found.group(1, 2, 3, 4), (1, 0, 0, 0), strict=True):
        if number is not None and number not in ("x", "X", "*") and int(number) != first:
            return bool(int(number) < first)
    suffix = found[5]
    if suffix is None:
        return False
    parts = [*suffix.split("."), "0"]
    if parts[0] != "rc":
        return bool(parts[0] < "rc")
    return bool(parts[1].isdigit() and int(parts[1]) < 1)
