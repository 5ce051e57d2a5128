"""Answers that nobody needs to give: from the entries that the job ran, and from what it made."""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from terrafair.errors import Problem
from terrafair.publishing.answers import Answers
from terrafair.publishing.links import Document, title_of
from terrafair.publishing.made import Made
from terrafair.publishing.present import Present

_UNTOLD = frozenset({"", "other", "proprietary", "various"})


def prefill(given: Answers, made: Made, present: Present) -> Answers:
    """The answers given, completed; what stays empty has to be asked."""
    found = made.resolution
    ran = present.entry("experiments", found.id) if found.kind == "experiment" else None
    base = present.entry("products", found.products[0]) if found.products else None
    workflow = present.entry("workflows", found.workflow) if found.workflow else None
    mark = f"{made.job.id[:8]}-{made.job.id[9:13]}"
    day = f"{mark[:4]}-{mark[4:6]}-{mark[6:8]}"
    stem = slug(found.id or found.title or made.job.request.subject)
    experiment = given.experiment or f"{stem}-{mark}"
    product = given.product or f"{slug(str(base['id'])) if base else stem}-{mark}"
    again = f", run of {day} ({mark[9:]})"
    entries = [
        present.entry("experiments", experiment),
        present.entry("products", product),
    ]
    known_experiment, known_product = entries
    near = [entry for entry in (known_product, base, known_experiment, ran, workflow) if entry]
    contact = _contact(near)
    answers = Answers(
        product=product,
        product_title=title_of(known_product)
        if known_product
        else (title_of(base) if base else "") and f"{title_of(base or {})}{again}",
        product_description=_text([known_product], "description") or _derived(base, made),
        experiment=experiment,
        experiment_title=title_of(known_experiment) if known_experiment else f"{found.title or found.id}{again}",
        experiment_description=_text([known_experiment], "description") or _derived(ran or workflow, made),
        workflow=found.workflow if workflow else given.workflow or f"{stem}-workflow",
        workflow_title=title_of(workflow) if workflow else "",
        project=_first(near, "osc:project") or found.project,
        themes=tuple(dict.fromkeys(_concepts(near))),
        variables=_list(near, "osc:variables") or tuple(_variables(made, present)),
        missions=_list(near, "osc:missions") or tuple(_missions(made, present)),
        parameters=_parameters(near) or tuple(_standard_names(made)),
        keywords=_list(near, "keywords") or tuple(made.collection.get("keywords") or ()),
        licence=_licence(near),
        region=_first(near, "osc:region"),
        status="completed",
        documentation=_documentation(near),
        contact_name=contact.get("name", ""),
        contact_email=contact.get("email", ""),
        organization=contact.get("organization", ""),
        initiative="EarthCODE",
    )
    complete = given.over(answers)
    return replace(complete, citation=complete.citation or _citation(complete, made, present))


def questions(answers: Answers, present: Present, made: Made) -> list[Problem]:
    """What has still to be answered, and what is answered with something that the catalogue does not have."""
    found = [
        _ask(name, why)
        for name, why in (
            ("product_title", "A product has a title."),
            ("product_description", "A product has a description."),
            ("project", "Every product belongs to a project."),
            ("themes", "Every product belongs to a theme."),
            ("variables", "A product is found by its variables."),
            ("missions", "A product is found by the missions that it was made from."),
            ("parameters", "The archive asks for CF standard names."),
            ("licence", "Nobody may use what has no licence."),
            ("contact_name", "Somebody answers questions."),
        )
        if not getattr(answers, name)
    ]
    for name, kind in (("themes", "themes"), ("variables", "variables"), ("missions", "eo-missions")):
        found += _unknown(name, kind, getattr(answers, name), present)
    if answers.project and not present.title("projects", answers.project):
        needed = ("project_title", "project_description", "officer_name", "officer_email", "project_website")
        missing = [name for name in needed if not getattr(answers, name)]
        if missing:
            near = ", ".join(_near(answers.project, present.listed("projects")))
            what = f"The catalogue has no project {answers.project!r}."
            remedy = f"Give {', '.join(missing)} to add it" + (f", or take {near}." if near else ".")
            found.append(Problem(what, "", remedy, "project", "answer-missing"))
    if not present.title("workflows", answers.workflow):
        if not answers.workflow_description:
            found.append(_ask("workflow_description", "A new workflow has a description."))
        if not answers.code and not commit_link(made):
            found.append(_ask("code", "A workflow's record links to its code at a commit, where everybody can get it."))
    return found


def commit_link(made: Made) -> str:
    """The address of the code at the commit that ran; empty: it lies in no repository."""
    application = made.resolution.application
    if application is None:
        return ""
    place = application.location
    if place.repository and place.commit:
        return (
            f"{place.repository}/blob/{place.commit}/{place.path}"
            if place.path
            else f"{place.repository}/tree/{place.commit}"
        )
    return place.url if "://" in place.url and not place.url.startswith("s3:") else ""


