"""From a finished job and a few answers to the changed files of the catalogue; pure: the same again and again."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from terrafair.catalogue.editing import changed_lines, render, rewrite
from terrafair.errors import Conflict
from terrafair.publishing.answers import Answers
from terrafair.publishing.backlinks import back_link, listed, retitled, targets
from terrafair.publishing.entries import Facts
from terrafair.publishing.environment_file import environment
from terrafair.publishing.experiment import experiment, inputs
from terrafair.publishing.links import KINDS, Document, path, title_of
from terrafair.publishing.made import Made
from terrafair.publishing.present import Present
from terrafair.publishing.product import product
from terrafair.publishing.project import new_project
from terrafair.publishing.proposal import Reader
from terrafair.publishing.workflow_record import workflow

Entry = tuple[str, str]
"""Kind (folder) and id."""
BACK: Mapping[str, tuple[str, ...]] = {
    "products": ("projects", "themes", "variables", "eo-missions", "experiments"),
    "workflows": ("projects", "experiments"),
    "experiments": ("projects", "workflows", "products"),
    "projects": (),
}
"""Kind -> kinds of the entries that link back to it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the archive keeps, or will keep, what the draft links to."""

    collection: str
    """STAC collection of the product."""
    page: str
    """For people."""
    crate: str
    """The RO-Crate."""
    uploads: Mapping[str, str]
    """Reference of an uploaded input -> where it is archived."""


@dataclass(frozen=True, slots=True)
class Draft:
    """Changed files over one state of the catalogue."""

    files: Mapping[str, bytes]
    """Path -> new content, of files that differ."""
    before: Mapping[str, bytes | None]
    """Path -> present content."""
    entries: tuple[Entry, ...]
    """The entries that are published."""

    def diff(self) -> str:
        """The unified diff."""
        lines: list[str] = []
        for name, content in sorted(self.files.items()):
            old = self.before[name]
            lines += [f"--- {'a/' + name if old is not None else '/dev/null'}", f"+++ b/{name}"]
            lines += changed_lines(old, content)
        return "\n".join(lines)


def draft(made: Made, answers: Answers, place: Place, application: bytes, read: Reader) -> Draft:
    """The changed files over the state of the catalogue that `read` reads.

    Answers are complete (see `prefill`). Raises `InvalidInput` for a file there that cannot be edited, and `Conflict`
    when somebody else has meanwhile published another entry under one of the ids.
    """
    present = Present(read)
    facts = Facts(made, answers, present, place.collection, place.page, place.crate)
    _check_ids(facts)
    entries: dict[Entry, Document] = {}
    if not present.title("projects", answers.project):
        entries["projects", answers.project] = new_project(facts)
    record = workflow(facts)
    if record is not None:
        entries["workflows", answers.workflow] = record
    entries["experiments", answers.experiment] = experiment(facts)
    entries["products", answers.product] = product(facts)
    documents = _linked(entries, present)
    folder = f"experiments/{answers.experiment}"
    files: dict[str, bytes] = {
        f"{folder}/input.yaml": inputs(_values(made, place.uploads)),
        f"{folder}/environment.yaml": environment(made, answers.experiment, application),
    }
    for name, document in documents.items():
        old = present.content(name)
        files[name] = render(document) if old is None else rewrite(old, document)
    changed = {name: content for name, content in files.items() if present.content(name) != content}
    return Draft(changed, {name: present.content(name) for name in changed}, tuple(entries))


def _check_ids(facts: Facts) -> None:
    """A record of one kind may not take the place of another's: what is edited has to be what the person meant."""
    answers, present = facts.answers, facts.present
    known = present.entry("experiments", answers.experiment)
    if known is None:
        return
    about = known.get("properties")
    workflow_id = about.get("osc:workflow") if isinstance(about, dict) else None
    if workflow_id not in {None, answers.workflow}:
        raise Conflict(
            f"The experiment {answers.experiment!r} is published already, with the workflow {workflow_id!r}.",
            f"This one ran {answers.workflow!r}.",
            "Choose another id: --set experiment=...",
            "experiment",
            "id-taken",
        )


def _values(made: Made, uploads: Mapping[str, str]) -> dict[str, Any]:
    """Every input value of the run, uploads by where they are archived."""
    found = made.resolution
    defaults = {spec.name: spec.default for spec in found.inputs if spec.default is not None}
    values: dict[str, Any] = {**defaults, **found.values, **made.job.request.inputs}
    replaced: dict[str, Any] = json.loads(json.dumps(values), object_hook=lambda part: _replaced(part, uploads))
    return replaced


def _replaced(part: dict[str, Any], uploads: Mapping[str, str]) -> dict[str, Any]:
    def swap(value: Any) -> Any:
        if isinstance(value, str):
            return uploads.get(value, value)
        return [swap(each) for each in value] if isinstance(value, list) else value

    return {key: swap(value) for key, value in part.items()}


def _linked(entries: Mapping[Entry, Document], present: Present) -> dict[str, Document]:
    """The entries, the folders that list them, and the entries that link back to them."""
    found: dict[str, Document] = {path(*entry): document for entry, document in entries.items()}

    def change(name: str, edit: Callable[[Document], Document]) -> None:
        document = found.get(name) or present.document(name)
        if document is not None:
            found[name] = edit(document)

    for (kind, identifier), document in entries.items():
        title = title_of(document)
        folder = f"{kind}/catalog.json"
        change(folder, lambda old, k=kind, i=identifier, t=title: listed(old, k, i, t))  # type: ignore[misc]
        for other, name in _back(kind, document, present.entry(kind, identifier)):
            file = path(other, name)
            change(file, lambda old, o=other, k=kind, i=identifier, t=title: back_link(old, o, k, i, t))  # type: ignore[misc]
        if (old_title := present.title(kind, identifier)) and old_title != title:
            for file in _who_may_link(kind, document):
                change(file, lambda old, k=kind, i=identifier, t=title: retitled(old, k, i, t))  # type: ignore[misc]
    return found


def _back(kind: str, document: Document, existing: Document | None) -> Iterable[Entry]:
    """Who links back; of a workflow that is there only those that are new, since it is not what is published."""
    known = set(targets(existing)) if existing and kind == "workflows" else set()
    return [
        (other, name)
        for other, name in dict.fromkeys(targets(document))
        if other in BACK[kind] and (other, name) not in known
    ]


def _who_may_link(kind: str, document: Document) -> Iterable[str]:
    """Files whose links to an entry bear its title: everything that it links to, and its folder."""
    yield f"{kind}/catalog.json"
    for other, name in dict.fromkeys(targets(document)):
        if other in KINDS:
            yield path(other, name)
