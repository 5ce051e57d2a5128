"""Whether a catalogue is valid: the official validator's verdicts, and what reviewers would still ask for.

    report = validate(Folder(path))                                         # a whole catalogue
    report = validate(Overlay(Folder(path), changes), changed=changes)      # only what the changes can affect

`changes` maps paths to a new content: bytes, a parsed document, or None for a deleted file.
"""

from terrafair.catalogue.rules.mend import mend
from terrafair.catalogue.rules.report import Layer, Problem, Report, Severity
from terrafair.catalogue.rules.tree import Documents, Folder, Overlay, Tree
from terrafair.catalogue.rules.validate import validate
from terrafair.catalogue.rules.versions import LATEST, RuleSet, rule_set

__all__ = [
    "LATEST",
    "Documents",
    "Folder",
    "Layer",
    "Overlay",
    "Problem",
    "Report",
    "RuleSet",
    "Severity",
    "Tree",
    "mend",
    "rule_set",
    "validate",
]
