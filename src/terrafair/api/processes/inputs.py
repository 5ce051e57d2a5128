"""Values of an execute request as the workflow takes them: inline, qualified, by reference, once or many times."""

import base64
import hashlib
import mimetypes
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import unquote

import orjson

from terrafair.api.processes.describe import DATA
from terrafair.data.objects import ObjectStore
from terrafair.errors import InvalidInput, InvalidInputs, Problem, TerrafairError
from terrafair.execution.admission import texts
from terrafair.workflows.check import bind
from terrafair.workflows.process import Process, ProcessInput
from terrafair.workflows.workflow import Resolution

QUALIFIED = frozenset({"value", "mediaType", "encoding", "schema", "format", "type"})
REFERENCE_LIMIT = 16 * 2**20
"""Bytes of a value that is given by reference and needed at once."""
KEPT = "uploads"
_BINARY = ("base64", "binary", "byte")


class References(Protocol):
    """Addresses that people give."""

    def get(self, url: str, *, limit: int) -> Any:
        """A document."""
        ...

    def admit(self, url: str) -> None:
        """Raise for an address that would never be fetched."""
        ...


@dataclass(frozen=True, slots=True)
class Inputs:
    """Reads the values of one platform's executions."""

    web: References
    objects: ObjectStore
    permit: Callable[[str], None] = lambda _: None
    """Raises for the key of an object that the asker may not read."""
    beside: Callable[[str], object] = lambda _: None
    """The same for an address in a project's bucket."""

    def read(self, process: Process, resolution: Resolution, given: Mapping[str, Any]) -> dict[str, Any]:
        """The values to run with; raises `InvalidInputs` with everything that is wrong with any of them."""
        reading = _Reading(self)
        known = {each.spec.name: each for each in process.inputs}
        values = {}
        for name, value in given.items():
            if value is not None:
                values[name] = reading.input(known[name], value) if name in known else value
        bad = {problem.where for problem in reading.problems}
        try:
            bind(resolution, {name: value for name, value in values.items() if name not in bad}, exact=True)
        except InvalidInputs as error:
            reading.problems += [problem for problem in error.problems if problem.where not in bad]
        if reading.problems:
            raise InvalidInputs(reading.problems)
        return values

    def check_references(self, values: Mapping[str, Any]) -> None:
        """Raise `NotFound` early for a reference to what the asker may not read; the job's stage-in asks once more."""
        for text in texts(values):
            if (key := self.objects.key_of(text)) is not None:
                self.permit(unquote(key))
            self.beside(text)

    def keep(self, content: bytes, media_type: str, name: str) -> str:
        """Store data that came with a request; gives its reference."""
        suffix = mimetypes.guess_extension(media_type.split(";", maxsplit=1)[0].strip()) or ".bin"
        suffix = ".json" if "json" in media_type else suffix
        digest = hashlib.sha256(content).hexdigest()
        key = f"{KEPT}/{digest[:24]}/{''.join(c if c.isalnum() or c in '._-' else '_' for c in name)[:80]}{suffix}"
        self.objects.put(key, content, media_type)
        return self.objects.url(key)


