"""A container registry that keeps the rules of the OCI distribution specification, over real HTTP."""

import base64
import hashlib
import json
import re
import secrets
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass
class State:
    """What the registry holds."""

    user: str = "pusher"
    password: str = "push-it"
    tokens: set[str] = field(default_factory=set)
    uploads: dict[str, bytes] = field(default_factory=dict)
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], bytes] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: State

    def log_message(self, *_: Any) -> None:
        return

    def _answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _fault(self, status: int, code: str) -> None:
        self._answer(status, body=json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode())

    def _work(self) -> None:
        state, parts = self.state, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        state.log.append(f"{self.command} {parts.path}")
        if parts.path == "/token":
            self._token()
        elif self.headers.get("Authorization", "").removeprefix("Bearer ") not in state.tokens:
            realm = f'Bearer realm="http://{self.headers["Host"]}/token",service="here"'
            self._answer(401, {"WWW-Authenticate": realm})
        elif found := re.fullmatch(r"/v2/(.+)/blobs/uploads/(\w*)", parts.path):
            self._upload(found[1], found[2], parse_qs(parts.query), body)
        elif found := re.fullmatch(r"/v2/(.+)/blobs/(sha256:[0-9a-f]{64})", parts.path):
            self._answer(200 if (found[1], found[2]) in state.blobs else 404)
        elif found := re.fullmatch(r"/v2/(.+)/manifests/(.+)", parts.path):
            self._manifest(found[1], found[2], body)
        else:
            self._fault(404, "NAME_UNKNOWN")

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _work  # noqa: N815

    def _token(self) -> None:
        wanted = base64.b64encode(f"{self.state.user}:{self.state.password}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {wanted}":
            self._fault(401, "UNAUTHORIZED")
            return
        token = secrets.token_hex(8)
        self.state.tokens.add(token)
        self._answer(200, body=json.dumps({"token": token}).encode())

    def _upload(self, name: str, session: str, query: dict[str, list[str]], body: bytes) -> None:
        state = self.state
        if self.command == "POST":
            session = secrets.token_hex(8)
            state.uploads[session] = b""
            self._answer(202, {"Location": f"/v2/{name}/blobs/uploads/{session}"})
        elif session not in state.uploads:
            self._fault(404, "BLOB_UPLOAD_UNKNOWN")
        elif self.command == "PATCH":
            start = int(self.headers["Content-Range"].partition("-")[0])
            if start != len(state.uploads[session]):
                self._fault(416, "RANGE_INVALID")
                return
            state.uploads[session] += body
            self._answer(202, {"Location": f"/v2/{name}/blobs/uploads/{session}"})
        else:
            content, digest = state.uploads.pop(session) + body, query["digest"][0]
            if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
                self._fault(400, "DIGEST_INVALID")
                return
            state.blobs[(name, digest)] = content
            self._answer(201, {"Location": f"/v2/{name}/blobs/{digest}"})

    def _manifest(self, name: str, reference: str, body: bytes) -> None:
        state = self.state
        if self.command == "PUT":
            document = json.loads(body)
            named = [document["config"], *document["layers"]]
            if any((name, each["digest"]) not in state.blobs for each in named):
                self._fault(404, "MANIFEST_BLOB_UNKNOWN")
                return
            if any(len(state.blobs[(name, each["digest"])]) != each["size"] for each in named):
                self._fault(400, "SIZE_INVALID")
                return
            state.manifests[(name, reference)] = body
            self._answer(201, {"Docker-Content-Digest": f"sha256:{hashlib.sha256(body).hexdigest()}"})
            return
        found = state.manifests.get((name, reference))
        if found is None:
            self._fault(404, "MANIFEST_UNKNOWN")
        else:
            self._answer(200, {"Docker-Content-Digest": f"sha256:{hashlib.sha256(found).hexdigest()}"}, found)


class StandIn:
    """The registry on a free port, until the block ends."""

    def __init__(self) -> None:
        self.state = State()
        handler = type("Bound", (Handler,), {"state": self.state})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/eo"
