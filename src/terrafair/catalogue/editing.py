"""Edits JSON texts so that a diff holds only what changed: key order, indentation and spelling of the rest stay.

A round trip through a parser would rewrite most of the catalogue's files; a reviewer wants to see one line.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from terrafair.errors import InvalidInput

_SPACE = re.compile(r"[ \t\r\n]*")
_SCALAR = re.compile(r"-?\d[\d.eE+-]*|true|false|null|NaN|-?Infinity")


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a text, with where it stands."""

    value: Any
    start: int
    end: int
    keys: tuple[str, ...] = ()
    """Of an object, in the text's order."""
    key_starts: tuple[int, ...] = ()
    parts: tuple["Node", ...] = ()
    """Values of an object, elements of an array."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a text writes JSON."""

    indent: str
    """One level; empty: all on one line."""
    colon: str
    comma: str
    """Between elements that stand on one line."""
    ascii: bool
    newline: str


def render(document: Any) -> bytes:
    """A new document in the catalogue's usual form: two spaces, UTF-8, a newline at the end."""
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def parse(content: bytes, where: str = "") -> Any:
    """The value of a JSON text; raises `InvalidInput`."""
    try:
        return json.loads(content)
    except ValueError as fault:
        raise InvalidInput(f"It is not valid JSON: {fault}.", where=where) from None


