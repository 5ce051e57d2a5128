"""Small real HTTP servers on this machine, for references and for calls back."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Files:
    """Serves what is put into it, and keeps what is posted to it."""

    def __init__(self) -> None:
        held: dict[str, tuple[int, bytes, dict[str, str]]] = {}
        posted: list[tuple[str, bytes]] = []
        refusals: dict[str, int] = {}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, content, headers = held.get(self.path.lstrip("/").partition("?")[0], (404, b"", {}))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                left = refusals.get(self.path, 0)
                refusals[self.path] = max(left - 1, 0)
                posted.append((self.path, content))
                self.send_response(503 if left else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self._held, self.posted, self.refusals = held, posted, refusals
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def put(self, name: str, content: bytes, media_type: str = "", *, status: int = 200, location: str = "") -> None:
        """Hold a file, or a redirect."""
        headers = {"Content-Type": media_type or "application/octet-stream"}
        self._held[name] = (status, content, headers | ({"Location": location} if location else {}))

    def url(self, name: str = "") -> str:
        """The address of a file."""
        return f"http://127.0.0.1:{self._server.server_port}/{name}"

    def close(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
