"""What a person says about a publication; everything that the job or the catalogue tells is prefilled."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from terrafair.errors import InvalidInputs, Problem

ID = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*", re.IGNORECASE)
STATUSES = ("planned", "ongoing", "completed")


@dataclass(frozen=True, slots=True)
class Answers:
    """Each field can be set by its name (`--set product=my-id`); lists are written with commas between."""

    product: str = ""
    """Id of the product; that of a published one edits it."""
    product_title: str = ""
    """Title of the product."""
    product_description: str = ""
    """What the product is, for scientists of other fields."""
    experiment: str = ""
    """Id of the experiment; that of a published one edits it."""
    experiment_title: str = ""
    """Title of the experiment."""
    experiment_description: str = ""
    """What the experiment does."""
    workflow: str = ""
    """Id of the workflow; a published one is linked to, a new one is described."""
    workflow_title: str = ""
    """Title of a new workflow."""
    workflow_description: str = ""
    """What a new workflow does."""
    code: str = ""
    """Address of the workflow's code at a commit, e.g. https://github.com/me/code/blob/COMMIT/graph.json."""
    project: str = ""
    """Id of the project; one that is not published yet is added with the next four."""
    project_title: str = ""
    """Title of a new project."""
    project_description: str = ""
    """What a new project is about."""
    officer_name: str = ""
    """ESA's technical officer of a new project."""
    officer_email: str = ""
    """Address of the technical officer."""
    project_website: str = ""
    """Page of a new project."""
    themes: tuple[str, ...] = ()
    """Ids of the catalogue's themes, e.g. land."""
    variables: tuple[str, ...] = ()
    """Ids of the catalogue's variables that the product holds."""
    missions: tuple[str, ...] = ()
    """Ids of the EO missions that the product was made from."""
    parameters: tuple[str, ...] = ()
    """CF standard names of the product's variables, each with its unit after a colon where it has one."""
    keywords: tuple[str, ...] = ()
    """Words to find it by."""
    licence: str = ""
    """SPDX id of the product's licence, e.g. CC-BY-4.0."""
    workflow_licence: str = ""
    """SPDX id of a new workflow's licence."""
    region: str = ""
    """Name of the region."""
    status: str = ""
    """planned, ongoing or completed."""
    documentation: str = ""
    """Address of the product's documentation."""
    doi: str = ""
    """DOI of the product, if it has one."""
    citation: str = ""
    """How the product is to be cited."""
    contact_name: str = ""
    """Who answers questions."""
    contact_email: str = ""
    """Address of the contact."""
    organization: str = ""
    """Organization of the contact."""
    initiative: str = ""
    """ESA's programme that paid for it, for the archive."""
    contract: str = ""
    """Number of the ESA contract, for the archive."""

    def document(self) -> dict[str, Any]:
        """The JSON form; what is not answered is left out."""
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in said.items() if v}

    def over(self, other: "Answers") -> "Answers":
        """These answers, with the other's where these say nothing."""
        return replace(other, **{field.name: v for field in fields(self) if (v := getattr(self, field.name))})


_LISTS = frozenset(field.name for field in fields(Answers) if "tuple" in str(field.type))


def read(document: Mapping[str, Any]) -> Answers:
    """Answers from JSON or from texts; raises `InvalidInputs` that names each field that is wrong."""
    known = {field.name for field in fields(Answers)}
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    for name, value in document.items():
        if name not in known:
            import difflib

            near = difflib.get_close_matches(str(name), known, 3) or sorted(known)
            problems.append(_problem(str(name), "There is no such field.", f"Known: {', '.join(near)}."))
        elif name in _LISTS:
            parts = value.split(",") if isinstance(value, str) else value
            if isinstance(parts, list | tuple) and all(isinstance(part, str) for part in parts):
                values[name] = tuple(part.strip() for part in parts if part.strip())
            else:
                problems.append(_problem(name, f"It is {value!r}.", "Give a list of texts."))
        elif isinstance(value, str):
            values[name] = value.strip()
        else:
            problems.append(_problem(name, f"It is {value!r}.", "Give a text."))
    problems += list(_forms(values))
    if problems:
        raise InvalidInputs(problems, "The answers cannot be used.")
    return Answers(**values)


def _forms(values: Mapping[str, Any]) -> Iterable[Problem]:
    for name in ("product", "experiment", "workflow", "project", "themes", "variables", "missions"):
        value = values.get(name) or ()
        for part in (value,) if isinstance(value, str) else value:
            if not ID.fullmatch(part) or len(part) > 100:
                yield _problem(name, f"{part!r} is no id.", "Use letters, digits, `-`, `_` and `.`; at most 100.")
    if values.get("status") and values["status"] not in STATUSES:
        yield _problem("status", f"It is {values['status']!r}.", f"One of {', '.join(STATUSES)}.")
    for name in ("officer_email", "contact_email"):
        if values.get(name) and not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+", values[name]):
            yield _problem(name, f"{values[name]!r} is no e-mail address.", "Write name@host.")
    for name in ("code", "documentation", "project_website"):
        if values.get(name) and not re.match(r"https?://[^\s/]+", values[name]):
            yield _problem(name, f"{values[name]!r} is no web address.", "Write https://...")
    if values.get("doi") and not re.fullmatch(r"10\.\d{4,9}/\S+", values["doi"]):
        yield _problem("doi", f"{values['doi']!r} is no DOI.", "Write 10.NNNN/...")


def _problem(where: str, what: str, remedy: str) -> Problem:
    return Problem(what, "", remedy, where, "answer-invalid")
