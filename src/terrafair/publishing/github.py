"""GitHub's REST interface as it wants to be used: one writer, pauses between writes, limits kept, tokens in headers.

What may be asked again is asked again: reads, and writes that name their result by its content.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2

from terrafair.errors import Conflict, InvalidInput, NotFound, Refused, TerrafairError, TimedOut, Unreachable
from terrafair.publishing.credentials import Credentials

Document = dict[str, Any]
VERSION = "2022-11-28"
RETRIES = 4


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what; seconds."""

    between_writes: float = 1.0
    """GitHub asks for a second between writes of one client."""
    first_retry: float = 1.0
    """Doubles with each further try."""
    longest_limit: float = 900.0
    """A rate limit that ends later is told to the caller instead of waited for."""
    request: float = 30.0


class GitHub:
    """A connection in somebody's name; every method raises `TerrafairError` in GitHub's words."""

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        patience: Patience = Patience(),
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.url = url.rstrip("/")
        self._credentials = credentials
        self._patience = patience
        self._sleep = sleep
        self._clock = clock
        self._written = 0.0
        self._writer = threading.Lock()
        # No proxies from the environment, no redirects: a token must not reach another host.
        self._http = httpx2.Client(
            base_url=self.url,
            timeout=patience.request,
            trust_env=False,
            headers={
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": VERSION,
                "User-Agent": "terrafair",
            },
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

    def get(self, path: str, **query: Any) -> Any:
        """Read; raises `NotFound` for what is not there."""
        return self._ask("GET", path, query=query).json()

    def pages(self, path: str, **query: Any) -> list[Document]:
        """All pages of a listing."""
        found: list[Document] = []
        for page in range(1, 101):
            rows = self.get(path, per_page=100, page=page, **query)
            found += rows
            if len(rows) < 100:
                break
        return found

    def raw(self, path: str, **query: Any) -> bytes:
        """The bytes of a file, up to 100 MB."""
        headers = {"Accept": "application/vnd.github.raw+json"}
        return self._ask("GET", path, query=query, headers=headers).content

    def write(self, method: str, path: str, body: Mapping[str, Any]) -> Document:
        """Write; raises `Conflict` (409), `InvalidInput` (422), `Refused` (401, 403), `NotFound`, `Unreachable`."""
        reply = self._ask(method, path, body=body)
        document: Document = reply.json() if reply.content else {}
        return document

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        pause = self._patience.first_retry
        fault: TerrafairError = Unreachable(f"{self.url} does not answer.")
        for _ in range(RETRIES + 1):
            if method != "GET":
                with self._writer:
                    self._space_writes()
            signed = {**(headers or {}), "Authorization": self._credentials.authorization()}
            try:
                reply = self._http.request(method, path, params=query, json=body, headers=signed)
            except httpx2.TimeoutException:
                fault = TimedOut(f"{self.url} did not answer {method} {path} in {self._patience.request:g} s.")
            except httpx2.TransportError as broken:
                fault = Unreachable(f"{self.url} broke off at {method} {path}.", str(broken) or type(broken).__name__)
            else:
                if reply.is_success:
                    return reply
                wait = self._limited(reply)
                if wait is None and reply.status_code < 500:
                    if reply.status_code == 401 and self._credentials.renew():
                        continue
                    raise _error(reply)
                fault = _error(reply)
                if wait is not None:
                    if wait > self._patience.longest_limit:
                        raise fault
                    self._sleep(wait)
                    continue
            self._sleep(pause)
            pause *= 2
        raise fault

    def _space_writes(self) -> None:
        wait = self._written + self._patience.between_writes - self._clock()
        if wait > 0:
            self._sleep(wait)
        self._written = self._clock()

    def _limited(self, reply: httpx2.Response) -> float | None:
        """Seconds until a limit ends; None: no limit was met."""
        if reply.status_code not in {403, 429}:
            return None
        after = reply.headers.get("retry-after", "")
        if after.isdigit():
            return float(after)
        if reply.headers.get("x-ratelimit-remaining") == "0":
            reset = reply.headers.get("x-ratelimit-reset", "")
            return max(float(reset) - self._clock(), 0.0) + 1 if reset.isdigit() else 60.0
        if reply.status_code == 429 or "secondary rate limit" in reply.text:
            return 60.0
        return None


def exchange(url: str, path: str, authorization: str) -> dict[str, str]:
    """An App's assertion for an installation's token; raises as every other request does."""

    class Assertion:
        """Signs one request."""

        def authorization(self) -> str:
            """The assertion."""
            return authorization

        def renew(self) -> bool:
            """It is made anew by who asks."""
            return False

    with GitHub(url, Assertion(), Patience(between_writes=0)) as github:
        answer = github.write("POST", path, {})
    return {name: str(answer[name]) for name in ("token", "expires_at")}


def segment(text: str) -> str:
    """A path segment, or several, quoted."""
    return quote(text, safe="/")


_KINDS: tuple[tuple[frozenset[int], type[TerrafairError]], ...] = (
    (frozenset({401, 403, 451}), Refused),
    (frozenset({404, 410}), NotFound),
    (frozenset({405, 409}), Conflict),
    (frozenset({400, 422}), InvalidInput),
)


def _error(reply: httpx2.Response) -> TerrafairError:
    """GitHub's words as an error; never what was sent."""
    try:
        document = reply.json()
        said = str(document.get("message", ""))
        details = [str(each.get("message") or each.get("code", "")) for each in document.get("errors") or ()]
    except (ValueError, AttributeError, TypeError):
        said, details = reply.text[:200], []
    words = ". ".join(dict.fromkeys(part.rstrip(".") for part in (said, *details) if part))
    status, request = reply.status_code, reply.request
    kind = next((kind for codes, kind in _KINDS if status in codes), Unreachable)
    if status == 429 or reply.headers.get("x-ratelimit-remaining") == "0" or reply.headers.get("retry-after"):
        kind = Unreachable
    what = f"GitHub answers {status} to {request.method} {request.url.path}: {words or 'no reason given'}."
    return kind(what, remedy=_REMEDIES.get(status, ""), code="" if kind is not Unreachable else "unreachable")


_REMEDIES = {
    401: "The token is not accepted: make a new one, and put it where the old one is.",
    403: "The token needs the right to write contents and pull requests (scope `public_repo`).",
    429: "Try again later: GitHub's limit of requests is used up.",
}
