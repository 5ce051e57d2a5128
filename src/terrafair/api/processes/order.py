"""An execute request, read: what is to run with which inputs, and how its caller wants the answer."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson

from terrafair.errors import InvalidInput, InvalidInputs, Problem
from terrafair.execution.job import HELD

RESPONSES = ("raw", "document")
MODES = ("value", "reference")
SUBSCRIBER = ("successUri", "inProgressUri", "failedUri")
JSON_TYPES = ("", "application/json", "text/json")


@dataclass(frozen=True, slots=True)
class Order:
    """The body of an execute request."""

    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, str] | None = None
    """Name -> transmission mode, empty where the caller leaves it open; None: all outputs."""
    response: str = ""
    """`raw`, `document`, or empty where the caller leaves it open."""
    subscriber: Mapping[str, str] = field(default_factory=dict)
    experiment: str = ""
    """Id of a published preset."""
    process: str = ""
    """Id of the process, where the body names it (`POST /jobs`)."""
    mode: str = ""
    """`sync` or `async`, as older clients say it."""

    held: bool = False
    """`status: create`: the job is made, and waits until it is let go (`POST /jobs/ID/results`)."""

    def delivery(self) -> dict[str, Any]:
        """What a job keeps of it."""
        outputs = None if self.outputs is None else dict(self.outputs)
        return {"response": self.response, "outputs": outputs, **({HELD: True} if self.held else {})}


@dataclass(frozen=True, slots=True)
class Preference:
    """The `Prefer` headers."""

    asynchronous: bool = False
    wait: float | None = None
    """Seconds."""
    returned: str = ""
    """`minimal` or `representation`."""

    @classmethod
    def read(cls, headers: Sequence[str]) -> "Preference":
        """From all of them; what is unknown is passed over, as RFC 7240 asks."""
        known: dict[str, str] = {}
        for part in re.split(r"[,;]", ",".join(headers)):
            name, _, value = part.partition("=")
            known.setdefault(name.strip().lower(), value.strip().strip('"').lower())
        wait = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)s?", known.get("wait", ""))
        returned = known.get("return", "")
        return cls(
            "respond-async" in known,
            float(wait[1]) if wait else None,
            returned if returned in {"minimal", "representation"} else "",
        )


def parse(body: bytes, media_type: str) -> Mapping[str, Any]:
    """The object in a request's body; raises `InvalidInput`."""
    kind = media_type.split(";", maxsplit=1)[0].strip().lower()
    if kind not in JSON_TYPES and not kind.endswith("+json"):
        what = f"An execution cannot be asked for in {kind[:100]!r}."
        raise InvalidInput(what, remedy="Send application/json.", where="Content-Type", code="unsupported-media-type")
    if not body.strip():
        return {}
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        raise InvalidInput(f"The body is not valid JSON: {fault}.", where="body", code="invalid-json") from None
    if not isinstance(document, dict):
        raise InvalidInput("The body is no object.", remedy='Send {"inputs": {...}}.', where="body")
    return document


def read(document: Mapping[str, Any]) -> Order:
    """The order in an execute request; raises `InvalidInputs` with everything that is wrong with it."""
    problems: list[Problem] = []
    order = Order(
        inputs=_inputs(document.get("inputs"), problems),
        outputs=_outputs(document.get("outputs"), problems),
        response=_choice(document, "response", RESPONSES, problems),
        subscriber=_subscribers(document, problems),
        experiment=_text(document, "experiment", problems),
        process=last(_text(document, "process", problems)),
        mode=_choice(document, "mode", ("sync", "async", "auto"), problems),
        held=_choice(document, "status", ("create",), problems) == "create" if "process" in document else False,
    )
    if problems:
        raise InvalidInputs(problems)
    return order


