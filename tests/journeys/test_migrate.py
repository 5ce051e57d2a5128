"""An embedded platform moves to PostgreSQL, pgSTAC and another S3; every GET route answers as before."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from terrafair.data.seaweedfs import ObjectServer

from ..conftest import Platform
from ..databases import prepare
from ..stac.cluster import cluster, missing

CHANGES = re.compile(r"^/(metrics|health|status|capabilities|api/service-levels|api/status|openeo/me)|/events$")
"""What tells of the moment or of the machine: times, probes, parts."""
DESCRIPTIONS = ("/openapi.json", "/stac/api", "/features/api", "/openeo/openapi.json")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Settings that lead to a PostgreSQL and an S3."""
    if reason := missing():
        pytest.skip(reason)
    with ExitStack() as stack:
        url = stack.enter_context(cluster())
        prepare(url)
        store = ObjectServer(tmp_path / "other", "terrafair")
        stack.callback(store.stop)
        store.start()
        server = url.rpartition("/")[0]
        yield {
            "TERRAFAIR_DATABASE": f"{server}/terrafair_control",
            "TERRAFAIR_ITEMS_DATABASE": f"{server}/terrafair_items",
            "TERRAFAIR_STORE_URL": store.access.endpoint,
            "TERRAFAIR_STORE_KEY": store.access.key,
            "TERRAFAIR_STORE_SECRET": store.access.secret,
        }


def answers(platform: Platform, job: str) -> dict[str, tuple[int, str]]:
    """Every GET route without a parameter, or with a job's id; addresses of the platform are one."""
    found = {}
    with httpx2.Client(base_url=platform.url, timeout=60) as client:
        paths: set[str] = set()
        for description in DESCRIPTIONS:
            reply = client.get(description)
            if reply.status_code == httpx2.codes.OK:
                prefix = "" if description == "/openapi.json" else "/" + description.split("/")[1]
                for path, methods in reply.json()["paths"].items():
                    if "get" in methods:
                        paths.add(path if path.startswith(prefix) else prefix + path)
        named = {re.sub(r"\{(job|job_id|jobID|id)\}", job, path) if "/jobs/" in path else path for path in paths}
        collections = client.get("/stac/collections").json()["collections"]
        named |= {f"/stac/collections/{entry['id']}/items?limit=100" for entry in collections}
        for path in sorted(named):
            if "{" not in path and not CHANGES.search(path):
                reply = client.get(path)
                found[path] = (reply.status_code, plain(reply, platform.url))
    return found


def plain(reply: httpx2.Response, url: str) -> str:
    text = reply.text.replace(url, "http://platform")
    return re.sub(r'(csrf|token|nonce|timeStamp|request)["\w-]*[=:] ?"[^"]+"', "", text)


@pytest.mark.journey
def test_moved_after_a_kill_and_the_same_as_before(
    tmp_path: Path, elsewhere: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TERRAFAIR_TEST_SERVER", raising=False)  # it begins embedded
    before = Platform(tmp_path / "home")
    after = Platform(tmp_path / "home", elsewhere)
    try:
        before.start()
        job = before.json("run", "demo-ndvi")["job"]
        was = answers(before, job)
        refused = after.json("migrate", code=2)
        assert "platform runs" in refused["problems"][0]["what"]
        before.stop()
        interrupt(after)
        moved = after.json("migrate")
        assert moved["objects"] > 10 and moved["items"] > 0 and moved["rows"]["jobs"] == 1 and moved["queued"] == 0
        assert after.json("migrate") == moved, "again it changes nothing"
        after.start()
        now = answers(after, job)
        assert len(was) > 40
        assert {path: (was[path][0], now[path][0]) for path in was if was[path][0] != now[path][0]} == {}
        assert [path for path in was if was[path] != now[path]] == []
        assert after.json("reproduce", "demo-ndvi")["status"] == "successful"
    finally:
        before.stop()
        after.stop()


def interrupt(platform: Platform) -> None:
    """Kill it as soon as it has moved some objects."""
    command = [sys.executable, "-m", "terrafair", "migrate"]
    process = subprocess.Popen(command, env=platform.environment, stdout=subprocess.DEVNULL)
    moved = platform.home / "migration/objects"
    deadline = time.monotonic() + 60
    while not moved.exists() or moved.stat().st_size == 0:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("settings", [{}, {"TERRAFAIR_DATABASE": "sqlite:///elsewhere.db"}])
def test_settings_that_lead_nowhere(tmp_path: Path, settings: dict[str, str], monkeypatch: Any) -> None:
    monkeypatch.delenv("TERRAFAIR_TEST_SERVER", raising=False)
    told = Platform(tmp_path / "home", settings).cli("migrate", "--json", code=2)
    assert "name no other place" in json.loads(told.stdout or told.stderr)["problems"][0]["what"]
