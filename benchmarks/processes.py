"""OGC API - Processes over HTTP: synchronous echoes a second, and how long a job takes, ours and pygeoapi's.

    python benchmarks/processes.py [SECONDS]

Both run as one server process on this machine with their echo (pygeoapi's `hello-world`, on Starlette and uvicorn, jobs
in TinyDB), and are asked by the same client: CONNECTIONS kept-alive connections for the echoes; for the jobs one after
the other, each asked for its status every 10 ms until it has ended. Our jobs are durable and run in a worker process;
pygeoapi's run in a thread of the server and die with it. pygeoapi is installed once from PyPI into a cache below the
system's temporary folder.
"""

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PYGEOAPI = "pygeoapi==0.21.0"
CONNECTIONS = 8
SECONDS = 5.0
JOBS = 40
START_SECONDS = 90

CONFIG = """
server:
  bind: {{host: 127.0.0.1, port: {port}}}
  url: http://127.0.0.1:{port}
  mimetype: application/json
  encoding: utf-8
  languages: [en-US]
  limits: {{default_items: 10, max_items: 10}}
  map: {{url: "https://tile.example/{{z}}/{{x}}/{{y}}.png", attribution: none}}
  manager: {{name: TinyDB, connection: {folder}/jobs.db, output_dir: {folder}}}
logging: {{level: ERROR}}
metadata:
  identification: {{title: x, description: x, keywords: [x], keywords_type: theme, terms_of_service: x, url: x}}
  license: {{name: x, url: x}}
  provider: {{name: x, url: x}}
  contact: {{name: x}}
resources:
  hello-world: {{type: process, processor: {{name: HelloWorld}}}}
"""
SERVE = """
import sys, uvicorn
from pygeoapi.starlette_app import APP
uvicorn.run(APP, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
"""


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def request(port: int, method: str, path: str, body: Any = None, headers: Mapping[str, str] = {}) -> tuple[int, Any]:
    """One request over a connection of its own: status, and the JSON body."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    content = json.dumps(body) if body is not None else None
    connection.request(method, path, content, {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    document = json.loads(text) if text and "json" in (answer.getheader("content-type") or "") else None
    return answer.status, document if answer.getheader("location") is None else {
        "location": answer.getheader("location")
    }


async def flood(port: int, path: str, body: Mapping[str, Any], seconds: float) -> list[float]:
    """Seconds of each request of several connections for so long."""
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    wire = f"{head}Accept: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content
    taken: list[float] = []
    deadline = time.perf_counter() + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < deadline:
            begun = time.perf_counter()
            writer.write(wire)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                sys.exit(f"The server answers {head[:100]!r}.")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            await reader.readexactly(int(length.split(b":")[1]))
            taken.append(time.perf_counter() - begun)
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return taken


def job_seconds(port: int, path: str, body: Mapping[str, Any]) -> float:
    """From the request to the status that says that it has ended."""
    begun = time.perf_counter()
    _, answer = request(port, "POST", path, body, {"Prefer": "respond-async"})
    place = "/" + str(answer["location"]).split("/", 3)[3]
    while True:
        _, status = request(port, "GET", f"{place}?f=json")
        if status["status"] in {"successful", "failed", "dismissed"}:
            if status["status"] != "successful":
                sys.exit(f"A job is {status}")
            return time.perf_counter() - begun
        time.sleep(0.01)


def measure(name: str, port: int, path: str, body: Mapping[str, Any], seconds: float) -> None:
    """Print both figures."""
    asyncio.run(flood(port, path, body, 0.5))
    taken = asyncio.run(flood(port, path, body, seconds))
    p50, p99 = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
    rate = len(taken) / seconds
    print(f"{name}, sync echo: {rate:.0f} requests/s, p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms")
    jobs = [job_seconds(port, path, body) for _ in range(JOBS + 3)][3:]
    p50, p95 = statistics.median(jobs), statistics.quantiles(jobs, n=20)[18]
    print(f"{name}, async job to its end: p50 {p50 * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms ({len(jobs)} jobs)")


def answers(port: int) -> bool:
    """Whether a server is there."""
    try:
        return request(port, "GET", "/processes?f=json")[0] == 200
    except OSError:
        return False


def serve(line: list[str], port: int, environment: Mapping[str, str], measured: Callable[[], None]) -> str:
    """Run a server for as long as it is measured; gives why it could not be."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(line, env={**os.environ, **environment}, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not answers(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    return log.read().decode("utf-8", "replace")[-400:]
                time.sleep(0.1)
            measured()
        finally:
            process.terminate()
            process.wait()
    return ""


def ours(seconds: float) -> str:
    """terrafair, as `terrafair serve` starts it."""
    port = free_port()
    body = {"inputs": {"stringInput": "World"}}
    with tempfile.TemporaryDirectory() as home:
        line = [sys.executable, "-m", "terrafair", "serve", "--port", str(port), "--no-demo"]
        settings = {"TERRAFAIR_HOME": home}
        return serve(
            line, port, settings, lambda: measure("terrafair", port, "/processes/echo/execution", body, seconds)
        )


def pygeoapi(seconds: float) -> str:
    """pygeoapi, where it can be installed."""
    folder = Path(tempfile.gettempdir(), f"terrafair-benchmarks-{os.getuid()}", f"{PYGEOAPI.replace('==', '-')}-http")
    python = folder / "bin/python"
    if not (folder / "installed").exists():
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        for line in (
            [sys.executable, "-m", "venv", "--clear", str(folder)],
            [
                str(python),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                PYGEOAPI,
                "starlette",
                "uvicorn",
            ],
        ):
            done = subprocess.run(line, capture_output=True, text=True, check=False)
            if done.returncode:
                return f"{PYGEOAPI} cannot be installed: {done.stderr.strip()[-300:] or done.returncode}"
        (folder / "installed").touch()
    port = free_port()
    with tempfile.TemporaryDirectory() as work:
        config, openapi = Path(work, "config.yml"), Path(work, "openapi.yml")
        config.write_text(CONFIG.format(port=port, folder=work))
        environment = {"PYGEOAPI_CONFIG": str(config), "PYGEOAPI_OPENAPI": str(openapi)}
        made = subprocess.run(
            [str(folder / "bin/pygeoapi"), "openapi", "generate", str(config), "--output-file", str(openapi)],
            env={**os.environ, **environment}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if made.returncode:
            return f"{PYGEOAPI} does not take its configuration: {made.stderr.strip()[-300:]}"
        body = {"inputs": {"name": "World"}}
        path = "/processes/hello-world/execution"
        return serve(
            [str(python), "-c", SERVE, str(port)],
            port,
            environment,
            lambda: measure("pygeoapi", port, path, body, seconds),
        )


def main() -> None:
    """Both, one after the other."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    for name, work in (("terrafair", ours), ("pygeoapi", pygeoapi)):
        if problem := work(seconds):
            print(f"{name}: not measured: {problem}")


if __name__ == "__main__":
    main()
