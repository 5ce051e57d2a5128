"""A git server in front of a bare repository, for tests in which somebody pushes."""

import base64
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from terrafair.development.new import create

BACKEND = "/usr/lib/git-core/git-http-backend"


class Forge:
    """A git server for one repository that asks for a password."""

    def __init__(self, folder: Path) -> None:
        self.repository = folder / "water.git"
        forge = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                forge.answer(self)

            def do_POST(self) -> None:
                forge.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.2", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    @property
    def host(self) -> str:
        return f"127.0.0.2:{self.server.server_address[1]}"

    def git(self, *arguments: str) -> str:
        """Git in the repository."""
        line = ["git", "-C", str(self.repository), "-c", "user.name=Bea", "-c", "user.email=bea@example.org"]
        return subprocess.run([*line, *arguments], capture_output=True, text=True, check=True).stdout.strip()

    def commit(self, path: str, line: str) -> str:
        """Somebody adds a line to a file; gives the commit."""
        with tempfile.TemporaryDirectory() as folder:
            work = ["-C", folder]
            self.git("clone", "-q", str(self.repository), folder)
            with (Path(folder) / path).open("a") as file:
                file.write(line + "\n")
            self.git(*work, "commit", "-qam", "Of somebody else")
            self.git(*work, "push", "-q", "origin", "HEAD:main")
        return self.git("rev-parse", "main")

    def answer(self, ask: BaseHTTPRequestHandler) -> None:
        """By git's own program for the web."""
        path, _, query = ask.path.partition("?")
        said = ask.headers.get("Authorization", "")
        if said != "Basic " + base64.b64encode(b"ada:s3cret").decode():
            ask.send_response(401)
            ask.send_header("WWW-Authenticate", 'Basic realm="forge"')
            ask.send_header("Content-Length", "0")
            ask.end_headers()
            return
        body = ask.rfile.read(int(ask.headers.get("Content-Length") or 0))
        if ask.headers.get("Transfer-Encoding") == "chunked":
            while size := int(ask.rfile.readline(), 16):
                body += ask.rfile.read(size)
                ask.rfile.readline()
        surroundings = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(self.repository.parent), "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": ask.command, "REMOTE_USER": "ada",
            "CONTENT_TYPE": ask.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": ask.headers.get("Content-Encoding", ""),
        }  # fmt: skip
        said_back = subprocess.run([BACKEND], input=body, env=surroundings, capture_output=True, check=True).stdout
        head, _, content = said_back.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        ask.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            ask.send_header(name, value)
        ask.send_header("Content-Length", str(len(content)))
        ask.end_headers()
        ask.wfile.write(content)


@contextmanager
def serving(folder: Path) -> Iterator[Forge]:
    """One with a new workflow that is a notebook."""
    made = Forge(folder)
    work = create("notebook", "journey-water", folder, "Ada")
    if not (work / ".git").exists():
        subprocess.run(["git", "init", "-q", "-b", "main", str(work)], check=True)
    commit = ["git", "-C", str(work), "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    subprocess.run([*commit, "add", "-A"], check=True)
    subprocess.run([*commit, "commit", "-q", "--allow-empty", "-m", "First"], check=True)
    subprocess.run([*commit, "branch", "-M", "main"], check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(made.repository)], check=True)
    shutil.rmtree(work)
    subprocess.run(["git", "-C", str(made.repository), "config", "http.receivepack", "true"], check=True)
    made.thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()
