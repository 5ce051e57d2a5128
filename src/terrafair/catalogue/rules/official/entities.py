"""Official rules per kind of document: the root, the lists, and each kind of entity."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from terrafair.catalogue.rules.findings import Finding, Put
from terrafair.catalogue.rules.official import links, references
from terrafair.catalogue.rules.official.people import technical_officer
from terrafair.catalogue.rules.official.picture import preview
from terrafair.catalogue.rules.official.place import Role, owner
from terrafair.catalogue.rules.paths import last
from terrafair.catalogue.rules.subject import Subject

LISTS = ("eo-missions", "products", "projects", "themes", "variables", "workflows", "experiments")
ENTRY_FILES = {"products": "collection", "projects": "collection", "workflows": "record", "experiments": "record"}
CONFORMANCE = "http://www.opengis.net/spec/ogcapi-records-1/1.0/req/record-core"


def root(subject: Subject) -> Iterator[Finding]:
    """The catalogue's top: the seven lists and nothing above."""
    yield from kind(subject, "Catalog")
    if subject.data.get("title") != "Open Science Catalog":
        yield subject.finding("root-title", "/title", f"Its title is {subject.data.get('title')!r}.")
    yield from links.shape(subject)
    yield from links.upward(subject, "root", subject.path)
    if (found := subject.first("parent")) is not None:
        yield subject.finding("root-parent", f"/links/{found[0]}", "It has a `parent` link; nothing is above it.")
    yield from links.relative_or_published(subject)
    yield from links.entries(subject, "child", [subject.resolve(f"./{name}/catalog.json") for name in LISTS])


def entity_list(subject: Subject) -> Iterator[Finding]:
    """A list of entities has one entry for each folder below it, and no other."""
    yield from kind(subject, "Catalog")
    yield from identifier(subject)
    yield from links.shape(subject)
    for rel in ("parent", "root"):
        yield from links.upward(subject, rel, subject.resolve("../catalog.json"))
    yield from links.relative_or_published(subject)
    file = ENTRY_FILES.get(last(subject.folder), "catalog")
    folders = subject.snapshot.folders(subject.folder)
    wanted = [subject.resolve(f"{name}/{file}.json") for name in folders]
    yield from links.entries(subject, "item" if file == "record" else "child", wanted)


def _entity(subject: Subject, expected: str, *, downward: bool = True) -> Iterator[Finding]:
    """What every entity must have."""
    yield from kind(subject, expected)
    yield from identifier(subject)
    yield from links.shape(subject)
    yield from links.upward(subject, "parent", subject.resolve("../catalog.json"))
    yield from links.upward(subject, "root", subject.resolve("../../catalog.json"))
    yield from links.relative_or_published(subject, downward=downward)


def mission(subject: Subject) -> Iterator[Finding]:
    """An EO mission."""
    yield from _entity(subject, "Catalog")
    yield from links.present(subject, "via")
    yield from links.children(subject)


def theme(subject: Subject) -> Iterator[Finding]:
    """A theme."""
    yield from _entity(subject, "Catalog")
    yield from links.children(subject)
    yield from preview(subject)


def variable(subject: Subject) -> Iterator[Finding]:
    """A variable."""
    yield from _entity(subject, "Catalog")
    yield from links.present(subject, "via")
    yield from links.children(subject)
    yield from references.themes(subject)


def product(subject: Subject) -> Iterator[Finding]:
    """A product; its own `child` and `item` links may lead anywhere."""
    yield from _entity(subject, "Collection", downward=False)
    yield from references.extensions(subject, "osc")
    yield from links.present(subject, "via")
    yield from own_type(subject, "product")
    yield from needed_reference(subject, subject.data, "", "osc:project", "projects")
    yield from references.references(subject, "osc:variables", "variables")
    yield from references.references(subject, "osc:missions", "eo-missions")
    if experiment := subject.data.get("osc:experiment"):
        yield from references.reference(subject, "/osc:experiment", experiment, "experiments")
    yield from references.themes(subject)


def project(subject: Subject) -> Iterator[Finding]:
    """A project."""
    yield from _entity(subject, "Collection")
    yield from references.extensions(subject, "osc", "contacts")
    yield from links.present(subject, "via")
    yield from links.children(subject)
    yield from technical_officer(subject)
    yield from own_type(subject, "project")
    yield from references.references(subject, "osc:workflows", "workflows")
    yield from references.themes(subject)


