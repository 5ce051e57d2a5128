"""What is asked of a conversion of result files, and what it gives; both cross into a sandbox as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from terrafair.data import description
from terrafair.data.facts import Facts
from terrafair.errors import InvalidInput, NotFound, Problem

CUBES = ("", "v2", "v3")


@dataclass(frozen=True, slots=True)
class Order:
    """Make the files of a folder cloud-optimised."""

    folder: str
    """Absolute path of the results, or of one file."""
    target: str
    """Absolute path of the folder that gets `outputs/`, `items/` and `collection.json`; it is made."""
    describe: description.Order
    """How the made files are described; its `folder` is not looked at."""
    zarr: str = ""
    """`v3`: each cube becomes Zarr 3; `v2`: Zarr 2 in one zip, as the PRR takes it; empty: NetCDF kept, virtualised."""
    base: str = ""
    """Where the target's `outputs` will lie in the end (URL or path), for references into kept files; empty: there."""
    verify: bool = False
    """Read every made raster back and compare it pixel by pixel."""

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """From its JSON form."""
        return cls(**{**document, "describe": description.Order.read(document["describe"])})


def check(order: Order) -> None:
    """Raise `NotFound` or `InvalidInput` for an order that cannot be carried out; nothing is opened for that."""
    given, target = Path(order.folder), Path(order.target)
    if order.zarr not in CUBES:
        raise InvalidInput(f"{order.zarr!r} is no version of Zarr.", "v2 and v3 are known.", where="zarr")
    if not given.exists():
        raise NotFound(f"There is no {given}.", "", "Name a folder of results, or one file.", str(given))
    if given.is_dir() and target.resolve().is_relative_to(given.resolve()):
        raise InvalidInput(f"{target} lies in the folder that it is made of.", "", "Name another folder.", str(target))
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise InvalidInput(f"{target} is there already.", "Nothing is overwritten.", "Name a new folder.", str(target))


class Status(StrEnum):
    """What became of a file."""

    CONVERTED = "converted"
    KEPT = "kept"
    """It is cloud-optimised already, or no data; copied byte by byte."""
    PART = "part"
    """It went into the asset of another file, as the .dbf of a shapefile does."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Made:
    """What a converter made of one file."""

    files: tuple[Path, ...]
    form: str
    """`cog`, `zarr-3`, `zarr-2-zip`, `geoparquet`, `netcdf-references`, `as-is`."""
    kept: bool = False
    remarks: tuple[Problem, ...] = ()
    """What is odd in the source, or changed on the way, and does not stop it."""
    problems: tuple[Problem, ...] = ()
    """What the checks of the made files found."""
    facts: Mapping[str, Facts] = field(default_factory=dict)
    """File name -> what is known of it, where its own bytes could not be read for that (a zip)."""
    parts: tuple[Path, ...] = ()
    """Further source files that went into it."""


@dataclass(frozen=True, slots=True)
class Converted:
    """One file of the results."""

    source: str
    """Relative to the folder, with slashes."""
    kind: str
    status: Status
    form: str = ""
    outputs: tuple[str, ...] = ()
    """Relative to the target's `outputs`."""
    remarks: tuple[Problem, ...] = ()
    problems: tuple[Problem, ...] = ()
    """Why it is refused, or what the checks found in what was made."""

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "source": self.source,
            "kind": self.kind,
            "status": str(self.status),
            "form": self.form,
            "outputs": list(self.outputs),
            "remarks": [each.document() for each in self.remarks],
            "problems": [each.document() for each in self.problems],
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """From its JSON form."""
        return cls(
            document["source"],
            document["kind"],
            Status(document["status"]),
            document["form"],
            tuple(document["outputs"]),
            tuple(Problem(**each) for each in document["remarks"]),
            tuple(Problem(**each) for each in document["problems"]),
        )


@dataclass(frozen=True, slots=True)
class Conversion:
    """All files of the results with what became of them, and the STAC documents of what was made."""

    files: tuple[Converted, ...]
    description: description.Description

    @property
    def refused(self) -> tuple[Converted, ...]:
        """The files that could not be converted."""
        return tuple(each for each in self.files if each.status is Status.REFUSED)

    @property
    def sound(self) -> bool:
        """Whether nothing was refused and every check passed."""
        return not any(each.problems for each in self.files)

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {"files": [each.document() for each in self.files], "description": self.description.document()}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """From its JSON form."""
        files = tuple(Converted.read(each) for each in document["files"])
        return cls(files, description.Description.read(document["description"]))
