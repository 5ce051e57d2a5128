"""The questions about a publication as a form asks them, made from the Open Science Catalog's own schemas.

An answer stands for a property of an entry (`PLACES`); the schema of that property says how it is asked for: one of a
few words, one of many, a list, ids of other entries, an address. Problems that the rules find in an entry are led
back to the question that they come from.
"""

import ast
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import pairwise
from typing import Any
from urllib.parse import urljoin

from terrafair.catalogue.schemas import OFFICIAL, Store, Unavailable
from terrafair.errors import Problem
from terrafair.publishing.answers import STATUSES, Answers
from terrafair.publishing.present import Present

FEW = 12
"""Words that can be shown all at once."""
DEPTH = 12
"""References that are followed, one from another."""

PRODUCT, RECORD, PROJECT = "products/children.json", "records.json", "projects/children.json"


@dataclass(frozen=True, slots=True)
class Spot:
    """A property of an entry."""

    kind: str
    """Folder of the entry."""
    schema: str
    path: tuple[str, ...]
    also: tuple[str, ...] = ()
    """Other properties of the entry, whose faults come from the same answer."""


PLACES: Mapping[str, Spot] = {
    "product": Spot("products", PRODUCT, ("id",)),
    "product_title": Spot("products", PRODUCT, ("title",)),
    "product_description": Spot("products", PRODUCT, ("description",)),
    "themes": Spot("products", PRODUCT, ("themes",)),
    "variables": Spot("products", PRODUCT, ("osc:variables",)),
    "missions": Spot("products", PRODUCT, ("osc:missions",)),
    "parameters": Spot("products", PRODUCT, ("cf:parameter",)),
    "keywords": Spot("products", PRODUCT, ("keywords",)),
    "licence": Spot("products", PRODUCT, ("license",)),
    "region": Spot("products", PRODUCT, ("osc:region",)),
    "status": Spot("products", PRODUCT, ("osc:status",)),
    "project": Spot("products", PRODUCT, ("osc:project",)),
    "doi": Spot("products", PRODUCT, ("sci:doi",)),
    "citation": Spot("products", PRODUCT, ("sci:citation",)),
    "contact_name": Spot("products", "contacts.json", ("contacts", "name"), ("contacts", "providers")),
    "contact_email": Spot("products", "contacts.json", ("emails", "value")),
    "organization": Spot("products", "contacts.json", ("organization",)),
    "experiment": Spot("experiments", RECORD, ("id",)),
    "experiment_title": Spot("experiments", RECORD, ("properties", "title")),
    "experiment_description": Spot("experiments", RECORD, ("properties", "description")),
    "workflow": Spot("workflows", RECORD, ("id",), ("osc:workflow",)),
    "workflow_title": Spot("workflows", RECORD, ("properties", "title")),
    "workflow_description": Spot("workflows", RECORD, ("properties", "description")),
    "workflow_licence": Spot("workflows", PRODUCT, ("license",)),
    "project_title": Spot("projects", PROJECT, ("title",)),
    "project_description": Spot("projects", PROJECT, ("description",)),
}
GROUPS: Mapping[str, tuple[str, ...]] = {
    "The product": (
        "product_title", "product_description", "product", "status", "region", "licence", "keywords", "documentation",
        "doi", "citation",
    ),
    "What it is found by": ("themes", "variables", "missions", "parameters", "project"),
    "A project that the catalogue does not have yet": (
        "project_title", "project_description", "project_website", "officer_name", "officer_email",
    ),
    "Who answers questions": ("contact_name", "contact_email", "organization"),
    "The experiment": ("experiment_title", "experiment_description", "experiment"),
    "The workflow": ("workflow", "workflow_title", "workflow_description", "code", "workflow_licence"),
    "For the archive": ("initiative", "contract"),
}  # fmt: skip
"""Heading -> answers below it, in the order of reading."""
NEEDED = frozenset(
    {
        "product_title", "product_description", "project", "themes", "variables", "missions", "parameters", "licence",
        "contact_name",
    }
)  # fmt: skip
"""Those without which nothing is published; the same that `prefill.questions` asks for."""
TITLES = {
    "doi": "DOI", "code": "Address of the code", "contract": "ESA contract", "parameters": "CF standard names",
    "product": "Id of the product", "experiment": "Id of the experiment", "workflow": "Id of the workflow",
}  # fmt: skip
TERMS = {"themes": "themes", "variables": "variables", "missions": "eo-missions", "project": "projects"}
"""Answer -> kind of the entries that it names."""
ADDRESSES = frozenset({"documentation", "project_website", "code"})
ADDED = frozenset({"project_title", "project_description", "project_website", "officer_name", "officer_email"})