def workflow(subject: Subject) -> Iterator[Finding]:
    """A workflow's record."""
    yield from conformance(subject)
    yield from _entity(subject, "Feature", downward=False)
    yield from links.children(subject, "experiments", "record.json")
    yield from needed_reference(subject, subject.properties, "/properties", "osc:project", "projects")


def experiment(subject: Subject) -> Iterator[Finding]:
    """An experiment's record."""
    yield from conformance(subject)
    yield from _entity(subject, "Feature", downward=False)
    yield from links.children(subject)
    yield from needed_reference(subject, subject.properties, "/properties", "osc:workflow", "workflows")
    for rel in ("environment", "input"):
        yield from links.present(subject, rel)


def unexpected(subject: Subject) -> Iterator[Finding]:
    """A STAC document that is nowhere in the catalogue's order."""
    yield subject.finding("unexpected-place", "", f"No STAC document belongs at {subject.path}.")


def nothing(_: Subject) -> Iterator[Finding]:
    """No rules beyond the schemas."""
    return iter(())


RULES_OF: Mapping[Role, Callable[[Subject], Iterator[Finding]]] = {
    Role.USER_CONTENT: nothing,
    Role.LIST: entity_list,
    Role.ROOT: root,
    Role.MISSION: mission,
    Role.PRODUCT: product,
    Role.PROJECT: project,
    Role.THEME: theme,
    Role.VARIABLE: variable,
    Role.WORKFLOW: workflow,
    Role.EXPERIMENT: experiment,
    Role.RECORD: nothing,
    Role.UNEXPECTED: unexpected,
}


def kind(subject: Subject, expected: str) -> Iterator[Finding]:
    """`type` by place."""
    if subject.data.get("type") != expected:
        yield subject.finding(
            "type", "/type", f"Its type is {subject.data.get('type')!r}; here it must be {expected!r}."
        )


def identifier(subject: Subject) -> Iterator[Finding]:
    """The id is the folder's name."""
    wanted, seen = owner(subject.path, subject.snapshot.name), subject.data.get("id")
    if seen == wanted:
        return
    folder = last(subject.folder)
    if folder == wanted:
        message = f"Its id is {seen!r}, and its folder is {folder!r}."
        yield subject.finding("id-folder", "/id", message, f"Set the id to {folder!r}, or rename the folder.")
    else:
        message = f"Its folder's name {folder!r} begins with 'json', which the official validator misreads."
        yield subject.finding(
            "id-folder", "/id", message, "Give the entity another id that does not begin with 'json'."
        )


def own_type(subject: Subject, expected: str) -> Iterator[Finding]:
    """`osc:type` by place."""
    if subject.data.get("osc:type") != expected:
        yield subject.finding(
            "osc-type",
            "/osc:type",
            f"Its `osc:type` is {subject.data.get('osc:type')!r}; here it must be {expected!r}.",
            f"Set it to {expected!r}.",
            Put(subject.path, "/osc:type", expected),
        )


def needed_reference(
    subject: Subject, holder: Mapping[str, Any], pointer: str, field: str, folder: str
) -> Iterator[Finding]:
    """A reference that must be there."""
    value = holder.get(field)
    if not isinstance(value, str):
        seen = f"is {value!r}, not an id" if field in holder else "is missing"
        yield subject.finding(
            "reference-needed", f"{pointer}/{field}" if field in holder else pointer, f"`{field}` {seen}."
        )
    else:
        yield from references.reference(subject, f"{pointer}/{field}", value, folder)


def conformance(subject: Subject) -> Iterator[Finding]:
    """A record says that it is one."""
    found = subject.data.get("conformsTo")
    if isinstance(found, list) and CONFORMANCE in found:
        return
    if isinstance(found, list):
        edit = Put(subject.path, "/conformsTo/-", CONFORMANCE)
    else:
        edit = Put(subject.path, "/conformsTo", [CONFORMANCE])
    seen = "is missing" if found is None else f"is {found!r}"
    yield subject.finding(
        "conformance", "/conformsTo" if found is not None else "", f"`conformsTo` {seen}.", f"Add {CONFORMANCE}.", edit
    )
