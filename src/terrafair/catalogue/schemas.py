"""The schema store: JSON Schemas in a folder, found by the address that documents name them by, compiled once.

The folder is laid out as the addresses are (`PLACES`); `terrafair schemas sync` fills it. Without a folder there are
the STAC core schemas that pystac carries. Nothing is ever fetched while validating.
"""

import importlib.util
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from terrafair.catalogue.formats import FORMATS, USUAL
from terrafair.errors import InvalidInput

if TYPE_CHECKING:
    from jsonschema_rs import Validator

PLACES = (
    ("https://schemas.stacspec.org/", "stac"),
    ("https://stac-extensions.github.io/", "ext"),
    ("https://geojson.org/schema/", "geojson"),
    ("https://proj.org/schemas/", "proj"),
)
OFFICIAL = "https://testing.earthcode.eox.at/schemas/"
"""The address that the official validator gives to its own schemas, whatever its release."""
OFFICIAL_FOLDER = "osc-validation"
DRAFT_7 = "http://json-schema.org/draft-07/schema"
_CARRIED = re.compile(r"https://schemas\.stacspec\.org/(v[^/]+)/[a-z]+-spec/json-schema/([a-z-]+\.json)")


ELSEWHERE = "other"
"""Folder for schemas of other hosts: `other/HOST/PATH`."""


def place_of(address: str, official: str = OFFICIAL_FOLDER) -> str:
    """The path in a store that a schema's address stands for; empty for what is no address of one."""
    for prefix, folder in (*PLACES, (OFFICIAL, official), ("https://", ELSEWHERE), ("http://", ELSEWHERE)):
        if address.startswith(prefix):
            parts = address[len(prefix) :].split("/")
            sound = all(part and part not in {".", ".."} and "\\" not in part and "\0" not in part for part in parts)
            return "/".join((folder, *parts)) if sound else ""
    return ""


_ANNOTATIONS = frozenset({"$ref", "$comment", "title", "description", "default", "examples", "options"})
_VALUES = frozenset({"const", "enum", "default", "examples"})


def _adapt(node: Any, *, quick: bool) -> None:
    """Move every `$ref` that has company into an `allOf`, in place.

    Draft 7 ignores what stands beside a reference; the official validator's engine does not. With `quick` the usual
    form of a text is looked for before its format is, which changes what an error says and nothing else.
    """
    if isinstance(node, list):
        for child in node:
            if isinstance(child, dict | list):
                _adapt(child, quick=quick)
        return
    for key, child in node.items():
        if isinstance(child, dict | list) and key not in _VALUES:
            _adapt(child, quick=quick)
    if "$ref" in node and isinstance(node["$ref"], str) and not _ANNOTATIONS.issuperset(node):
        _require(node, {"$ref": node.pop("$ref")})
    name = node.get("format") if quick else None
    if isinstance(name, str) and name in USUAL:
        del node["format"]
        _require(node, {"anyOf": [{"pattern": USUAL[name]}, {"format": name}]})


def _require(node: dict[str, Any], more: dict[str, Any]) -> None:
    before = node.get("allOf")
    node["allOf"] = [*(before if isinstance(before, list) else ()), more]


class Unavailable(LookupError):
    """A schema cannot be used; the text says why."""


