"""The one web client, against a real server on loopback and against addresses that it must not touch."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from terrafair.errors import InvalidInput, NotFound, Refused, TerrafairError, Unreachable
from terrafair.web import PlannedWeb, SafeWeb, is_public


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", path.removeprefix("/to/").replace("~", "/"))
            self.end_headers()
            return
        if path == "/loop":
            self.send_response(301)
            self.send_header("Location", "/loop")
            self.end_headers()
            return
        status = {"/gone": 410, "/closed": 403, "/broken": 500}.get(
            path, 200 if path in {"/a", "/big", "/long"} else 404
        )
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        body = b"x" * 5000 if path in {"/big", "/long"} else f"{path} {self.headers['Host']}".encode()
        if path != "/long":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def test_get_and_download(server: str, tmp_path: Path) -> None:
    web = SafeWeb(allow_private=True)
    document = web.get(f"{server}/a")
    assert document.content.decode() == f"/a {server.removeprefix('http://')}"
    assert document.media_type == "text/plain"
    web.download(f"{server}/big", tmp_path / "big")
    assert (tmp_path / "big").stat().st_size == 5000
    assert web.get(f"{server}/to/~a").url == f"{server}/a"


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/none", NotFound),
        ("/gone", NotFound),
        ("/closed", Unreachable),
        ("/broken", Unreachable),
        ("/loop", Unreachable),
    ],
)
def test_answers_that_are_none(server: str, path: str, error: type[TerrafairError], tmp_path: Path) -> None:
    with pytest.raises(error):
        SafeWeb(allow_private=True).download(f"{server}{path}", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["/big", "/long"])
def test_size_is_bounded_announced_or_not(server: str, path: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="100"):
        SafeWeb(allow_private=True).download(f"{server}{path}", tmp_path / "x", limit=100)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://localhost/", "http://127.1/", "http://2130706433/", "http://0.0.0.0/",
        "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:10.0.0.1]/", "http://169.254.169.254/latest",
        "http://10.1.2.3/", "http://192.168.0.1/", "http://172.20.0.1/", "http://100.64.0.1/", "http://224.0.0.1/",
        "file:///etc/passwd", "ftp://example.org/x", "gopher://example.org/", "http://user:hidden@example.org/",
        "https://example.org:22/", "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/",
    ],
)  # fmt: skip
def test_private_and_strange_addresses_are_refused(url: str) -> None:
    with pytest.raises(Refused) as caught:
        SafeWeb().get(url)
    assert "hidden" not in str(caught.value)


def test_a_redirect_into_a_private_network_is_refused(server: str) -> None:
    web = SafeWeb(allow_private=True)
    with pytest.raises(Refused):
        web.get(f"{server}/to/file:~~~etc~passwd")


@pytest.mark.parametrize("url", ["", "no address", "http://", "http://[::1", "https:///path", "http://ex ample.org\n/"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises((InvalidInput, Refused, Unreachable)):
        SafeWeb().get(url)


def test_unknown_host() -> None:
    with pytest.raises(Unreachable, match="not known"):
        SafeWeb().get("https://host.invalid/x")


def test_public_addresses() -> None:
    assert is_public("8.8.8.8")
    assert is_public("2600:1406::1")
    assert not is_public("fe80::1")
    assert not is_public("fc00::1")


def test_the_twin() -> None:
    web = PlannedWeb({"https://example.org/a": b"one"})
    assert web.get("https://example.org/a").content == b"one"
    with pytest.raises(NotFound):
        web.get("https://example.org/b")
    with pytest.raises(Refused):
        web.get("file:///etc/passwd")
    with pytest.raises(InvalidInput):
        web.get("https://example.org/a", limit=1)
