"""Writes the pins of the schema store: `python tools/schema_pins.py STORE`, with a store that has been looked at."""

import json
import sys
from pathlib import Path

from terrafair.catalogue.rules.versions import REPOSITORY, RULE_SETS
from terrafair.catalogue.schema_sync import LOCK, digest
from terrafair.catalogue.schemas import PLACES

TARGET = Path(__file__).parents[1] / "src/terrafair/catalogue" / LOCK


def address(path: str) -> str:
    """Where a file of the store is published."""
    folder, _, rest = path.partition("/")
    for rules in RULE_SETS.values():
        if folder == rules.schemas:
            return f"https://raw.githubusercontent.com/{REPOSITORY}/{rules.commit}/schemas/{rest}"
    return next(prefix for prefix, place in PLACES if place == folder) + rest


def main() -> None:
    """One line for each file, so that a change to a pin is a change to a line."""
    store = Path(sys.argv[1])
    lines = []
    for file in sorted(store.rglob("*.json")):
        path = file.relative_to(store).as_posix()
        pin = {"path": path, "url": address(path), "sha256": digest(json.loads(file.read_bytes()))}
        lines.append("    " + json.dumps(pin))
    TARGET.write_text('{\n  "files": [\n' + ",\n".join(lines) + "\n  ]\n}\n", "utf-8")


if __name__ == "__main__":
    main()
