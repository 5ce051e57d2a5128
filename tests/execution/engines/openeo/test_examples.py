"""The examples of the specifications themselves: each that says what it returns must hold."""

import json
import os
from pathlib import Path

import pytest

from .official import decoded, differences, run

FOLDER = Path(os.environ.get("TERRAFAIR_SHARED", Path(__file__).parents[4] / "../shared/data")).resolve()
FOLDER = FOLDER / "openeo" / "processes"
CONTRADICTED = {
    "any-8": "the official case for the same call says false",
    "all-8": "the official case for the same call says true",
}


def parameters() -> list[object]:
    if not FOLDER.is_dir():
        return [pytest.param("", {}, None, marks=pytest.mark.skip("the specifications are not here"))]
    found = []
    for path in sorted(FOLDER.rglob("*.json")):
        document = json.loads(path.read_text("utf-8"))
        for number, example in enumerate(document.get("examples") or []):
            name = f"{path.stem}-{number}"
            if "arguments" in example and "returns" in example:
                marks = [pytest.mark.skip(CONTRADICTED[name])] if name in CONTRADICTED else []
                arguments, expected = example["arguments"], example["returns"]
                found.append(pytest.param(path.stem, arguments, expected, id=name, marks=marks))
    return found


@pytest.mark.parametrize(("process", "arguments", "expected"), parameters())
def test_example(process: str, arguments: dict[str, object], expected: object) -> None:
    assert differences(expected, decoded(run(process, arguments, FOLDER)), 1e-9, FOLDER) == []
