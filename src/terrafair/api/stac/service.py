"""What the routes share: the store, its collections, rights, and how long a request may hold the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from terrafair.api.stac import links
from terrafair.catalogue.items.collections import Collections
from terrafair.catalogue.items.search import ItemStore, Page, Search, Stored
from terrafair.errors import NotFound, Refused, TimedOut

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
QUICK_LOOKS = 20
"""What a search may cost on the event loop, in units of some millisecond."""
QUICK_LIMIT = 250
"""Items of a page that is read without handing over to a thread."""

T = TypeVar("T")


def on_this_machine(request: Request) -> bool:
    """Whether the caller is on this machine, and no proxy speaks for somebody else."""
    client = request.client.host if request.client else ""
    return client in LOOPBACK and not {"forwarded", "x-forwarded-for"} & set(request.headers)


@dataclass(frozen=True)
class Service:
    """The API's parts."""

    store: ItemStore
    title: str = "terrafair"
    description: str = "Published products of the Open Science Catalog, and results of this platform."
    may_write: Callable[[Request], bool] = on_this_machine
    belongs_elsewhere: Callable[[str], str] = lambda _: ""
    """For a collection that is not edited here, whose it is; empty for one that is."""
    shelf: Collections = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shelf", Collections(self.store))

    async def search(self, search: Search) -> Page:
        """A page of items.

        A search of the embedded store takes a millisecond or less, and handing it to a thread costs as much: it runs
        right here, is given up after `QUICK_LOOKS`, and then starts again in a thread.
        """
        quick = getattr(self.store, "search_within", None)
        if quick is not None and search.limit <= QUICK_LIMIT:
            try:
                return quick(search, QUICK_LOOKS)  # type: ignore[no-any-return]
            except TimedOut:
                pass
        return await asyncio.to_thread(self.store.search, search)

    async def item(self, collection: str, identifier: str) -> Stored:
        """One item; raises `NotFound`."""
        if hasattr(self.store, "search_within"):
            found = self.store.item(collection, identifier)
        else:
            found = await asyncio.to_thread(self.store.item, collection, identifier)
        if found is None:
            raise NotFound(f"The collection {collection[:80]!r} has no item {identifier[:80]!r}.", where="item")
        return found

    async def collection(self, identifier: str) -> Stored:
        """One collection; raises `NotFound`."""
        found = await self.run(self.shelf.get, identifier)
        if found is None:
            raise NotFound(f"There is no collection {identifier[:80]!r}.", where="collection")
        return found

    async def run(self, call: Callable[..., T], *arguments: object) -> T:
        """Work that may take a while, beside the event loop."""
        return await asyncio.to_thread(call, *arguments)

    def check_rights(self, request: Request, collection: str = "") -> None:
        """Raises `Refused` where the caller may not change this."""
        if not self.may_write(request):
            raise Refused("Changes are not allowed from there.", "Only people with the right may change items.")
        if owner := self.belongs_elsewhere(collection) if collection else "":
            raise Refused(f"The collection {collection!r} is not changed here.", f"It is {owner}.")


def json_response(content: bytes, media_type: str = links.JSON, status: int = 200, **headers: str) -> Response:
    """JSON bytes as they are."""
    return Response(content, status, headers, media_type)


def array(parts: Sequence[bytes]) -> bytes:
    """JSON values as an array."""
    return b"[" + b",".join(parts) + b"]"
