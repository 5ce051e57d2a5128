"""What goes to the archive: items with flat file names, a collection with all that the archive asks, a manifest.

The folder that a delivery is packed into is complete in itself: it is what the machine route uploads, and what a person
can hand over by hand.

    DELIVERY/
      collection.json  items/ITEM.json      STAC, with relative links
      data/ITEM/FILE                        the files
      manifest.json  README.md              what is in it, with sizes and checksums
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from terrafair.publishing import prr_rules
from terrafair.publishing.answers import Answers
from terrafair.publishing.entries import CF, OSC, SCHEME, THEMES
from terrafair.publishing.made import TRACES, Made
from terrafair.publishing.product import extent

Document = dict[str, Any]
PROCESSING = "https://stac-extensions.github.io/processing/v1.2.0/schema.json"
THUMBNAIL = "thumbnail.png"
ZARR_ZIP = ".zarr.zip"
ZARR_TYPE = "application/vnd+zarr"
_OUTPUTS = "outputs/"
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class Parcel:
    """One file on its way."""

    item: str
    asset: str
    file: str
    """Flat name in its item."""
    source: str
    """Key in the object store; of a Zarr store the prefix of its chunks."""
    zarr: bool = False
    """Whether it is a folder that becomes one `.zarr.zip`."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """All of it, before a byte has moved."""

    collection: Document
    items: tuple[Document, ...]
    """Assets have no final size where they are still to be packed."""
    parcels: tuple[Parcel, ...]
    uploads: Mapping[str, str]
    """Reference of an uploaded input -> file name in the first item."""


def plan(made: Made, answers: Answers, uploads: Mapping[str, str]) -> Delivery:
    """The delivery of a result; `uploads` maps references of uploaded inputs to their keys in the store."""
    builder = _Builder(made, answers)
    for item in made.items:
        builder.item(item)
    builder.rest()
    kept = builder.traces(uploads)
    return Delivery(_collection(made, answers), tuple(builder.items), tuple(builder.parcels), kept)


class _Builder:
    def __init__(self, made: Made, answers: Answers) -> None:
        self._made, self._answers = made, answers
        self.items: list[Document] = []
        self.parcels: list[Parcel] = []
        self._taken: set[str] = set()
        """Outputs that an item has."""

    def item(self, source: Document) -> None:
        """An item of the result under the product's name."""
        name = self._unique(_id(str(source["id"]).replace(self._made.job.id, self._answers.product)))
        properties = _interval(dict(source.get("properties") or {}), self._made)
        document = {**source, "id": name, "collection": self._answers.product, "properties": properties}
        document["links"] = _links()
        names: set[str] = set()
        document["assets"] = {
            key: self._asset(name, key, asset, names) for key, asset in (source.get("assets") or {}).items()
        }
        self.items.append(_with_file_extension(document))

    def _asset(self, item: str, key: str, asset: Document, names: set[str]) -> Document:
        output = _OUTPUTS + str(asset.get("href", "")).removeprefix("../outputs/").removeprefix("./outputs/")
        self._taken.add(output)
        zarr = output not in self._made.files
        file = _flat(output.removeprefix(_OUTPUTS), names, zarr=zarr)
        source = f"{self._made.job.results.prefix.rstrip('/')}/{output}"
        self.parcels.append(Parcel(item, key, file, source, zarr))
        changed = {**asset, "href": f"../data/{item}/{file}"}
        return changed | ({"type": ZARR_TYPE} if zarr else {})

    def rest(self) -> None:
        """Files that lie nowhere on the map: one item for all of them."""
        assets = {
            key: asset
            for key, asset in (self._made.collection.get("assets") or {}).items()
            if _OUTPUTS + str(asset.get("href", "")).removeprefix("./outputs/") not in self._taken
        }
        if self.items and not any(
            {"data", "documentation"} & set(asset.get("roles") or ()) for asset in assets.values()
        ):
            # An item needs data: what only describes goes with the first that has some.
            item = self.items[0]
            names = {asset["href"].rpartition("/")[2] for asset in item["assets"].values()}
            for key, asset in assets.items():
                free = next(
                    name for name in (key, *(f"{key}-{n}" for n in range(2, 999))) if name not in item["assets"]
                )
                item["assets"][free] = self._asset(item["id"], free, asset, names)
            return
        if not assets:
            return
        if not any({"data", "documentation"} & set(asset.get("roles") or ()) for asset in assets.values()):
            assets = {key: {**asset, "roles": ["documentation"]} for key, asset in assets.items()}
        where = extent(self._made.collection, self._made.job.created, self._made.job.finished)
        box = where["spatial"]["bbox"][0]
        start, end = where["temporal"]["interval"][0]
        west, south, east, north = (*box[:2], *box[-2:]) if len(box) == 4 else (box[0], box[1], box[3], box[4])
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        self.item(
            {
                "type": "Feature",
                "stac_version": "1.1.0",
                "stac_extensions": [],
                "id": f"{self._made.job.id}-files",
                "geometry": {"type": "Polygon", "coordinates": [ring]},
                "bbox": box,
                "properties": {"datetime": None, "start_datetime": start, "end_datetime": end},
                "assets": assets,
            }
        )

    def traces(self, uploads: Mapping[str, str]) -> dict[str, str]:
        """Provenance, application and uploaded inputs, beside the data of the first item."""
        if not self.items:
            return {}
        item = self.items[0]
        names = {asset["href"].rpartition("/")[2] for asset in item["assets"].values()}
        wanted = [(name, kind) for name, kind in TRACES.items() if name in self._made.files]
        if self._made.application:
            wanted.append((self._made.application, "application/octet-stream"))
        for name, kind in wanted:
            self._trace(item, names, self._made.files[name].key, PurePosixPath(name).name, kind)
        kept = {}
        for reference, key in uploads.items():
            name = PurePosixPath(key).name
            kept[reference] = self._trace(item, names, key, name, "application/octet-stream")
        return kept

    def _trace(self, item: Document, names: set[str], key: str, name: str, kind: str) -> str:
        file = _flat(name, names, zarr=False)
        asset = next(free for free in (file, *(f"{file}-{n}" for n in range(2, 99))) if free not in item["assets"])
        item["assets"][asset] = {"href": f"../data/{item['id']}/{file}", "type": kind, "roles": ["metadata"]}
        self.parcels.append(Parcel(item["id"], asset, file, key))
        return file

    def _unique(self, name: str) -> str:
        known = {item["id"] for item in self.items}
        return next(free for free in (name, *(f"{name[:95]}-{n}" for n in range(2, 9999))) if free not in known)


