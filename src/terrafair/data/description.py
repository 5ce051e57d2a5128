"""What is asked of a description of result files, and what it gives; both cross into a sandbox as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from terrafair.errors import Problem


@dataclass(frozen=True, slots=True)
class Order:
    """Describe the files of a folder."""

    folder: str
    """Absolute path."""
    id: str
    """Of the collection; items are named `ID-name`."""
    only: str = ""
    """Name of the one file that is asked for; empty: all."""
    remembered: Mapping[str, Mapping[str, Any]] | None = None
    """Path relative to the folder -> what an earlier look gave (`data.remembered`); None: nobody will ask again."""
    title: str = ""
    description: str = ""
    licence: str = ""
    """SPDX expression; empty: `other`."""
    created: str = ""
    """RFC 3339; likewise the next two."""
    start: str = ""
    """Stands in where the files say nothing of time."""
    end: str = ""
    bbox: tuple[float, ...] = ()
    """West, south, east, north in degrees; stands in where the files say nothing of place."""
    properties: Mapping[str, Any] = field(default_factory=dict)
    """Further properties of each item, e.g. `processing:software`."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Output name -> path relative to the folder."""
    keywords: tuple[str, ...] = ()
    providers: tuple[Mapping[str, Any], ...] = ()

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """From its JSON form."""
        known = dict(document)
        for name in ("bbox", "keywords", "providers"):
            known[name] = tuple(known.get(name) or ())
        return cls(**known)


@dataclass(frozen=True, slots=True)
class DescribedFile:
    """One file, or a Zarr folder as one."""

    path: str
    """Relative to the folder, with slashes."""
    media_type: str
    size: int
    """Bytes."""
    sha256: str
    """Hex; of a folder the digest over its files' digests and names."""
    role: str = "data"


@dataclass(frozen=True, slots=True)
class Description:
    """STAC documents for the files of a folder, to be stored as

    collection.json, items/ITEM.json, outputs/PATH
    """

    collection: Mapping[str, Any]
    items: tuple[Mapping[str, Any], ...] = ()
    files: tuple[DescribedFile, ...] = ()
    remarks: tuple[Problem, ...] = ()
    seen: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Path of each file that was opened -> what to remember, where the order asked for that."""

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "collection": dict(self.collection),
            "items": [dict(item) for item in self.items],
            "files": [asdict(file) for file in self.files],
            "remarks": [remark.document() for remark in self.remarks],
            **({"seen": dict(self.seen)} if self.seen else {}),
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """From its JSON form."""
        return cls(
            document["collection"],
            tuple(document.get("items", ())),
            tuple(DescribedFile(**file) for file in document.get("files", ())),
            tuple(Problem(**remark) for remark in document.get("remarks", ())),
            document.get("seen", {}),
        )
