"""What the RO-Crate of a run says, as sentences and a list of inputs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LISTED = 60


@dataclass(frozen=True, slots=True)
class Used:
    """One thing that the run read."""

    name: str
    value: str
    """Of a parameter; empty for files."""
    sha256: str
    address: str


@dataclass(frozen=True, slots=True)
class Told:
    """The summary of one run."""

    facts: tuple[tuple[str, str], ...]
    inputs: tuple[Used, ...]
    left: int
    """Inputs that are not listed."""


def summary(crate: Any) -> Told | None:
    """None where it is no crate of a run."""
    graph = crate.get("@graph") if isinstance(crate, dict) else None
    if not isinstance(graph, list):
        return None
    entities = {str(each["@id"]): each for each in graph if isinstance(each, dict) and "@id" in each}
    runs = [each for name, each in entities.items() if name.startswith("#run-") and "/" not in name]
    actions = runs or [each for each in entities.values() if "CreateAction" in str(each.get("@type", ""))]
    if not actions:
        return None
    run = actions[0]
    used = list(_used(run.get("object"), entities))
    return Told(tuple(_facts(run, entities)), tuple(used[:LISTED]), max(len(used) - LISTED, 0))


def _facts(run: Mapping[str, Any], entities: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for relation, word in (("instrument", "Ran"), ("agent", "Started by")):
        names = [_name(entity) for entity in _entities(run.get(relation), entities)]
        if names:
            yield word, ", ".join(names[:5])
    for instrument in _entities(run.get("instrument"), entities):
        if version := instrument.get("version") or instrument.get("softwareVersion"):
            yield "Version", str(version)[:200]
        if digest := instrument.get("sha256"):
            yield "Its sha256", str(digest)[:64]
    begun, ended = str(run.get("startTime", ""))[:19], str(run.get("endTime", ""))[:19]
    if begun:
        yield "From", f"{begun.replace('T', ' ')} to {ended.replace('T', ' ') or 'an unknown end'} UTC"
    if made := _entities(run.get("result"), entities):
        yield "Made", f"{len(made)} file{'s' if len(made) != 1 else ''}"


def _used(references: Any, entities: Mapping[str, Any]) -> Iterator[Used]:
    for entity in _entities(references, entities):
        value = entity.get("value")
        plain = "" if value is None else str(value)
        address = str(entity.get("@id", "")) if str(entity.get("@id", "")).startswith(("http", "s3://")) else ""
        yield Used(_name(entity)[:200], plain[:300], str(entity.get("sha256", ""))[:64], address[:300])
        yield from _used(entity.get("hasPart"), entities) if entity.get("@type") != "Dataset" else ()


def _entities(references: Any, entities: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = references if isinstance(references, list) else [references]
    names = [str(each["@id"]) for each in listed if isinstance(each, dict) and "@id" in each]
    return [entities.get(name, {"@id": name}) for name in names]


def _name(entity: Mapping[str, Any]) -> str:
    return str(entity.get("name") or entity.get("@id", ""))
