"""The painter as a program of its own, for the sandbox: `python -m terrafair.data.tiles.child`.

It reads one order a line from its standard input, `{"do": "tile", "path": ..., ...}` (or `preview`, `about`, `point`,
`area`, `view`, `features`), and answers each with a line `{"bytes": N, "type": ...}` or `{"problem": {...}}` and the
bytes. Other people's files are opened here and nowhere else.
"""

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any, BinaryIO

from terrafair.errors import Problem, TerrafairError

JSON = "application/json"


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
            content, media_type, note = _done(painter, order)
            _answer(answers, {"bytes": len(content), "type": media_type, "note": note}, content)
        except TerrafairError as error:
            _answer(answers, {"bytes": 0, "problem": error.problem.document()}, b"")
        except Exception as fault:  # libraries meet files that nobody has seen before
            problem = Problem(f"It cannot be drawn: {str(fault)[:200] or type(fault).__name__}", code="not-drawable")
            _answer(answers, {"bytes": 0, "problem": problem.document()}, b"")
    return 0


def _done(painter: Any, order: dict[str, Any]) -> tuple[bytes, str, str]:
    from terrafair.data.tiles.mercator import Tile
    from terrafair.data.tiles.picture import MEDIA_TYPES
    from terrafair.data.tiles.style import Style

    path, note = order["path"], ""
    if order["do"] in {"view", "features"}:
        return _viewed(Path(path), order), JSON, note
    if order["do"] in {"tile", "preview"}:
        style = Style.read(order["style"])
        if order["do"] == "preview":
            content = painter.preview(path, style)
        else:
            content, note = painter.tile(path, Tile(*order["tile"]), style)
        return content, MEDIA_TYPES[style.format], note
    if order["do"] == "about":
        document = painter.about(path, Style.read(order["style"]))
    elif order["do"] == "point":
        document = painter.series(path, order["variable"], point=(order["longitude"], order["latitude"]))
    else:
        document = painter.series(path, order["variable"], area=order["area"])
    return json.dumps(document, allow_nan=False).encode(), JSON, note


def _viewed(path: Any, order: dict[str, Any]) -> bytes:
    import orjson

    from terrafair.data.views.features import features
    from terrafair.data.views.view import view

    found = features(path) if order["do"] == "features" else view(path, int(order.get("start", 0)))
    # Not-a-number becomes null: nothing else reads it.
    return orjson.dumps(found, default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY)


def _answer(answers: BinaryIO, head: dict[str, Any], content: bytes) -> None:
    data = json.dumps(head).encode() + b"\n" + content
    view = memoryview(data)
    while view:
        view = view[answers.write(view) :]


if __name__ == "__main__":
    sys.exit(main())