def rewrite(original: bytes, document: Any) -> bytes:
    """The original text changed as little as needed to mean `document`.

    New members of an object stand behind the member that they follow in `document`; a text that already means it is
    given back byte for byte. Raises `InvalidInput` for a text that is no JSON.
    """
    bom, text = _decoded(original)
    parse(text.encode(), "")
    node, _ = _read(text, _skip(text, 0))
    writer = _Writer(text, _style(text))
    changed = text[: node.start] + writer.edited(node, document, "") + text[node.end :]
    return (bom + changed).encode()


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are written alike: 1, 1.0 and true differ, as do objects with another key order."""
    return json.dumps(one) == json.dumps(other)


def _decoded(original: bytes) -> tuple[str, str]:
    try:
        text = original.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise InvalidInput(f"It is not UTF-8: {fault}.") from None
    return ("\ufeff", text[1:]) if text.startswith("\ufeff") else ("", text)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _read(text: str, at: int) -> tuple[Node, int]:
    """The value that starts at a position of a text known to be JSON."""
    if text[at] == '"':
        value, end = scanstring(text, at + 1, False)
        return Node(value, at, end), end
    if text[at] in "{[":
        return _container(text, at)
    found = _SCALAR.match(text, at)
    assert found is not None  # noqa: S101 - the text has been parsed before
    return Node(json.loads(found[0]), at, found.end()), found.end()


def _container(text: str, start: int) -> tuple[Node, int]:
    mapping = text[start] == "{"
    keys: list[str] = []
    key_starts: list[int] = []
    parts: list[Node] = []
    at = _skip(text, start + 1)
    while text[at] not in "}]":
        if mapping:
            key_starts.append(at)
            key, at = scanstring(text, at + 1, False)
            keys.append(key)
            at = _skip(text, _skip(text, at) + 1)
        part, at = _read(text, at)
        parts.append(part)
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
    value: Any = [part.value for part in parts]
    if mapping:
        value = dict(zip(keys, value, strict=True))
    return Node(value, start, at + 1, tuple(keys), tuple(key_starts), tuple(parts)), at + 1


def _style(text: str) -> Style:
    first = re.search(r"[{\[](\r?\n)([ \t]+)", text)
    colon = re.search(r'"\s*:[ \t]*', text)
    comma = re.search(r"[\d\"\]}],([ \t]*)(?=[^\s])", text)
    escaped = re.search(r"\\u(?!00[0-1])[0-9a-fA-F]{4}", text) is not None
    return Style(
        indent=first[2] if first else "",
        colon=colon[0].lstrip('" \t\r\n') if colon else ": ",
        comma="," + (comma[1] if comma else " "),
        ascii=escaped and text.isascii(),
        newline=first[1] if first else "\n",
    )


class _Writer:
    def __init__(self, text: str, style: Style) -> None:
        self._text = text
        self._style = style

    def edited(self, node: Node, value: Any, margin: str) -> str:
        """The node's text changed so that it means the value; `margin` is what a line of its container begins with."""
        if same(node.value, value):
            return self._text[node.start : node.end]
        if isinstance(value, dict) and isinstance(node.value, dict) and node.parts:
            return self._object(node, value) if value else "{}"
        if isinstance(value, list) and isinstance(node.value, list) and node.parts:
            return self._array(node, value) if value else "[]"
        inline = bool(node.parts) and "\n" not in self._text[node.start : node.end]
        return self._fresh(value, margin, self._style.indent, inline=inline)

    def _object(self, node: Node, value: dict[str, Any]) -> str:
        margin, unit, inline = self._inside(node)
        pieces: dict[str, _Piece] = {}
        for number, (key, start, part) in enumerate(zip(node.keys, node.key_starts, node.parts, strict=True)):
            if key in node.keys[number + 1 :] and key in value:
                # Written twice (one real record does): the last one counts, as in every reader, and both stay.
                pieces[f"{key}\0{number}"] = _Piece(self._text[start : part.end], number)
            elif key in value:
                pieces[key] = _Piece(self._text[start : part.start] + self.edited(part, value[key], margin), number)
        order = list(pieces)
        before = ""
        for key, wanted in value.items():
            if key not in pieces:
                text = self._string(key) + self._style.colon + self._fresh(wanted, margin, unit, inline=inline)
                pieces[key] = _Piece(text)
                order.insert(order.index(before) + 1 if before in order else 0, key)
            before = key
        return self._joined(node, [pieces[key] for key in order], node.key_starts)

    def _array(self, node: Node, value: list[Any]) -> str:
        margin, unit, inline = self._inside(node)
        lined = self._on_one_line(node.parts)
        old = [json.dumps(part.value) for part in node.parts]
        new = [json.dumps(part) for part in value]
        pieces: list[_Piece] = []
        for action, first, last, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if action == "equal" or (action == "replace" and last - first == end - start):
                pairs = zip(range(first, last), value[start:end], strict=True)
                pieces += [_Piece(self.edited(node.parts[at], wanted, margin), at) for at, wanted in pairs]
            else:
                fresh = (self._fresh(wanted, margin, unit, inline=inline or lined) for wanted in value[start:end])
                pieces += [_Piece(text) for text in fresh]
        return self._joined(node, pieces, tuple(part.start for part in node.parts))

    def _on_one_line(self, parts: Sequence[Node]) -> bool:
        """Whether the last object or array among the elements of an array takes one line."""
        last = next((part for part in reversed(parts) if part.parts), None)
        return last is not None and "\n" not in self._text[last.start : last.end]

    def _inside(self, node: Node) -> tuple[str, str, bool]:
        """How it writes its last element: margin, one level inside it, and whether all is on one line."""
        first, last = node.parts[0], node.parts[-1]
        if "\n" not in self._text[node.start : first.start]:
            return "", self._style.indent, True
        start = node.key_starts[-1] if node.key_starts else last.start
        margin = re.split(r"[\r\n]", self._text[node.start + 1 : start])[-1]
        margin = margin if not margin.strip() else ""
        inner = re.search(r"\n([ \t]+)", self._text[last.start : last.end])
        unit = self._style.indent
        if inner and inner[1].startswith(margin):
            unit = inner[1][len(margin) :]
        return margin, unit, False

    def _joined(self, node: Node, pieces: list["_Piece"], starts: tuple[int, ...]) -> str:
        """The pieces between the container's own brackets, with the spaces that it has between its elements."""
        text, lead = self._text, self._text[node.start + 1 : starts[0]]
        usual = f",{lead}" if "\n" in lead else self._style.comma
        if len(starts) > 1:
            usual = text[node.parts[-2].end : starts[-1]]
        joined = [lead]
        for piece, following in zip(pieces, [*pieces[1:], None], strict=True):
            joined.append(piece.text)
            if following is not None:
                neighbours = piece.origin >= 0 and following.origin == piece.origin + 1
                joined.append(text[node.parts[piece.origin].end : starts[following.origin]] if neighbours else usual)
        tail = text[node.parts[-1].end : node.end - 1]
        return "".join([text[node.start], *joined, tail, text[node.end - 1]])

    def _fresh(self, value: Any, margin: str, unit: str, *, inline: bool) -> str:
        style = self._style
        separators = (style.comma if inline or not style.indent else ",", style.colon)
        indent = None if inline or not style.indent else unit
        text = json.dumps(value, indent=indent, ensure_ascii=style.ascii, separators=separators)
        return text.replace("\n", style.newline + margin) if indent else text

    def _string(self, text: str) -> str:
        return json.dumps(text, ensure_ascii=self._style.ascii)


