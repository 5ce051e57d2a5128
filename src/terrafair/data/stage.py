"""Stage-in: what a job refers to becomes local files with known checksums, before any user code runs."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import unquote, urljoin, urlsplit

import orjson

from terrafair.data.objects import ObjectStore, sha256_of
from terrafair.data.selection import Selection, chosen_assets, selected
from terrafair.errors import InvalidInput, NotFound, Refused, Unreachable
from terrafair.web import Web

Given = TypeVar("Given")
Made = TypeVar("Made")
MARKER = ".staged"
"""Lies beside a document whose hrefs the stager has set; no fetched file can be called so."""
ITEM_LIMIT = 10_000
DEPTH_LIMIT = 6
THREADS = 8
MULTIHASH_SHA256 = "1220"
TEXT_STARTS = (b"<VRTDataset", b"<?xml", b"<GDAL", b"<OGRVRT")
"""Documents that make GDAL open other files; none of them may pose as data."""


@dataclass(frozen=True, slots=True)
class StagedFile:
    """One input file, for the provenance."""

    reference: str
    """As the document or the person named it, made absolute."""
    path: Path
    size: int
    sha256: str


@dataclass(slots=True)
class Stager:
    """Brings references to local files: http(s), `s3://` of the platform's buckets, paths below allowed roots."""

    objects: ObjectStore
    web: Web
    roots: Sequence[Path]
    admit: Callable[[str], None] = lambda _: None
    """Raises for the key of an object that the asker may not read; asked with the very key that is read."""
    beside: Callable[[str], tuple[ObjectStore, str] | None] = lambda _: None
    """Another store of the platform's that an address lies in, with the key; raises where the asker may not read it."""
    files: list[StagedFile] = field(default_factory=list)
    """Everything staged so far, in the order asked."""

    def session(self) -> "Stager":
        """A stager that records on its own, for one job."""
        return replace(self, files=[])

    def file(self, reference: str, into: Path) -> Path:
        """One file, or a folder such as a Zarr store.

        Local ones are used in place. Raises `InvalidInput`, `NotFound`, `Unreachable` or `Refused`, naming it.
        """
        place = self._place(reference, into)
        if place.is_dir():
            self.files.append(StagedFile(reference, place, sum(f.stat().st_size for f in place.rglob("*")), ""))
        else:
            self._record(reference, place)
        return place

    def stac(self, reference: str, into: Path, selection: Selection | None = None) -> Path:
        """A STAC Item, Collection, Catalog or ItemCollection with its data.

        Gives the path of a local JSON document: an Item as it is, everything else as an ItemCollection whose asset
        hrefs are absolute local paths. What lies outside the selection is left out; nothing left is an error.
        """
        into.mkdir(parents=True, exist_ok=True)
        document = self._document(reference)
        chosen = selection or Selection()
        if document.get("type") == "Feature":
            items, name = [(reference, document)], "item.json"
        else:
            items, name = list(_unique(self._items(reference, document))), "items.json"
            everything = len(items)
            items = [(url, item) for url, item in items if selected(item, chosen)]
            if not items:
                raise InvalidInput(
                    f"Nothing of {reference} lies in the wanted area and time.",
                    f"It has {everything} items; bbox {chosen.bbox}, time {chosen.start or '..'}/{chosen.end or '..'}.",
                    "Widen the selection.",
                )
        staged = self._stage_items(items, into, chosen)
        if document.get("type") == "Feature":
            result: dict[str, Any] = staged[0]
        else:
            result = {"type": "FeatureCollection", "id": document.get("id", ""), "features": staged}
        path = into / name
        path.write_bytes(orjson.dumps(result))
        (into / MARKER).touch()
        return path

    def listed(self, reference: str) -> Iterator[tuple[dict[str, Any], str, str, dict[str, Any]]]:
        """(item, key, address, asset) of all data of a STAC document, without bringing any of it.

        A collection without items has its data in assets of its own.
        """
        document = self._document(reference)
        found = list(_unique(self._items(reference, document))) or [(reference, document)]
        for url, item in found:
            for key, asset in chosen_assets(item, Selection()).items():
                for href in list(_hrefs(asset))[:1]:
                    yield item, key, _absolute(url, href), asset

    # Documents

    def _document(self, reference: str) -> dict[str, Any]:
        content = self._bytes(reference)
        try:
            document = orjson.loads(content)
        except orjson.JSONDecodeError as fault:
            raise InvalidInput(f"{reference} is not valid JSON: {fault}.", where=reference) from None
        if not isinstance(document, dict) or document.get("type") not in {
            "Feature",
            "FeatureCollection",
            "Collection",
            "Catalog",
        }:
            # STAC before 1.0 has no `type` on collections and catalogs.
            if isinstance(document, dict) and "stac_version" in document and "links" in document:
                return document
            raise InvalidInput(
                f"{reference} is no STAC document.",
                "It is neither an Item, an ItemCollection, a Collection nor a Catalog.",
                where=reference,
            )
        return document

    def _bytes(self, reference: str) -> bytes:
        if (stored := self._stored(reference)) is not None:
            store, key = stored
            return store.get(key)
        if local := self._local(reference):
            if not local.is_file():
                raise NotFound(f"There is no file {reference}.", where=reference)
            return local.read_bytes()
        return self.web.get(reference).content

    def _items(self, url: str, document: dict[str, Any], depth: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
        """(url, item) of all items that a document holds or links to."""
        if document.get("type") == "Feature":
            yield url, document
            return
        if document.get("type") == "FeatureCollection":
            found = document.get("features")
            yield from ((url, each) for each in (found if isinstance(found, list) else ()) if isinstance(each, dict))
            following = [link for link in _links(document) if link.get("rel") == "next"]
        else:
            following = [link for link in _links(document) if link.get("rel") in {"item", "items", "child"}]
        if depth > DEPTH_LIMIT:
            raise InvalidInput(f"{url} is nested more than {DEPTH_LIMIT} levels deep.", where=url)
        with ThreadPoolExecutor(THREADS) as pool:
            urls = [_absolute(url, link["href"]) for link in following[:ITEM_LIMIT]]
            for child, found in zip(urls, _mapped(pool, self._document, urls), strict=True):
                yield from self._items(child, found, depth + 1)

    # Items and assets

    def _stage_items(
        self, items: list[tuple[str, dict[str, Any]]], into: Path, selection: Selection
    ) -> list[dict[str, Any]]:
        if len(items) > ITEM_LIMIT:
            raise InvalidInput(
                f"{len(items)} items are wanted; the limit is {ITEM_LIMIT}.", remedy="Narrow the selection."
            )
        wanted: list[tuple[str, dict[str, Any], Path]] = []
        results = []
        for number, (url, item) in enumerate(items):
            assets = {}
            for key, asset in chosen_assets(item, selection).items():
                target = into / f"{number:04d}-{_flat(str(item.get('id', '')))}"
                assets[key] = dict(asset)
                wanted.append((url, assets[key], target))
            results.append({**item, "assets": assets, "links": []})
        with ThreadPoolExecutor(THREADS) as pool:
            for staged in _mapped(pool, lambda entry: self._stage_asset(*entry), wanted):
                self.files.append(staged)
        return results

    def _stage_asset(self, url: str, asset: dict[str, Any], folder: Path) -> StagedFile:
        """Bring one asset and put its local path into the document."""
        fault: Exception | None = None
        for href in _hrefs(asset):
            reference = _absolute(url, href)
            folder.mkdir(parents=True, exist_ok=True)
            try:
                place = self._place(reference, folder)
            except (NotFound, Unreachable, Refused) as error:
                fault = fault or error
                continue
            asset["href"] = str(place)
            if place.is_dir():
                return StagedFile(reference, place, 0, "")
            return _verified(asset, StagedFile(reference, place, place.stat().st_size, sha256_of(place)))
        raise fault or InvalidInput(f"An asset of {url} has no href.", where=url)

    # Places

    def _place(self, reference: str, into: Path) -> Path:
        """The local path of a reference, fetched when it is not local."""
        into.mkdir(parents=True, exist_ok=True)
        if local := self._local(reference):
            if not local.exists():
                raise NotFound(f"There is no file {reference}.", where=reference)
            return _checked(local, reference)
        name = _flat(PurePosixPath(unquote(urlsplit(reference).path)).name) or "file"
        target = into / name
        if (stored := self._stored(reference.rstrip("/"))) is not None:
            store, key = stored
            below = list(store.list(key))
            if not below:
                store.get_file(key, target)
                return _checked(target, reference)
            if store is self.objects:
                for folder in {"/".join(entry.key.split("/")[:2]) for entry in below}:
                    self.admit(folder)
            for entry in below:
                part = target / entry.key.removeprefix(f"{key}/")
                part.parent.mkdir(parents=True, exist_ok=True)
                store.get_file(entry.key, part)
            return target
        self.web.download(reference, target)
        return _checked(target, reference)

    def _stored(self, reference: str) -> tuple[ObjectStore, str] | None:
        """The store and the key of an object that the asker may read; None: the reference is of no store of ours."""
        if (key := self.objects.key_of(reference)) is not None:
            self.admit(unquote(key))
            return self.objects, unquote(key)
        found = self.beside(reference)
        return (found[0], unquote(found[1])) if found else None

    def _local(self, reference: str) -> Path | None:
        """The path that a reference names, if it names one below an allowed root."""
        parts = urlsplit(reference)
        if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
            path = Path(unquote(parts.path))
        elif parts.scheme == "" and reference.startswith("/"):
            path = Path(reference)
        elif parts.scheme in {"http", "https"} or self._stored(reference) is not None:
            return None
        else:
            raise Refused(
                f"The reference {reference[:200]!r} is of no kind that is read here.",
                "Known: https://, s3:// of this platform and of your projects, and files below its data folders.",
                "Upload the file (`--input NAME=@FILE`) or give its https address.",
            )
        resolved = path.resolve()
        if not any(resolved.is_relative_to(root.resolve()) for root in self.roots):
            raise Refused(
                f"The path {reference} lies outside the platform's data folders.",
                remedy="Upload it (`--input NAME=@FILE`), or let the operator add its folder to data_roots.",
                where=reference,
            )
        return resolved

    def _record(self, reference: str, place: Path) -> None:
        self.files.append(StagedFile(reference, place, place.stat().st_size, sha256_of(place)))


def _hrefs(asset: dict[str, Any]) -> Iterator[str]:
    """The asset's own address, then its alternates."""
    if isinstance(asset.get("href"), str):
        yield asset["href"]
    others = asset.get("alternate")
    for other in others.values() if isinstance(others, dict) else ():
        if isinstance(other, dict) and isinstance(other.get("href"), str):
            yield other["href"]


def _verified(asset: dict[str, Any], file: StagedFile) -> StagedFile:
    """The file, once it is what the document says; raises `Unreachable` for a broken transfer."""
    size, digest = asset.get("file:size"), asset.get("file:checksum", "")
    wrong = isinstance(size, int) and size != file.size
    if isinstance(digest, str) and digest.startswith(MULTIHASH_SHA256):
        wrong = wrong or digest.removeprefix(MULTIHASH_SHA256) != file.sha256
    if wrong:
        raise Unreachable(
            f"{file.reference} is not the file that its STAC document describes.",
            f"Its size is {file.size} and its sha256 {file.sha256}.",
            "Tell the publisher: file:size and file:checksum must be those of the file.",
            file.reference,
        )
    return file


def _checked(path: Path, reference: str) -> Path:
    """The path, once its first bytes are no document that would make a reader open other files."""
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n")
        if start.startswith(TEXT_STARTS) and path.suffix.lower() not in {".xml", ".svg", ".html", ".gml", ".kml"}:
            raise Refused(
                f"{reference} is an XML document, not the data that its name promises.",
                "Such a document (a VRT, for instance) can make a reader open any other file.",
                "Give the data itself.",
                reference,
            )
    return path


def _mapped(pool: ThreadPoolExecutor, work: Callable[[Given], Made], given: Iterable[Given]) -> Iterator[Made]:
    """`pool.map` whose threads know who is asking."""
    contexts = [(copy_context(), each) for each in given]
    return pool.map(lambda entry: entry[0].run(work, entry[1]), contexts)


def _links(document: dict[str, Any]) -> list[dict[str, Any]]:
    found = document.get("links")
    return [
        link
        for link in (found if isinstance(found, list) else ())
        if isinstance(link, dict) and isinstance(link.get("href"), str)
    ]


def _absolute(url: str, href: str) -> str:
    """An href against the address of its document; `urljoin` alone does not know `s3`."""
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", href):
        return href
    if url.startswith("s3://"):
        return "s3://" + urljoin("http://" + url.removeprefix("s3://"), href).removeprefix("http://")
    return urljoin(url, href)


def _flat(name: str) -> str:
    """A file name that is safe everywhere."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".")[:120]


def _unique(items: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each item once: collections often link an item twice, and cycles of links must end."""
    seen: set[tuple[str, str]] = set()
    for url, item in items:
        if not isinstance(item, dict):
            continue
        name = (url, str(item.get("id")))
        if name not in seen:
            seen.add(name)
            yield url, item
        if len(seen) > ITEM_LIMIT:
            raise InvalidInput(f"The collection has more than {ITEM_LIMIT} items.", remedy="Point at a part of it.")
