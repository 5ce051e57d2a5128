"""Mends what has exactly one right answer, in the file's own formatting."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from terrafair.catalogue.editing import JsonText
from terrafair.catalogue.rules.affected import affected
from terrafair.catalogue.rules.findings import Drop, Edit, Put, Rewrite
from terrafair.catalogue.rules.official.check import Official
from terrafair.catalogue.rules.snapshot import Snapshot
from terrafair.catalogue.rules.tree import Overlay, Tree
from terrafair.catalogue.rules.validate import concerns, findings
from terrafair.catalogue.rules.versions import LATEST, rule_set
from terrafair.catalogue.schemas import Store
from terrafair.errors import InvalidInput

ROUNDS = 5
"""One mend may show the next fault: a new link gets its title when the file it leads to can be read."""


def mend(
    tree: Tree, changed: Iterable[str] | None = None, *, rules: str = LATEST, store: Store | None = None
) -> dict[str, bytes]:
    """Path -> mended content of each file that had something to mend; nothing is written.

    Titles and types of links into the catalogue, entries and back-links that are missing. Key order, formatting and
    unknown fields stay as they are. `changed` limits it to these files and the ones that must link back to them.
    """
    official = Official(rule_set(rules), store or Store())
    mended: dict[str, bytes] = {}
    wanted = None if changed is None else list(changed)
    for _ in range(ROUNDS):
        snapshot = Snapshot(Overlay(tree, mended) if mended else tree, wanted)
        paths = list(snapshot.tree.paths()) if wanted is None else affected(Snapshot(tree), wanted)
        edits: dict[str, list[Edit]] = {}
        for finding in findings(official, snapshot, paths):
            if wanted is not None and not concerns(finding.problem, wanted):
                continue
            for edit in finding.edits:
                if edit not in edits.setdefault(edit.file, []):
                    edits[edit.file].append(edit)
        done = {path: content for path, some in edits.items() if (content := _applied(snapshot, path, some))}
        if not done:
            break
        mended |= done
    return mended


def _applied(snapshot: Snapshot, path: str, edits: Sequence[Edit]) -> bytes | None:
    """The file after its edits; None where nothing changes."""
    document = snapshot.document(path)
    if document is None:
        return None
    for edit in edits:
        if isinstance(edit, Rewrite):
            return edit.content
    try:
        text = JsonText(document.raw)
    except InvalidInput:
        return None
    # Numbers of links change when one is removed: removals come last, from the end.
    puts = [edit for edit in edits if isinstance(edit, Put)]
    drops = sorted(
        (edit for edit in edits if isinstance(edit, Drop)), key=lambda edit: _place(edit.pointer), reverse=True
    )
    added: list[tuple[str, Any]] = []
    for edit in puts:
        if (edit.pointer, edit.value) not in added:
            added.append((edit.pointer, edit.value))
            # Where the document has another shape than the rule takes for given, a person must see to it.
            with suppress(InvalidInput):
                text.put(edit.pointer, edit.value)
    for drop in drops:
        text.drop(drop.pointer)
    return text.content if text.content != document.raw else None


def _place(pointer: str) -> list[tuple[int, str]]:
    """Sorts pointers by number where a part is one."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in pointer.split("/")]
