"""One client for every address that a person or a document gives: it never reaches into private networks.

Names are resolved here and the checked address is what is connected to, so a name that changes between check and use
(DNS rebinding) gains nothing; redirects are followed by hand and checked again. The environment's proxies are not used.
"""

import ipaddress
import math
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx2

from terrafair.errors import InvalidInput, NotFound, Refused, Unreachable

DOCUMENT_LIMIT = 64 * 2**20
DOWNLOAD_LIMIT = 50 * 2**30
DOCUMENT_SECONDS = 120.0
REDIRECTS = 5
TIMEOUT = httpx2.Timeout(60, connect=5)
FORBIDDEN_PORTS = frozenset(
    {0, 7, 19, 22, 23, 25, 53, 110, 111, 119, 135, 139, 143, 445, 465, 587, 993, 995, 2049, 6379}
)
NAT64 = ipaddress.ip_network("64:ff9b::/96")
NEVER = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "::/96", "64:ff9b:1::/48", "5f00::/16")))
"""Not the internet's, whatever Python's table says: protocol assignments, IPv4 in IPv6 of old, a site's own NAT64."""


@dataclass(frozen=True, slots=True)
class Document:
    """What an address gave."""

    url: str
    """After redirects."""
    content: bytes
    media_type: str
    """As the server says; not to be trusted."""


class Web(Protocol):
    """Fetches by address."""

    def get(self, url: str, *, limit: int = DOCUMENT_LIMIT) -> Document:
        """A document of at most `limit` bytes; raises `NotFound`, `Unreachable`, `Refused` or `InvalidInput`."""
        ...

    def download(self, url: str, target: Path, *, limit: int = DOWNLOAD_LIMIT) -> None:
        """A file of at most `limit` bytes; nothing is left at `target` when it fails."""
        ...


class SafeWeb:
    """The real client."""

    def __init__(self, *, allow_private: bool = False, patience: float = DOCUMENT_SECONDS) -> None:
        """`patience`: seconds that a document may take in all; each read of any answer has its own limit."""
        self._allow_private = allow_private
        self._patience = patience
        self._http = httpx2.Client(timeout=TIMEOUT, trust_env=False, follow_redirects=False)

    def get(self, url: str, *, limit: int = DOCUMENT_LIMIT) -> Document:
        """A document; see `Web.get`."""
        with self._open(url) as (reply, final):
            content = b"".join(_bounded(reply, final, limit, time.monotonic() + self._patience))
            return Document(final, content, reply.headers.get("content-type", "").split(";")[0].strip())

    def download(self, url: str, target: Path, *, limit: int = DOWNLOAD_LIMIT) -> None:
        """A file; see `Web.download`."""
        partial = target.with_name(target.name + ".partial")
        try:
            with self._open(url) as (reply, final), partial.open("wb") as out:
                for chunk in _bounded(reply, final, limit):
                    out.write(chunk)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def post(self, url: str, content: bytes, media_type: str) -> None:
        """Send a document; redirects are not followed, and the answer is not read beyond its status.

        Raises `Unreachable` when it is not taken, else as `Web.get`.
        """
        request = self._request(url, "POST", content, {"Content-Type": media_type})
        try:
            reply = self._http.send(request, stream=True)
        except httpx2.TransportError as fault:
            raise Unreachable(f"{_public(url)} does not answer.", str(fault) or type(fault).__name__) from None
        status = reply.status_code
        reply.close()
        if not 200 <= status < 300:
            raise Unreachable(f"{_public(url)} answers {status}.")

    def admit(self, url: str) -> None:
        """Raise what `get` would before it connects: `InvalidInput`, `Refused` or `Unreachable` (unknown host)."""
        self._request(url)

    @contextmanager
    def _open(self, url: str) -> Iterator[tuple[httpx2.Response, str]]:
        current = url
        for _ in range(REDIRECTS + 1):
            request = self._request(current)
            try:
                reply = self._http.send(request, stream=True)
            except httpx2.TransportError as fault:
                raise Unreachable(f"{_public(current)} does not answer.", str(fault) or type(fault).__name__) from None
            try:
                if reply.is_redirect and reply.headers.get("location"):
                    current = _followed(current, reply.headers["location"])
                    continue
                _check_status(reply.status_code, current)
                try:
                    yield reply, current
                except httpx2.TransportError as fault:
                    raise Unreachable(f"{_public(current)} broke off.", str(fault)) from None
                return
            finally:
                reply.close()
        raise Unreachable(f"{_public(url)} redirects more than {REDIRECTS} times.")

    def _request(
        self, url: str, method: str = "GET", content: bytes | None = None, more: Mapping[str, str] | None = None
    ) -> httpx2.Request:
        parsed = check(url)
        address = self._address(parsed)
        host = f"[{address}]" if ":" in address else address
        headers = {"Host": parsed.netloc.decode("ascii"), "User-Agent": "terrafair", "Accept-Encoding": "identity"}
        return self._http.build_request(
            method,
            parsed.copy_with(host=host),
            headers={**headers, **(more or {})},
            content=content,
            extensions={"sni_hostname": parsed.raw_host.decode()},
        )

    def _address(self, url: httpx2.URL) -> str:
        """The address to connect to, once every address of the name has been found public."""
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            found = socket.getaddrinfo(url.raw_host.decode(), port, type=socket.SOCK_STREAM)
        except OSError as fault:
            raise Unreachable(f"The host {url.host} is not known.", fault.strerror or "") from None
        addresses = [str(entry[4][0]).split("%")[0] for entry in found]
        if not self._allow_private:
            for address in addresses:
                if not is_public(address):
                    raise Refused(
                        f"The host {url.host} is {address}, which is not a public address.",
                        "References may not lead into private networks.",
                        "Put the file where everybody can reach it, or upload it.",
                    )
        return addresses[0]