class Store:
    """Schemas of one folder; `Store(config.schemas)`. Keep it: compiled schemas stay with it."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._read: dict[tuple[str, str, bool], Any] = {}
        self._compiled: dict[tuple[str, str, bool], Validator | Unavailable] = {}
        if folder is not None and not folder.is_dir():
            raise InvalidInput(
                f"There is no schema store at {folder}.",
                remedy="Fill one with `terrafair schemas sync`, or mend --schemas or TERRAFAIR_SCHEMAS.",
                where=str(folder),
            )

    @property
    def complete(self) -> bool:
        """Whether a schema that is not here does not exist; without a folder it may well."""
        return self.folder is not None

    def has_official(self, folder: str = OFFICIAL_FOLDER) -> bool:
        """Whether the official validator's own schemas are here."""
        return self.folder is not None and (self.folder / folder / "catalog.json").is_file()

    def accepts(self, data: Any, address: str, official: str = OFFICIAL_FOLDER) -> bool:
        """Whether a document fits the schema of an address, told in the quickest way; see `validator`."""
        return self._validator(address, official, quick=True).is_valid(data)

    def validator(self, address: str, official: str = OFFICIAL_FOLDER) -> "Validator":
        """The compiled schema of an address; `official` is the folder of the rule set's own schemas.

        Raises `Unavailable` when it is not here, or is nothing that the official validator could use.
        """
        return self._validator(address, official, quick=False)

    def _validator(self, address: str, official: str, *, quick: bool) -> "Validator":
        key = (official, address, quick)
        known = self._compiled.get(key)
        if known is None:
            try:
                known = self._compile(address, official, quick=quick)
            except Unavailable as reason:
                known = reason
            self._compiled[key] = known
        if isinstance(known, Unavailable):
            raise known
        return known

    def read(self, address: str, official: str = OFFICIAL_FOLDER) -> Any:
        """The schema of an address as a form can be made from it; raises `Unavailable`."""
        return self._schema(address, official, quick=False)

    def _schema(self, address: str, official: str, *, quick: bool) -> Any:
        """The schema of an address, parsed and adapted; raises `Unavailable`."""
        plain = address.partition("#")[0]
        key = (official, plain, quick)
        if key not in self._read:
            self._read[key] = self._parse(plain, official, quick=quick)
        return self._read[key]

    def _parse(self, plain: str, official: str, *, quick: bool) -> Any:
        path = self._path(plain, official)
        try:
            found = orjson.loads(path.read_bytes()) if path else self._missing(plain)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return self._missing(plain)
        except (OSError, orjson.JSONDecodeError) as fault:
            raise Unavailable(f"The schema {plain} cannot be read from {path}: {fault}") from None
        if isinstance(found, dict | list):
            _adapt(found, quick=quick)
        return found

    def _missing(self, address: str) -> Any:
        raise Unavailable(f"The schema {address} is not in the schema store.")

    def _path(self, address: str, official: str) -> Path | None:
        if self.folder is None:
            return self._carried(address)
        place = place_of(address, official)
        return self.folder / place if place else None

    @cached_property
    def _pystac(self) -> Path | None:
        found = importlib.util.find_spec("pystac")
        return Path(found.origin).parent / "validation/jsonschemas" if found and found.origin else None

    def _carried(self, address: str) -> Path | None:
        if self._pystac is None:
            return None
        if found := _CARRIED.fullmatch(address):
            return self._pystac / "stac-spec" / found[1] / found[2]
        if address.startswith("https://geojson.org/schema/"):
            return self._pystac / "geojson" / address.rpartition("/")[2]
        return None

    def _compile(self, address: str, official: str, *, quick: bool) -> "Validator":
        import jsonschema_rs

        schema = self._schema(address, official, quick=quick)
        dialect = schema.get("$schema") if isinstance(schema, dict) else None
        if not isinstance(schema, dict) or str(dialect or DRAFT_7).rstrip("#") != DRAFT_7:
            raise Unavailable(f"The schema {address} is no JSON Schema of draft 7, which the official validator needs.")

        def retrieve(wanted: str) -> Any:
            return self._schema(wanted, official, quick=quick)

        try:
            return jsonschema_rs.Draft7Validator(
                schema if "$id" in schema else {"$id": address, **schema},
                formats=FORMATS,
                validate_formats=True,
                retriever=retrieve,
            )
        except (jsonschema_rs.ReferencingError, jsonschema_rs.ValidationError, ValueError) as fault:
            raise Unavailable(f"The schema {address} cannot be compiled: {fault}") from None
