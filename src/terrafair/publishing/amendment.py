"""A change of an entry that was not made here: fields as texts, the record edited in place; pure.

What is proposed is which fields somebody changed, from what to what. Made on another state of the catalogue the change
takes in what others have changed elsewhere in the record; where they changed the same field it is a conflict.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from terrafair.catalogue.editing import rewrite
from terrafair.errors import Conflict, NotFound, Problem
from terrafair.publishing.backlinks import back_link, listed, retitled, targets
from terrafair.publishing.draft import Draft
from terrafair.publishing.entries import SCHEME
from terrafair.publishing.links import Document, path, title_of
from terrafair.publishing.present import Present
from terrafair.publishing.proposal import Reader
from terrafair.publishing.publication import PREFIX

Texts = Mapping[str, tuple[str, ...]]
"""Field -> what stands in it; a field with nothing in it is not there."""
LONGEST = 30_000
MOST = 300

FIELDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "products": {
        "product_title": ("title",),
        "product_description": ("description",),
        "status": ("osc:status",),
        "region": ("osc:region",),
        "licence": ("license",),
        "keywords": ("keywords",),
        "doi": ("sci:doi",),
        "citation": ("sci:citation",),
        "themes": ("themes",),
        "variables": ("osc:variables",),
        "missions": ("osc:missions",),
        "parameters": ("cf:parameter",),
    },
    "experiments": {
        "experiment_title": ("properties", "title"),
        "experiment_description": ("properties", "description"),
        "licence": ("properties", "license"),
        "keywords": ("properties", "keywords"),
        "themes": ("properties", "themes"),
    },
    "workflows": {
        "workflow_title": ("properties", "title"),
        "workflow_description": ("properties", "description"),
        "workflow_licence": ("properties", "license"),
        "keywords": ("properties", "keywords"),
        "themes": ("properties", "themes"),
    },
}
"""Kind -> field (named as the answer to the same question) -> its place in the record."""
MANY = frozenset({"keywords", "themes", "variables", "missions", "parameters"})
LINKED = {"themes": "themes", "variables": "variables", "missions": "eo-missions"}
"""Field -> kind of the entries that it names, which the record links to and which link back."""


def key(kind: str, identifier: str) -> str:
    """What a publication of this change is called by."""
    return f"{PREFIX}{kind}:{identifier}"


def entry_of(name: str) -> tuple[str, str] | None:
    """(kind, id) of the entry that a publication changes; None: it is of a job."""
    if not name.startswith(PREFIX):
        return None
    kind, _, identifier = name.removeprefix(PREFIX).partition(":")
    return (kind, identifier) if kind in FIELDS and identifier else None


def texts(kind: str, document: Document) -> dict[str, tuple[str, ...]]:
    """The fields of a record as they stand."""
    found = {name: _read(name, _at(document, place)) for name, place in FIELDS[kind].items()}
    return {name: values for name, values in found.items() if values}


def alike(name: str, one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two say the same; a form normalises line ends and the spaces around a text, and themes have no order."""
    left, right = _plain(name, one), _plain(name, other)
    return set(left) == set(right) if name == "themes" else left == right


def changed(kind: str, typed: Texts, was: Texts) -> dict[str, tuple[str, ...]]:
    """The fields that somebody has changed; what was not asked for is left alone."""
    return {
        name: tuple(text for text in (each.replace("\r\n", "\n").strip() for each in values) if text)
        for name, values in typed.items()
        if name in FIELDS[kind] and not alike(name, values, was.get(name, ()))
    }


def conflicts(fields: Texts, was: Texts, now: Texts) -> tuple[Problem, ...]:
    """Fields that were changed in the catalogue meanwhile, otherwise than here."""
    return tuple(
        Problem(
            f"The catalogue says meanwhile: {_short(now.get(name, ()))}",
            f"It said {_short(was.get(name, ()))} when you began.",
            "Send the form: what you wrote is shown beside it, and sending it once more keeps yours.",
            name,
            "changed-upstream",
        )
        for name, wanted in fields.items()
        if not alike(name, now.get(name, ()), was.get(name, ())) and not alike(name, now.get(name, ()), wanted)
    )


