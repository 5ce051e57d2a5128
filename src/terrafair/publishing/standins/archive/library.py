"""What the archive holds: collections, items and files, as objects below one prefix."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from terrafair.data.objects import ObjectStore
from terrafair.errors import Conflict, InvalidInputs, NotFound, Problem
from terrafair.publishing import prr_rules
from terrafair.web import DOCUMENT_LIMIT, DOWNLOAD_LIMIT, Document

PREFIX = "archive"
Json = dict[str, Any]


@dataclass(frozen=True)
class Library:
    """The archive's shelves."""

    base: str
    """Its public address; the files' addresses begin with it."""
    objects: ObjectStore
    stage: ObjectStore
    """The stage-in bucket."""

    def collection(self, name: str) -> Json:
        """A collection; raises `NotFound`."""
        document: Json = json.loads(self.objects.get(f"{PREFIX}/stac/{name}/collection.json"))
        at = f"{self.base}/stac/collections/{name}"
        links = [{"rel": "self", "href": at}, {"rel": "items", "href": f"{at}/items"}]
        return {**document, "links": [{**link, "type": "application/json"} for link in links]}

    def add_collection(self, document: Json) -> Json:
        """Take a collection in; raises `InvalidInputs` by the rules, `Conflict` when it is there."""
        if problems := prr_rules.collection_problems(document):
            raise InvalidInputs(problems)
        name = str(document["id"])
        key = f"{PREFIX}/stac/{name}/collection.json"
        if self._has(key):
            raise Conflict("Collection already exists")
        kept = {**document, "assets": dict(document["assets"])}
        for asset in kept["assets"].values():
            head, mark, data = str(asset["href"]).partition(";base64,")
            if mark and head.startswith("data:image/"):
                file = f"thumbnail.{head.rpartition('/')[2]}"
                self.objects.put(f"{PREFIX}/d/{name}/{file}", base64.b64decode(data), head.removeprefix("data:"))
                asset["href"] = f"{self.base}/d/{name}/{file}"
        self.objects.put(key, json.dumps(kept).encode(), "application/json")
        return self.collection(name)

    def item(self, collection: str, name: str) -> Json:
        """An item; raises `NotFound`."""
        document: Json = json.loads(self.objects.get(f"{PREFIX}/stac/{collection}/items/{name}.json"))
        return document

    def items(self, collection: str) -> Iterator[Json]:
        """All of a collection."""
        for entry in self.objects.list(f"{PREFIX}/stac/{collection}/items"):
            yield json.loads(self.objects.get(entry.key))

    def add_item(self, collection: str, document: Json) -> Json:
        """Move staged files to their place and keep the item.

        Raises `NotFound` (no such collection), `InvalidInputs` (rules; a file is missing or another), `Conflict`.
        """
        self.collection(collection)
        problems = prr_rules.item_problems(document)
        if document.get("collection") not in {None, collection}:
            problems.append(Problem("The item names another collection.", where="collection"))
        if problems:
            raise InvalidInputs(problems)
        name = str(document["id"])
        key = f"{PREFIX}/stac/{collection}/items/{name}.json"
        if self._has(key):
            raise Conflict("Item already exists")
        staged = {key: self._staged(f"assets/{key}", asset) for key, asset in document["assets"].items()}
        if wrong := [found for found in staged.values() if isinstance(found, Problem)]:
            raise InvalidInputs(wrong)
        kept = {**document, "collection": collection, "assets": {}}
        for asset_key, asset in document["assets"].items():
            kept["assets"][asset_key] = self._shelved(collection, document, asset, str(staged[asset_key]))
        at = f"{self.base}/stac/collections/{collection}"
        links = [("self", f"{at}/items/{name}"), ("collection", at), ("parent", at)]
        kept["links"] = [{"rel": rel, "href": href, "type": "application/json"} for rel, href in links]
        # The item last: whoever finds it finds its files.
        self.objects.put(key, json.dumps(kept).encode(), "application/geo+json")
        for source in staged.values():
            if source:
                self.stage.delete(str(source))
        return kept

    def _staged(self, where: str, asset: Json) -> str | Problem:
        """The key of a staged file; empty: it lies elsewhere already and stays there."""
        source = self.stage.key_of(str(asset["href"]))
        if source is None:
            return "" if str(asset["href"]).startswith("https://") else Problem("The href is no URL.", where=where)
        try:
            content = self.stage.open(source)
        except NotFound:
            return Problem(f"There is no file {source!r} in the stage-in bucket.", where=where)
        import hashlib

        digest, size = hashlib.sha256(), 0
        for chunk in content.chunks:
            digest.update(chunk)
            size += len(chunk)
        if size != asset["file:size"]:
            return Problem("File size does not match STAC metadata", where=where)
        if asset.get("file:checksum") not in {None, "1220" + digest.hexdigest()}:
            return Problem("File checksum does not match STAC metadata", where=where)
        return source

    def _shelved(self, collection: str, item: Json, asset: Json, source: str) -> Json:
        if not source:
            return asset
        import tempfile
        from pathlib import Path

        file = source.rpartition("/")[2]
        address = prr_rules.address(self.base, collection, item, file)
        key = f"{PREFIX}/{address.removeprefix(f'{self.base}/')}"
        with tempfile.TemporaryDirectory() as place:
            copy = Path(place) / "file"
            self.stage.get_file(source, copy)
            self.objects.put_file(key, copy, str(asset["type"]))
        return {**asset, "href": address}

    def _has(self, key: str) -> bool:
        try:
            self.objects.open(key)
        except NotFound:
            return False
        return True