def _inputs(given: Any, problems: list[Problem]) -> Mapping[str, Any]:
    if given is None:
        return {}
    if isinstance(given, dict):
        return given
    if isinstance(given, list) and all(isinstance(each, dict) and isinstance(each.get("id"), str) for each in given):
        return _listed(given)
    problems.append(Problem("`inputs` is no object.", "", 'Write {"NAME": VALUE, ...}.', "inputs", "invalid-request"))
    return {}


def _listed(given: list[dict[str, Any]]) -> dict[str, Any]:
    """The listing that Weaver takes too: `[{"id": ..., "value": ...}]`, an id twice being two occurrences."""
    found: dict[str, Any] = {}
    for each in given:
        rest = {name: value for name, value in each.items() if name != "id"}
        plain = [name for name in ("value", "data") if name in rest]
        value = rest[plain[0]] if plain and set(rest) <= {"value", "data"} else rest
        name = each["id"]
        if name in found:
            before = found[name]
            found[name] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            found[name] = value
    return found


def _outputs(given: Any, problems: list[Problem]) -> Mapping[str, str] | None:
    if given is None or given in ({}, []):
        return None
    if isinstance(given, list) and all(isinstance(each, dict) and isinstance(each.get("id"), str) for each in given):
        given = {each["id"]: each for each in given}
    if not isinstance(given, dict):
        why = 'Write {"NAME": {"transmissionMode": "value"}}.'
        problems.append(Problem("`outputs` is no object.", "", why, "outputs", "invalid-request"))
        return None
    found = {}
    for name, about in given.items():
        mode = about.get("transmissionMode", "") if isinstance(about, dict) else "" if about is None else None
        if mode not in {"", *MODES}:
            why = "An output takes an object with transmissionMode value or reference."
            problems.append(
                Problem(f"The output {name[:80]!r} is wrong.", why, "", f"outputs/{name[:80]}", "output-invalid")
            )
            continue
        found[name] = str(mode)
    return found


def _choice(document: Mapping[str, Any], name: str, choices: Sequence[str], problems: list[Problem]) -> str:
    value = document.get(name)
    if value is None:
        return ""
    if value not in choices:
        why = f"It takes {' or '.join(choices)}."
        problems.append(Problem(f"{name} is {str(value)[:40]!r}.", why, "", name, "invalid-request"))
        return ""
    return str(value)


def _text(document: Mapping[str, Any], name: str, problems: list[Problem]) -> str:
    value = document.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or not value or len(value) > 2000:
        problems.append(Problem(f"{name} is no id.", "It takes a text.", "", name, "invalid-request"))
        return ""
    return value


def last(process: str) -> str:
    """The id in a process's address, or the id itself."""
    try:
        return unquote(urlsplit(process).path.rstrip("/").rpartition("/")[2]) if "/" in process else process
    except ValueError:
        return process


def _subscribers(document: Mapping[str, Any], problems: list[Problem]) -> Mapping[str, str]:
    """Weaver's clients write `subscribers`, with addresses for mail beside those that are called."""
    if "subscriber" in document or not isinstance(document.get("subscribers"), dict):
        return _subscriber(document.get("subscriber"), problems)
    found = {name: value for name, value in document["subscribers"].items() if name in SUBSCRIBER}
    problems.extend(wrong for wrong in _wrong_uris(found) if wrong.where.rpartition("/")[2] in found)
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _subscriber(given: Any, problems: list[Problem]) -> Mapping[str, str]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        problems.append(Problem("`subscriber` is no object.", "", "", "subscriber", "invalid-request"))
        return {}
    problems.extend(_wrong_uris(given))
    return {name: given[name] for name in SUBSCRIBER if isinstance(given.get(name), str)}


def _wrong_uris(given: Mapping[str, Any]) -> Iterator[Problem]:
    for name in SUBSCRIBER:
        value = given.get(name)
        if value is not None and not (isinstance(value, str) and 0 < len(value) <= 2000):
            yield Problem(f"{name} is no address.", "", "", f"subscriber/{name}", "invalid-request")
    if not given.get("successUri"):
        yield Problem("The subscriber has no successUri.", "", "", "subscriber/successUri", "invalid-request")
