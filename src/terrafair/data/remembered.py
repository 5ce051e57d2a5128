"""What is known of a file, kept as JSON, so that an unchanged file is not opened again."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from terrafair.data.classify import Kind
from terrafair.data.description import DescribedFile
from terrafair.data.facts import Facts
from terrafair.data.footprint import Footprint
from terrafair.data.moments import Span
from terrafair.errors import Problem

VERSION = 1
"""To be raised when a reader learns to see more."""


def document(file: DescribedFile, facts: Facts, remarks: tuple[Problem, ...]) -> dict[str, Any]:
    """The JSON form of all that one look at a file gave."""
    known = {**asdict(replace(facts, remarks=())), "kind": str(facts.kind)}
    if facts.span is not None:
        known["span"] = [facts.span.start.isoformat(), facts.span.end.isoformat()]
    said = [each.document() for each in remarks]
    return {"version": VERSION, "file": asdict(file), "facts": known, "remarks": said}


def read(known: Mapping[str, Any]) -> tuple[DescribedFile, Facts, tuple[Problem, ...]] | None:
    """What `document` wrote; None where another version wrote it."""
    if known.get("version") != VERSION:
        return None
    facts = dict(known["facts"])
    facts |= {"kind": Kind(facts["kind"]), "roles": tuple(facts["roles"]), "remarks": ()}
    if facts["footprint"] is not None:
        place = facts["footprint"]
        facts["footprint"] = Footprint(place["geometry"], tuple(place["bbox"]))
    if facts["span"] is not None:
        start, end = map(datetime.fromisoformat, facts["span"])
        facts["span"] = Span(start, end)
    return DescribedFile(**known["file"]), Facts(**facts), tuple(Problem(**each) for each in known["remarks"])
