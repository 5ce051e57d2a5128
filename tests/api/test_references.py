"""References that lead where no reference may lead: refused, and nothing is told of what is there."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from terrafair.app import Parts
from terrafair.config import Config
from terrafair.database import migrate, open_engine
from terrafair.execution import queue
from terrafair.interfaces import build
from terrafair.web import SafeWeb

from ..databases import elsewhere, objects
from .servers import Files


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A platform as it is by default: no private addresses."""
    home = tmp_path_factory.mktemp("strict")
    parts = Parts(Config(home=home, host="testserver", anonymous="operator", demo=False, **elsewhere(home)))
    parts.objects = objects(home)
    database = open_engine(parts.config.database_url)
    migrate(database)
    database.dispose()
    queue.prepare(parts.config.database_url)
    with ExitStack() as stack:
        app = build(parts, stack)
        yield stack.enter_context(TestClient(app, raise_server_exceptions=False, follow_redirects=False))


PLACES = [
    "http://127.0.0.1:{port}/secret", "http://localhost:{port}/secret", "http://[::1]:{port}/secret",
    "http://0.0.0.0:{port}/secret", "http://2130706433:{port}/secret", "http://0x7f.1:{port}/secret",
    "http://[::ffff:127.0.0.1]:{port}/secret", "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/", "http://10.0.0.1/", "http://192.168.1.1/", "http://100.64.0.1/",
    "http://user:password@127.0.0.1/", "file:///etc/passwd", "ftp://example.org/x", "gopher://127.0.0.1:6379/_x",
    "http://127.0.0.1:22/", "jar:http://x", "//127.0.0.1/x", "http://",
]  # fmt: skip


def bodies(place: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("/processes/echo/execution", {"inputs": {"integerInput": {"href": place}}}),
        ("/processes/echo/execution", {"inputs": {"imagesInput": [{"href": place}]}}),
        ("/processes/echo/execution", {"inputs": {}, "subscriber": {"successUri": place}}),
        ("/processes", {"executionUnit": [{"href": place}]}),
    ]


@pytest.mark.parametrize("place", PLACES)
def test_private_places(strict: TestClient, files: Files, place: str) -> None:
    files.put("secret", b"42")
    target = place.format(port=files.url().split(":")[2].rstrip("/"))
    for path, body in bodies(target):
        answer = strict.post(path, json=body)
        assert 400 <= answer.status_code < 500, (path, answer.text)
        assert "password" not in answer.text
        assert "42" not in answer.json()["title"]


def test_a_redirect_gains_nothing(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first address is public (as far as the resolver says); the second is not."""
    files.put("secret", b"42")
    files.put("door", b"", status=302, location=files.url("secret").replace("127.0.0.1", "localhost"))
    web = SafeWeb()
    told = {"public.example": "93.184.215.14"}
    real = socket.getaddrinfo

    def resolve(host: str, port: int, **options: Any) -> Any:
        return real(told.get(host, host), port, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    from terrafair.errors import Refused

    for place in (files.url("door"), files.url("secret")):
        with pytest.raises(Refused):
            web.get(place)
    web.admit("http://public.example/x")
    # The name changes between the check and the use: what was checked is what is connected to.
    request = web._request("http://public.example/x")
    told["public.example"] = "127.0.0.1"
    assert request.url.host == "93.184.215.14"
    with pytest.raises(Refused):
        web.admit("http://public.example/x")


def test_a_redirect_inside_a_page_that_may_be_reached(files: Files) -> None:
    web = SafeWeb(allow_private=True)
    files.put("loop", b"", status=302, location=files.url("loop"))
    files.put("out", b"", status=302, location="file:///etc/passwd")
    from terrafair.errors import Refused, Unreachable

    with pytest.raises(Unreachable):
        web.get(files.url("loop"))
    with pytest.raises(Refused):
        web.get(files.url("out"))


def test_the_guard_knows_names_and_origins(tmp_path: Path) -> None:
    from fastapi import FastAPI

    from terrafair.api.guard import guard

    app = FastAPI()
    guard(app, "127.0.0.1")

    @app.post("/x")
    def change() -> str:
        return "done"

    client = TestClient(app)
    assert client.post("/x", headers={"Host": "127.0.0.1:8080"}).status_code == 200
    assert client.post("/x", headers={"Host": "evil.example"}).status_code == 403
    assert client.post("/x", headers={"Host": "127.0.0.1", "Origin": "https://evil.example"}).status_code == 403
    assert client.post("/x", headers={"Host": "[::1", "Origin": "http://[::1"}).status_code == 403
    assert client.post("/x", headers={"Host": "localhost", "Origin": "http://localhost"}).status_code == 200