@dataclass(frozen=True, slots=True)
class _Piece:
    """The text of one element of a container that is being written."""

    text: str
    origin: int = -1
    """Its place in the original; -1: it is new."""


class JsonText:
    """A JSON document as text, changed at JSON pointers (RFC 6901); every change leaves valid JSON."""

    def __init__(self, content: bytes) -> None:
        """Raises `InvalidInput` for what is no JSON in UTF-8."""
        try:
            text = content.decode("utf-8")
            self._document = json.loads(text)
            self._root, _ = _read(text, _skip(text, 0))
        except (ValueError, RecursionError) as fault:
            raise InvalidInput(f"The document cannot be edited: it is no JSON ({fault}).") from None
        self._original = content

    @property
    def content(self) -> bytes:
        """The text as it is now."""
        return rewrite(self._original, self._document)

    def line(self, pointer: str) -> int:
        """The line in the original, from 1, of what is at a pointer; where nothing is, that of what would hold it."""
        node, start = self._root, self._root.start
        for part in _parts(pointer) if pointer else []:
            names = node.keys if node.keys else tuple(map(str, range(len(node.parts))))
            if part not in names:
                break
            # As when it is read: of two members with one name the last counts.
            number = len(names) - 1 - names[::-1].index(part)
            node = node.parts[number]
            start = node.start
        return self._original[: len(self._original.decode("utf-8")[:start].encode())].count(b"\n") + 1

    def put(self, pointer: str, value: Any) -> None:
        """Replace the value at a JSON pointer, or add the member; a last part `-` appends to an array.

        An array that is appended to is made where it is missing. Raises `InvalidInput` where the rest is not there.
        """
        *above, last = _parts(pointer)
        if last == "-" and self._at(above) is None and above:
            above, last, value = above[:-1], above[-1], [value]
        holder = self._at(above)
        if isinstance(holder, dict):
            holder[last] = value
        elif isinstance(holder, list) and last == "-":
            holder.append(value)
        elif isinstance(holder, list) and (number := _number(last, holder)) is not None:
            holder[number] = value
        else:
            raise InvalidInput(
                f"Nothing can be put at {pointer}: there is no object or array around it.",
                "Arrays are appended to with `-`.",
            )

    def drop(self, pointer: str) -> None:
        """Remove the member at a JSON pointer, with its comma; what is not there needs no removing."""
        *above, last = _parts(pointer)
        holder = self._at(above)
        if isinstance(holder, dict):
            holder.pop(last, None)
        elif isinstance(holder, list) and (number := _number(last, holder)) is not None:
            del holder[number]

    def _at(self, parts: Sequence[str]) -> Any:
        node = self._document
        for part in parts:
            if isinstance(node, dict):
                node = node.get(part)
            elif isinstance(node, list) and (number := _number(part, node)) is not None:
                node = node[number]
            else:
                return None
        return node


def _number(part: str, holder: Sequence[Any]) -> int | None:
    number = int(part) if part.isascii() and part.isdigit() else -1
    return number if 0 <= number < len(holder) else None


def _parts(pointer: str) -> list[str]:
    if not pointer.startswith("/"):
        raise InvalidInput(f"{pointer!r} is no JSON pointer to a member.", "It begins with a slash (RFC 6901).")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def changed_lines(before: bytes | None, after: bytes | None) -> Iterator[str]:
    """The unified diff of one file, without its heading; None: the file is not there."""
    from difflib import unified_diff

    old, new = ((content or b"").decode("utf-8", "replace").splitlines() for content in (before, after))
    yield from list(unified_diff(old, new, lineterm="", n=3))[2:]
