"""Where in a YAML or JSON document something stands."""

import json
from collections.abc import Sequence
from typing import Any

import yaml


class Lines:
    """Lines of one document's parts; for what does not parse, or is not there, the line of the nearest parent."""

    def __init__(self, text: str) -> None:
        try:
            self._root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
        except (yaml.YAMLError, RecursionError, ValueError):
            self._root = None

    def of(self, *path: str | int) -> int:
        """The line of a part, by keys, positions, or the `id` of an entry in a list."""
        node, line = self._root, 0
        for part in path:
            found = _inside(node, part)
            if found is None:
                break
            line, node = found
        return line


def _inside(node: Any, part: str | int) -> tuple[int, Any] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if getattr(key, "value", None) == str(part):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode):
        for number, entry in enumerate(node.value):
            if number == part or (isinstance(part, str) and _id(entry) == part):
                return entry.start_mark.line + 1, entry
    return None


def _id(node: Any) -> str:
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if getattr(key, "value", "") == "id":
            return str(value.value).lstrip("#")
    return ""


def cell_lines(text: str, cells: Sequence[Sequence[str]]) -> list[list[int]]:
    """For each cell the lines of the notebook's file at which its source lines stand; 0 where they are not found."""
    rows, at, found = text.splitlines(), 0, []
    for cell in cells:
        lines = []
        for source in cell:
            wanted = json.dumps(source)[1:-1].removesuffix("\\n")
            other = json.dumps(source, ensure_ascii=False)[1:-1].removesuffix("\\n")
            place = next((n for n in range(at, len(rows)) if wanted in rows[n] or other in rows[n]), None)
            lines.append(0 if place is None else place + 1)
            at = at if place is None or not source.strip() else place + 1
        found.append(lines)
    return found
