"""The footer of a Parquet file: columns, rows, and GeoParquet's metadata; no rows are read.

The footer is a Thrift structure in the compact protocol (https://parquet.apache.org/docs/file-format/metadata/).
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terrafair.errors import InvalidInput

FOOTER_LIMIT = 256 * 2**20
DEPTH = 64
_TYPES = ("boolean", "int32", "int64", "int96", "float32", "float64", "binary", "fixed_len_byte_array")
_LOGICAL = {1: "string", 5: "decimal", 6: "date", 7: "time", 8: "timestamp", 14: "uuid", 15: "float16"}
"""Fields of the union LogicalType; integers are told by the old annotation, which every writer keeps."""
_CONVERTED = dict(
    enumerate(("string", "", "", "", "", "decimal", "date", "time", "time", "timestamp", "timestamp"))
) | dict(enumerate(("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"), 11))
"""Values of the enumeration ConvertedType."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Footer:
    """What a Parquet file says of itself."""

    columns: tuple[Column, ...]
    rows: int
    metadata: dict[str, str]

    @property
    def geo(self) -> dict[str, Any]:
        """GeoParquet's metadata; empty where it is a plain table."""
        try:
            found = json.loads(self.metadata.get("geo", ""))
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def read_footer(path: Path) -> Footer:
    """The footer; raises `InvalidInput` for a file that breaks off."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(size - 8, 0))
        tail = file.read(8)
        length = struct.unpack("<I", tail[:4])[0] if len(tail) == 8 else 0
        if tail[4:] != b"PAR1" or length > min(size - 8, FOOTER_LIMIT):
            raise InvalidInput(
                f"{path.name} breaks off: it has no Parquet footer.",
                "The file was not written or copied to its end.",
                "Write or copy it again.",
                path.name,
            )
        file.seek(size - 8 - length)
        content = file.read(length)
    try:
        return _footer(_Reader(content).structure())
    except (IndexError, KeyError, TypeError, ValueError, struct.error, UnicodeDecodeError, AttributeError) as fault:
        raise InvalidInput(
            f"The footer of {path.name} is damaged.", str(fault), "Write it again.", path.name
        ) from fault


def _footer(document: dict[int, Any]) -> Footer:
    schema = document[2]
    metadata = {
        entry[1].decode("utf-8"): entry.get(2, b"").decode("utf-8", "replace")
        for entry in document.get(5, [])
        if entry.get(1) != b"ARROW:schema"
    }
    return Footer(tuple(_columns(schema)), int(document[3]), metadata)


def _columns(schema: list[dict[int, Any]]) -> list[Column]:
    """The top-level columns; nested ones count as one."""
    found = []
    position = 1
    for _ in range(schema[0].get(5, 0)):
        node = schema[position]
        found.append(Column(node[4].decode("utf-8"), "group" if node.get(5) else _type(node)))
        position = _skip(schema, position)
    return found


def _type(node: dict[int, Any]) -> str:
    """What the values mean, by the new or the old annotation, else how they are stored."""
    logical: int = next(iter(node.get(10) or {}), 0)
    return _LOGICAL.get(logical) or _CONVERTED.get(node.get(6, -1)) or _TYPES[node.get(1, 6)]


def _skip(schema: list[dict[int, Any]], position: int) -> int:
    """The position after a node and all below it."""
    open_nodes = 1
    while open_nodes:
        open_nodes += schema[position].get(5, 0) - 1
        position += 1
    return position


class _Reader:
    """Thrift's compact protocol, as far as a footer uses it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.position = 0

    def structure(self, depth: int = 0) -> dict[int, Any]:
        """Field number -> value."""
        if depth > DEPTH:
            raise ValueError("nested too deeply")
        fields: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) != 0:
            delta, kind = head >> 4, head & 15
            number = number + delta if delta else self._zigzag()
            fields[number] = self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in {1, 2}:
            return kind == 1
        if kind == 3:
            return self._byte()
        if kind in {4, 5, 6}:
            return self._zigzag()
        if kind == 7:
            return struct.unpack("<d", self._take(8))[0]
        if kind == 8:
            return self._take(self._varint())
        if kind in {9, 10}:
            return self._list(depth)
        if kind == 12:
            return self.structure(depth + 1)
        raise ValueError(f"type {kind} is not known")

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        count, kind = head >> 4, head & 15
        if count == 15:
            count = self._varint()
        if count > len(self.content):
            raise ValueError("a list is longer than the footer")
        if kind in {1, 2}:
            return [self._byte() == 1 for _ in range(count)]
        return [self._value(kind, depth + 1) for _ in range(count)]

    def _byte(self) -> int:
        self.position += 1
        return self.content[self.position - 1]

    def _take(self, length: int) -> bytes:
        if length > len(self.content) - self.position:
            raise ValueError("it breaks off")
        self.position += length
        return self.content[self.position - length : self.position]

    def _varint(self) -> int:
        result = shift = 0
        while True:
            byte = self._byte()
            result |= (byte & 127) << shift
            if byte < 128:
                return result
            shift += 7
            if shift > 63:
                raise ValueError("a number is too long")

    def _zigzag(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)
