"""Edits JSON texts so that a diff holds only what changed: key order, indentation and spelling of the rest stay."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from json.decoder import scanstring
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
    changed = text[: node.start] + writer.edited(node, document, 0) + text[node.end :]
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

    def edited(self, node: Node, value: Any, depth: int) -> str:
        """The node's text changed so that it means the value."""
        if same(node.value, value):
            return self._text[node.start : node.end]
        if isinstance(value, dict) and isinstance(node.value, dict) and node.parts:
            return self._object(node, value, depth) if value else "{}"
        if isinstance(value, list) and isinstance(node.value, list) and node.parts:
            return self._array(node, value, depth) if value else "[]"
        return self._fresh(value, depth, inline=bool(node.parts) and "\n" not in self._text[node.start : node.end])

    def _object(self, node: Node, value: dict[str, Any], depth: int) -> str:
        pieces: dict[str, str] = {}
        for key, start, part in zip(node.keys, node.key_starts, node.parts, strict=True):
            if key in value:
                # A key that is written twice counts with its last value, as in every reader.
                pieces[key] = self._text[start : part.start] + self.edited(part, value[key], depth + 1)
        order = list(pieces)
        before = ""
        for key in value:
            if key not in pieces:
                inline = "\n" not in self._text[node.start : node.parts[0].end]
                text = self._fresh(value[key], depth + 1, inline=inline)
                pieces[key] = self._string(key) + self._style.colon + text
                order.insert(order.index(before) + 1 if before else 0, key)
            before = key
        return self._joined(node, [pieces[key] for key in order], node.key_starts)

    def _array(self, node: Node, value: list[Any], depth: int) -> str:
        old = [json.dumps(part.value) for part in node.parts]
        new = [json.dumps(part) for part in value]
        inline = "\n" not in self._text[node.start : node.parts[0].end]
        pieces: list[str] = []
        for action, first, last, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if action == "equal" or (action == "replace" and last - first == end - start):
                pairs = zip(node.parts[first:last], value[start:end], strict=True)
                pieces += [self.edited(part, wanted, depth + 1) for part, wanted in pairs]
            else:
                pieces += [self._fresh(wanted, depth + 1, inline=inline) for wanted in value[start:end]]
        return self._joined(node, pieces, tuple(part.start for part in node.parts))

    def _joined(self, node: Node, pieces: list[str], starts: tuple[int, ...]) -> str:
        """The pieces between the container's own brackets, with its own spaces between elements."""
        opening, closing = self._text[node.start], self._text[node.end - 1]
        lead = self._text[node.start + 1 : starts[0]]
        between = self._between(node, starts) if len(starts) > 1 else self._comma(lead)
        tail = self._text[node.parts[-1].end : node.end - 1]
        return opening + lead + between.join(pieces) + tail + closing

    def _between(self, node: Node, starts: tuple[int, ...]) -> str:
        return self._text[node.parts[0].end : starts[1]]

    def _comma(self, lead: str) -> str:
        return f",{lead}" if "\n" in lead else self._style.comma

    def _fresh(self, value: Any, depth: int, *, inline: bool) -> str:
        style = self._style
        separators = (style.comma if inline or not style.indent else ",", style.colon)
        indent = None if inline or not style.indent else style.indent
        text = json.dumps(value, indent=indent, ensure_ascii=style.ascii, separators=separators)
        return text.replace("\n", style.newline + style.indent * depth) if indent else text

    def _string(self, text: str) -> str:
        return json.dumps(text, ensure_ascii=self._style.ascii)


def changed_lines(before: bytes | None, after: bytes | None) -> Iterator[str]:
    """The unified diff of one file, without its heading; None: the file is not there."""
    from difflib import unified_diff

    texts = [(content or b"").decode("utf-8", "replace").splitlines() for content in (before, after)]
    yield from list(unified_diff(*texts, lineterm="", n=3))[2:]
