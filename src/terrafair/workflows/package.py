"""Reads what is sent to deploy a process: CWL as YAML or JSON, or an OGC application package around it."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from terrafair.errors import InvalidInput, NotFound, TerrafairError
from terrafair.web import Web
from terrafair.workflows import cwl
from terrafair.workflows.content import decode, load

CWL_YAML, CWL_JSON, PACKAGE = "application/cwl+yaml", "application/cwl+json", "application/ogcapppkg+json"
MEDIA_TYPES = {
    "application/cwl": CWL_YAML,
    "application/cwl+yaml": CWL_YAML,
    "application/cwl+json": CWL_JSON,
    "application/x-cwl": CWL_YAML,
    "application/ogcapppkg+json": PACKAGE,
    "application/ogcapppkg": PACKAGE,
    "application/yaml": CWL_YAML,
    "application/x-yaml": CWL_YAML,
    "text/yaml": CWL_YAML,
    "text/x-yaml": CWL_YAML,
    "application/json": "",
    "application/octet-stream": "",
    "": "",
}
"""What is taken -> what it is; empty: its content tells."""
LIMIT = 4 * 2**20
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Package:
    """A process that somebody wants to have here."""

    id: str
    content: bytes
    """The CWL document."""
    media_type: str
    entry: str
    """Which process of the document runs."""
    title: str = ""
    description: str = ""
    version: str = ""
    keywords: tuple[str, ...] = ()
    mutable: bool = True
    about: Mapping[str, Any] = field(default_factory=dict)
    """The `processDescription` that came with it."""


def read(body: bytes, media_type: str, web: Web, entry: str = "", id: str = "") -> Package:  # noqa: A002
    """The package in a request's body; `entry` is the query parameter `w`, `id` the one of the path.

    Raises `InvalidInput` (with the line, where it does not parse), `NotFound` for an `entry` that is not there.
    """
    kind = MEDIA_TYPES.get(media_type.split(";", maxsplit=1)[0].strip().lower())
    if kind is None:
        raise InvalidInput(
            f"A process cannot be deployed from {media_type[:100]!r}.",
            remedy=f"Send {CWL_YAML}, {CWL_JSON} or {PACKAGE}.",
            where="Content-Type",
            code="unsupported-media-type",
        )
    if not body.strip():
        raise InvalidInput("The request has no body.", remedy="Send a CWL document.", where="body")
    document = load(decode(body), "body")
    if not isinstance(document, Mapping):
        raise InvalidInput("The body is no object.", remedy="Send a CWL document.", where="body", code="cwl-invalid")
    about: Mapping[str, Any] = {}
    content = body
    if kind == PACKAGE or "executionUnit" in document:
        about, content = _described(document), _unit(document, web)
        document = load(decode(content), "executionUnit")
    if not isinstance(document, Mapping) or not ({"class", "$graph"} & set(document)):
        what = "The document is no CWL: it has neither `class` nor `$graph`."
        raise InvalidInput(what, remedy="Send a CWL document.", where="body", code="cwl-invalid")
    return _package(document, content, about, entry, id)


def _package(
    document: Mapping[str, Any],
    content: bytes,
    about: Mapping[str, Any],
    entry: str,
    id: str,  # noqa: A002
) -> Package:
    chosen = cwl.entry_of(document, entry)
    if entry and chosen != entry.lstrip("#") and cwl.about(document, "")["id"] != entry.lstrip("#"):
        what = f"The document has no process {entry[:100]!r}."
        raise NotFound(what, remedy="Name one of its `$graph`.", where="w", code="workflow-not-found")
    said = cwl.about(document, chosen)
    name = id or _text(about, "id") or said["id"]
    if not name:
        what = "Neither the description nor the CWL has an id."
        raise InvalidInput(what, remedy="Give the CWL process an `id`: it names the process.", where="id")
    if not _ID.fullmatch(name):
        why = "An id has letters, digits, `.`, `_` and `-`, and at most 100 of them."
        raise InvalidInput(f"{name[:100]!r} cannot be the id of a process.", why, where="id")
    if id and _text(about, "id") not in {"", id}:
        what = f"The package describes {_text(about, 'id')[:100]!r}, and the address names {id!r}."
        raise InvalidInput(what, remedy="Use one id in both.", where="id")
    keywords = about.get("keywords")
    return Package(
        id=name,
        content=content,
        media_type=CWL_JSON if content.lstrip().startswith(b"{") else CWL_YAML,
        entry=chosen,
        title=_text(about, "title") or said["title"],
        description=_text(about, "description") or said["description"],
        version=_text(about, "version") or said["version"],
        keywords=tuple(word for word in keywords if isinstance(word, str)) if isinstance(keywords, list) else (),
        mutable=about.get("mutable") is not False,
        about=about,
    )


def _text(about: Mapping[str, Any], name: str) -> str:
    value = about.get(name)
    return value.strip() if isinstance(value, str) else ""


def _described(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The process description: flat (20-044 draft), below `process` (Weaver, 2.0rc1), or none."""
    about = document.get("processDescription")
    if about is None:
        return {}
    if isinstance(about, Mapping) and isinstance(about.get("process"), Mapping):
        return {**about, **about["process"]}
    if not isinstance(about, Mapping):
        raise InvalidInput("`processDescription` is no object.", where="processDescription")
    return about


def _unit(document: Mapping[str, Any], web: Web) -> bytes:
    """The CWL of `executionUnit`: by reference, as a value, or as it is."""
    units = document.get("executionUnit")
    found = units if isinstance(units, list) else [units]
    if len(found) != 1 or not isinstance(found[0], Mapping):
        what = f"The package has {len(found) if isinstance(units, list) else 'no'} execution unit that is an object."
        raise InvalidInput(what, "It takes exactly one.", where="executionUnit", code="unit-missing")
    unit = found[0]
    if isinstance(unit.get("href"), str):
        return _fetched(unit["href"], web)
    inner = unit.get("unit", unit.get("value", unit))
    if isinstance(inner, Mapping) and {"class", "$graph"} & set(inner):
        return json.dumps(inner, indent=1).encode()
    if isinstance(inner, str) and inner.strip():
        return _decoded(inner, unit)
    what = f"The execution unit of type {str(unit.get('type', ''))[:40]!r} is no CWL."
    remedy = 'Give a CWL document: `{"href": ...}`, `{"value": ...}` or `{"unit": ...}`.'
    raise InvalidInput(
        what, "A container image alone does not say what to run.", remedy, "executionUnit", "unit-missing"
    )


def _decoded(text: str, unit: Mapping[str, Any]) -> bytes:
    if unit.get("encoding") != "base64":
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise InvalidInput("The execution unit is not base64.", where="executionUnit/value") from None


def _fetched(href: str, web: Web) -> bytes:
    try:
        return web.get(href, limit=LIMIT).content
    except TerrafairError as error:
        problem = error.problem
        what = f"The execution unit cannot be fetched. {problem.what}"
        # Whatever the reason, it is the request that names an address of no use.
        raise InvalidInput(what, problem.why, problem.remedy, "executionUnit/href", "unit-unreachable") from None
