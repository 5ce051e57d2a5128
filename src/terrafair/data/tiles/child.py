"""The painter as a program of its own, for the sandbox: `python -m terrafair.data.tiles.child`.

It reads one order a line from its standard input, `{"do": "tile" | "about" | "point" | "area", "path": ..., ...}`, and
answers each with a line `{"bytes": N, "type": ...}` or `{"problem": {...}}` and the bytes. Other people's files are
opened here and nowhere else.
"""

import json
import os
import sys
import warnings
from typing import Any, BinaryIO

from terrafair.errors import Problem, TerrafairError


def main() -> int:
    """Answer until the input ends."""
    warnings.simplefilter("ignore")
    # Our answers alone go to the true output: libraries that print would break the line.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    from terrafair.data.tiles.painter import Painter

    painter = Painter()
    for line in sys.stdin.buffer:
        order = json.loads(line)
        try:
            content, media_type = _done(painter, order)
            _answer(answers, {"bytes": len(content), "type": media_type}, content)
        except TerrafairError as error:
            _answer(answers, {"bytes": 0, "problem": error.problem.document()}, b"")
        except Exception as fault:  # libraries meet files that nobody has seen before
            problem = Problem(f"It cannot be drawn: {str(fault)[:200] or type(fault).__name__}", code="not-drawable")
            _answer(answers, {"bytes": 0, "problem": problem.document()}, b"")
    return 0


def _done(painter: Any, order: dict[str, Any]) -> tuple[bytes, str]:
    from terrafair.data.tiles.mercator import Tile
    from terrafair.data.tiles.picture import MEDIA_TYPES
    from terrafair.data.tiles.style import Style

    path = order["path"]
    if order["do"] == "tile":
        style = Style.read(order["style"])
        return painter.tile(path, Tile(*order["tile"]), style), MEDIA_TYPES[style.format]
    if order["do"] == "about":
        document = painter.about(path, Style.read(order["style"]))
    elif order["do"] == "point":
        document = painter.series(path, order["variable"], point=(order["longitude"], order["latitude"]))
    else:
        document = painter.series(path, order["variable"], area=order["area"])
    return json.dumps(document, allow_nan=False).encode(), "application/json"


def _answer(answers: BinaryIO, head: dict[str, Any], content: bytes) -> None:
    data = json.dumps(head).encode() + b"\n" + content
    view = memoryview(data)
    while view:
        view = view[answers.write(view) :]


if __name__ == "__main__":
    sys.exit(main())