@dataclass(frozen=True)
class PlannedWeb:
    """The in-memory twin: answers what it was given, and `NotFound` for the rest."""

    documents: Mapping[str, bytes]

    def get(self, url: str, *, limit: int = DOCUMENT_LIMIT) -> Document:
        """A planned document."""
        check(url)
        if url not in self.documents:
            raise NotFound(f"{url} does not exist (404).", where=url)
        if len(self.documents[url]) > limit:
            raise InvalidInput(f"{url} is larger than {limit} bytes.", where=url, code="document-too-large")
        return Document(url, self.documents[url], "")

    def download(self, url: str, target: Path, *, limit: int = DOWNLOAD_LIMIT) -> None:
        """A planned file."""
        target.write_bytes(self.get(url, limit=limit).content)


def check(url: str) -> httpx2.URL:
    """The parsed address; raises `InvalidInput` for what is none, `Refused` for what is never fetched."""
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError, ValueError) as fault:
        raise InvalidInput(f"{url[:200]!r} is no address.", str(fault)) from None
    if parsed.scheme not in {"http", "https"}:
        raise Refused(f"The address {_public(url)} has the scheme {parsed.scheme or 'none'!r}.", "Only http and https.")
    if not parsed.host:
        raise InvalidInput(f"{url[:200]!r} names no host.")
    if parsed.userinfo:
        raise Refused(f"The address {_public(url)} holds credentials.", "They would show in logs and records.")
    if parsed.port in FORBIDDEN_PORTS:
        raise Refused(f"The address {_public(url)} leads to port {parsed.port}.", "No web server is there.")
    return parsed


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet, looked at through the IPv6 forms that hide an IPv4 one."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        hidden = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if hidden is None and ip in NAT64:
            hidden = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if hidden is not None:
            return is_public(str(hidden))
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in NEVER)


def _followed(url: str, location: str) -> str:
    """Where a redirect leads; what is no address there is the server's fault."""
    try:
        return str(httpx2.URL(url).join(location))
    except (httpx2.InvalidURL, ValueError) as fault:
        raise Unreachable(f"{_public(url)} redirects to what is no address.", str(fault)[:200]) from None


def _check_status(status: int, url: str) -> None:
    if status in {404, 410}:
        raise NotFound(f"{_public(url)} does not exist ({status}).", where=_public(url))
    if status in {401, 403}:
        raise Unreachable(
            f"{_public(url)} is not open to everybody ({status}).", remedy="Publish it, or upload the file."
        )
    if status != httpx2.codes.OK:
        raise Unreachable(f"{_public(url)} answers {status}.")


def _bounded(reply: httpx2.Response, url: str, limit: int, end: float = math.inf) -> Iterator[bytes]:
    announced = reply.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        what = f"{_public(url)} has {announced} bytes, over the limit of {limit}."
        raise InvalidInput(what, where=_public(url), code="document-too-large")
    count = 0
    for chunk in reply.iter_bytes():
        count += len(chunk)
        if count > limit:
            what = f"{_public(url)} is larger than {limit} bytes."
            raise InvalidInput(what, where=_public(url), code="document-too-large")
        if time.monotonic() > end:
            raise Unreachable(f"{_public(url)} sends too slowly.", f"After {count} bytes the time is over.")
        yield chunk


def _public(url: str) -> str:
    """The address without what may be secret: credentials and query."""
    head, mark, _ = url.partition("?")
    scheme, separator, rest = head.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}{'?...' if mark else ''}"
