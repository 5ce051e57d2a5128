"""The one web client, against a real server on loopback and against addresses that it must not touch."""

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import httpx2
import pytest

from terrafair.errors import InvalidInput, NotFound, Refused, TerrafairError, Unreachable
from terrafair.web import PlannedWeb, SafeWeb, is_public


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", unquote(path.removeprefix("/to/").replace("~", "/")))
            self.end_headers()
            return
        if path == "/drops":
            self.send_response(200)
            self.end_headers()
            for _ in range(100):
                try:
                    self.wfile.write(b"x")
                    self.wfile.flush()
                except OSError:
                    return
                time.sleep(0.05)
            return
        if path == "/bomb":
            packed = gzip.compress(bytes(2**20))
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(packed)))
            self.end_headers()
            self.wfile.write(packed)
            return
        if path == "/slow":
            time.sleep(0.4)
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


@pytest.mark.parametrize(
    "url",
    [
        "http://0x7f000001/", "http://0177.0.0.1/", "http://0x7f.1/", "http://017700000001/", "http://127.000.000.001/",
        "http://[::127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[0:0:0:0:0:ffff:a9fe:a9fe]/", "http://[fe80::1%25lo]/",
        "http://[fd00:ec2::254]/latest", "http://[::]/", "http://localhost./", "http://LOCALHOST/", "http://127.0.0.1./",
        "http://\uff11\uff12\uff17.0.0.1/", "http://127\u3002\u30020\u30021/", "http://[64:ff9b:1::7f00:1]/",
        "http://198.18.0.1/", "http://192.0.0.8/", "http://240.0.0.1/", "http://255.255.255.255/",
        "http://example.org@127.0.0.1/", "http://127.0.0.1#@example.org/", "http://127.0.0.1:6379/", "jar:http://x!/",
        "FILE:///etc/passwd", "\\\\127.0.0.1\\share", "http:\\\\127.0.0.1/", "//127.0.0.1/", "data:text/plain,x",
    ],
)  # fmt: skip
def test_disguises_of_private_addresses_are_seen_through(url: str) -> None:
    with pytest.raises((Refused, InvalidInput, Unreachable)) as caught:
        SafeWeb().get(url)
    # Refused before anything is sent: a closed port would have been answered in other words.
    assert "does not answer" not in str(caught.value)


def test_a_name_that_changes_between_check_and_use_gains_nothing(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the second answer would be loopback, and nobody asks for it."""
    port, asked = int(server.rpartition(":")[2]), []

    def resolve(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        address = "192.0.2.1" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr("terrafair.web.is_public", lambda address: address == "192.0.2.1")
    web = SafeWeb()
    request = web._request(f"http://rebinding.example:{port}/a")
    assert (request.url.host, request.headers["Host"]) == ("192.0.2.1", f"rebinding.example:{port}")
    assert asked == ["rebinding.example"]


def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(Refused):
        SafeWeb().get("http://mixed.example/")


def test_an_endless_answer_ends(server: str) -> None:
    """Drop by drop, each in time: the whole has an end, too."""
    with pytest.raises(TerrafairError):
        SafeWeb(allow_private=True, patience=0.5).get(f"{server}/drops")


def test_a_redirect_into_a_private_network_is_refused(server: str) -> None:
    web = SafeWeb(allow_private=True)
    with pytest.raises(Refused):
        web.get(f"{server}/to/file:~~~etc~passwd")


REDIRECTIONS = {
    "loopback": "http://127.0.0.1:{port}/a", "decimal": "http://2130706433:{port}/a", "octal": "http://0177.0.0.1/a",
    "hex": "http://0x7f.0.0.1/a", "this host": "http://0.0.0.0:{port}/a", "mapped": "http://[::ffff:127.0.0.1]:{port}/a",
    "NAT64": "http://[64:ff9b::a9fe:a9fe]/a", "6to4": "http://[2002:a00:1::]/a", "metadata": "http://169.254.169.254/a",
    "trailing dot": "http://localhost.:{port}/a", "user info": "http://public.example@127.0.0.1:{port}/a",
    "port": "http://public.example:22/a", "file": "file:///etc/passwd", "scheme": "gopher://public.example/a",
    "no scheme": "//127.0.0.1:{port}/a", "private": "http://10.0.0.1/a",
}  # fmt: skip
"""Where a public server may send somebody."""


@pytest.mark.parametrize("hop", [1, 2, 3])
@pytest.mark.parametrize("place", REDIRECTIONS)
def test_each_redirect_is_looked_at_like_the_first_address(
    server: str, place: str, hop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`public.example` is public as far as the check knows, and every hop but the last leads there."""
    port = int(server.rpartition(":")[2])
    web, real = SafeWeb(), socket.getaddrinfo

    def resolve(host: str, *more: Any, **options: Any) -> Any:
        return real("127.0.0.1" if host == "public.example" else host, *more, **options)

    def address(url: httpx2.URL) -> str:
        return "127.0.0.1" if url.host == "public.example" and url.port == port else checked(url)

    checked = web._address
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(web, "_address", address)
    target, public = REDIRECTIONS[place].format(port=port), f"http://public.example:{port}"
    for number in range(hop):
        target = f"{public}/to/{quote(target, safe='')}?{number}"
    with pytest.raises((Refused, InvalidInput, Unreachable)) as caught:
        web.get(target)
    assert "does not answer" not in str(caught.value)


def test_a_packed_answer_is_bounded_by_what_it_unpacks_to(server: str, tmp_path: Path) -> None:
    """Nobody asked for it packed: a kilobyte on the wire is a megabyte, and counts as one."""
    web = SafeWeb(allow_private=True)
    with pytest.raises(InvalidInput, match="larger than 10000 bytes"):
        web.get(f"{server}/bomb", limit=10_000)
    with pytest.raises(InvalidInput, match="larger than 10000 bytes"):
        web.download(f"{server}/bomb", tmp_path / "x", limit=10_000)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_answer_in_time(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terrafair.web.TIMEOUT", httpx2.Timeout(0.1))
    with pytest.raises(Unreachable, match="does not answer"):
        SafeWeb(allow_private=True).get(f"{server}/slow")


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
