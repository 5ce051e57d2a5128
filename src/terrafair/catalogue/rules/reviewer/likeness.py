"""Entities that are there already, under nearly the same name."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from terrafair.catalogue.rules.findings import Finding
from terrafair.catalogue.rules.official.place import Role
from terrafair.catalogue.rules.subject import Subject

_WORD = re.compile(r"[^\W_]+")
_FILLING = frozenset({"a", "an", "and", "for", "from", "in", "of", "on", "over", "the", "to", "with"})
_KINDS = {
    Role.PRODUCT: "products",
    Role.PROJECT: "projects",
    Role.VARIABLE: "variables",
    Role.MISSION: "eo-missions",
    Role.THEME: "themes",
    Role.WORKFLOW: "workflows",
    Role.EXPERIMENT: "experiments",
}


def likeness(subject: Subject) -> Iterator[Finding]:
    """The same words in any order, but for case, plural and filling words."""
    kind, title = _KINDS.get(subject.role), subject.document.title
    if kind is None or title is None:
        return
    focus = subject.snapshot.focus
    if focus is not None and subject.path not in focus and not any(path.startswith(f"{kind}/") for path in focus):
        return
    identifier = subject.path.split("/")[-2]
    index = _index(subject, kind)
    others = index.get(signature(title), ()), index.get(signature(identifier), ())
    for other in sorted({name for names in others for name in names} - {identifier}):
        yield subject.finding(
            "near-duplicate",
            "",
            f"There is {kind}/{other} with nearly the same name as {title!r}.",
        )


def _index(subject: Subject, kind: str) -> Mapping[str, frozenset[str]]:
    """Signature -> ids, by the titles and the ids in the kind's list: one file to read, however many entities."""
    key = f"likeness of {kind}"
    known = subject.snapshot.notes.get(key)
    if known is None:
        found: dict[str, set[str]] = {}
        listing = subject.around(f"{kind}/catalog.json")
        entries = zip(listing.links, listing.targets, strict=True) if listing is not None else ()
        for (_, link), target in entries:
            if link.get("rel") in ("child", "item") and target.count("/") == 2:
                identifier = target.split("/")[1]
                for name in (link.get("title"), identifier):
                    if isinstance(name, str) and (mark := signature(name)):
                        found.setdefault(mark, set()).add(identifier)
        known = subject.snapshot.notes[key] = {mark: frozenset(names) for mark, names in found.items()}
    return known


@lru_cache(8192)
def signature(name: str) -> str:
    """What is left of a name without case, order, plural and filling words; empty for one that says too little."""
    words = [word for word in _WORD.findall(name.casefold()) if word not in _FILLING]
    return " ".join(sorted([word.removesuffix("s") if len(word) > 3 else word for word in words]))
