"""The description as a program of its own, for the sandbox: `python -m terrafair.data.describe_child ORDER ANSWER`.

User files are opened here and nowhere else: the libraries that read them have faults of their own.
"""

import json
import sys
import warnings
from pathlib import Path

from terrafair.data.describe import describe
from terrafair.data.description import Order


def main(order: str, answer: str) -> int:
    """Describe, and write the answer whole or not at all."""
    warnings.simplefilter("ignore")
    document = describe(Order.read(json.loads(Path(order).read_text("utf-8")))).document()
    partial = Path(answer + ".partial")
    partial.write_text(json.dumps(document, allow_nan=False), "utf-8")
    partial.replace(answer)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
