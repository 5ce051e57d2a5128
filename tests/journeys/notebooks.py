"""A person in their workspace without a browser: signed in at the provider, a kernel by its websocket."""

import json
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect


def until(holds: Callable[[], Any], about: Callable[[], Any] = lambda: "", seconds: float = 90) -> Any:
    """Look again and again until it holds."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, about()
        time.sleep(0.1)
    return found


def signed_in(url: str, person: str) -> httpx2.Client:
    """What a browser would hold after the sign-in of one of the local provider's people."""
    client = httpx2.Client(base_url=url, timeout=60, follow_redirects=True, trust_env=False)
    reply = client.get("/account/sign-in/local", params={"next": "/account"})
    for _ in range(6):
        if str(reply.url).startswith(url):
            break
        fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', reply.text))
        data = {"person": person} if 'name="person"' in reply.text else fields
        reply = client.post(reply.url, data=data)
    assert reply.is_success and client.get("/api/me").json()["name"], reply.text[:500]
    client.headers["Sec-Fetch-Site"] = "same-origin"
    return client


@dataclass
class Notebook:
    """One person's open workspace."""

    client: httpx2.Client
    id: str = ""
    base: str = ""
    kernel: str = ""

    def open(self, **wanted: Any) -> "Notebook":
        """Have it open, with a kernel."""
        reply = self.client.post("/api/workspaces", json=wanted)
        assert reply.status_code == 201, reply.text
        self.id = reply.json()["id"]
        found = until(self._ready, self.document, 150)
        self.base = found["href"].partition("/lab")[0]
        page = self.client.get(f"{self.base}/lab")
        assert page.is_success, (page.status_code, page.url)
        self.kernel = self.begin()
        return self

    def compute(self, until: str) -> None:
        """Another kernel of it computes until there is a file, and nobody looks."""
        kernel = self.begin()
        with self.channel(kernel) as socket:
            ask(socket, f"import os, time\nwhile not os.path.exists({until!r}): time.sleep(0.1)")
            _awaited(socket, "busy")

    def begin(self, name: str = "python3") -> str:
        """A new kernel; gives its id."""
        reply = self.ask("POST", "/api/kernels", json={"name": name})
        assert reply.status_code == 201, reply.text
        return str(reply.json()["id"])

    def document(self) -> Any:
        """As the platform tells of it."""
        return self.client.get(f"/api/workspaces/{self.id}").json()

    def _ready(self) -> Any:
        found = self.document()
        assert found["status"] in {"opening", "running"}, found
        return found if found["status"] == "running" else None

    def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """A request to its server, as JupyterLab sends it."""
        headers = {"X-XSRFToken": self._cookie("_xsrf")}
        return self.client.request(method, self.base + path, headers=headers, **options)

    def channel(self, kernel: str = "") -> ClientConnection:
        """A websocket to the kernel."""
        jar = self.client.cookies.jar
        cookies = "; ".join(f"{each.name}={each.value}" for each in jar if self.base.startswith(each.path.rstrip("/")))
        address = f"ws{str(self.client.base_url).removeprefix('http').rstrip('/')}{self.base}"
        return connect(
            f"{address}/api/kernels/{kernel or self.kernel}/channels", additional_headers={"Cookie": cookies},
            max_size=None, proxy=None, open_timeout=60, close_timeout=2,
        )  # fmt: skip

    def run(self, code: str, kernel: str = "") -> str:
        """What it prints, or its error."""
        with self.channel(kernel) as socket:
            return said(socket, code)

    def _cookie(self, name: str) -> str:
        found = [each.value or "" for each in self.client.cookies.jar
                 if each.name == name and each.path.startswith("/workspaces/user")]  # fmt: skip
        return found[-1] if found else ""


def ask(socket: ClientConnection, code: str) -> str:
    """Have it run; gives the request's id."""
    id = uuid.uuid4().hex  # noqa: A001
    header = {"msg_id": id, "msg_type": "execute_request", "session": id, "username": "", "version": "5.3", "date": ""}
    content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    socket.send(json.dumps(message))
    return id


def said(socket: ClientConnection, code: str, seconds: float = 60) -> str:
    """Run it by a websocket; gives what it prints, or its error."""
    id = ask(socket, code)  # noqa: A001
    text, ends = "", {"execute_reply", "status"}
    while ends:
        found = json.loads(socket.recv(timeout=seconds))
        if found["parent_header"].get("msg_id") != id:
            continue
        kind, about = found["msg_type"], found["content"]
        text += about["text"] if kind == "stream" else ""
        text += f"{about['ename']}: {about['evalue']}" if kind == "error" else ""
        if kind == "execute_reply" or (kind == "status" and about["execution_state"] == "idle"):
            ends.discard(kind)
    return text.strip()


def _awaited(socket: ClientConnection, state: str) -> None:
    while True:
        found = json.loads(socket.recv(timeout=60))
        if found["msg_type"] == "status" and found["content"]["execution_state"] == state:
            return


def closed(socket: ClientConnection, seconds: float) -> bool:
    """Whether it is closed within so long, or still passes something on."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        try:
            socket.recv(timeout=left)
        except ConnectionClosed:
            return True
        except TimeoutError:
            return False
    return False
