"""Routes about the data of published products: which files there are, and those that lie in the object store."""

import re
from collections.abc import Callable, Iterator
from itertools import chain, count
from pathlib import PurePosixPath
from typing import Any, Protocol
from urllib.parse import quote, unquote

from fastapi import APIRouter, Request
from fastapi.responses import Response

from terrafair.api.sending import sent
from terrafair.data.objects import ObjectStore
from terrafair.errors import NotFound

Document = dict[str, Any]
LIMIT = 10_000


class Listing(Protocol):
    """Reads STAC; `data.stage.Stager` does."""

    def listed(self, reference: str) -> Iterator[tuple[Document, str, str, Document]]:
        """(item, key, address, asset) of all data of a document."""
        ...


def router(
    product: Callable[[str], tuple[str, str] | None],
    listing: Listing,
    objects: ObjectStore,
    admit: Callable[[str], None],
) -> APIRouter:
    """`/api/products/{id}/files`; `product` gives title and STAC reference of a product."""
    routes = APIRouter(prefix="/api/products", tags=["catalogue"])

    def find(id: str) -> tuple[str, str]:  # noqa: A002 - the field's word
        found = product(id)
        if found is None:
            raise NotFound(f"There is no product {id[:80]!r}.", remedy="`/api/find` looks for them.", where="id")
        if not found[1]:
            what = f"The product {id} has no link to a STAC document with its data."
            raise NotFound(what, "Its record needs a `via` or `child` link to one.", where="id", code="data-missing")
        return found

    @routes.get("/{id}/files")
    def files(id: str, request: Request) -> Document:  # noqa: A002
        """The data of a product: each file with its name, address, type, item and time."""
        title, reference = find(id)
        base = f"{str(request.base_url).rstrip('/')}/api/products/{quote(id, safe='')}/files/"
        folder = _folder(objects, reference)
        rows: list[Document] = []
        names: set[str] = set()
        for item, key, href, asset in listing.listed(reference):
            rows += (_apart(row, names) for row in _rows(objects, folder, base, (item, key, href, asset)))
            if len(rows) > LIMIT:
                break
        return {"id": id, "title": title, "reference": reference, "files": rows[:LIMIT], "all": len(rows) <= LIMIT}

    @routes.get("/{id}/files/{name:path}")
    def file(id: str, name: str, request: Request) -> Response:  # noqa: A002
        """One file of a product whose data lies in the platform's object store, or a range of its bytes."""
        folder = _folder(objects, find(id)[1])
        if not folder or any(part in {"", ".", ".."} for part in name.split("/")):
            raise NotFound(f"The product {id} has no file {name[:200]!r} here.", where="name")
        admit(folder + name)
        headers = {
            "X-Content-Type-Options": "nosniff",
            # Published by anybody: it must not run as a page of this origin.
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(PurePosixPath(name).name)}",
        }
        wanted = request.headers.get("range", "")
        return sent(objects, folder + name, headers, wanted=wanted, only_head=request.method == "HEAD")

    routes.add_api_route("/{id}/files/{name:path}", file, methods=["HEAD"], include_in_schema=False)

    return routes


def _folder(objects: ObjectStore, reference: str) -> str:
    """Where in the object store a product lies; empty: elsewhere."""
    key = objects.key_of(reference)
    return unquote(key).rpartition("/")[0] + "/" if key and "/" in key else ""


def _segment(text: str) -> str:
    """A part of a file's name: readers make folders of them."""
    return re.sub(r"[/\\\x00-\x1f]", "-", text).lstrip(".")


def _apart(row: Document, names: set[str]) -> Document:
    """The row under a name that no other has: files of an item may be called alike, in folders of theirs elsewhere."""
    head, slash, last = row["name"].rpartition("/")
    marks = chain(("",), (f"{_segment(row['asset'])}-",), (f"{_segment(row['asset'])}-{n}-" for n in count(2)))
    name = next(each for mark in marks if (each := f"{head}{slash}{mark}{last}") not in names)
    names.add(name)
    return {**row, "name": name}


def _rows(
    objects: ObjectStore, folder: str, base: str, found: tuple[Document, str, str, Document]
) -> Iterator[Document]:
    item, asset_key, href, asset = found
    said = item.get("properties")
    properties = said if isinstance(said, dict) else {}
    about = {
        "type": str(asset.get("type") or ""),
        "item": str(item.get("id") or ""),
        "asset": asset_key,
        "datetime": str(properties.get("datetime") or properties.get("start_datetime") or ""),
    }
    key = unquote(objects.key_of(href) or "")
    if not folder or not key.startswith(folder):
        name = PurePosixPath(unquote(href.partition("?")[0])).name or asset_key
        yield {"name": "/".join(filter(None, (_segment(about["item"]), _segment(name)))), "href": href, **about}
        return
    # An asset may be a folder: Zarr.
    below = [stored.key for stored in objects.list(f"{key.rstrip('/')}/")] if ".zarr" in key else []
    for each in below or [key]:
        name = each.removeprefix(folder)
        yield {"name": name, "href": base + quote(name), **about}
