"""An embedded platform moves to PostgreSQL, pgSTAC and another S3; every GET route answers as before."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from terrafair.config import load
from terrafair.data.seaweedfs import ObjectServer
from terrafair.errors import TerrafairError
from terrafair.migration_parts import move

from .. import databases
from ..conftest import Platform
from ..stac.cluster import missing

CHANGES = re.compile(r"^/(metrics|health|status|capabilities|api/service-levels|api/status|openeo/me)|/events$")
"""What tells of the moment or of the machine: times, probes, parts."""
MOMENT = re.compile(r'((?:csrf|token|nonce|timeStamp|request|"made"|"signature")["\w-]*[=:] ?)"[^"]+"')
PLAIN = {"TERRAFAIR_WORKSPACES": "no"}
DESCRIPTIONS = ("", "/stac", "/features", "/openeo")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Settings that lead to an empty PostgreSQL and an empty S3; platforms without them are embedded."""
    if reason := missing():
        pytest.skip(reason)
    with ExitStack() as stack:
        control, items = stack.enter_context(databases.empty("moved_control", "moved_items"))
        monkeypatch.delenv(databases.SERVER, raising=False)
        store = ObjectServer(tmp_path / "other", "terrafair")
        stack.callback(store.stop)
        store.start()
        yield {
            "TERRAFAIR_DATABASE": control,
            "TERRAFAIR_ITEMS_DATABASE": items,
            "TERRAFAIR_STORE_URL": store.access.endpoint,
            "TERRAFAIR_STORE_KEY": store.access.key,
            "TERRAFAIR_STORE_SECRET": store.access.secret,
        }


def answers(platform: Platform, job: str) -> dict[str, tuple[int, str]]:
    """Every GET route, with names that the demo has where it takes one; addresses of the platform are one."""
    found = {}
    with httpx2.Client(base_url=platform.url, timeout=60) as client:
        names = known(client, job)
        for path in sorted(routes(client)):
            if "{" not in (filled := fill(path, names)) and not CHANGES.search(filled):
                reply = client.get(filled)
                found[filled] = (reply.status_code, plain(reply, platform.url))
    return found


def routes(client: httpx2.Client) -> set[str]:
    """All that take GET, as the descriptions of the interfaces tell; and each item."""
    paths = {"/stac/search?limit=1000"}
    for prefix in DESCRIPTIONS:
        place = f"{prefix}/openapi.json" if prefix in {"", "/openeo"} else f"{prefix}/api"
        if (reply := client.get(place)).status_code == httpx2.codes.OK:
            described = [path for path, methods in reply.json()["paths"].items() if "get" in methods]
            paths |= {path if path.startswith(prefix) else prefix + path for path in described}
    return paths


def known(client: httpx2.Client, job: str) -> dict[str, str]:
    """Values of what routes take: by the parameter, or by its folder and the parameter."""
    items = client.get("/stac/search?limit=1").json()["features"]
    output = next(iter(client.get(f"/jobs/{job}/outputs").json()["outputs"]))
    return {
        **dict.fromkeys(("job", "jobID", "job_id", "jobs/id"), job),
        **dict.fromkeys(("collection", "collection_id"), items[0]["collection"]),
        "items/item": items[0]["id"],
        "outputID": output,
        "experiments/id": "demo-ndvi",
        "products/id": "demo-surface-water",
        "projects/id": client.get("/api/projects").json()[0]["id"],
        "processID": client.get("/processes").json()["processes"][0]["id"],
        "files/name": "water-occurrence.tif",
        f"{job}/name": "save.tif",
        "collectionId": client.get("/records/collections").json()["collections"][0]["id"],
    }


def echoed(platform: Platform) -> Any:
    """What a new job leaves, by way of the queue, a worker and the object store."""
    with httpx2.Client(base_url=platform.url, timeout=60) as client:
        order = {"inputs": {"stringInput": "Value1"}}
        wish = {"Prefer": "respond-async"}
        job = client.post("/processes/echo/execution", json=order, headers=wish).json()["jobID"]
        deadline = time.monotonic() + 60
        while (status := client.get(f"/jobs/{job}").json()["status"]) != "successful":
            assert status in {"accepted", "running"} and time.monotonic() < deadline, status
            time.sleep(0.1)
        return client.get(f"/jobs/{job}/results").json()["stringOutput"]


