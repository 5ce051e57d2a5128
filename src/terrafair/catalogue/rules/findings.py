"""What a rule says about a document, and the edit that mends it where there is just one."""

from dataclasses import dataclass
from typing import Any

from terrafair.catalogue.rules.report import Problem


@dataclass(frozen=True, slots=True)
class Put:
    """Set the value at a pointer; the object or array that holds it exists. `-` as last part appends to an array."""

    file: str
    pointer: str
    value: Any


@dataclass(frozen=True, slots=True)
class Drop:
    """Remove what is at a pointer."""

    file: str
    pointer: str


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Write the file's text anew, without what is no JSON."""

    file: str
    content: bytes


Edit = Put | Drop | Rewrite


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem with its edits; none: a person must decide."""

    problem: Problem
    edits: tuple[Edit, ...] = ()
