"""Whether a NetCDF-3 file is whole: the library fills what is cut off with zeros, and says nothing.

Layout: NetCDF Classic and 64-bit Offset Format (OGC 10-092r3), and CDF-5 with 64-bit sizes.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from terrafair.errors import InvalidInput

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
"""Bytes of a value, by the number of its type."""
_DIMENSION, _VARIABLE, _ATTRIBUTE = 10, 11, 12
MOST = 1_000_000
"""Entries of one list of the header."""


def check_whole(path: Path) -> None:
    """Raise `InvalidInput` for a file that ends before its data do."""
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            end = _Header(file).end()
        except (struct.error, KeyError, IndexError, OverflowError, MemoryError) as fault:
            raise InvalidInput(
                f"{path.name} is a damaged NetCDF-3 file.", "Its header cannot be read.", "Write it again.", path.name
            ) from fault
    if end > size:
        raise InvalidInput(
            f"{path.name} breaks off: it has {size} bytes, and its variables go to {end}.",
            "The file was not written or copied to its end.",
            "Write or copy it again.",
            path.name,
        )


@dataclass(frozen=True, slots=True)
class _Variable:
    begin: int
    size: int
    """Bytes of its values, or of one record's; without padding."""
    record: bool


class _Header:
    """The header, read from the start."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        version = self._take(4)[3]
        self._wide = version == 5
        """Counts have 64 bits."""
        self._offset = ">i" if version == 1 else ">q"
        self._records = self._count(streaming=True)

    def end(self) -> int:
        """Where the last byte of data lies; zero where there is none."""
        sizes = [self._dimension() for _ in range(self._list(_DIMENSION))]
        self._attributes()
        variables = [self._variable(sizes) for _ in range(self._list(_VARIABLE))]
        records = [each for each in variables if each.record]
        # One record variable alone is stored without padding.
        step = records[0].size if len(records) == 1 else sum(_padded(each.size) for each in records)
        ends = [each.begin + each.size for each in variables if not each.record and each.size]
        if self._records:
            ends += [each.begin + (self._records - 1) * step + each.size for each in records if each.size]
        return max(ends, default=0)

    def _dimension(self) -> int:
        self._name()
        return self._count()

    def _variable(self, sizes: list[int]) -> _Variable:
        self._name()
        shape = [sizes[self._count()] for _ in range(self._count())]
        self._attributes()
        width = _SIZES[self._integer()]
        self._count()  # vsize, which overflows for large variables: computed from the shape instead
        (begin,) = struct.unpack(self._offset, self._take(struct.calcsize(self._offset)))
        # The one dimension of length zero is that of the records.
        record = bool(shape) and shape[0] == 0
        for length in shape[1:] if record else shape:
            width *= length
        return _Variable(begin, width, record)

    def _attributes(self) -> None:
        for _ in range(self._list(_ATTRIBUTE)):
            self._name()
            width = _SIZES[self._integer()]
            self._take(_padded(self._count() * width))

    def _list(self, expected: int) -> int:
        """The length of a list; an absent one has none."""
        tag, length = self._integer(), self._count()
        if tag not in {0, expected} or not 0 <= length <= MOST or (tag == 0 and length):
            raise struct.error("no such list")
        return length

    def _name(self) -> None:
        self._take(_padded(self._count()))

    def _count(self, *, streaming: bool = False) -> int:
        form = ">q" if self._wide else ">i"
        (number,) = struct.unpack(form, self._take(struct.calcsize(form)))
        if number < 0 and not streaming:
            raise struct.error("a negative length")
        # All bits set: the writer did not know how many records would follow.
        return max(int(number), 0)

    def _integer(self) -> int:
        (number,) = struct.unpack(">i", self._take(4))
        return int(number)

    def _take(self, length: int) -> bytes:
        content = self._file.read(length)
        if len(content) < length:
            raise struct.error("the header breaks off")
        return content


def _padded(length: int) -> int:
    return (length + 3) // 4 * 4