def slug(text: str) -> str:
    """An id made of a text."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"\.(json|ya?ml|cwl|ipynb|geojson)$", "", plain.rpartition("/")[2])
    return re.sub(r"[^a-z0-9._]+", "-", name).strip("-._")[:70] or "result"


def _derived(entry: Document | None, made: Made) -> str:
    if entry is None:
        return ""
    before = _text([entry], "description")
    inputs = made.job.request.inputs
    changed = f" Its inputs differ from those in {', '.join(sorted(inputs))}." if inputs else ""
    origin = title_of(entry) if before else made.resolution.id
    return f"{before} Made by a run of {origin} on {made.job.finished[:10]}.{changed}".strip()


def _about(entry: Document) -> Document:
    properties = entry.get("properties")
    return {**entry, **properties} if isinstance(properties, dict) else entry


def _citation(answers: Answers, made: Made, present: Present) -> str:
    """By the pattern that data journals ask for: who, when, what, where."""
    if not answers.contact_name or not answers.product_title:
        return ""
    project = answers.project_title or present.title("projects", answers.project)
    where = f"{project}, Open Science Catalog" if project else "Open Science Catalog"
    identifier = f" https://doi.org/{answers.doi}" if answers.doi else ""
    return f"{answers.contact_name} ({made.job.finished[:4]}): {answers.product_title}. {where}.{identifier}"


def _first(entries: Iterable[Document], name: str) -> str:
    return next((str(v) for e in entries if isinstance(v := _about(e).get(name), str) and v), "")


def _text(entries: Iterable[Document | None], name: str) -> str:
    return _first([entry for entry in entries if entry], name)


def _list(entries: Iterable[Document], name: str) -> tuple[str, ...]:
    for entry in entries:
        value = _about(entry).get(name)
        if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
            return tuple(value)
    return ()


def _concepts(entries: Iterable[Document]) -> Iterator[str]:
    for entry in entries:
        themes = _about(entry).get("themes")
        found = [
            str(concept["id"])
            for theme in (themes if isinstance(themes, list) else ())
            if isinstance(theme, dict)
            for concept in theme.get("concepts") or ()
            if isinstance(concept, dict) and concept.get("id")
        ]
        if found:
            yield from found
            return


def _parameters(entries: Iterable[Document]) -> tuple[str, ...]:
    for entry in entries:
        value = entry.get("cf:parameter")
        if isinstance(value, list) and value:
            pairs = [part for part in value if isinstance(part, dict) and part.get("name")]
            return tuple(f"{p['name']}:{p['unit']}" if p.get("unit") else str(p["name"]) for p in pairs)
    return ()


def _licence(entries: Iterable[Document]) -> str:
    """The licence of what it derives from; a workflow's is that of its code, not of data."""
    data = [entry for entry in entries if _about(entry).get("type") in {"Collection", "experiment"}]
    return next((text for e in data if (text := _first([e], "license")) not in _UNTOLD), "")


def _documentation(entries: Iterable[Document]) -> str:
    for entry in entries:
        for link in entry.get("links") or ():
            if isinstance(link, dict) and link.get("rel") == "via" and link.get("title") == "Documentation":
                return str(link.get("href", ""))
    return ""


def _contact(entries: Iterable[Document]) -> dict[str, str]:
    for entry in entries:
        contacts = _about(entry).get("contacts")
        for contact in contacts if isinstance(contacts, list) else ():
            if isinstance(contact, dict) and contact.get("name"):
                emails = contact.get("emails") or [{}]
                address = emails[0].get("value", "") if isinstance(emails[0], dict) else ""
                return {
                    "name": str(contact["name"]),
                    "organization": str(contact.get("organization", "")),
                    "email": str(address),
                }
    return {}


def _standard_names(made: Made) -> Iterator[str]:
    """CF names by what the described files say of their variables and bands."""
    seen: dict[str, None] = {}
    for holder in (made.collection, *made.items):
        for name, unit in _named(holder):
            seen.setdefault(f"{name}:{unit}" if unit else name)
    yield from seen


def _named(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        if isinstance(value.get("standard_name"), str):
            yield value["standard_name"], str(value.get("unit") or value.get("units") or "")
        if isinstance(value.get("cube:variables"), Mapping):
            for name, about in value["cube:variables"].items():
                if isinstance(about, Mapping) and about.get("type") == "data":
                    yield str(about.get("standard_name") or name), str(about.get("unit") or "")
        for part in value.values():
            yield from _named(part)
    elif isinstance(value, list):
        for part in value:
            yield from _named(part)


def _variables(made: Made, present: Present) -> Iterator[str]:
    for name in _standard_names(made):
        candidate = slug(name.partition(":")[0].replace("_", "-"))
        if present.title("variables", candidate):
            yield candidate


def _missions(made: Made, present: Present) -> Iterator[str]:
    said = {
        slug(str(value))
        for item in made.items
        for field in ("platform", "constellation", "mission")
        if (value := item.get("properties", {}).get(field))
    }
    for name in sorted(said):
        for candidate in (name, re.sub(r"(?<=\d)[a-d]$", "", name)):
            if present.title("eo-missions", candidate):
                yield candidate
                break


def _unknown(name: str, kind: str, values: Iterable[str], present: Present) -> Iterator[Problem]:
    for value in values:
        if not present.title(kind, value):
            near = _near(value, present.listed(kind))
            remedy = f"Nearest: {', '.join(near)}." if near else f"See `terrafair find --kind {name.rstrip('s')}`."
            yield Problem(f"The catalogue has no {name.rstrip('s')} {value!r}.", "", remedy, name, "answer-unknown")


def _near(value: str, known: Iterable[str]) -> list[str]:
    names = list(known)
    return difflib.get_close_matches(value, names, 3, 0.4) or [name for name in names if value in name][:3]


def _ask(name: str, why: str) -> Problem:
    return Problem(f"{name} is not answered.", why, f"Give it: --set {name}=...", name, "answer-missing")