def _interval(properties: Document, made: Made) -> Document:
    """Start and end in the archive's form; a single moment is both."""
    single = properties.get("datetime")
    start = properties.get("start_datetime") or single or made.job.created
    end = properties.get("end_datetime") or single or start
    moment = instant(single) if single else instant(start)
    return {**properties, "datetime": moment, "start_datetime": instant(start), "end_datetime": instant(end)}


def instant(text: Any) -> str:
    """`YYYY-MM-DDTHH:MM:SSZ`."""
    from datetime import UTC, datetime

    moment = datetime.fromisoformat(str(text))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _collection(made: Made, answers: Answers) -> Document:
    found = made.collection
    document: Document = {
        "type": "Collection",
        "stac_version": "1.1.0",
        "stac_extensions": [OSC, THEMES, CF, PROCESSING],
        "id": answers.product,
        "title": answers.product_title,
        "description": answers.product_description,
        "license": answers.licence,
        "keywords": list(answers.keywords),
        "extent": extent(found, made.job.created, made.job.finished),
        "processing:datetime": instant(made.job.finished),
        "osc:type": "product",
        "osc:project": answers.project,
        "osc:status": answers.status,
        "osc:initiative": answers.initiative,
        "osc:contract-number": answers.contract,
        "osc:variables": list(answers.variables),
        "osc:missions": list(answers.missions),
        "osc:experiment": answers.experiment,
        "cf:parameter": [{"name": text.partition(":")[0]} for text in answers.parameters],
        "themes": [{"scheme": SCHEME, "concepts": [{"id": theme} for theme in answers.themes]}],
        "links": [],
        "assets": {"thumbnail": {"href": f"./{THUMBNAIL}", "type": "image/png", "roles": ["thumbnail"]}},
    }
    if answers.region:
        document["osc:region"] = answers.region
    return {key: value for key, value in document.items() if value not in ("", None)}


