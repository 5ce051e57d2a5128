"""Which documents a change can make valid or invalid: seldom more than the changed ones.

Others see of a document that it is there, its title, and its links back. So a change to anything else concerns that
document alone, and only a change to these makes all documents worth a search for the ones that name it.
"""

from collections.abc import Iterable, Iterator

from terrafair.catalogue.rules.document import Document
from terrafair.catalogue.rules.paths import local
from terrafair.catalogue.rules.snapshot import Snapshot
from terrafair.catalogue.rules.tree import Overlay, is_document


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
            if before.title(path) != snapshot.title(path):
                searched.append(path)
            else:
                found |= _targets(old) - _targets(new)
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


def _targets(document: Document) -> set[str]:
    """Documents in the catalogue that a document links to."""
    links = document.data.get("links") if isinstance(document.data, dict) else None
    hrefs = (link.get("href") for link in links if isinstance(link, dict)) if isinstance(links, list) else ()
    return {local(document.folder, href) for href in hrefs if isinstance(href, str)}


def _naming(snapshot: Snapshot, paths: Iterable[str]) -> Iterator[str]:
    """Documents whose text holds the last parts of one of the paths, as every link to it does."""
    endings = {"/".join(path.split("/")[-2:]).encode() for path in paths}
    names = {path.rpartition("/")[2].encode() for path in paths}
    folders = {path.rpartition("/")[0] for path in paths}
    # Documents call the list above them and the root `../catalog.json`.
    lists = tuple(
        path.removesuffix("catalog.json") for path in paths if path.endswith("catalog.json") and path.count("/") < 2
    )
    for path, raw in snapshot.tree.contents():
        beside = path.rpartition("/")[0] in folders
        if (
            any(path.startswith(folder) for folder in lists)
            or any(ending in raw for ending in endings)
            or (beside and any(name in raw for name in names))
        ):
            yield path
