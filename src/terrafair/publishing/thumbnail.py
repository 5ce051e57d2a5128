"""A small map of where a product lies, as PNG: made from its box alone, without opening anybody's data."""

import struct
import zlib
from collections.abc import Sequence

WIDTH, HEIGHT = 480, 240
_SEA, _LINE, _BOX, _EDGE = (232, 240, 244), (200, 214, 222), (0, 152, 160), (0, 70, 80)


def thumbnail(bbox: Sequence[float]) -> bytes:
    """Draw west, south, east, north (degrees) on a graticule of 30 degrees; west > east crosses the antimeridian."""
    west, south, east, north = (bbox[0], bbox[1], bbox[2], bbox[3]) if len(bbox) == 4 else (*bbox[:2], *bbox[3:5])
    spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    rows = [[_pixel(x, y) for x in range(WIDTH)] for y in range(HEIGHT)]
    top, bottom = _rows(north, south)
    for left, right in spans:
        first, last = _columns(left, right)
        for y in range(top, bottom + 1):
            for x in range(first, last + 1):
                edge = y in (top, bottom) or x in (first, last)
                rows[y][x] = _EDGE if edge else _BOX
    return _png(rows)


def _pixel(x: int, y: int) -> tuple[int, int, int]:
    return _LINE if x % (WIDTH // 12) == 0 or y % (HEIGHT // 6) == 0 else _SEA


def _columns(west: float, east: float) -> tuple[int, int]:
    first, last = (min(max(int((lon + 180) / 360 * WIDTH), 0), WIDTH - 1) for lon in (west, east))
    return _seen(first, last, WIDTH)


def _rows(north: float, south: float) -> tuple[int, int]:
    first, last = (min(max(int((90 - lat) / 180 * HEIGHT), 0), HEIGHT - 1) for lat in (north, south))
    return _seen(first, last, HEIGHT)


def _seen(first: int, last: int, size: int) -> tuple[int, int]:
    """At least five pixels, so that a small place can be seen."""
    return (max(first - 2, 0), min(last + 2, size - 1)) if last - first < 4 else (first, last)


def _png(rows: list[list[tuple[int, int, int]]]) -> bytes:
    raw = b"".join(b"\0" + bytes(channel for pixel in row for channel in pixel) for row in rows)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
