"""Mends what has exactly one right answer, in the file's own formatting."""

from collections.abc import Iterable

from terrafair.catalogue.rules.tree import Tree


def mend(tree: Tree, changed: Iterable[str] | None = None) -> dict[str, bytes]:
    """Path -> mended content of each file that had something to mend; nothing is written.

    Titles and types of links into the catalogue, entries and back-links that are missing. Key order, formatting and
    unknown fields stay as they are. `changed` limits it to these files and the ones that must link back to them.
    """
    raise NotImplementedError
