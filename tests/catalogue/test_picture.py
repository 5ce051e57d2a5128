"""The size of a picture from its first bytes; the real themes' pictures are checked with the real catalogue."""

import struct

import pytest

from terrafair.catalogue.rules.official.picture import shape_of


def webp(chunk: bytes, body: bytes) -> bytes:
    return b"RIFF\0\0\0\0WEBP" + chunk + struct.pack("<I", len(body)) + body


def three(value: int) -> bytes:
    return value.to_bytes(3, "little")


@pytest.mark.parametrize(
    "content",
    [
        webp(b"VP8X", b"\x10\0\0\0" + three(639) + three(479)),
        webp(b"VP8L", b"\x2f" + struct.pack("<I", 639 | 479 << 14)),
        webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 640, 480)),
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 640, 480),
        b"GIF89a" + struct.pack("<HH", 640, 480),
        b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08" + struct.pack(">HH", 480, 640) + b"\0" * 9,
        b'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="480px"></svg>',
    ],
    ids=["extended", "lossless", "lossy", "png", "gif", "jpeg", "svg"],
)
def test_rows_come_before_columns(content: bytes) -> None:
    assert shape_of(content) == [480, 640]


@pytest.mark.parametrize(
    "content",
    [b"", b"RIFF", webp(b"VP8X", b""), webp(b"ALPH", b"\0" * 20), b"GIF", b"\xff\xd8\xff", b"text", b"\x89PNG"],
)
def test_what_is_no_picture_has_no_size(content: bytes) -> None:
    assert shape_of(content) is None
