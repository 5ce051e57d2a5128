"""How a file of the results is shown: by its name, and only as text and pictures - nothing in it is executed."""

import base64
import binascii
import contextlib
import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt

LARGEST = 8 * 1024**2
"""Bytes of a file that are read to show it."""
ROWS = 100
TEXT = 200_000
"""Characters that are shown."""
CELLS = 500
RASTERS = (".tif", ".tiff")
CUBES = (".nc", ".nc4", ".h5", ".zarr")
VECTORS = (".geojson",)
PICTURES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
TABLES = {".csv": ",", ".tsv": "\t"}
TEXTS = (".json", ".jsonl", ".txt", ".yaml", ".yml", ".md", ".cwl", ".log", ".xml", ".py", ".toml")


def layer_of(name: str) -> str:
    """`raster`, `cube` or `vector` for what a map shows; empty for the rest."""
    lower = name.lower()
    if lower.endswith(RASTERS):
        return "raster"
    if lower.endswith(CUBES):
        return "cube"
    return "vector" if lower.endswith(VECTORS) else ""


def gathered(files: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Files as people count them: a Zarr store, which is a folder of thousands, is one."""
    rows: dict[str, dict[str, Any]] = {}
    for file in files:
        store = re.match(r"(.*?\.zarr)/", file["name"])
        if store is None:
            rows[file["name"]] = {**file, "parts": 0, "layer": layer_of(file["name"])}
            continue
        row = rows.setdefault(
            store[1],
            {"name": store[1], "href": "", "size": 0, "sha256": "", "type": "application/vnd+zarr", "role": "data"}
            | {"parts": 0, "layer": "cube", "s3": str(file.get("s3", "")).rpartition(".zarr/")[0] + ".zarr"},
        )
        row["size"] += file["size"]
        row["parts"] += 1
    return sorted(rows.values(), key=lambda row: (row["role"] != "data", row["name"]))


def view_of(name: str) -> str:
    """`picture`, `table`, `notebook`, `text`, `layer` or empty: only to be downloaded."""
    lower = name.lower()
    if lower.endswith(tuple(PICTURES)):
        return "picture"
    if lower.endswith(tuple(TABLES)):
        return "table"
    if lower.endswith(".ipynb"):
        return "notebook"
    if layer_of(name):
        return "layer"
    return "text" if lower.endswith(TEXTS) else ""


def table(content: bytes, name: str) -> list[list[str]]:
    """The first rows of a table, its head among them."""
    separator = next(mark for ending, mark in TABLES.items() if name.lower().endswith(ending))
    text = io.StringIO(content.decode("utf-8", "replace").replace("\0", ""), newline="")
    rows = []
    try:
        for row in csv.reader(text, delimiter=separator):
            rows.append([value[:200] for value in row[:50]])
            if len(rows) > ROWS:
                break
    except csv.Error:
        pass
    return rows


def text(content: bytes, name: str) -> str:
    """A text as it is; JSON with its lines broken."""
    plain = content.decode("utf-8", "replace")
    if name.lower().endswith(".json"):
        with contextlib.suppress(ValueError, RecursionError):
            plain = json.dumps(json.loads(plain), indent=2, ensure_ascii=False)
    return plain if len(plain) <= TEXT else f"{plain[:TEXT]}\n... and {len(plain) - TEXT} characters more"


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a notebook: what its cells hold, in order."""

    kind: str
    """`prose` (safe HTML), `code`, `output`, `error` (plain text) or `picture` (a data address)."""
    content: str


def notebook(content: bytes) -> list[Part]:
    """A notebook's cells; raises ValueError where it is none."""
    document = json.loads(content.decode("utf-8", "replace"))
    cells = document.get("cells") if isinstance(document, dict) else None
    if not isinstance(cells, list):
        raise ValueError("It has no cells.")  # noqa: TRY004 - the document is wrong, not the call
    parts: list[Part] = []
    for cell in cells[:CELLS]:
        if isinstance(cell, dict):
            parts.extend(_cell(cell))
    return list(levelled(parts))


def _cell(cell: dict[str, Any]) -> Iterator[Part]:
    source = _joined(cell.get("source"))
    if cell.get("cell_type") == "markdown":
        yield Part("prose", prose(source))
        return
    if source.strip():
        yield Part("code", source[:TEXT])
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        if isinstance(output, dict):
            yield from _output(output)


def _output(output: dict[str, Any]) -> Iterator[Part]:
    if output.get("output_type") == "error":
        traceback = _joined(output.get("traceback"), "\n") or f"{output.get('ename')}: {output.get('evalue')}"
        yield Part("error", _bare(traceback))
        return
    if output.get("output_type") == "stream":
        yield Part("output", _bare(_joined(output.get("text"))))
        return
    data = output.get("data")
    data = data if isinstance(data, dict) else {}
    for media_type in ("image/png", "image/jpeg"):
        if picture := _picture(_joined(data.get(media_type)), media_type):
            yield Part("picture", picture)
            return
    if "text/markdown" in data:
        yield Part("prose", prose(_joined(data["text/markdown"])))
    elif "text/plain" in data:
        yield Part("output", _bare(_joined(data["text/plain"])))
    elif data:
        yield Part("output", f"[{', '.join(map(str, data))}: not shown here; download the notebook]")


def _joined(value: Any, between: str = "") -> str:
    return between.join(map(str, value)) if isinstance(value, list) else str(value or "")


def _bare(plain: str) -> str:
    """Without the colours of terminals."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", plain)[:TEXT]


def _picture(encoded: str, media_type: str) -> str:
    try:
        raw = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        return ""
    return f"data:{media_type};base64,{base64.b64encode(raw).decode()}" if raw else ""


# Raw HTML stays text, addresses with scripts stay words, and pictures elsewhere are not fetched.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def prose(markdown: str) -> str:
    """Markdown as HTML in which nothing executes and nothing is loaded."""
    html: str = _MARKDOWN.render(markdown[:TEXT])
    return html


def levelled(parts: Iterable[Part]) -> Iterator[Part]:
    """Headings below the page's own, none deeper than one step below the one before."""
    last = 1

    def step(found: re.Match[str]) -> str:
        nonlocal last
        last = min(int(found[1]) + 1, last + 1, 6)
        return f"<h{last}>{found[2]}</h{last}>"

    for part in parts:
        content = part.content
        if part.kind == "prose":
            content = re.sub(r"<h([1-6])>(.*?)</h\1>", step, content, flags=re.DOTALL)
        yield Part(part.kind, content)