@dataclass(frozen=True, slots=True)
class Question:
    """One field of the form."""

    name: str
    title: str
    about: str
    control: str
    """`text`, `long`, `choice` (one of `options`), `ticks` (some of them), `list` (texts), `email`, `address`."""
    values: tuple[str, ...] = ()
    """What stands in it; one for all controls but `ticks` and `list`."""
    options: tuple[tuple[str, str], ...] = ()
    """(value, words), where there are few."""
    terms: str = ""
    """Where the many words that it knows are told: a kind of entry, or `licences`."""
    needed: bool = False
    problems: tuple[Problem, ...] = field(default=())

    @property
    def value(self) -> str:
        """Of a control with one value."""
        return self.values[0] if self.values else ""


class Form:
    """The form over one state of the catalogue."""

    def __init__(self, store: Callable[[], Store], catalogue: Callable[[], Mapping[str, bytes]]) -> None:
        self._store = store
        self._catalogue = catalogue

    def groups(
        self, said: Mapping[str, tuple[str, ...]], problems: Iterable[Problem]
    ) -> tuple[list[tuple[str, list[Question]]], list[Problem]]:
        """Headings with their questions, holding what was said; and the problems that belong to no question."""
        mine: dict[str, list[Problem]] = {}
        loose: list[Problem] = []
        for problem in problems:
            name = owner(problem)
            (mine.setdefault(name, []) if name else loose).append(told(problem))
        present = Present(self._catalogue().get)
        return [
            (heading, [self._question(name, said.get(name, ()), tuple(mine.get(name, ())), present) for name in names])
            for heading, names in GROUPS.items()
        ], loose

    def asked(
        self, names: Iterable[str], said: Mapping[str, tuple[str, ...]], wrong: Mapping[str, tuple[Problem, ...]]
    ) -> list[Question]:
        """Some of the questions, holding what was said and what is wrong with it."""
        present = Present(self._catalogue().get)
        return [self._question(name, said.get(name, ()), wrong.get(name, ()), present) for name in names]

    def terms(self, kind: str) -> list[tuple[str, str]]:
        """The words of a vocabulary: (value, title)."""
        if kind == "licences":
            return [(each, "") for each in self._shape(PLACES["licence"]).get("enum") or ()]
        present = Present(self._catalogue().get)
        return _listed(present, kind)

    def _question(
        self, name: str, values: tuple[str, ...], problems: tuple[Problem, ...], present: Present
    ) -> Question:
        spot = PLACES.get(name)
        shape = self._shape(spot) if spot else {}
        title = TITLES.get(name) or name.replace("_", " ").capitalize()
        words = tuple(str(each) for each in shape.get("enum") or (STATUSES if name == "status" else ()))
        options = tuple((word, word) for word in words) if len(words) <= FEW else ()
        terms = "licences" if len(words) > FEW or name == "workflow_licence" else TERMS.get(name, "")
        control = _control(name, shape, options)
        if name == "themes":
            options, terms, control = tuple(_listed(present, "themes")), "", "ticks"
        return Question(name, title, _ABOUT[name], control, values, options, terms, name in NEEDED, problems)

    def _shape(self, spot: Spot) -> dict[str, Any]:
        """What the catalogue's schemas say of a property; empty where they are not here."""
        known = self._shapes
        key = (spot.schema, spot.path)
        if key not in known:
            known[key] = self._find(OFFICIAL + spot.schema, spot.path)
        return known[key]

    @cached_property
    def _shapes(self) -> dict[tuple[str, tuple[str, ...]], dict[str, Any]]:
        return {}

    def _find(self, address: str, steps: tuple[str, ...]) -> dict[str, Any]:
        try:
            found = list(self._walk(address, self._store().read(address), steps, 0))
        except Unavailable:
            return {}
        merged: dict[str, Any] = {}
        for part in found:
            merged |= {key: value for key, value in part.items() if key not in merged}
        return merged

    def _walk(self, address: str, node: Any, steps: tuple[str, ...], depth: int) -> Iterable[dict[str, Any]]:
        """Every schema that stands for the property, those that are referred to included."""
        if not isinstance(node, dict) or depth > DEPTH:
            return
        if isinstance(node.get("$ref"), str):
            target, referred = self._referred(address, node["$ref"])
            yield from self._walk(target, referred, steps, depth + 1)
        for branch in ("allOf", "anyOf"):
            for part in node.get(branch) or ():
                yield from self._walk(address, part, steps, depth + 1)
        if not steps:
            yield node
            return
        items = node.get("items")
        inner = (node.get("properties") or {}).get(steps[0])
        if inner is None and isinstance(items, dict):
            yield from self._walk(address, items, steps, depth + 1)
        elif inner is not None:
            yield from self._walk(address, inner, steps[1:], depth + 1)

    def _referred(self, address: str, reference: str) -> tuple[str, Any]:
        target = urljoin(address, reference)
        place, _, pointer = target.partition("#")
        node = self._store().read(place)
        for part in pointer.split("/")[1:]:
            node = node.get(part, {}) if isinstance(node, dict) else {}
        return place, node


