"""What the platform takes a server for that answers, that does not, and that is gone."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from terrafair.workspaces import orders
from terrafair.workspaces.hub import Hub
from terrafair.workspaces.orders import HubOrder

Says = Callable[[int, object, str], Hub]
EARLY, LATE = "2026-05-01T10:00:00.000000Z", "2026-05-01T12:00:00.000000Z"
MOMENT = datetime(2026, 5, 1, 11, tzinfo=UTC)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Says]:
    servers: list[ThreadingHTTPServer] = []

    def build(status: int, document: object, activity: str = EARLY) -> Hub:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                place, _, query = self.path.partition("?")
                assert query == "no_track_activity=1", "who looks is not active"
                said = {"status": {"last_activity": activity}, "kernels": document}
                body = json.dumps(said[place.removeprefix("/workspaces/user/uada/glaciers/api/")]).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        servers.append(server)
        Thread(target=server.serve_forever, daemon=True).start()
        about = {"/workspaces/user/uada/glaciers/": {"target": f"http://127.0.0.1:{server.server_port}"}}
        (tmp_path / orders.ROUTES).write_text(json.dumps(about))
        orders.write(tmp_path / orders.HUB, HubOrder(str(tmp_path), 1, "secret", "token"))
        return Hub(tmp_path)

    yield build
    for each in servers:
        each.shutdown()
        each.server_close()


@pytest.mark.parametrize(
    ("status", "document", "activity", "active"),
    [
        (200, [], EARLY, False),
        (200, [{"execution_state": "idle"}], EARLY, False),
        (200, [{"execution_state": "idle"}, {"execution_state": "busy"}], EARLY, True),
        (200, [{"execution_state": "idle"}], LATE, True),
        (200, [{"execution_state": "idle"}], "nonsense", True),
        (200, "nonsense", EARLY, True),
        (503, {"message": "starting"}, EARLY, True),
    ],
)
def test_only_who_says_so_is_idle(hub: Says, status: int, document: object, activity: str, active: bool) -> None:
    found = hub(status, document, activity)
    assert found.active("uada", "glaciers", MOMENT) is active
    found.stop()


def test_a_server_that_is_gone_is_not_taken_for_idle(hub: Says, tmp_path: Path) -> None:
    """One that was ended for too many files would else be closed as idle before its own reason is read."""
    found = hub(200, [], EARLY)
    (tmp_path / orders.ROUTES).write_text(
        json.dumps({"/workspaces/user/uada/glaciers/": {"target": "http://127.0.0.1:9"}})
    )
    assert found.active("uada", "glaciers", MOMENT)
    (tmp_path / orders.ROUTES).write_text("{}")
    assert found.active("uada", "glaciers", MOMENT)
    found.stop()
