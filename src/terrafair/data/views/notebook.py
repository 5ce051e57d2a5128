"""A notebook's cells as plain parts; whoever shows them decides what of their HTML is let through."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from terrafair.data.classify import read_json
from terrafair.errors import InvalidInput

CELLS = 400
TEXT = 100_000
"""Characters of one part."""
PICTURE = 8 * 2**20
"""Characters of one encoded picture."""
WHOLE = 24 * 2**20
"""Characters of all parts."""
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


def cells(path: Path) -> list[dict[str, Any]]:
    """`[{kind, content, ...}]`, kind: `markdown`, `code`, `text`, `error`, `html`, `picture` or `left` (not shown)."""
    document = read_json(path)
    given = document.get("cells") if isinstance(document, dict) else None
    if not isinstance(given, list):
        raise InvalidInput(f"{path.name} has no cells.", "It is no notebook of version 4.", where=path.name)
    parts: list[dict[str, Any]] = []
    room = WHOLE
    for cell in given[:CELLS]:
        for part in _cell(cell) if isinstance(cell, dict) else ():
            room -= len(part["content"])
            if room < 0:
                return [*parts, {"kind": "left", "content": "The rest of the notebook is too large to be shown."}]
            parts.append(part)
    if len(given) > CELLS:
        parts.append({"kind": "left", "content": f"{len(given) - CELLS} more cells are not shown."})
    return parts


def _cell(cell: dict[str, Any]) -> Iterator[dict[str, Any]]:
    source = _joined(cell.get("source"))[:TEXT]
    if cell.get("cell_type") == "markdown":
        yield {"kind": "markdown", "content": source}
        return
    if source.strip():
        count = cell.get("execution_count")
        yield {"kind": "code", "content": source, "count": count if isinstance(count, int) else None}
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        if isinstance(output, dict):
            yield _output(output)


def _output(output: dict[str, Any]) -> dict[str, Any]:
    if output.get("output_type") == "error":
        lines = _joined(output.get("traceback"), "\n") or f"{output.get('ename')}: {output.get('evalue')}"
        return {"kind": "error", "content": _bare(lines)}
    if output.get("output_type") == "stream":
        return {"kind": "text", "content": _bare(_joined(output.get("text")))}
    data = output.get("data")
    data = data if isinstance(data, dict) else {}
    for media_type in PICTURES:
        encoded = "".join(_joined(data.get(media_type)).split())
        if encoded and len(encoded) <= PICTURE and re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", encoded):
            return {"kind": "picture", "content": encoded, "type": media_type}
    for media_type, kind in (("text/html", "html"), ("text/markdown", "markdown"), ("text/plain", "text")):
        if plain := _joined(data.get(media_type)):
            if kind == "html" and len(plain) > TEXT and data.get("text/plain"):
                continue
            return {"kind": kind, "content": _bare(plain)}
    return {"kind": "left", "content": f"An output of the type {', '.join(map(str, data))[:200] or 'unknown'}."}


def _joined(value: Any, between: str = "") -> str:
    return between.join(map(str, value)) if isinstance(value, list) else str(value or "")


def _bare(plain: str) -> str:
    """Without the colours of terminals."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", plain)[:TEXT]
