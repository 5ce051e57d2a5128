"""The beginning of a text file; JSON with its lines broken."""

import json
from pathlib import Path
from typing import Any

from terrafair.data.classify import encoding_of, read_json

CHARACTERS = 200_000
PRETTY = 4 * 2**20
"""Bytes of a JSON document that is still laid out."""


def read(path: Path, *, pretty: bool = False) -> dict[str, Any]:
    """`{text, cut}`; `cut`: there is more."""
    if pretty and path.stat().st_size <= PRETTY:
        try:
            plain = json.dumps(read_json(path), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            plain = _start(path)
    else:
        plain = _start(path)
    return {"text": plain[:CHARACTERS], "cut": len(plain) > CHARACTERS}


def _start(path: Path) -> str:
    with path.open(encoding=encoding_of(path), errors="replace") as file:
        return file.read(CHARACTERS + 1)
