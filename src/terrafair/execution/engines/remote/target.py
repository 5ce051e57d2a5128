"""A platform elsewhere and the way to talk to it: one origin, the operator's credentials, errors in our words."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import httpx2

from terrafair import tracing
from terrafair.errors import InvalidInput, InvalidInputs, NotFound, Problem, Refused, Unreachable
from terrafair.web import SafeWeb

TIMEOUT = httpx2.Timeout(60, connect=10)
DOCUMENT_LIMIT = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Target:
    """One platform, as the operator configured it."""

    name: str
    url: str
    token: str = field(default="", repr=False)
    """Bearer token, or `user:password`; empty: none."""

    @property
    def has_password(self) -> bool:
        """Whether the token is a name and a password."""
        user, colon, _ = self.token.partition(":")
        return bool(colon) and "/" not in user and " " not in user

    def headers(self) -> dict[str, str]:
        """What authorises a request there."""
        if not self.token:
            return {}
        if self.has_password:
            from base64 import b64encode

            return {"Authorization": f"Basic {b64encode(self.token.encode()).decode()}"}
        return {"Authorization": f"Bearer {self.token}"}


class Connection:
    """Requests to a target; its credentials go to its own origin and nowhere else."""

    def __init__(self, target: Target, *, allow_private: bool = False, trace: str = "") -> None:
        """`trace` is the `traceparent` that the target is shown; empty: that of the span that is open here, if any."""
        self.target = target
        self.url = target.url.rstrip("/")
        trace = trace or tracing.traceparent()
        headers = {"User-Agent": "terrafair", **({"traceparent": trace} if trace else {})}
        # Operators may well have targets in their own network: the rule for people's references is not for them.
        self._http = httpx2.Client(timeout=TIMEOUT, trust_env=False, headers=headers)
        self._web = SafeWeb(allow_private=allow_private)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def address(self, path: str) -> str:
        """A path below the target, or an absolute address as it is."""
        return path if "://" in path else self.url + path

    def sign_in(self, path: str) -> None:
        """Where a name and a password are good for getting a token only: get one, and show that from now on."""
        if not self.target.has_password:
            return
        token = self.json("GET", path).get("access_token")
        if not isinstance(token, str) or not token:
            raise Unreachable(f"{self.target.name} gave no token for the name and password of target_tokens.")
        self.target = replace(self.target, token=f"basic//{token}")

    def json(self, method: str, path: str, *, status: tuple[int, ...] = (), **options: Any) -> Any:
        """A JSON answer; raises the error tree's errors with what the target said."""
        return self.request(method, path, status=status, **options)[0]

    def request(
        self, method: str, path: str, *, status: tuple[int, ...] = (), anonymous: bool = False, **options: Any
    ) -> tuple[Any, Mapping[str, str]]:
        """A JSON answer (None without a body) and the headers; statuses in `status` are answers too."""
        url = self.address(path)
        if not self._ours(url):
            raise Refused(f"{self.target.name} leads to {url[:200]}.", "A target is talked to at its own address only.")
        headers = {
            "Accept": "application/json",
            **({} if anonymous else self.target.headers()),
            **options.pop("headers", {}),
        }
        try:
            reply = self._http.request(method, url, headers=headers, **options)
        except httpx2.TransportError as fault:
            why = re.sub(r"^\[Errno -?\d+\] ", "", str(fault)).rstrip(".")
            what = f"{self.target.name} does not answer."
            if self.target.name != self.url:
                what = f"{self.target.name} ({self.url}) does not answer."
            raise Unreachable(what, f"{why}." if why else "", "Ask again later, or correct its address.") from None
        if not reply.is_success and reply.status_code not in status:
            raise self._error(reply)
        if not reply.content:
            return None, reply.headers
        try:
            return json.loads(reply.content), reply.headers
        except ValueError:
            raise Unreachable(f"{self.target.name} answers {url} with something else than JSON.") from None

    def download(self, url: str, path: Path, limit: int) -> bool:
        """Bring a file; False when it is larger than `limit` bytes, and nothing is left of it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if not self._ours(url):
            try:
                self._web.download(url, path, limit=limit)
            except InvalidInput:
                return False
            return True
        with self._stream(url) as reply, path.open("wb") as out:
            announced, size = reply.headers.get("content-length", ""), 0
            large = announced.isdigit() and int(announced) > limit
            for chunk in () if large else reply.iter_bytes():
                size += len(chunk)
                if large := size > limit:
                    break
                out.write(chunk)
        if large:
            path.unlink()
        return not large

    def document(self, url: str) -> Any:
        """A JSON document that a result links to, of the target itself or elsewhere."""
        if self._ours(url):
            return self.json("GET", url, headers={"Accept": "application/json, application/geo+json, */*;q=0.5"})
        return json.loads(self._web.get(url, limit=DOCUMENT_LIMIT).content)

    @contextmanager
    def _stream(self, url: str) -> Iterator[httpx2.Response]:
        try:
            with self._http.stream("GET", url, headers=self.target.headers()) as reply:
                if not reply.is_success:
                    reply.read()
                    raise self._error(reply)
                yield reply
        except httpx2.TransportError as fault:
            raise Unreachable(f"{self.target.name} broke off while {url} was read.", str(fault)) from None

    def _ours(self, url: str) -> bool:
        return _origin(url) == _origin(self.url)

    def _error(self, reply: httpx2.Response) -> Exception:
        """The target's problem document, whether of RFC 9457, OGC or openEO."""
        try:
            document = reply.json()
            problems = [_problem(each) for each in document.get("problems") or ()]
            said = str(document.get("detail") or document.get("message") or document.get("title") or "")
        except (ValueError, AttributeError, TypeError):
            page = "html" in reply.headers.get("content-type", "")
            problems, said = [], "It answers with a page for people." if page else reply.text[:200]
        name, status = self.target.name, reply.status_code
        if status in {401, 403}:
            remedy = f"Set target_tokens for {name}, or ask its operator for the right."
            return Refused(f"{name} does not let us do this ({status}).", said, remedy)
        if reply.is_redirect:
            what = f"{name} has moved: it leads to {reply.headers.get('location', 'nowhere')[:200]}."
            return InvalidInput(what, remedy="Give the address that it leads to.", code="target-moved")
        if status in {404, 410}:
            return NotFound(f"{name} does not have {reply.request.url.path}.", said)
        if status >= 500:
            return Unreachable(f"{name} fails ({status}).", said)
        if problems:
            return InvalidInputs(problems, f"{name} refuses it.")
        return InvalidInput(f"{name} refuses it ({status}).", said)


def _problem(document: Any) -> Problem:
    known = {name: str(document.get(name, "")) for name in ("what", "why", "remedy", "where", "code")}
    return Problem(**known)


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port


def absolute(base: str, href: str) -> str:
    """A link against the address of its document."""
    return href if "://" in href else urljoin(base, href)
