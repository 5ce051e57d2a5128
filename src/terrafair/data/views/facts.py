"""What the header of a picture or a PDF says, without drawing it."""

import re
from pathlib import Path
from typing import Any

from terrafair.data.views.rows import shown
from terrafair.errors import InvalidInput

PART = 4 * 2**20
"""Bytes at the beginning and at the end of a PDF that are looked at."""
NOTES = 20


def picture(path: Path) -> list[list[str]]:
    """Size, colours and notes of a picture; raises `InvalidInput` for what is none."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            notes: list[tuple[str, Any]] = [
                (str(name), value) for name, value in image.info.items() if isinstance(value, (str, int, float, tuple))
            ]
            facts: list[tuple[str, Any]] = [
                ("Format", image.format),
                ("Width", f"{image.width} pixels"),
                ("Height", f"{image.height} pixels"),
                ("Colours", image.mode),
                ("Pictures", getattr(image, "n_frames", 1)),
                *notes[:NOTES],
            ]
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as fault:
        raise InvalidInput(f"{path.name} cannot be read as a picture.", str(fault)[:200], where=path.name) from None
    return [[shown(name), shown(value)] for name, value in facts]


def pdf(path: Path) -> list[list[str]]:
    """Version, pages and title of a PDF, as far as they stand there in the clear."""
    size = path.stat().st_size
    with path.open("rb") as file:
        content = file.read(PART)
        if size > 2 * PART:
            file.seek(size - PART)
        content += file.read(PART)
    version = re.match(rb"%PDF-(\d\.\d)", content)
    facts = [["Format", f"PDF {version[1].decode()}" if version else "PDF"]]
    counted = [int(number) for number in re.findall(rb"/Type\s*/Pages\b[^>]{0,400}?/Count\s+(\d{1,7})", content)]
    counted += [int(number) for number in re.findall(rb"/Count\s+(\d{1,7})[^>]{0,400}?/Type\s*/Pages\b", content)]
    pages = max(counted, default=len(re.findall(rb"/Type\s*/Page\b(?!s)", content)))
    facts += [["Pages", str(pages)]] if pages else []
    for name in ("Title", "Author", "Creator", "Producer"):
        if found := re.search(rb"/" + name.encode() + rb"\s*\(((?:[^()\\]|\\.){1,400})\)", content):
            facts.append([name, shown(_text(found[1]))])
    facts += [["Protected", "yes, a password may be needed"]] if b"/Encrypt" in content else []
    return facts


def _text(raw: bytes) -> str:
    plain = re.sub(rb"\\([()\\])", rb"\1", raw)
    return plain.decode("utf-16", "replace") if plain[:2] in (b"\xfe\xff", b"\xff\xfe") else plain.decode("latin-1")
