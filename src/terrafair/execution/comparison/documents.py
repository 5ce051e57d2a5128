"""Comparison of JSON documents, notebooks and plain text."""

import base64
import binascii
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from terrafair.data.classify import encoding_of
from terrafair.execution.comparison.findings import Contents, Difference, Tolerance, Unreadable

DIFFERENCES = 20
LARGEST_DOCUMENT = 256 * 2**20
STAC_VOLATILE = frozenset(
    {"created", "updated", "published", "expires", "links", "href", "file:checksum", "file:size", "file:header_size"}
    | {"processing:datetime", "processing:software", "processing:facility", "stac_extensions", "stac_version"}
)
"""Fields that tell when and where a document was made rather than what the data are."""
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_PASSING = (
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"0x[0-9a-fA-F]{6,16}\b"), "<address>"),
    (re.compile(r"\bipykernel_\d+/\d+"), "<cell>"),
)


@dataclass(slots=True)
class Walk:
    """A structural comparison in progress."""

    tolerance: Tolerance
    ignored: frozenset[str] = frozenset()
    number: int = 0
    largest: float = 0.0
    within: float = 0.0
    differences: list[Difference] = field(default_factory=list)

    def compare(self, old: Any, new: Any, where: str = "") -> None:
        """Go down both documents at once."""
        if isinstance(old, dict) and isinstance(new, dict):
            for name in [*old, *(name for name in new if name not in old)]:
                if name in self.ignored:
                    continue
                place = f"{where}/{name.replace('~', '~0').replace('/', '~1')}"
                if name not in new:
                    self._note(place, f"{_text(old[name])} expected, nothing found")
                elif name not in old:
                    self._note(place, f"nothing expected, {_text(new[name])} found")
                else:
                    self.compare(old[name], new[name], place)
        elif isinstance(old, list) and isinstance(new, list):
            if len(old) != len(new):
                self._note(where, f"{len(old)} entries expected, {len(new)} found")
            for index, (a, b) in enumerate(zip(old, new, strict=False)):
                self.compare(a, b, f"{where}/{index}")
        elif _is_number(old) and _is_number(new):
            self._numbers(old, new, where)
        elif type(old) is not type(new) or old != new:
            self._note(where, f"{_text(old)} expected, {_text(new)} found")

    def _numbers(self, old: float, new: float, where: str) -> None:
        if old == new or (old != old and new != new):  # noqa: PLR0124 - NaN
            return
        distance = abs(float(new) - float(old)) if max(abs(old), abs(new)) < 1e300 else math.inf
        whole = isinstance(old, int) and isinstance(new, int)
        if not whole and math.isfinite(distance):
            if distance <= self.tolerance.absolute + self.tolerance.relative * abs(old):
                self.within = max(self.within, distance)
                return
            self.largest = max(self.largest, distance)
        self._note(where, f"{old} expected, {new} found")

    def _note(self, where: str, what: str) -> None:
        self.number += 1
        if len(self.differences) < DIFFERENCES:
            self.differences.append(Difference(where or "the whole document", what))

    def contents(self, *remarks: str) -> Contents:
        """What was found."""
        more = self.number - len(self.differences)
        last = [Difference("the rest", f"{more} more places differ", count=more)] if more > 0 else []
        return Contents((*self.differences, *last), tuple(filter(None, remarks)), self.within)


def compare_json(expected: Path, found: Path, tolerance: Tolerance) -> Contents:
    """Compare structure and values; the order of keys does not count, nor what changes with every STAC document."""
    old, new = _load(expected), _load(found)
    stac = _is_stac(old) and _is_stac(new)
    walk = Walk(tolerance, STAC_VOLATILE if stac else frozenset())
    walk.compare(old, new)
    return walk.contents("Links, times, checksums and software of the STAC documents were left out." if stac else "")


def compare_notebooks(expected: Path, found: Path, tolerance: Tolerance) -> Contents:
    """Compare sources and outputs of the cells; counts, times, addresses and injected parameters do not count."""
    old, new = _cells(expected), _cells(found)
    walk = Walk(tolerance)
    if len(old) != len(new):
        walk.compare([None] * len(old), [None] * len(new), "/cells")
    differences: list[Difference] = list(walk.differences)
    within = 0.0
    for index, (a, b) in enumerate(zip(old, new, strict=False)):
        differences += [
            Difference(f"cell {index + 1}", f"its {name.replace('_', ' ')} differs")
            for name in ("cell_type", "source")
            if _joined(a.get(name)) != _joined(b.get(name))
        ]
        contents = _outputs(f"cell {index + 1}", a, b, tolerance)
        differences += contents.differences
        within = max(within, contents.largest)
    remark = "Execution counts, times, memory addresses and injected parameters were left out."
    return Contents(tuple(differences[:DIFFERENCES]), (remark,), within)


def compare_text(expected: Path, found: Path, tolerance: Tolerance) -> Contents:
    """Compare line by line; numbers in otherwise equal lines may differ within the tolerance."""
    encodings = encoding_of(expected), encoding_of(found)
    with (
        expected.open(encoding=encodings[0], errors="replace") as old,
        found.open(encoding=encodings[1], errors="replace") as new,
    ):
        return lines(old, new, tolerance)