@dataclass(slots=True)
class _Reading:
    """One request's values, and what is wrong with them."""

    source: Inputs
    problems: list[Problem] = field(default_factory=list)

    def input(self, given: ProcessInput, value: Any) -> Any:
        """All occurrences of one input."""
        name = given.spec.name
        if not given.many:
            return self._tried(name, lambda: self._one(value, given.schema, name))
        values = value if isinstance(value, list) else [value]
        least, most = given.occurs
        if len(values) < least or (most is not None and len(values) > most):
            why = f"It takes {least} to {'any number of' if most is None else most}."
            what = f"The input {name!r} is given {len(values)} times."
            self.problems.append(Problem(what, why, "", name, "input-occurrences"))
            return value
        return self._tried(name, lambda: [self._one(each, given.schema, name) for each in values])

    def _tried(self, name: str, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except TerrafairError as error:
            for problem in error.problems:
                code = problem.code if problem.code.startswith("input-") else "input-invalid"
                self.problems.append(Problem(problem.what, problem.why, problem.remedy, name, code))
        return None

    def _one(self, value: Any, schema: Mapping[str, Any], name: str) -> Any:
        declared = set(_properties(schema))
        if isinstance(value, Mapping):
            if isinstance(value.get("href"), str) and "href" not in declared:
                return self._referenced(value, schema, name)
            if "value" in value and set(value) <= QUALIFIED and "value" not in declared:
                return self._qualified(value, schema, name)
            if isinstance(value.get("bbox"), list) and set(value) <= {"bbox", "crs"} and "bbox" not in declared:
                return _box(value, schema, declared)
        if schema.get("format") in DATA:
            return self._data(value, name)
        return value

    def _referenced(self, value: Mapping[str, Any], schema: Mapping[str, Any], name: str) -> Any:
        """Data is left where it is until the job needs it; a value is fetched now, so that it can be checked."""
        href: str = value["href"]
        if schema.get("format") in DATA:
            self._admit(href)
            return href
        content = self.source.web.get(href, limit=REFERENCE_LIMIT).content
        return _decoded(content, schema, name)

    def _qualified(self, value: Mapping[str, Any], schema: Mapping[str, Any], name: str) -> Any:
        inner, encoding = value["value"], str(value.get("encoding") or "").lower()
        said = value.get("format")
        about = {**said, **value} if isinstance(said, Mapping) else value
        media_type = str(about.get("mediaType") or "")
        wanted = [kind for kind in _media_types(schema) if kind != "application/octet-stream"]
        if wanted and media_type and not any(_fits(media_type, kind) for kind in wanted):
            what = f"The input {name!r} has the media type {media_type[:80]!r}."
            raise InvalidInput(what, f"It takes {' or '.join(wanted)}.", where=name, code="input-media-type")
        if schema.get("format") not in DATA:
            return inner
        content = _bytes(inner, encoding, name)
        return self.source.keep(content, media_type or _guess(inner), name)

    def _data(self, value: Any, name: str) -> Any:
        if isinstance(value, str):
            if value.startswith(("http://", "https://")):
                self._admit(value)
            elif not value.startswith(("s3://", "file://", "/")):
                what = f"The input {name!r} is {value[:60]!r}, which is no reference."
                raise InvalidInput(what, remedy='Give {"href": ...}, or {"value": ..., "mediaType": ...}.', where=name)
            return value
        if isinstance(value, Mapping):
            place = value.get("location") or value.get("path") if value.get("class") in {"File", "Directory"} else None
            if isinstance(place, str):
                return self._data(place, name)
            return self.source.keep(orjson.dumps(value), _guess(value), name)
        raise InvalidInput(f"The input {name!r} is {str(value)[:60]}.", "It takes data: a reference or a document.")

    def _admit(self, href: str) -> None:
        if href.startswith(("http://", "https://")):
            self.source.web.admit(href)


def _properties(schema: Mapping[str, Any]) -> Iterator[str]:
    for part in (schema, *(each for name in ("oneOf", "anyOf", "allOf") for each in schema.get(name) or ())):
        if isinstance(part, Mapping) and isinstance(part.get("properties"), Mapping):
            yield from part["properties"]


def _media_types(schema: Mapping[str, Any]) -> list[str]:
    parts = (schema, *(each for name in ("oneOf", "anyOf") for each in schema.get(name) or ()))
    found = [part.get("contentMediaType") for part in parts if isinstance(part, Mapping)]
    # A schema of which one part says nothing takes any.
    return [kind for kind in found if isinstance(kind, str)] if len(found) == 1 or all(found[1:]) else []


def _fits(given: str, wanted: str) -> bool:
    plain = [kind.split(";", maxsplit=1)[0].strip().lower() for kind in (given, wanted)]
    return plain[0] == plain[1] or (plain[0].endswith("+json") and plain[1] == "application/json")


def _box(value: Mapping[str, Any], schema: Mapping[str, Any], declared: set[str]) -> Any:
    """The standard's bounding box as the workflow takes one: an object of sides, a list, or a text."""
    crs = value.get("crs")
    if crs is not None and "CRS84" not in str(crs) and not str(crs).endswith("4326"):
        what = f"The bounding box is in {str(crs)[:80]}."
        raise InvalidInput(what, "This workflow takes one in CRS84.", code="input-crs")
    numbers = value["bbox"]
    flat = numbers if len(numbers) != 6 else [numbers[0], numbers[1], numbers[3], numbers[4]]
    if {"west", "south", "east", "north"} <= declared and len(flat) == 4:
        return dict(zip(("west", "south", "east", "north"), flat, strict=True))
    if schema.get("type") == "array":
        return flat
    if schema.get("type") == "string":
        return ",".join(str(number) for number in flat)
    return dict(value)


def _decoded(content: bytes, schema: Mapping[str, Any], name: str) -> Any:
    """A value that was given by reference."""
    if schema.get("contentEncoding") in _BINARY or _only_binary(schema):
        return base64.b64encode(content).decode()
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise InvalidInput(f"What the input {name!r} refers to is no text.", where=name) from None
    if schema.get("type") == "string":
        return text.strip("\r\n")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as fault:
        if _media_types(schema):
            return text
        raise InvalidInput(f"What the input {name!r} refers to is no JSON: {fault}.", where=name) from None


def _only_binary(schema: Mapping[str, Any]) -> bool:
    parts = schema.get("oneOf") or schema.get("anyOf") or ()
    return bool(parts) and all(isinstance(each, Mapping) and each.get("contentEncoding") in _BINARY for each in parts)


def _bytes(value: Any, encoding: str, name: str) -> bytes:
    if encoding == "base64" and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=False)
        except ValueError:
            raise InvalidInput(f"The input {name!r} is not base64.", where=name, code="input-encoding") from None
    return value.encode("utf-8", "replace") if isinstance(value, str) else orjson.dumps(value)


def _guess(value: Any) -> str:
    if not isinstance(value, Mapping):
        return "application/octet-stream" if isinstance(value, str) else "application/json"
    return "application/geo+json" if value.get("type") in {"Feature", "FeatureCollection"} else "application/json"
