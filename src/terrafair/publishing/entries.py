"""What all kinds of entry share: the facts that they are built from, and how a published one is edited."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from terrafair.publishing import links
from terrafair.publishing.answers import Answers
from terrafair.publishing.links import Document, Link, child, related, title_of
from terrafair.publishing.made import Made
from terrafair.publishing.present import Present

EXTENSION = "https://stac-extensions.github.io/"
OSC, THEMES, CF, CONTACTS = (
    f"{EXTENSION}{name}/schema.json" for name in ("osc/v1.0.0", "themes/v1.0.0", "cf/v0.2.0", "contacts/v0.1.1")
)
SCIENTIFIC = f"{EXTENSION}scientific/v1.0.0/schema.json"
APPLICATION = f"{EXTENSION}application/v0.1.0/schema.json"
RECORD_CORE = "http://www.opengis.net/spec/ogcapi-records-1/1.0/req/record-core"
SCHEME = "https://github.com/stac-extensions/osc#theme"
MANAGED = frozenset({"Items", "Access", "Documentation", "Provenance: Workflow Run RO-Crate", "DOI"})
"""Titles of links that a publication sets anew; all others of a published entry stay."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a draft is built from."""

    made: Made
    answers: Answers
    present: Present
    data: str
    """Address of the STAC collection in the archive."""
    page: str
    """Where people look at the data."""
    crate: str
    """Address of the archived RO-Crate."""

    @property
    def time(self) -> str:
        """When the job ended: the entries' time, the same at every draft."""
        moment = self.made.job.finished
        return moment[:19] + "Z" if len(moment) > 19 else moment

    def title(self, kind: str, identifier: str) -> str:
        """The title that an entry has, or will have."""
        answers = self.answers
        new = {
            ("products", answers.product): answers.product_title,
            ("experiments", answers.experiment): answers.experiment_title,
            ("workflows", answers.workflow): answers.workflow_title,
            ("projects", answers.project): answers.project_title,
        }
        return new.get((kind, identifier)) or self.present.title(kind, identifier) or identifier

    def related(self, kind: str, identifier: str) -> Link:
        """A link to another entry."""
        return related(kind, identifier, self.title(kind, identifier))

    def child(self, kind: str, identifier: str) -> Link:
        """A link to another entry that belongs to this one."""
        return child(kind, identifier, self.title(kind, identifier))

    def framed(self, kind: str, identifier: str, between: list[Link]) -> list[Link]:
        """An entry's links between root and self."""
        return links.framed(kind, identifier, between, self.present.site())

    @property
    def themes(self) -> list[Document]:
        """The field `themes`."""
        return [{"scheme": SCHEME, "concepts": [{"id": theme} for theme in self.answers.themes]}]

    @property
    def contact(self) -> Document:
        """The person who answers questions."""
        answers = self.answers
        found: Document = {"name": answers.contact_name}
        if answers.organization:
            found["organization"] = answers.organization
        if answers.contact_email:
            found["emails"] = [{"value": answers.contact_email}]
        return found | {"roles": ["principal investigator"]}


def edited(existing: Document | None, fresh: Document) -> Document:
    """A published entry with what is new: its own key order, unknown fields and links stay."""
    if existing is None:
        return fresh
    found = dict(existing)
    for key, value in fresh.items():
        if key == "links":
            found[key] = _links(existing.get(key), value)
        elif key == "properties":
            found[key] = edited(existing.get(key) if isinstance(existing.get(key), dict) else {}, value)
        elif key in {"stac_extensions", "conformsTo"}:
            known = existing.get(key) or []
            found[key] = [*known, *(each for each in value if _family(each) not in map(_family, known))]
        elif key in {"created", "stac_version", "contacts"} and existing.get(key):
            # Theirs to say.
            continue
        elif key == "themes" and _concepts(existing.get(key)) == _concepts(value):
            # The same in another form.
            continue
        else:
            found[key] = value
    return found


def _links(existing: Any, fresh: list[Link]) -> list[Link]:
    """The links that are there, the managed ones with their new address, then the new ones; `self` stays last."""
    links = [dict(link) for link in existing or () if isinstance(link, dict)]
    for link in fresh:
        place = next((n for n, known in enumerate(links) if _same_place(known, link)), None)
        if place is None:
            last = links and links[-1].get("rel") == "self"
            links.insert(len(links) - 1 if last else len(links), link)
        elif link["rel"] not in {"root", "parent", "self"}:
            links[place] = {**links[place], **link}
    return links


def _same_place(known: Mapping[str, Any], link: Mapping[str, Any]) -> bool:
    if known.get("rel") != link["rel"]:
        return False
    if link["rel"] in {"root", "parent", "self"} or known.get("href") == link["href"]:
        return True
    return link.get("title") in MANAGED and known.get("title") == link["title"]


def _family(extension: Any) -> str:
    return str(extension).partition("/v")[0]


def _concepts(themes: Any) -> set[str]:
    return {
        str(concept.get("id"))
        for theme in (themes if isinstance(themes, list) else ())
        if isinstance(theme, dict)
        for concept in theme.get("concepts") or ()
        if isinstance(concept, dict)
    }


__all__ = ["Facts", "edited", "title_of"]
