"""The comparison as a program of its own, for the sandbox: `python -m terrafair.execution.comparison.child IN OUT`.

IN holds `{"expected": [asset], "found": [asset], "tolerance": {"relative", "absolute"}}`, OUT gets the verdicts.
User files are opened here and nowhere else: a raster or a cube is read by libraries that have faults of their own.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from terrafair.errors import Damaged
from terrafair.execution.comparison.findings import Compared, LocalAsset, Tolerance


def main(order: str, answer: str) -> int:
    """Compare and write the verdicts, whole or not at all."""
    from terrafair.execution.comparison.assets import compare

    expected, found, tolerance = read_order(json.loads(Path(order).read_text("utf-8")))
    verdicts = [each.document() for each in compare(expected, found, tolerance)]
    partial = Path(answer + ".partial")
    partial.write_text(json.dumps(verdicts, allow_nan=False), "utf-8")
    partial.replace(answer)
    return 0


def order(expected: Sequence[LocalAsset], found: Sequence[LocalAsset], tolerance: Tolerance) -> dict[str, Any]:
    """Give the document that the program is started with."""
    return {
        "expected": [asset.document() for asset in expected],
        "found": [asset.document() for asset in found],
        "tolerance": {"relative": tolerance.relative, "absolute": tolerance.absolute},
    }


def read_order(document: dict[str, Any]) -> tuple[list[LocalAsset], list[LocalAsset], Tolerance]:
    """Read what `order` gave."""
    sides = ([LocalAsset.read(asset) for asset in document[side]] for side in ("expected", "found"))
    expected, found = sides
    return expected, found, Tolerance(**document["tolerance"])


def read_answer(path: Path) -> tuple[Compared, ...]:
    """Read what the program wrote; raises `Damaged` when it is not whole or not of its form."""
    try:
        answer = json.loads(path.read_text("utf-8"))
        if not isinstance(answer, list):
            raise TypeError("no list")
        return tuple(Compared.read(entry) for entry in answer)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise Damaged(f"The comparison's answer cannot be read: {fault}.") from fault


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