def fill(path: str, names: dict[str, str]) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        name = part[1:-1] if part.startswith("{") else ""
        before = parts[-1] if parts else ""
        parts.append(names.get(f"{before}/{name}", names.get(name, part)) if name else part)
    return "/".join(parts)


def plain(reply: httpx2.Response, url: str) -> str:
    """Its content without what is of the moment, and JSON whatever the order of its names."""
    text = MOMENT.sub(r'\1""', reply.content.decode("latin-1").replace(url, "http://platform"))
    if not reply.is_success:
        # The name of this failure in the log.
        return re.sub(r'"id": ?"[0-9a-f]{16}"', '"id":""', text)
    with suppress(ValueError):
        text = json.dumps(json.loads(text), sort_keys=True)
    return text


@pytest.mark.journey
def test_moved_after_a_kill_and_the_same_as_before(tmp_path: Path, elsewhere: dict[str, str]) -> None:
    home = tmp_path / "home"
    before, after = Platform(home, PLAIN), Platform(home, PLAIN | elsewhere)
    try:
        before.start()
        job = before.json("run", "demo-ndvi")["job"]
        was = answers(before, job)
        assert "platform runs" in what(home, elsewhere)
        before.stop()
        refused_elsewhere(home, elsewhere)
        interrupt(after)
        moved = after.json("migrate")
        assert moved["objects"] > 10 and moved["items"] > 0 and moved["rows"]["jobs"] == 1 and moved["queued"] == 0
        again = move(load({"TERRAFAIR_HOME": str(home), **elsewhere}), lambda _: None)
        assert again.document() == moved, "again it changes nothing"
        after.start()
        now = answers(after, job)
        assert len(was) > 100
        assert {path: (was[path][0], now[path][0]) for path in was if was[path][0] != now[path][0]} == {}
        assert [path for path in was if was[path] != now[path]] == []
        assert echoed(after) == "Value1"
        after.stop()
        assert "in use" in what(home, elsewhere), "what was written there since is not replaced"
    finally:
        before.stop()
        after.stop()


def what(home: Path, settings: dict[str, str]) -> str:
    """What `migrate` says that is wrong."""
    with pytest.raises(TerrafairError) as refusal:
        move(load({"TERRAFAIR_HOME": str(home), **settings}), lambda _: None)
    return refusal.value.problem.what


def refused_elsewhere(home: Path, elsewhere: dict[str, str]) -> None:
    """A place that does not answer, and one that refuses us."""
    dead = "127.0.0.1:9"
    wrong = {
        "TERRAFAIR_DATABASE": (f"postgresql://tester@{dead}/terrafair", "does not answer"),
        "TERRAFAIR_ITEMS_DATABASE": (f"postgresql://tester@{dead}/terrafair", "does not answer"),
        "TERRAFAIR_STORE_URL": (f"http://{dead}", "does not answer"),
        "TERRAFAIR_STORE_SECRET": ("another", "refuses us"),
    }
    for name, (value, says) in wrong.items():
        assert says in what(home, elsewhere | {name: value}), name


def interrupt(platform: Platform) -> None:
    """Kill it as soon as it has moved some objects."""
    command = [sys.executable, "-m", "terrafair", "migrate"]
    folder = platform.home / "migration"
    process = subprocess.Popen(command, env=platform.environment, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size for path in folder.glob("objects-*")):
        assert process.poll() is None and time.monotonic() < deadline, "it ended before it could be interrupted"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    told, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL and "items" not in told, "it was past the objects"


@pytest.mark.parametrize("settings", [{}, {"TERRAFAIR_DATABASE": "sqlite:///elsewhere.db"}])
def test_settings_that_lead_nowhere(tmp_path: Path, settings: dict[str, str], monkeypatch: Any) -> None:
    monkeypatch.delenv(databases.SERVER, raising=False)
    assert "name no other place" in what(tmp_path, settings)