class ArchiveWeb:
    """A web client for which the archive's public addresses lead into the library: they are nowhere else."""

    def __init__(self, web: Any, library: Library) -> None:
        self._web, self._library = web, library

    def get(self, url: str, *, limit: int = DOCUMENT_LIMIT) -> Document:
        """A document; see `Web.get`."""
        if not url.startswith(f"{self._library.base}/"):
            found: Document = self._web.get(url, limit=limit)
            return found
        return Document(url, answer(self._library, url), "application/json")

    def admit(self, url: str) -> None:
        """Whether it could be fetched; see `SafeWeb.admit`."""
        if not url.startswith(f"{self._library.base}/"):
            self._web.admit(url)

    def post(self, url: str, content: bytes, media_type: str) -> None:
        """Send a document; see `SafeWeb.post`."""
        self._web.post(url, content, media_type)

    def download(self, url: str, target: Any, *, limit: int = DOWNLOAD_LIMIT) -> None:
        """A file; see `Web.download`."""
        if not url.startswith(f"{self._library.base}/"):
            self._web.download(url, target, limit=limit)
            return
        parts = unquote(url.removeprefix(f"{self._library.base}/").partition("?")[0])
        if parts.startswith("d/"):
            self._library.objects.get_file(f"{PREFIX}/{parts}", target)
        else:
            target.write_bytes(answer(self._library, url))


def answer(library: Library, url: str) -> bytes:
    """What the archive answers to a GET of one of its addresses; raises `NotFound`."""
    path = unquote(url.removeprefix(library.base).partition("?")[0]).strip("/")
    parts = path.split("/")
    if parts[0] == "d":
        return library.objects.get(f"{PREFIX}/{path}")
    if parts[:2] == ["stac", "collections"] and len(parts) in {3, 4, 5}:
        if len(parts) == 3:
            return json.dumps(library.collection(parts[2])).encode()
        if parts[3] == "items" and len(parts) == 5:
            return json.dumps(library.item(parts[2], parts[4])).encode()
        if parts[3] == "items":
            library.collection(parts[2])
            found = list(library.items(parts[2]))
            return json.dumps({"type": "FeatureCollection", "features": found, "links": []}).encode()
    raise NotFound(f"{url} does not exist (404).", where=url)