def faults(fields: Texts, present: Present) -> tuple[Problem, ...]:
    """What is wrong with the new texts themselves, before any rule of the catalogue is asked."""
    found: list[Problem] = []
    for name, values in fields.items():
        if not values and (name.endswith(("_title", "_description")) or "licence" in name):
            found.append(
                Problem("It cannot be empty.", "", "Say something, or put back what was there.", name, "empty")
            )
        if sum(map(len, values)) > LONGEST or len(values) > MOST:
            size = f"{sum(map(len, values)):,} characters in {len(values):,} parts"
            found.append(
                Problem(f"It holds {size}.", f"At most {LONGEST:,} in {MOST}.", "Shorten it.", name, "too-large")
            )
        if any(re.search(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", text) for text in values):
            found.append(Problem("It holds control characters.", "", "Take them out.", name, "control-characters"))
        unknown = [each for each in values if name in LINKED and not present.title(LINKED[name], each[:200])]
        if unknown and all(problem.where != name for problem in found):
            what = f"The catalogue has no {unknown[0][:80]!r}."
            found.append(Problem(what, "", "Choose one of those that are offered while you type.", name, "unknown"))
    return tuple(found)


def amend(kind: str, identifier: str, fields: Texts, was: Texts, read: Reader) -> Draft:
    """The changed files over a state of the catalogue; raises `Conflict` where others have changed the same."""
    present = Present(read)
    before = present.entry(kind, identifier)
    if before is None:
        raise NotFound(f"The catalogue has no {path(kind, identifier)} any more.", remedy="Nothing is left to change.")
    clashes = conflicts(fields, was, texts(kind, before))
    if clashes:
        raise Conflict(
            f"{path(kind, identifier)} was changed in the catalogue meanwhile: {', '.join(p.where for p in clashes)}.",
            clashes[0].what,
            "Open the form again once the catalogue is up to date here: both versions are shown.",
            where=path(kind, identifier),
            code="changed-upstream",
        )
    after = present.entry(kind, identifier) or {}
    for name, values in fields.items():
        _write(after, FIELDS[kind][name], name, values)
    files = _linked(kind, identifier, before, after, present)
    contents = {name: rewrite(present.content(name) or b"", document) for name, document in files.items()}
    differing = {name: content for name, content in contents.items() if content != present.content(name)}
    return Draft(differing, {name: present.content(name) for name in differing}, ((kind, identifier),))


def _linked(kind: str, identifier: str, before: Document, after: Document, present: Present) -> dict[str, Document]:
    """The record with its links, and the entries that link back to it."""
    own, title = path(kind, identifier), title_of(after)
    found: dict[str, Document] = {own: after}

    def change(file: str, edit: Callable[[Document], Document]) -> None:
        document = found.get(file) or present.document(file)
        if document is not None and isinstance(document.get("links"), list):
            found[file] = edit(document)

    for name, other in LINKED.items():
        if name not in FIELDS[kind]:
            continue
        old, new = _read(name, _at(before, FIELDS[kind][name])), _read(name, _at(after, FIELDS[kind][name]))
        for each in (each for each in new if each not in old):
            named = present.title(other, each) or each
            change(own, lambda it, o=other, e=each, n=named: back_link(it, kind, o, e, n))  # type: ignore[misc]
            change(path(other, each), lambda it, o=other: back_link(it, o, kind, identifier, title))  # type: ignore[misc]
        for each in (each for each in old if each not in new):
            change(own, lambda it, o=other, e=each: _without(it, o, e))  # type: ignore[misc]
            change(path(other, each), lambda it: _without(it, kind, identifier))
    if title_of(before) != title:
        change(f"{kind}/catalog.json", lambda it: listed(it, kind, identifier, title))
        for file in (path(*each) for each in dict.fromkeys(targets(found[own]))):
            change(file, lambda it: retitled(it, kind, identifier, title))
    return found


def _without(document: Document, kind: str, identifier: str) -> Document:
    kept = [each for each in document["links"] if (kind, identifier) not in targets({"links": [each]})]
    return {**document, "links": kept}


def _at(document: Document, place: tuple[str, ...]) -> Any:
    found: Any = document
    for part in place:
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _read(name: str, value: Any) -> tuple[str, ...]:
    if value is None or isinstance(value, dict):
        return ()
    if name not in MANY or not isinstance(value, list):
        return (str(value),) if str(value) else ()
    if name == "themes":
        value = [each for part in value for each in _concepts(part)]
    return tuple(dict.fromkeys(text for each in value if (text := _word(each))))


def _concepts(part: Any) -> list[Any]:
    inner = part.get("concepts") if isinstance(part, dict) else None
    return inner if isinstance(inner, list) else [part]


def _word(value: Any) -> str:
    """One of many: a text, a theme's `{id}` or a parameter's `{name, unit}`."""
    if not isinstance(value, dict):
        return str(value)
    name = str(value.get("id") or value.get("name") or "")
    return f"{name}:{value['unit']}" if value.get("unit") and name else name


def _write(document: Document, place: tuple[str, ...], name: str, values: tuple[str, ...]) -> None:
    """Put a field; what is not said of it (a theme's own scheme, a parameter's other members) stays as it is."""
    *above, last = place
    holder = document
    for part in above:
        inner = holder.get(part)
        holder[part] = holder = inner if isinstance(inner, dict) else {}
    if name not in MANY:
        if values:
            holder[last] = values[-1]
        else:
            holder.pop(last, None)
        return
    old = holder.get(last) if isinstance(holder.get(last), list) else []
    holder[last] = _themes(old or [], values) if name == "themes" else _several(old or [], name, values)


def _several(old: list[Any], name: str, values: tuple[str, ...]) -> list[Any]:
    known = {_word(each): each for each in old}
    return [known.get(text) or (_parameter(text) if name == "parameters" else text) for text in values]


def _parameter(text: str) -> Document:
    name, _, unit = text.partition(":")
    return {"name": name, "unit": unit} if unit else {"name": name}


def _themes(old: list[Any], values: tuple[str, ...]) -> list[Any]:
    schemes = (part for part in old if isinstance(part, dict) and isinstance(part.get("concepts"), list))
    found: list[Any] = [
        {**part, "concepts": [each for each in part["concepts"] if _word(each) in values]} for part in schemes
    ]
    known = {_word(each) for part in found for each in part["concepts"]}
    fresh = [{"id": text} for text in values if text not in known]
    if not found:
        return [{"scheme": SCHEME, "concepts": fresh}]
    found[0]["concepts"] += fresh
    return [part for part in found if part["concepts"]] or found[:1]


def _plain(name: str, values: tuple[str, ...]) -> tuple[str, ...]:
    if name.endswith("description") or name == "citation":
        kept = (re.sub(r"\r\n?", "\n", text).strip() for text in values)
    else:
        # A field of one line drops line ends.
        kept = (re.sub(r"[\r\n]+", "", text).strip() for text in values)
    return tuple(text for text in kept if text)


def _short(values: tuple[str, ...]) -> str:
    said = ", ".join(values) or "nothing"
    return f"{said[:300]} …" if len(said) > 300 else said
