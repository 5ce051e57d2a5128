"""One JSON file, read with the tolerance that the official validator has, and with what that tolerance hides."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

DEPTH_LIMIT = 200
"""Deeper nesting is no catalogue document; the schema engine itself stops at 255."""
_KEYS = re.compile(rb'"\s*:')
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a file is no JSON document that can be checked."""

    rule: str
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class Document:
    """A file's content."""

    path: str
    raw: bytes
    data: Any
    """Parsed; None when `fault` is set."""
    fault: Fault | None = None
    forgiven: str = ""
    """The rule about what most other readers refuse, and this one and JavaScript do not; empty: there is nothing."""

    @property
    def folder(self) -> str:
        """Of the file; empty at the top."""
        return self.path.rpartition("/")[0]

    @property
    def title(self) -> str | None:
        """What links to it must be titled; None: anything goes."""
        return title_of(self.data)


def title_of(data: Any) -> str | None:
    """A document's title: a record's and an item's is in its properties."""
    if not isinstance(data, dict):
        return None
    about = data.get("properties") if data.get("type") == "Feature" else data
    title = about.get("title") if isinstance(about, dict) else None
    return title if isinstance(title, str) and title else None


def read(path: str, raw: bytes) -> Document:
    """Parse a file; what is wrong with it is told, never raised."""
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as refusal:
        return _read_tolerantly(path, raw, refusal)
    if not _is_shallow(raw) and _too_deep(data):
        return Document(path, raw, None, _DEEP)
    return Document(path, raw, data)


_DEEP = Fault(
    "json-depth",
    f"It is nested more than {DEPTH_LIMIT} levels deep, which no tool for the catalogue reads.",
    "Flatten it, or put the data into a file of its own and link to it.",
)


def _read_tolerantly(path: str, raw: bytes, refusal: orjson.JSONDecodeError) -> Document:
    """JavaScript replaces bytes that are no UTF-8 and takes half surrogates; a byte order mark fails there, too."""
    if fault := _encoding_fault(raw):
        return Document(path, raw, None, fault)
    try:
        data = json.loads(raw.decode("utf-8", "replace"), parse_constant=_refuse, parse_int=_integer)
    except RecursionError:
        return Document(path, raw, None, _DEEP)
    except ValueError:
        message = f"It is not JSON: {refusal.msg} in line {refusal.lineno}, column {refusal.colno}."
        return Document(
            path, raw, None, Fault("json-syntax", message, "Mend the text there; an editor marks the place.")
        )
    if _too_deep(data):
        return Document(path, raw, None, _DEEP)
    plain = _as_text(data)
    return Document(path, raw, plain, forgiven="number-range" if plain == data and _is_utf8(raw) else "not-text")


def _integer(digits: str) -> int | float:
    """Python reads no integer of more than 4,300 digits; JavaScript none that is not a real number."""
    return int(digits) if len(digits) < 300 else float(digits)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _as_text(node: Any) -> Any:
    """With a replacement for half surrogates, which no other library takes."""
    if isinstance(node, str):
        return node.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(node, list):
        return [_as_text(child) for child in node]
    if isinstance(node, dict):
        return {_as_text(key): _as_text(child) for key, child in node.items()}
    return node


def _encoding_fault(raw: bytes) -> Fault | None:
    if not raw.strip():
        return Fault("json-syntax", "The file is empty.", "Write the document, or delete the file.")
    if raw.startswith(_BOM):
        return Fault(
            "json-encoding",
            "It begins with a byte order mark, which JSON does not allow.",
            "Save it as UTF-8 without a byte order mark.",
        )
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in raw[:4]:
        return Fault("json-encoding", "It is UTF-16 or UTF-32; JSON files are UTF-8.", "Save it as UTF-8.")
    return None


def without_mark(raw: bytes) -> bytes:
    """The content after a byte order mark."""
    return raw.removeprefix(_BOM)


def _refuse(name: str) -> Any:
    raise ValueError(name)


_NOT_BRACKETS = bytes(value for value in range(256) if value not in b"{}[]")


def _is_shallow(raw: bytes) -> bool:
    """Whether the brackets alone tell that nothing is nested deeply; those in texts may hide it."""
    if raw.count(b"[") + raw.count(b"{") <= DEPTH_LIMIT:
        return True
    brackets = raw.translate(None, _NOT_BRACKETS)
    for _ in range(DEPTH_LIMIT):
        less = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if not less:
            return True
        if less == brackets:
            return False
        brackets = less
    return False


def _too_deep(data: Any) -> bool:
    level = [data]
    for _ in range(DEPTH_LIMIT):
        if not level:
            return False
        level = (
            [
                child
                for node in level
                for child in (node.values() if isinstance(node, dict) else node)
                if isinstance(child, dict | list)
            ]
            if isinstance(level[0], dict | list)
            else []
        )
    return bool(level)


def repeated_keys(document: Document) -> Iterator[tuple[str, str]]:
    """(pointer of the object, key) for each key that is written twice; the last one wins everywhere.

    Counting keys in the text and in what was read tells the files with any, cheaply; only these are read again.
    """
    try:
        written = orjson.dumps(document.data)
    except (orjson.JSONEncodeError, TypeError):
        written = b""
    if b'" :' not in document.raw and document.raw.count(b'":') == written.count(b'":'):
        return
    if len(_KEYS.findall(document.raw)) == len(_KEYS.findall(written)):
        return
    found: list[tuple[str, dict[str, Any]]] = []

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        counts = Counter(key for key, _ in pairs)
        made = dict(pairs)
        found.extend((key, made) for key, count in counts.items() if count > 1)
        return made

    whole = json.loads(document.raw.decode("utf-8", "replace"), object_pairs_hook=collect)
    places = {id(made): pointer for pointer, made in _objects(whole, "")}
    for key, made in found:
        yield places.get(id(made), ""), key


def _objects(node: Any, pointer: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        yield pointer, node
        for key, child in node.items():
            yield from _objects(child, f"{pointer}/{escape(key)}")
    elif isinstance(node, list):
        for number, child in enumerate(node):
            yield from _objects(child, f"{pointer}/{number}")


def escape(key: str) -> str:
    """A key as part of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")
