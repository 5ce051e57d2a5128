"""What the platform takes a server for that answers, that does not, and that is gone."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from terrafair.workspaces import orders
from terrafair.workspaces.hub import Hub
from terrafair.workspaces.orders import HubOrder

Says = Callable[[int, object], Hub]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Says]:
    servers: list[ThreadingHTTPServer] = []

    def build(status: int, document: object) -> Hub:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                assert self.path == "/workspaces/user/uada/glaciers/api/kernels"
                body = json.dumps(document).encode()
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
    ("status", "document", "busy"),
    [
        (200, [], False),
        (200, [{"execution_state": "idle"}], False),
        (200, [{"execution_state": "idle"}, {"execution_state": "busy"}], True),
        (503, {"message": "starting"}, True),
    ],
)
def test_only_who_says_so_is_idle(hub: Says, status: int, document: object, busy: bool) -> None:
    found = hub(status, document)
    assert found.busy("uada", "glaciers") is busy
    found.stop()


def test_a_server_that_is_gone_is_not_taken_for_idle(hub: Says, tmp_path: Path) -> None:
    """One that was ended for too many files would else be closed as idle before its own reason is read."""
    found = hub(200, [])
    (tmp_path / orders.ROUTES).write_text(
        json.dumps({"/workspaces/user/uada/glaciers/": {"target": "http://127.0.0.1:9"}})
    )
    assert found.busy("uada", "glaciers")
    (tmp_path / orders.ROUTES).write_text("{}")
    assert found.busy("uada", "glaciers")
    found.stop()