def lines(
    old: Iterator[str], new: Iterator[str], tolerance: Tolerance, where: str = "", clean: Callable[[str], str] = str
) -> Contents:
    """Compare two streams of lines."""
    differing, within, total = 0, 0.0, 0
    first: list[str] = []
    for number, (a, b) in enumerate(itertools.zip_longest(old, new), start=1):
        total = number
        a, b = (None if line is None else clean(line.rstrip("\r\n")) for line in (a, b))  # noqa: PLW2901
        if a == b:
            continue
        distance = None if a is None or b is None else _numbers_apart(a, b, tolerance)
        if distance is not None:
            within = max(within, distance)
            continue
        differing += 1
        if len(first) < 5:
            old_text, new_text = ("nothing" if line is None else _text(line) for line in (a, b))
            first.append(f"line {number}: {old_text} expected, {new_text} found")
    if not differing:
        return Contents((), (), within)
    place = f"{where}{', ' if where else ''}{first[0].partition(':')[0]}"
    what = f"{differing} of {total} lines differ"
    return Contents((Difference(place, what, count=differing, compared=total, examples=tuple(first)),), (), within)


def _numbers_apart(old: str, new: str, tolerance: Tolerance) -> float | None:
    """Largest distance of the numbers in two lines; None where the lines differ in more than close numbers."""
    if _NUMBER.split(old) != _NUMBER.split(new):
        return None
    largest = 0.0
    for a, b in zip(_NUMBER.findall(old), _NUMBER.findall(new), strict=True):
        if a == b:
            continue
        if a.lstrip("+-").isdigit() and b.lstrip("+-").isdigit():
            return None
        distance = abs(float(b) - float(a))
        if not distance <= tolerance.absolute + tolerance.relative * abs(float(a)):
            return None
        largest = max(largest, distance)
    return largest


def _load(path: Path) -> Any:
    if path.stat().st_size > LARGEST_DOCUMENT:
        raise Unreadable(path, f"The document is larger than {LARGEST_DOCUMENT // 2**20} MiB.")
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except (ValueError, RecursionError) as fault:
        raise Unreadable(path, f"It is no JSON: {fault}.") from fault


def _is_stac(document: Any) -> bool:
    if not isinstance(document, dict):
        return False
    features = document.get("features")
    return "stac_version" in document or (
        isinstance(features, list)
        and bool(features)
        and isinstance(features[0], dict)
        and "stac_version" in features[0]
    )


def _cells(path: Path) -> list[dict[str, Any]]:
    document = _load(path)
    cells = document.get("cells") if isinstance(document, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise Unreadable(path, "It is no notebook of format 4.")
    return [cell for cell in cells if "injected-parameters" not in ((cell.get("metadata") or {}).get("tags") or ())]


def _outputs(where: str, old: dict[str, Any], new: dict[str, Any], tolerance: Tolerance) -> Contents:
    differences, within = [], 0.0
    a, b = _by_kind(old), _by_kind(new)
    for kind in [*a, *(kind for kind in b if kind not in a)]:
        if kind not in b or kind not in a:
            side = "missing in the new file" if kind in a else "only in the new file"
            differences.append(Difference(where, f"an output of kind {kind} is {side}"))
        elif kind.startswith("image/") and kind != "image/svg+xml":
            if not _same_picture(a[kind], b[kind]):
                differences.append(Difference(where, f"the picture ({kind}) differs"))
        else:
            texts = iter(a[kind].splitlines()), iter(b[kind].splitlines())
            contents = lines(*texts, tolerance, f"{where}, {kind}", _without_passing)
            differences += contents.differences
            within = max(within, contents.largest)
    return Contents(tuple(differences), (), within)


def _by_kind(cell: dict[str, Any]) -> dict[str, str]:
    """All outputs of one kind as one text: streams arrive in pieces that differ from run to run."""
    found: dict[str, str] = {}
    for output in cell.get("outputs") or ():
        if output.get("output_type") == "stream":
            found[f"stream {output.get('name')}"] = found.get(f"stream {output.get('name')}", "") + _joined(
                output.get("text")
            )
        elif output.get("output_type") == "error":
            found["error"] = f"{output.get('ename')}: {output.get('evalue')}"
        else:
            for kind, value in (output.get("data") or {}).items():
                text = _joined(value) if isinstance(value, (str, list)) else json.dumps(value, sort_keys=True)
                found[kind] = found.get(kind, "") + text + "\n"
    # The same content as text: what differs in HTML by generated ids is told by it already.
    if "text/plain" in found:
        found.pop("text/html", None)
    return found


def _same_picture(old: str, new: str) -> bool:
    if old == new:
        return True
    import warnings

    import numpy as np
    from rasterio.errors import NotGeoreferencedWarning, RasterioError
    from rasterio.io import MemoryFile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            pictures = []
            for text in (old, new):
                with MemoryFile(base64.b64decode(text)) as file, file.open(driver=("PNG", "JPEG")) as picture:
                    pictures.append(picture.read())
    except (RasterioError, binascii.Error, ValueError):
        return False
    return bool(np.array_equal(pictures[0], pictures[1]))


def _without_passing(line: str) -> str:
    for pattern, instead in _PASSING:
        line = pattern.sub(instead, line)
    return line


def _joined(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
