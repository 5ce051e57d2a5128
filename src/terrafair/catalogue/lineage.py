"""Which workflows, experiments and products belong together, in whichever of their records it is said."""

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from terrafair.catalogue.records import Kind, Record, entity_of, links

Name = tuple[Kind, str]
CHAIN = (Kind.WORKFLOW, Kind.EXPERIMENT, Kind.PRODUCT)
NAMED = {"osc:workflow": Kind.WORKFLOW, "osc:experiment": Kind.EXPERIMENT}


class Lineage:
    """The neighbours of each, kept for as long as the catalogue stays the same."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._commit = ""
        self._near: Mapping[Name, Mapping[Name, str]] = {}

    def near(self, commit: str, records: Iterable[Record], name: Name) -> dict[Kind, list[tuple[str, str]]]:
        """Kind -> (id, title) of what is linked with one; `records` are read only when the commit is new."""
        with self._lock:
            if self._commit != commit:
                self._near, self._commit = joined(records), commit
            near = _reached(self._near, name)
        return {
            kind: sorted((other, title) for (of, other), title in near.items() if of is kind)
            for kind in CHAIN
            if any(of is kind for of, _ in near)
        }


def joined(records: Iterable[Record]) -> Mapping[Name, Mapping[Name, str]]:
    """Each one's neighbours with their titles, both ways; links to what the catalogue does not hold are left out."""
    chain = {(record.kind, record.id): record for record in records if record.kind in CHAIN}
    near: dict[Name, dict[Name, str]] = defaultdict(dict)
    for name, record in chain.items():
        for other in _named(record.document):
            if other in chain and other[0] is not name[0]:
                near[name][other] = chain[other].title or other[1]
                near[other][name] = record.title or name[1]
    return near


def _reached(near: Mapping[Name, Mapping[Name, str]], name: Name) -> Mapping[Name, str]:
    """Neighbours, and theirs where none of that kind is nearer: a product's workflow is that of its experiment."""
    direct = near.get(name, {})
    kinds = {kind for kind, _ in direct} | {name[0]}
    further = {each: title for other in direct for each, title in near[other].items() if each[0] not in kinds}
    return {**further, **direct}


def _named(document: Mapping[str, Any]) -> Iterable[Name]:
    properties = document.get("properties")
    for source in (document, properties if isinstance(properties, dict) else {}):
        for key, kind in NAMED.items():
            if isinstance(source.get(key), str):
                yield kind, source[key]
    for link in links(dict(document)):
        if found := entity_of(link["href"]):
            yield found