def _links() -> list[Document]:
    return [
        {"rel": rel, "href": "../collection.json", "type": "application/json"}
        for rel in ("root", "parent", "collection")
    ]


def _with_file_extension(item: Document) -> Document:
    known = [url for url in item.get("stac_extensions") or () if "/file/" not in url]
    return {**item, "stac_extensions": [*known, prr_rules.FILE_EXTENSION]}


def _id(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:_LONGEST] or "item"


def _flat(path: str, taken: set[str], *, zarr: bool) -> str:
    """A file name without folders, unique in its item, that keeps its ending."""
    path = path.rstrip("/")
    name = _id(path.rpartition("/")[2])
    if name in taken:
        name = _id(path.replace("/", "_"))
    stem, end = (name.removesuffix(".zarr").removesuffix(".zip"), ZARR_ZIP) if zarr else _split(name)
    stem = stem.removesuffix(".zarr") if zarr else stem
    for free in (stem, *(f"{stem}-{n}" for n in range(2, 9999))):
        whole = f"{free[-(_LONGEST - len(end)) :]}{end}"
        if whole not in taken:
            taken.add(whole)
            return whole
    return name


def _split(name: str) -> tuple[str, str]:
    stem, dot, end = name.rpartition(".")
    return (stem, dot + end) if stem and len(end) <= 10 else (name, "")


def manifest(delivery: Delivery, files: Mapping[tuple[str, str], tuple[int, str]]) -> Document:
    """What the folder holds; `files` gives size and sha256 by (item, file)."""
    listed = [
        {"path": f"data/{item}/{file}", "size": size, "sha256": digest}
        for (item, file), (size, digest) in sorted(files.items())
    ]
    return {
        "collection": delivery.collection["id"],
        "title": delivery.collection.get("title", ""),
        "items": [item["id"] for item in delivery.items],
        "files": listed,
        "bytes": sum(entry["size"] for entry in listed),
    }


def readme(document: Document) -> str:
    """What a person who gets the folder has to know."""
    return (
        f"# Delivery of {document['title']} to ESA's Project Results Repository\n\n"
        f"{len(document['items'])} items, {len(document['files'])} files, {document['bytes']} bytes.\n\n"
        "- `collection.json`: the STAC Collection, with all fields that the repository asks for\n"
        "- `items/`: one STAC Item each, which name the files below `data/`\n"
        "- `manifest.json`: size and SHA-256 of every file; check with `sha256sum`\n"
        "- `deliver.cwl`: the same delivery by the repository's registration interface, as a CWL package\n"
    )


def finished(item: Document, sizes: Mapping[tuple[str, str], tuple[int, str]]) -> Document:
    """An item with sizes and checksums of the files as they are packed."""
    assets = {}
    for key, asset in item["assets"].items():
        size, digest = sizes[item["id"], asset["href"].rpartition("/")[2]]
        assets[key] = {**asset, "file:size": size, "file:checksum": "1220" + digest}
    return {**item, "assets": assets}


def read_folder(text: str) -> Document:
    """A document of a packed delivery."""
    document: Document = json.loads(text)
    return document


def every_file(delivery: Delivery) -> Iterator[tuple[str, str]]:
    """(item, file) of all parcels."""
    yield from ((parcel.item, parcel.file) for parcel in delivery.parcels)
