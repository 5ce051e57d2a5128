"""The local OpenID Connect provider: `oidc-provider` on Node.js, for one machine and its demo people.

It asks for no password, so it listens on the loopback address only. Its packages are pinned by hash in
`requirements/oidc-provider/pins.json`; `make assets` puts them below this folder.
"""

import json
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import urlsplit

from terrafair.errors import InvalidInput, Unreachable
from terrafair.identity.oidc import loopback
from terrafair.programs import node

SCRIPT = Path(__file__).with_name("oidc_provider.mjs")
MODULES = Path(__file__).with_name("vendor") / "node_modules"
START_SECONDS = 30.0
WATCH_SECONDS = 1.0
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
CLIENT = "terrafair-openeo"


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """Somebody who can sign in there."""

    id: str
    name: str
    email: str


PEOPLE = (
    DemoPerson("ada", "Ada Demo", "ada@example.org"),
    DemoPerson("grace", "Grace Demo", "grace@example.org"),
)


@dataclass(slots=True)
class LocalProvider:
    """A provider in a child process; it ends with the block, and with this process."""

    host: str = "127.0.0.1"
    port: int = 0
    people: Sequence[DemoPerson] = PEOPLE
    client: str = CLIENT
    redirects: Sequence[str] = tuple(
        f"http://{host}{path}" for host in ("127.0.0.1", "localhost") for path in ("/callback", "/account/callback")
    )
    seconds: int = 3600
    """Life of an access token."""
    modules: Path = MODULES
    issuer: str = field(default="", init=False)
    """Its address, once it runs."""
    _keys: Any = field(default=None, init=False, repr=False)
    _process: "subprocess.Popen[str] | None" = field(default=None, init=False)
    _said: IO[bytes] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Refuse to be reachable from elsewhere."""
        if not loopback(self.host):
            raise InvalidInput(
                f"The local identity provider cannot listen on {self.host!r}.",
                "It lets everybody in who can reach it.",
                "Use a real provider: settings issuers and clients.",
            )

    def __enter__(self) -> Self:
        """Start it; raises `Unreachable` when it does not come up."""
        if not available(self.modules):
            raise Unreachable(
                "The local identity provider is not installed.",
                "It needs Node.js and its packages.",
                "`make assets` fetches them.",
            )
        # A file, since a pipe that nobody reads would stop it when it is full.
        self._said = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [str(node()), str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        guard = threading.Timer(START_SECONDS, self._process.kill)
        guard.start()
        try:
            told = json.loads(self._ask(self._process))
            self.issuer, self._keys = str(told["issuer"]), told["keys"]
        except (ValueError, KeyError, OSError):
            self._said.seek(0)
            said = self._said.read().decode("utf-8", "replace")
            self._end()
            raise Unreachable("The local identity provider does not start.", said[-500:]) from None
        finally:
            guard.cancel()
        return self

    def keep(self, ended: threading.Event) -> None:
        """Until the end: start it again whenever it has ended, at its address and with its keys; sessions are gone."""
        self.port = urlsplit(self.issuer).port or 0
        while not ended.wait(WATCH_SECONDS):
            if self._process is None or self._process.poll() is not None:
                self._end()
                with suppress(Unreachable):
                    self.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self._end()

    def _settings(self) -> dict[str, Any]:
        client = {
            "client_id": self.client,
            "application_type": "native",
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token", DEVICE],
            "response_types": ["code"],
            "redirect_uris": list(self.redirects),
        }
        return {
            "port": self.port,
            "keys": self._keys,
            "modules": str(self.modules),
            "seconds": self.seconds,
            "people": [asdict(person) for person in self.people],
            "clients": [client],
        }

    def _ask(self, process: "subprocess.Popen[str]") -> str:
        """Tell it what to be; gives the line with which it answers."""
        if process.stdin is None or process.stdout is None:
            return ""
        process.stdin.write(json.dumps(self._settings()) + "\n")
        process.stdin.flush()
        return process.stdout.readline()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, self._said):
                if stream:
                    with suppress(OSError):
                        stream.close()


def available(modules: Path = MODULES) -> bool:
    """Whether Node.js and the packages are there."""
    return node() is not None and (modules / "oidc-provider").is_dir()
