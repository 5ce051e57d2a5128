"""Several web processes are one platform: one address, one set of sessions and rights, one end."""

import os
import signal
import time
from pathlib import Path

import httpx2

from ..conftest import Platform


def beside(platform: Platform) -> list[int]:
    """Processes beside the first one."""
    first = platform.serving["pid"]
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if parent == first and b"web-worker" in command:
                found.append(int(entry.name))
    return found


def until(holds: object, seconds: float = 90) -> None:
    assert callable(holds)
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def answer(url: str) -> int:
    """By a new connection each, so that any process may take it."""
    return httpx2.get(f"{url}/health", timeout=30, trust_env=False).status_code


def listens(process: int) -> bool:
    """Whether a process waits for requests: it has an event loop on the socket."""
    try:
        return any("eventpoll" in str(entry.readlink()) for entry in Path(f"/proc/{process}/fd").iterdir())
    except OSError:
        return False


def ready(platform: Platform) -> bool:
    """Whether the second process is there and waits for requests."""
    found = beside(platform)
    return len(found) == 1 and listens(found[0])


def test_several_processes_are_one_platform(own_platform: Platform) -> None:
    own_platform.settings["TERRAFAIR_WEB_WORKERS"] = "2"
    own_platform.start("--no-demo")
    url = own_platform.url
    until(lambda: ready(own_platform))
    (process,) = beside(own_platform)
    # Written by one process, whichever, and read by both.
    document = {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": "scenes",
        "description": "Made.",
        "license": "CC0-1.0",
        "extent": {"spatial": {"bbox": [[0, 0, 1, 1]]}, "temporal": {"interval": [["2020-01-01T00:00:00Z", None]]}},
        "links": [],
    }
    made = httpx2.post(f"{url}/stac/collections", json=document, timeout=30, trust_env=False)
    assert made.status_code == 201, made.text
    for _ in range(12):
        assert httpx2.get(f"{url}/stac/collections/scenes", timeout=30, trust_env=False).status_code == 200
    # With the first one stopped, the other answers everything.
    first = own_platform.serving["pid"]
    os.kill(first, signal.SIGSTOP)
    try:
        served = False
        for _ in range(20):
            try:
                served = httpx2.get(f"{url}/stac/collections/scenes", timeout=5, trust_env=False).status_code == 200
            except httpx2.TimeoutException:
                continue
            if served:
                break
        assert served
    finally:
        os.kill(first, signal.SIGCONT)
    # What ends is started again.
    os.kill(process, signal.SIGKILL)
    until(lambda: beside(own_platform) not in ([], [process]))
    until(lambda: answer(url) == 200)
    again = beside(own_platform)
    until(lambda: listens(again[0]))
    # A first process that is killed takes the others with it, and the next start finds the port free.
    port = url.rpartition(":")[2]
    own_platform.kill()
    own_platform.start("--no-demo", "--port", port)
    until(lambda: not Path(f"/proc/{again[0]}").exists(), 15)
    assert answer(own_platform.url) == 200 and own_platform.url == url
    until(lambda: len(beside(own_platform)) == 1)
    last = beside(own_platform)
    own_platform.stop()
    until(lambda: not Path(f"/proc/{last[0]}").exists(), 15)
