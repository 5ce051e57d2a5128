"""The official validator's releases, as far as their verdicts differ."""

from dataclasses import dataclass

from terrafair.errors import InvalidInput

REPOSITORY = "ESA-EarthCODE/open-science-catalog-validation"


@dataclass(frozen=True, slots=True)
class RuleSet:
    """One release of the official validator."""

    name: str
    """As on the command line: `rc.15`."""
    commit: str
    """Of the repository whose `schemas/` belong to it."""
    schemas: str
    """Folder in the schema store."""
    schemas_for_every_file: bool = False
    """Up to rc.14 any file below an entity folder had to fit the entity's schema: items of products, too."""


LATEST = "rc.15"
RULE_SETS = {
    # The commit after the release adds texts to the schemas and nothing else.
    "rc.15": RuleSet("rc.15", "b8d9a79fb768b71fb0500a1c0e7c7e76ee0ee4ad", "osc-validation"),
    "rc.14": RuleSet("rc.14", "d33d36f51c4e42ae6e824a05fd5782781dc2f66c", "osc-validation-rc.14", True),
    "rc.13": RuleSet("rc.13", "b0f9ab1de181b29a7be283c0e7c1dcc5c3341e97", "osc-validation-rc.13", True),
}


def rule_set(name: str) -> RuleSet:
    """The rule set of that name; `1.0.0-rc.15` and `v1.0.0-rc.15` count as `rc.15`."""
    short = name.removeprefix("v").removeprefix("1.0.0-")
    if short not in RULE_SETS:
        raise InvalidInput(
            f"There is no rule set {name!r}.", remedy=f"Known ones: {', '.join(RULE_SETS)}.", where="--rules"
        )
    return RULE_SETS[short]