def _control(name: str, shape: Mapping[str, Any], options: tuple[tuple[str, str], ...]) -> str:
    if shape.get("type") == "array" or name in LISTS:
        return "ticks" if options else "list"
    if options:
        return "choice"
    if name.endswith("email"):
        return "email"
    if name in ADDRESSES:
        return "address"
    return "long" if name.endswith("description") or name == "citation" else "text"


def _listed(present: Present, kind: str) -> list[tuple[str, str]]:
    known = present.document(f"{kind}/catalog.json") or {}
    links = known.get("links")
    rows = [
        (str(link.get("href", "")).removeprefix("./").partition("/")[0], str(link.get("title", "")))
        for link in (links if isinstance(links, list) else ())
        if isinstance(link, dict) and link.get("rel") in {"child", "item"}
    ]
    return sorted(rows, key=lambda row: row[1].casefold())


def _abouts() -> dict[str, str]:
    """What each answer is, from the words beside it in `Answers`."""
    tree = ast.parse(inspect.getsource(Answers))
    body = next(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)).body
    found: dict[str, str] = {}
    for one, following in pairwise(body):
        said = (
            following.value.value
            if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            else ""
        )
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            found[one.target.id] = str(said)
    return found


_ABOUT = _abouts()
LISTS = frozenset(each.name for each in fields(Answers) if "tuple" in str(each.type))
NAMES = tuple(each.name for each in fields(Answers))


def owner(problem: Problem) -> str:
    """The question that a problem is about; empty: none."""
    where = problem.where
    if where in NAMES:
        return where
    file, _, pointer = where.partition("#")
    kind = file.partition("/")[0]
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/") if part]
    inner = [part for part in parts if part != "properties"]
    for name, spot in PLACES.items():
        target = spot.path[-1] if spot.path[0] == "properties" else spot.path[0]
        if kind == spot.kind and inner and (inner[0] == target or inner[0] in spot.also):
            return name
    named = problem.remedy.partition("--set ")[2].partition("=")[0]
    return named if named in NAMES else ""


def told(problem: Problem) -> Problem:
    """A problem without words that are meant for the command line."""
    what = problem.why if problem.code == "answer-missing" and problem.why else problem.what
    why = "" if what == problem.why else problem.why
    remedy = (
        "" if problem.remedy.startswith("Give it: --set") else problem.remedy.replace(": --set experiment=...", ".")
    )
    where = "" if problem.where in NAMES else problem.where
    return Problem(what, why, remedy, where, problem.code)


def said(answers: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Answers as the texts of a form."""
    return {name: tuple(value) if isinstance(value, list | tuple) else (str(value),) for name, value in answers.items()}


def answers(texts: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """The texts of a form as answers; empty ones take back what was said before."""
    found: dict[str, Any] = {}
    for name in NAMES:
        if name not in texts:
            continue
        values = [text.strip() for text in texts[name] if text.strip()]
        if name in LISTS:
            found[name] = [part.strip() for value in values for part in value.split(",") if part.strip()]
        else:
            found[name] = values[-1] if values else ""
    return found
