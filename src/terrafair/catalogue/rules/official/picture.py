"""The size of a preview image, from its first bytes."""

import re
import struct
from collections.abc import Iterator
from typing import Any

from terrafair.catalogue.rules.findings import Finding, Put
from terrafair.catalogue.rules.subject import Subject


def preview(subject: Subject) -> Iterator[Finding]:
    """A theme has one WebP picture, and says how many rows and columns it has."""
    found = subject.first("preview")
    if found is None:
        yield subject.finding("preview-link", "/links", "It has no `preview` link to its picture.")
        return
    number, link = found
    here = f"/links/{number}"
    if link.get("type") != "image/webp":
        seen = f"has the type {link.get('type')!r}, not 'image/webp'"
        yield subject.finding("preview-link", f"{here}/type", f"The `preview` link {seen}.")
    if link.get("proj:epsg") is not None:
        yield subject.finding("preview-link", f"{here}/proj:epsg", "The picture's `proj:epsg` must be null.")
    path = subject.resolve(link["href"])
    content = subject.snapshot.tree.read(path) if subject.snapshot.exists(path) else None
    shape = shape_of(content) if content is not None else None
    if shape is None:
        what = "does not exist" if content is None else "is no picture that can be read"
        yield subject.finding("preview-file", f"{here}/href", f"The picture {link['href']} {what}.")
    elif not _same(link.get("proj:shape"), shape):
        yield subject.finding(
            "preview-shape",
            f"{here}/proj:shape",
            f"The picture has {shape[0]} rows and {shape[1]} columns, and `proj:shape` is {link.get('proj:shape')!r}.",
            f"Set it to {shape}.",
            Put(subject.path, f"{here}/proj:shape", shape),
        )


def _same(given: Any, shape: list[int]) -> bool:
    """As JavaScript compares loosely: numbers may be texts."""
    if not isinstance(given, list) or len(given) != len(shape):
        return False
    try:
        return [float(value) for value in given] == [float(value) for value in shape]
    except (TypeError, ValueError):
        return False


def shape_of(content: bytes) -> list[int] | None:
    """[rows, columns] of a WebP, PNG, GIF, JPEG or SVG picture; None: it is none of them."""
    try:
        return _webp(content) or _png(content) or _gif(content) or _jpeg(content) or _svg(content)
    except (struct.error, IndexError, ValueError):
        return None


def _webp(content: bytes) -> list[int] | None:
    # RIFF container; the first chunk says how the size is written.
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP":
        return None
    chunk = content[12:16]
    # Which of the marks are looked at is the official validator's choice.
    if chunk == b"VP8X":
        if content[20] & 0xC1:
            return None
        columns, rows = (int.from_bytes(content[start : start + 3], "little") + 1 for start in (24, 27))
        return [rows, columns]
    if chunk == b"VP8L":
        if content[23:26] == b"\x9d\x01\x2a":
            return None
        bits = int.from_bytes(content[21:25], "little")
        return [(bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1]
    if chunk == b"VP8 ":
        if content[20] == 0x2F:
            return None
        columns, rows = struct.unpack_from("<HH", content, 26)
        return [rows & 0x3FFF, columns & 0x3FFF]
    return None


def _png(content: bytes) -> list[int] | None:
    if not content.startswith(b"\x89PNG\r\n\x1a\n") or content[12:16] != b"IHDR":
        return None
    columns, rows = struct.unpack_from(">II", content, 16)
    return [rows, columns]


def _gif(content: bytes) -> list[int] | None:
    if content[:6] not in {b"GIF87a", b"GIF89a"}:
        return None
    columns, rows = struct.unpack_from("<HH", content, 6)
    return [rows, columns]


def _jpeg(content: bytes) -> list[int] | None:
    if not content.startswith(b"\xff\xd8"):
        return None
    place = 2
    while place + 9 <= len(content) and content[place] == 0xFF:
        marker, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4], "big")
        # Start of frame, without the tables whose numbers lie between.
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            rows, columns = struct.unpack_from(">HH", content, place + 5)
            return [rows, columns]
        place += 2 + length
    return None


_SVG_SIZE = re.compile(
    rb"<svg\b[^>]*?\bwidth=[\"']([0-9.]+)(?:px)?[\"'][^>]*?\bheight=[\"']([0-9.]+)(?:px)?[\"']", re.S
)


def _svg(content: bytes) -> list[int] | None:
    found = _SVG_SIZE.search(content[:4096])
    return [round(float(found[2])), round(float(found[1]))] if found else None
