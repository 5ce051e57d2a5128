"""The official validator's releases, as far as their verdicts differ."""

from dataclasses import dataclass

from terrafair.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class RuleSet:
    """One release of the official validator."""

    name: str
    """As on the command line: `rc.15`."""
    commit: str
    """Of ESA-EarthCODE/open-science-catalog-validation; its `schemas/` are pinned by it."""
    schemas: str
    """Folder in the schema store."""


LATEST = "rc.15"
RULE_SETS = {"rc.15": RuleSet("rc.15", "27ccf09", "osc-validation")}


def rule_set(name: str) -> RuleSet:
    """The rule set of that name; `1.0.0-rc.15` and `v1.0.0-rc.15` count as `rc.15`."""
    short = name.removeprefix("v").removeprefix("1.0.0-")
    if short not in RULE_SETS:
        raise InvalidInput(
            f"There is no rule set {name!r}.", remedy=f"Known ones: {', '.join(RULE_SETS)}.", where="--rules"
        )
    return RULE_SETS[short]
