"""The object store's contract, on the twin in memory and on a real S3 server."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import psutil
import pytest

from terrafair.data.objects import OWN, MemoryObjects, ObjectStore, S3Access, S3Objects
from terrafair.data.seaweedfs import ObjectServer, remembered
from terrafair.errors import STORE_AWAY, InvalidInput, NotFound, Refused, Unreachable


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[ObjectServer]:
    server = ObjectServer(home, "terrafair")
    server.start()
    yield server
    server.stop()


class ObjectContract:
    """What every object store does."""

    @pytest.fixture
    def objects(self) -> ObjectStore:
        raise NotImplementedError

    def test_put_get_list_delete(self, objects: ObjectStore, tmp_path: Path) -> None:
        objects.put("one/a.txt", b"first", "text/plain")
        objects.put("one/a.txt", b"second", "text/plain")
        (tmp_path / "b").write_bytes(b"x" * (12 * 2**20))
        objects.put_file("one/deep/b c+ü.bin", tmp_path / "b")
        objects.put("one-other", b"")
        assert objects.get("one/a.txt") == b"second"
        assert objects.open("one/a.txt").media_type == "text/plain"
        content = objects.open("one/deep/b c+ü.bin")
        assert content.size == sum(len(chunk) for chunk in content.chunks) == 12 * 2**20
        objects.get_file("one/deep/b c+ü.bin", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == (tmp_path / "b").read_bytes()
        assert objects.head("one/a.txt") == (6, "text/plain")
        assert objects.part("one/a.txt", 2, 3) == b"con"
        assert objects.part("one/a.txt", 4, 100) == b"nd"
        assert objects.part("one/deep/b c+ü.bin", 12 * 2**20 - 2, 2) == b"xx"
        assert [entry.key for entry in objects.list("one")] == ["one/a.txt", "one/deep/b c+ü.bin"]
        assert objects.delete("one") == 2
        assert list(objects.list("one/")) == []
        assert objects.get("one-other") == b""
        assert objects.delete("one-other") == 1
        assert objects.delete("nothing") == 0

    def test_what_is_not_there(self, objects: ObjectStore, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match="no/such"):
            objects.part("no/such", 0, 1)
        for call in (objects.get, objects.open, objects.head):
            with pytest.raises(NotFound, match="no/such"):
                call("no/such")
        with pytest.raises(NotFound):
            objects.get_file("no/such", tmp_path / "x")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("key", ["", "/a", "a//b", "a/../b", "./a", "a\nb", "a\\b", "x" * 1025, "a/"])
    def test_keys_that_are_none(self, objects: ObjectStore, key: str) -> None:
        with pytest.raises(InvalidInput):
            objects.put(key, b"x")
        if key not in {"", "a/"}:
            with pytest.raises(InvalidInput):
                list(objects.list(key))

    def test_urls(self, objects: ObjectStore) -> None:
        assert objects.url("a/b") == "s3://terrafair/a/b"
        assert objects.key_of("s3://terrafair/a/b") == "a/b"
        assert objects.key_of("s3://other/a/b") is None


class TestMemoryObjects(ObjectContract):
    @pytest.fixture
    def objects(self) -> ObjectStore:
        return MemoryObjects()


class TestS3Objects(ObjectContract):
    @pytest.fixture
    def objects(self, server: ObjectServer) -> ObjectStore:
        return S3Objects(server.access)

    def test_wrong_keys_are_refused(self, server: ObjectServer) -> None:
        access = server.access
        with pytest.raises(Refused):
            S3Objects(S3Access(access.endpoint, access.key, "wrong", access.bucket)).get("health/started")

    def test_an_absent_server_is_unreachable(self) -> None:
        with pytest.raises(Unreachable):
            S3Objects(S3Access("http://127.0.0.1:1", "k", "s", "terrafair")).get("a")

    def test_a_clock_that_differs_is_told_and_waited_for(self) -> None:
        """Amazon's documented answer; SeaweedFS gives the same."""
        body = b"<Error><Code>RequestTimeTooSkewed</Code><Message>The difference is too large.</Message></Error>"

        class Skewed(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(403)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_HEAD(self) -> None:
                self.send_response(403)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Skewed) as server:
            thread = Thread(target=server.serve_forever)
            thread.start()
            objects = S3Objects(S3Access(f"http://127.0.0.1:{server.server_port}", "k", "s", "terrafair"))
            for ask in (objects.get, objects.head, objects.open):
                with pytest.raises(Unreachable, match="differ by more than a quarter of an hour") as caught:
                    ask("a")
                assert caught.value.problem.code == STORE_AWAY
            server.shutdown()
            thread.join()

    def test_a_store_that_takes_requests_and_says_nothing_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its process is stopped, or its network swallows all: nobody hangs for the half hour of an upload."""
        monkeypatch.setattr("terrafair.data.objects.ANSWER", timedelta(seconds=0.2))
        with socket.create_server(("127.0.0.1", 0)) as server:
            objects = S3Objects(S3Access(f"http://127.0.0.1:{server.getsockname()[1]}", "k", "s", "terrafair"))
            for ask in (objects.get, objects.head, lambda key: list(objects.list(key))):
                with pytest.raises(Unreachable) as caught:
                    ask("a")
                assert caught.value.problem.code == STORE_AWAY


def test_the_platforms_own_bucket_has_a_name_that_holds_everywhere(server: ObjectServer) -> None:
    objects = S3Objects(replace(server.access, bucket="results-of-the-institute"), OWN)
    assert objects.url("a/b") == "s3://results-of-the-institute/a/b"
    for name in ("results-of-the-institute", "terrafair"):
        assert objects.key_of(f"s3://{name}/a/b") == "a/b"
    assert objects.key_of("s3://terrafair-other/a/b") is None
    assert S3Objects(replace(server.access, bucket="p-glaciers")).key_of("s3://terrafair/a/b") is None


def test_the_server_listens_on_loopback_only_and_keeps_its_secret(server: ObjectServer, home: Path) -> None:
    state = json.loads((home / "objects/server.json").read_text())
    listening = [entry for entry in psutil.Process(state["pid"]).net_connections() if entry.status == "LISTEN"]
    assert {entry.laddr.ip for entry in listening} == {"127.0.0.1"}
    assert (home / "objects/credentials.json").stat().st_mode & 0o077 == 0
    assert server.access.secret not in repr(server.access)
    assert server.access.secret not in " ".join(psutil.Process(state["pid"]).cmdline())


def test_killed_it_comes_back_with_all_that_was_acknowledged(tmp_path: Path) -> None:
    said: list[str] = []
    server = ObjectServer(tmp_path, "terrafair", said.append)
    server.start()
    try:
        objects = S3Objects(server.access)
        for number in range(50):
            objects.put(f"kept/{number}", str(number).encode())
        pid = json.loads((tmp_path / "objects/server.json").read_text())["pid"]
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while json.loads((tmp_path / "objects/server.json").read_text())["pid"] == pid:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        while True:
            try:
                found = [objects.get(f"kept/{number}") for number in range(50)]
                break
            except Unreachable:
                assert time.monotonic() < deadline
        assert found == [str(number).encode() for number in range(50)]
        assert said
    finally:
        server.stop()


def test_a_server_that_a_killed_platform_left_is_adopted(tmp_path: Path) -> None:
    first, second = ObjectServer(tmp_path, "terrafair"), ObjectServer(tmp_path, "terrafair")
    first.start()
    pid = json.loads((tmp_path / "objects/server.json").read_text())["pid"]
    second.start()
    assert json.loads((tmp_path / "objects/server.json").read_text())["pid"] == pid
    assert remembered(tmp_path, "terrafair") == first.access == second.access
    second.stop()
    first.stop()
    assert not psutil.pid_exists(pid)


def test_no_server_was_started(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="terrafair serve"):
        remembered(tmp_path, "terrafair")
