"""The layout of a TIFF file: whether it is cloud-optimised, and whether all of its bytes are there."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from terrafair.errors import InvalidInput

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_CODES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_SUBFILE, _WIDTH, _HEIGHT, _STRIPS, _STRIP_BYTES, _TILE_WIDTH, _TILES, _TILE_BYTES = (
    254,
    256,
    257,
    273,
    279,
    322,
    324,
    325,
)
DIRECTORIES = 200
"""More image directories than this are not looked at."""
SMALL = 512
"""Pixels; an image up to this size needs neither tiles nor overviews (COG specification, as GDAL validates it)."""


@dataclass(frozen=True, slots=True)
class Directory:
    """One image of the file."""

    offset: int
    width: int
    height: int
    tiled: bool
    reduced: bool
    """An overview."""
    mask: bool
    first: int
    """Where its first tile or strip lies; 0 for none."""
    end: int
    """Where its last byte of data or of a tag's value lies."""


def directories(path: Path) -> list[Directory]:
    """The images of the file; raises `InvalidInput` for one that breaks off."""
    with path.open("rb") as file:
        try:
            return _directories(file)
        except (struct.error, KeyError, MemoryError) as fault:
            raise InvalidInput(
                f"{path.name} is a damaged TIFF.", "Its directories cannot be read.", "Write it again.", path.name
            ) from fault


def check_whole(path: Path, found: list[Directory]) -> None:
    """Raise `InvalidInput` where data that the directories name lies beyond the end."""
    size = path.stat().st_size
    end = max((directory.end for directory in found), default=0)
    if end > size:
        raise InvalidInput(
            f"{path.name} breaks off: it has {size} bytes, and its data go to {end}.",
            "The file was not written or copied to its end.",
            "Write or copy it again.",
            path.name,
        )


def is_cloud_optimised(found: list[Directory]) -> bool:
    """Whether the layout is a COG's.

    Tiled, with overviews inside, directories before the data, and overviews' data before the full image's.
    """
    images = [directory for directory in found if not directory.mask]
    if not images or images[0].reduced:
        return False
    main, overviews = images[0], [image for image in images[1:] if image.reduced]
    large = max(main.width, main.height) > SMALL
    if large and not (main.tiled and overviews):
        return False
    offsets = [image.offset for image in (main, *overviews)]
    starts = [image.first for image in (main, *overviews) if image.first]
    widths = [image.width for image in (main, *overviews)]
    return (
        offsets == sorted(offsets)
        and starts == sorted(starts, reverse=True)
        and widths == sorted(widths, reverse=True)
        and (not starts or max(offsets) < min(starts))
        and all(image.tiled for image in overviews if max(image.width, image.height) > SMALL)
    )


def _directories(file: BinaryIO) -> list[Directory]:
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = struct.unpack(order + "H", head[2:4])[0] == 43
    offset = struct.unpack(order + ("Q" if big else "I"), head[8:16] if big else head[4:8])[0]
    found: list[Directory] = []
    seen: set[int] = set()
    while offset and offset not in seen and len(found) < DIRECTORIES:
        seen.add(offset)
        directory, offset = _directory(file, order, offset, big=big)
        found.append(directory)
    if not found:
        raise struct.error("no image")
    return found


def _directory(file: BinaryIO, order: str, offset: int, *, big: bool) -> tuple[Directory, int]:
    file.seek(offset)
    count = struct.unpack(order + ("Q" if big else "H"), file.read(8 if big else 2))[0]
    entry, inline = (20, 8) if big else (12, 4)
    if count > 4096:
        raise struct.error("too many entries")
    raw = file.read(count * entry)
    following = struct.unpack(order + ("Q" if big else "I"), file.read(inline))[0]
    tags: dict[int, tuple[int, ...]] = {}
    last = offset + len(raw)
    for number in range(count):
        piece = raw[number * entry : (number + 1) * entry]
        tag, kind, length = struct.unpack(order + ("HHQ" if big else "HHI"), piece[: entry - inline])
        if (size := _SIZES.get(kind, 0) * length) > inline:
            # A reader that cannot reach such a value, the georeference perhaps, leaves it out and goes on.
            last = max(last, struct.unpack(order + ("Q" if big else "I"), piece[-inline:])[0] + size)
        if tag in {_SUBFILE, _WIDTH, _HEIGHT, _STRIPS, _STRIP_BYTES, _TILE_WIDTH, _TILES, _TILE_BYTES}:
            tags[tag] = _values(file, order, kind, length, piece[entry - inline :], big=big)
    starts = tags.get(_TILES) or tags.get(_STRIPS) or ()
    lengths = tags.get(_TILE_BYTES) or tags.get(_STRIP_BYTES) or ()
    used = [(start, length) for start, length in zip(starts, lengths, strict=False) if start and length]
    subfile = tags.get(_SUBFILE, (0,))[0]
    return (
        Directory(
            offset,
            tags[_WIDTH][0],
            tags[_HEIGHT][0],
            _TILE_WIDTH in tags,
            bool(subfile & 1),
            bool(subfile & 4),
            min((start for start, _ in used), default=0),
            max((last, *(start + length for start, length in used))),
        ),
        following,
    )


def _values(file: BinaryIO, order: str, kind: int, length: int, inline: bytes, *, big: bool) -> tuple[int, ...]:
    size = _SIZES[kind] * length
    if size > 512 * 2**20:
        raise struct.error("too many values")
    if size > len(inline):
        file.seek(struct.unpack(order + ("Q" if big else "I"), inline)[0])
        inline = file.read(size)
    return struct.unpack(f"{order}{length}{_CODES[kind]}", inline[:size])
