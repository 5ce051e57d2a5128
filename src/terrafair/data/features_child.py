"""Vector files read in the sandbox: `python -m terrafair.data.features_child ORDER ANSWER`.

The order is `{"files": [[path, layer], ...]}`; the answer has one JSON document a line, `{layer, feature}` or
`{layer, fault}`.
"""

import json
import sys
import warnings
from pathlib import Path

import orjson

from terrafair.data.features import read_features
from terrafair.errors import InvalidInput


def main(order: str, answer: str) -> int:
    """Read all files; one that cannot be read is told and left out."""
    warnings.simplefilter("ignore")
    partial = Path(answer + ".partial")
    with partial.open("wb") as out:
        for path, layer in json.loads(Path(order).read_text("utf-8"))["files"]:
            try:
                for feature in read_features(Path(path)):
                    out.write(orjson.dumps({"layer": layer, "feature": feature}) + b"\n")
            except InvalidInput as fault:
                out.write(orjson.dumps({"layer": layer, "fault": str(fault)}) + b"\n")
    partial.replace(answer)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
