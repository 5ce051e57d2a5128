"""Changes a JSON text in place: what is not changed keeps every byte, its key order and its formatting.

A round trip through a parser would rewrite most of the catalogue's files; a reviewer wants to see one line.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from terrafair.errors import InvalidInput

_SPACE = re.compile(r"[ \t\r\n]*")
_SCALAR = re.compile(r"[^\s,\]}]+")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.S)
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.S)


@dataclass(frozen=True, slots=True)
class Entry:
    """One member of an object or array in the text."""

    key: str
    start: int
    """Where the member begins: its key, or its value in an array."""
    value: int
    end: int


class JsonText:
    """A JSON document as text; every change leaves valid JSON."""

    def __init__(self, content: bytes) -> None:
        """Raises `InvalidInput` for what is no JSON in UTF-8."""
        try:
            self.text = content.decode("utf-8")
            json.loads(self.text)
        except (ValueError, RecursionError) as fault:
            raise InvalidInput(f"The document cannot be edited: it is no JSON ({fault}).") from None

    @property
    def content(self) -> bytes:
        """The text as it is now."""
        return self.text.encode("utf-8")

    def line(self, pointer: str) -> int:
        """The line, from 1, of what is at a pointer; where nothing is, that of what would hold it."""
        parts = _parts(pointer) if pointer else []
        while (place := self._find(parts)) is None:
            parts.pop()
        return self.text.count("\n", 0, place) + 1

    def put(self, pointer: str, value: Any) -> None:
        """Replace the value at a JSON pointer, or add the member; a last part `-` appends to an array.

        An array that is appended to is made where it is missing. Raises `InvalidInput` where the rest is not there.
        """
        *above, last = _parts(pointer)
        if last == "-" and self._find(above) is None:
            self.put("/" + "/".join(map(_escape, above)), [value])
            return
        holder = self._holder(above, pointer)
        found = next((entry for entry in self._entries(holder) if entry.key == last), None)
        if found is not None:
            indent = self._indent_at(found.start)
            self._splice(found.value, found.end, self._written(value, indent))
            return
        if self.text[holder] == "[" and last != "-":
            raise InvalidInput(f"There is nothing at {pointer}.", "Arrays are appended to with `-`.")
        self._append(holder, last, value)

    def drop(self, pointer: str) -> None:
        """Remove the member at a JSON pointer, with its comma; what is not there needs no removing."""
        *above, last = _parts(pointer)
        holder = self._find(above)
        entries = list(self._entries(holder)) if holder is not None else []
        number = next((number for number, entry in enumerate(entries) if entry.key == last), None)
        if number is None:
            return
        if number + 1 < len(entries):
            self._splice(entries[number].start, entries[number + 1].start, "")
        elif number:
            self._splice(entries[number - 1].end, entries[number].end, "")
        else:
            assert holder is not None  # noqa: S101 - it has entries
            self._splice(holder + 1, self._end(holder) - 1, "")

    def _splice(self, start: int, end: int, text: str) -> None:
        self.text = self.text[:start] + text + self.text[end:]

    def _holder(self, above: Sequence[str], pointer: str) -> int:
        holder = self._find(above)
        if holder is None or self.text[holder] not in "{[":
            raise InvalidInput(f"Nothing can be put at {pointer}: there is no object or array around it.")
        return holder

    def _find(self, parts: Sequence[str]) -> int | None:
        """Where the value at a path begins."""
        place = self._skip(0)
        for part in parts:
            if self.text[place] not in "{[":
                return None
            # As when it is read: of two members with one name the last counts.
            found = [entry for entry in self._entries(place) if entry.key == part]
            if not found:
                return None
            place = found[-1].value
        return place

    def _skip(self, place: int) -> int:
        found = _SPACE.match(self.text, place)
        return found.end() if found else place

    def _entries(self, holder: int) -> Iterator[Entry]:
        """The members of the object or array that begins at a place."""
        closing = "}" if self.text[holder] == "{" else "]"
        place, number = self._skip(holder + 1), 0
        while self.text[place] != closing:
            start, key = place, str(number)
            if closing == "}":
                found = _STRING.match(self.text, place)
                assert found is not None  # noqa: S101 - the text has been parsed
                key, place = json.loads(found[0]), self._skip(found.end())
                place = self._skip(place + 1)
            end = self._end(place)
            yield Entry(key, start, place, end)
            place, number = self._skip(end), number + 1
            if self.text[place] == ",":
                place = self._skip(place + 1)

    def _end(self, place: int) -> int:
        """Where the value that begins at a place ends."""
        first = self.text[place]
        if first == '"':
            found = _STRING.match(self.text, place)
            return found.end() if found else len(self.text)
        if first in "{[":
            return self._closing(place) + 1
        scalar = _SCALAR.match(self.text, place)
        return scalar.end() if scalar else len(self.text)

    def _closing(self, place: int) -> int:
        depth = 0
        for found in _BRACKET.finditer(self.text, place):
            if found[0] in "{[":
                depth += 1
            elif found[0] in "}]":
                depth -= 1
                if not depth:
                    return found.start()
        return len(self.text)

    def _append(self, holder: int, key: str, value: Any) -> None:
        entries = list(self._entries(holder))
        name = "" if self.text[holder] == "[" else json.dumps(key, ensure_ascii=False) + self._colon(entries)
        if not entries:
            outer = self._indent_at(holder)
            inner = None if outer is None else outer + self._step
            body = name + self._written(value, inner)
            text = body if inner is None or outer is None else f"{self._break}{inner}{body}{self._break}{outer}"
            self._splice(holder + 1, self._end(holder) - 1, text)
            return
        last = entries[-1]
        before = entries[-2].end if len(entries) > 1 else None
        if before is not None:
            gap = self.text[before : last.start]
        elif (indent := self._indent_at(last.start)) is not None:
            gap = f",{self._break}{indent}"
        else:
            gap = ", "
        style = self._indent_at(last.start) if "\n" in gap else None
        nested = [entry for entry in entries if self.text[entry.value] in "{[" and entry.end - entry.value > 2]
        like = self.text[nested[-1].value : nested[-1].end] if nested and not name else "\n"
        written = self._written(value, style, like)
        self._splice(last.end, last.end, f"{gap}{name}{written}")

    def _colon(self, entries: Sequence[Entry]) -> str:
        if not entries:
            return ": "
        key = _STRING.match(self.text, entries[-1].start)
        return self.text[key.end() : entries[-1].value] if key else ": "

    @property
    def _break(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    @property
    def _step(self) -> str:
        """The indent of one level."""
        found = re.search(r"\n([ \t]+)\S", self.text)
        return found[1] if found else "  "

    def _indent_at(self, place: int) -> str | None:
        """The indent of the line that a place begins; None where something else stands before it."""
        start = self.text.rfind("\n", 0, place) + 1
        before = self.text[start:place]
        if before.strip():
            # A value after its key: the line's own indent counts, if the document has lines at all.
            key = re.match(r"[ \t]*(?=\")", before)
            return key[0] if key and "\n" in self.text else None
        return before if "\n" in self.text else None

    def _written(self, value: Any, indent: str | None, like: str = "\n") -> str:
        """A value in the document's own style; `like` is a neighbour that shows whether it takes one line."""
        ascii_only = "\\u" in self.text and self.text.isascii()
        if indent is None or not isinstance(value, dict | list) or not value or "\n" not in like:
            compact = indent is None and not re.search(r'"\s*:\s', self.text)
            return json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":") if compact else (", ", ": "))
        text = json.dumps(value, ensure_ascii=ascii_only, indent=self._step)
        return text.replace("\n", self._break + indent)


def _parts(pointer: str) -> list[str]:
    if not pointer.startswith("/"):
        raise InvalidInput(f"{pointer!r} is no JSON pointer to a member.", "It begins with a slash (RFC 6901).")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")
