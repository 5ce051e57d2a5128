"""Which documents a change can make valid or invalid: seldom more than the changed ones.

Others see of a document that it is there, its title, and whether it links to them or names them. So a change to
anything else concerns that document alone, and only its title and its being there concern all that name it.
"""

from collections.abc import Collection, Iterable, Iterator

from terrafair.catalogue.rules.document import Document
from terrafair.catalogue.rules.listing import is_document
from terrafair.catalogue.rules.naming import ending
from terrafair.catalogue.rules.official.references import FILES
from terrafair.catalogue.rules.reviewer.backlinks import named_by
from terrafair.catalogue.rules.snapshot import Snapshot
from terrafair.catalogue.rules.subject import subject_of
from terrafair.catalogue.rules.tree import Overlay


def affected(snapshot: Snapshot, changed: Iterable[str]) -> list[str]:
    """Paths of the documents to check, those of `changed` that are left included; sorted."""
    wanted = {path.strip("/").removeprefix("./") for path in changed}
    tree = snapshot.tree
    before = Snapshot(tree.base) if isinstance(tree, Overlay) else None
    found = {path for path in wanted if is_document(path) and tree.exists(path)}
    searched = []
    for path in wanted:
        old = before.document(path) if before is not None else None
        new = snapshot.document(path)
        if before is None or (old is None) != (new is None):
            searched.append(path)
            found |= set(_list_of(snapshot, path))
        elif is_document(path) and old is not None and new is not None:
            found |= {other for _, other in _related(old, before) ^ _related(new, snapshot)}
            if before.title(path) != snapshot.title(path):
                searched.append(path)
        else:
            searched.append(path)
    if searched:
        found |= set(_naming(snapshot, searched))
    return sorted(path for path in found if is_document(path) and tree.exists(path))


def _list_of(snapshot: Snapshot, path: str) -> Iterator[str]:
    """The list above an entity: it must name each folder that it has."""
    parts = path.split("/")
    for depth in (1, 2):
        if len(parts) > depth:
            above = "/".join((*parts[: -depth - 1], "catalog.json"))
            if snapshot.exists(above):
                yield above


def _related(document: Document, snapshot: Snapshot) -> set[tuple[str, str]]:
    """How, and to what in the catalogue: what a document links to and what it names."""
    subject = subject_of(document, snapshot)
    named = {("names", f"{kind}/{name}/{FILES.get(kind, 'catalog')}.json") for _, kind, name in named_by(subject)}
    return named.union(("links to", target) for target in subject.targets)


def _naming(snapshot: Snapshot, paths: Collection[str]) -> Iterator[str]:
    """Documents that link to one of the paths."""
    yield from snapshot.tree.naming([ending(path) for path in paths])
    for path in paths:
        # Documents call the list above them and the root `../catalog.json`.
        folder, _, name = path.rpartition("/")
        if name == "catalog.json" and "/" not in folder:
            yield from snapshot.tree.below(folder) if folder else snapshot.tree.paths()
