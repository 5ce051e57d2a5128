"""Every rule: what it asks for, why, and how to mend a document that breaks it. docs/validation.md tells them all."""

from dataclasses import dataclass

from terrafair.catalogue.rules.report import Layer
from terrafair.catalogue.rules.rulebook_official import OFFICIAL
from terrafair.catalogue.rules.rulebook_reviewer import REVIEWER


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule."""

    id: str
    layer: Layer
    what: str
    why: str
    how: str


RULES: dict[str, Rule] = {
    entry[0]: Rule(entry[0], layer, *entry[1:])
    for layer, entries in ((Layer.OFFICIAL, OFFICIAL), (Layer.REVIEWER, REVIEWER))
    for entry in entries
}
