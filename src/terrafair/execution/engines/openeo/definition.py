"""What the predefined processes take and give, in names, types, defaults and a sentence each: `definitions/*.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from terrafair.execution.engines.openeo import types

_RETURNS = {
    "cube": "The changed data cube.", "raster": "The changed data cube.", "stac": "STAC of what was saved.",
    "boolean?": "True or false; null for no-data.", "boolean": "True or false.",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Argument:
    """One parameter of a process."""

    name: str
    type: str
    """In the language of `types`."""
    description: str
    optional: bool = False
    default: Any = None

    @property
    def schemas(self) -> list[types.Schema]:
        """The alternatives that a value may follow."""
        return types.schemas(self.type)

    def document(self) -> dict[str, Any]:
        """As openEO's /processes lists it."""
        found = self.schemas
        about = {"name": self.name, "description": self.description, "schema": found[0] if len(found) == 1 else found}
        return {**about, "optional": True, "default": self.default} if self.optional else about


@dataclass(frozen=True, slots=True)
class Definition:
    """What a process takes and gives."""

    name: str
    summary: str
    categories: tuple[str, ...]
    arguments: tuple[Argument, ...]
    returns: str
    """A type in the language of `types`."""
    exceptions: tuple[str, ...] = ()
    experimental: bool = False

    def argument(self, name: str) -> Argument | None:
        """The parameter of that name, if there is one."""
        return next((each for each in self.arguments if each.name == name), None)

    def document(self) -> dict[str, Any]:
        """As openEO's /processes lists it."""
        given = types.schemas(self.returns)
        about: dict[str, Any] = {
            "id": self.name,
            "summary": self.summary.rstrip("."),
            "description": self.summary,
            "categories": list(self.categories),
            "parameters": [argument.document() for argument in self.arguments],
            "returns": {
                "description": _RETURNS.get(self.returns, "The result."),
                "schema": given[0] if len(given) == 1 else given,
            },
        }
        if self.experimental:
            about["experimental"] = True
        if self.exceptions:
            about["exceptions"] = {name: {"message": _sentence(name)} for name in self.exceptions}
        return about


@lru_cache(1)
def definitions() -> Mapping[str, Definition]:
    """All definitions by name, in the order of the alphabet."""
    folder = files("terrafair.execution.engines.openeo") / "definitions"
    tables = {
        path.name: tomllib.loads(path.read_text("utf-8")) for path in folder.iterdir() if path.name.endswith(".toml")
    }
    about = tables.pop("parameters.toml")
    found = {name: _definition(name, entry, about) for table in tables.values() for name, entry in table.items()}
    return dict(sorted(found.items()))


def _definition(name: str, entry: Mapping[str, Any], about: Mapping[str, str]) -> Definition:
    return Definition(
        name,
        entry["says"],
        tuple(entry["in"]),
        tuple(_argument(argument, text, about) for argument, text in entry.get("take", {}).items()),
        entry["give"],
        tuple(entry.get("fails", ())),
        entry.get("proposal", False),
    )


def _argument(name: str, text: str | list[str], about: Mapping[str, str]) -> Argument:
    written, description = (text, about[name]) if isinstance(text, str) else text
    kind, optional, default = types.split_default(written)
    return Argument(name, kind, description, optional, default)


def _sentence(name: str) -> str:
    """`DimensionExists` as words; messages at run time say more."""
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
    return f"{words[:1].upper()}{words[1:]}."
