"""ESA's Project Results Repository (PRR) by its machine route: upload into the stage-in bucket, then registration.

An item that is registered already with the same checksums counts as delivered, whoever was interrupted when.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import quote

import httpx2

from terrafair.data.objects import S3Access
from terrafair.errors import (
    Conflict,
    InvalidInput,
    InvalidInputs,
    NotFound,
    Problem,
    Refused,
    TerrafairError,
    TimedOut,
    Unreachable,
)
from terrafair.publishing import prr_rules
from terrafair.publishing.packing import Packed
from terrafair.publishing.stage_in import PART, Journal, StageIn

Document = dict[str, Any]
Say = Callable[[str], None]
RETRIES = 4


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where things of an archive are found."""

    base: str
    """As the public sees it, e.g. https://eoresults.esa.int."""

    def collection(self, name: str) -> str:
        """The STAC collection."""
        return f"{self.base}/stac/collections/{quote(name, safe='')}"

    def page(self, name: str) -> str:
        """The collection for people."""
        host = self.base.partition("://")[2]
        return f"{self.base}/browser/#/external/{host}/stac/collections/{quote(name, safe='')}"

    def file(self, collection: str, item: Mapping[str, Any], name: str) -> str:
        """A file of an item."""
        return prr_rules.address(self.base, collection, item, name)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the archive has."""

    route: str
    """`machine` or `manual`."""
    collection: str
    items: tuple[str, ...] = ()
    folder: str = ""
    """The delivery folder, for the manual route."""

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """From its JSON form."""
        return cls(**{**document, "items": tuple(document.get("items", ()))})

    def document(self) -> Document:
        """The JSON form."""
        return {**asdict(self), "items": list(self.items)}


class Archive(Protocol):
    """Where data are kept for good."""

    def deliver(self, packed: Packed, say: Say = ...) -> Receipt:
        """Hand over all of it; called again it goes on where it was interrupted, and delivers nothing twice."""
        ...


@dataclass(frozen=True, slots=True)
class PrrAccess:
    """How to reach the archive."""

    url: str
    """Of its services, without a slash at the end: `URL/reg-api`, `URL/stac`."""
    user: str
    password: str = field(repr=False)
    stage_in: S3Access
    part: int = PART
    """Bytes of one part of an upload."""
    timeout: float = 60.0
    """Seconds."""


class PrrArchive:
    """The machine route."""

    def __init__(self, access: PrrAccess, *, sleep: Callable[[float], None] = time.sleep, pause: float = 1.0) -> None:
        self._access = access
        self._sleep = sleep
        self._pause = pause
        self._http = httpx2.Client(
            base_url=access.url.rstrip("/"),
            auth=(access.user, access.password),
            timeout=access.timeout,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def deliver(self, packed: Packed, say: Say = lambda _: None) -> Receipt:
        """See `Archive.deliver`.

        Raises `InvalidInputs` (422, each rule), `Conflict` (another item of that id), `Refused` (401, 403),
        `Unreachable` or `TimedOut`.
        """
        name = str(packed.collection["id"])
        problems = prr_rules.delivery_problems(packed.collection, packed.items)
        if problems:
            raise InvalidInputs(problems, "The archive would refuse the delivery.")
        self._collection(packed)
        checksums = {str(entry["path"]): str(entry["sha256"]) for entry in packed.files}
        stage = StageIn(
            self._access.stage_in,
            Journal(packed.folder / "uploads.json"),
            part=self._access.part,
            timeout=self._access.timeout,
        )
        try:
            for item in packed.items:
                if self._registered(name, item):
                    continue
                self._upload(stage, packed.folder, name, item, checksums, say)
                say(f"Registering {item['id']}.")
                self._register(stage, name, item)
        finally:
            stage.close()
        return Receipt("machine", name, tuple(str(item["id"]) for item in packed.items))

    def _upload(
        self, stage: StageIn, folder: Path, name: str, item: Document, checksums: Mapping[str, str], say: Say
    ) -> None:
        for asset in item["assets"].values():
            file = str(asset["href"]).rpartition("/")[2]
            place = f"data/{item['id']}/{file}"
            stage.send(folder / place, f"{name}/{item['id']}/{file}", checksums[place], say)

    def _collection(self, packed: Packed) -> None:
        """The collection has to be there; where the archive lets us, it is made."""
        name = str(packed.collection["id"])
        if self._ask("GET", f"/stac/collections/{quote(name, safe='')}", allowed={404}).status_code != 404:
            return
        document = {key: value for key, value in packed.collection.items() if key != "links"}
        # The thumbnail goes with the collection: it is small, and there is no item that it belongs to.
        import base64

        image = base64.b64encode((packed.folder / "thumbnail.png").read_bytes()).decode()
        about = {**document["assets"]["thumbnail"], "href": f"data:image/png;base64,{image}"}
        document = {**document, "links": [], "assets": {"thumbnail": about}}
        reply = self._ask("POST", "/reg-api/collections", body=document, allowed={403, 404, 405, 409})
        if reply.status_code in {403, 404, 405}:
            raise Refused(
                f"The archive has no collection {name!r}, and does not let us make it ({reply.status_code}).",
                "Collections are set up by the archive's operators.",
                f"Send them {packed.folder / 'collection.json'}, then publish again.",
                code="archive-collection",
            )

    def _registered(self, name: str, item: Document) -> bool:
        """Whether the item is there with our files; raises `Conflict` when it is there with others."""
        at = f"/stac/collections/{quote(name, safe='')}/items/{quote(str(item['id']), safe='')}"
        reply = self._ask("GET", at, allowed={404})
        if reply.status_code == 404:
            return False
        theirs, ours = _checksums(_json(reply)), _checksums(item)
        if theirs != ours:
            different = sorted(file for file in ours | theirs if ours.get(file) != theirs.get(file))
            raise Conflict(
                f"The archive has another item {item['id']!r} in {name!r}.",
                f"These files differ: {', '.join(different[:5])}.",
                "Choose another id: --set product=...",
                str(item["id"]),
                "archive-differs",
            )
        return True

    def _register(self, stage: StageIn, name: str, item: Document) -> None:
        assets = {
            key: {**asset, "href": stage.url(f"{name}/{item['id']}/{str(asset['href']).rpartition('/')[2]}")}
            for key, asset in item["assets"].items()
        }
        body = {**item, "links": [], "assets": assets}
        try:
            reply = self._ask("POST", f"/reg-api/collections/{quote(name, safe='')}/items", body=body, allowed={409})
        except Unreachable:
            # The answer was lost; the item may be there all the same.
            if self._registered(name, item):
                return
            raise
        if reply.status_code == 409 and not self._registered(name, item):
            raise Unreachable(
                f"The archive says that {item['id']!r} exists, and does not show it.", remedy="Try later."
            )

    def _ask(
        self, method: str, path: str, *, body: Document | None = None, allowed: set[int] | None = None
    ) -> httpx2.Response:
        fault: TerrafairError = Unreachable("The archive does not answer.")
        pause = self._pause
        for _ in range(RETRIES + 1):
            try:
                reply = self._http.request(method, path, json=body)
            except httpx2.TimeoutException:
                fault = TimedOut(f"The archive did not answer {method} {path} in {self._access.timeout:g} s.")
            except httpx2.TransportError as broken:
                fault = Unreachable(f"The archive broke off at {method} {path}.", str(broken) or type(broken).__name__)
            else:
                if reply.is_success or reply.status_code in (allowed or ()):
                    return reply
                if reply.status_code < 500 and reply.status_code != 429:
                    raise _error(reply)
                fault = Unreachable(f"The archive answers {reply.status_code} to {method} {path}.", reply.text[:200])
            self._sleep(pause)
            pause *= 2
        if isinstance(fault, TimedOut):
            raise Unreachable(fault.problem.what, remedy="Publish again later: it goes on from there.")
        raise fault


@dataclass(frozen=True, slots=True)
class ManualArchive:
    """The manual route: the delivery folder is all there is; a person hands it over."""

    def deliver(self, packed: Packed, say: Say = lambda _: None) -> Receipt:
        """The folder, checked by the same rules."""
        say(f"The delivery lies in {packed.folder}; hand it over to the archive's team.")
        name = str(packed.collection["id"])
        return Receipt("manual", name, tuple(str(item["id"]) for item in packed.items), str(packed.folder))


def _checksums(item: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """File name -> size and checksum."""
    assets = item.get("assets") or {}
    return {
        str(asset.get("href", "")).rpartition("/")[2]: (asset.get("file:size"), asset.get("file:checksum"))
        for asset in assets.values()
    }


def _json(reply: httpx2.Response) -> Document:
    try:
        document = reply.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Unreachable(f"The archive's answer to {reply.request.url.path} is no JSON.", reply.text[:200])
    return document


def _error(reply: httpx2.Response) -> TerrafairError:
    status, where = reply.status_code, reply.request.url.path
    try:
        detail = reply.json().get("detail", reply.text[:300])
    except (ValueError, AttributeError):
        detail = reply.text[:300]
    if status in {401, 403}:
        what = f"The archive does not accept us at {where} ({status})."
        remedy = (
            "Mend the archive's user and password in the settings, or ask its team for the right to the collection."
        )
        return Refused(what, str(detail), remedy, code="archive-refused")
    if status == 422 and isinstance(detail, list):
        return InvalidInputs([_problem(each) for each in detail], "The archive refuses an item.")
    if status == 404:
        return NotFound(f"The archive has nothing at {where}.", str(detail))
    return InvalidInput(f"The archive answers {status} to {where}.", str(detail))


def _problem(detail: Any) -> Problem:
    if not isinstance(detail, Mapping):
        return Problem(str(detail), code="archive-invalid")
    place = "/".join(str(part) for part in detail.get("loc") or ())
    return Problem(str(detail.get("msg", detail)), where=place, code="archive-invalid")
