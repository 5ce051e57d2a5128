"""Signing in where the identity provider is away, is none, or answers nonsense."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from terrafair.cli.account import _device_flow
from terrafair.errors import Conflict, Refused, TerrafairError, Unreachable

Provider = Callable[[dict[str, tuple[int, str]]], dict[str, str]]


@pytest.fixture
def provider() -> Iterator[Provider]:
    servers: list[ThreadingHTTPServer] = []

    def build(answers: dict[str, tuple[int, str]]) -> dict[str, str]:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = answers[self.path]
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            do_POST = do_GET  # noqa: N815 - http.server's

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        servers.append(server)
        Thread(target=server.serve_forever, daemon=True).start()
        issuer = f"http://127.0.0.1:{server.server_port}"
        about = {"device_authorization_endpoint": f"{issuer}/device", "token_endpoint": f"{issuer}/token"}
        answers.setdefault("/.well-known/openid-configuration", (200, json.dumps(about)))
        return {"issuer": issuer, "title": "The Test", "client": "c"}

    yield build
    for each in servers:
        each.shutdown()
        each.server_close()


BEGUN = json.dumps({"device_code": "d", "user_code": "U", "verification_uri": "http://x/", "interval": 0})
ABOUT = "/.well-known/openid-configuration"


@pytest.mark.parametrize(
    ("answers", "kind", "words"),
    [
        ({ABOUT: (502, "<html>Bad gateway")}, Unreachable, "answers 502"),
        ({ABOUT: (200, "[]")}, Unreachable, "not as a provider"),
        ({ABOUT: (200, "{}")}, Conflict, "offers no sign-in by device"),
        ({"/device": (400, '{"error": "invalid_client"}')}, Refused, "invalid_client"),
        ({"/device": (200, "")}, Unreachable, "answers 200"),
        ({"/device": (200, BEGUN), "/token": (503, "away")}, Unreachable, "answers 503"),
        ({"/device": (200, BEGUN), "/token": (400, '{"error": "access_denied"}')}, Refused, "access_denied"),
    ],
)
def test_what_goes_wrong_is_told(
    provider: Provider, answers: dict[str, tuple[int, str]], kind: type[TerrafairError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        _device_flow(provider(answers))


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:9", "http://[", "nonsense"])
def test_nobody_there(issuer: str) -> None:
    with pytest.raises(Unreachable, match="does not answer"):
        _device_flow({"issuer": issuer, "title": "The Test", "client": "c"})
