"""An embedded platform moves to PostgreSQL, pgSTAC and another S3; every GET route answers as before."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from terrafair.config import load
from terrafair.data.seaweedfs import ObjectServer
from terrafair.errors import TerrafairError
from terrafair.identity import passwords
from terrafair.migration_parts import move

from .. import databases
from ..conftest import Platform
from ..stac.cluster import missing

CHANGES = re.compile(r"^/(metrics|health|status|capabilities|api/service-levels|api/status|openeo/me)|/events$")
"""What tells of the moment or of the machine: times (an S3 gives an object the time of its coming), probes, parts."""
MOMENT = re.compile(r'((?:csrf|token|nonce|timeStamp|request|"made"|"modified"|"signature")["\w-]*[=:] ?)"[^"]+"')
ADA = ("ada", "secret-ada")
BUCKET = "moved"
PLAIN = {
    "TERRAFAIR_WORKSPACES": "no",
    "TERRAFAIR_ACCOUNTS": f"{ADA[0]}={passwords.digest(ADA[1])}",
    "TERRAFAIR_OPERATORS": f"local#{ADA[0]}",
}
DESCRIPTIONS = ("", "/stac", "/features")
NONE = "none"
"""The name of a thing that the demo has none of: its absence is compared, too."""
ABSENT = re.compile(
    rf"/{NONE}(/|$)|/openeo/jobs/[^/]+/results$|/openeo/credentials/basic$|/api/comparisons$|[.]tif/features$"
)
"""Also: results of a job that was not started, a second sign-in, a comparison of one job, features of a raster."""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Settings that lead to an empty PostgreSQL and an empty S3; platforms without them are embedded."""
    if reason := missing():
        pytest.skip(reason)
    with ExitStack() as stack:
        control, items = stack.enter_context(databases.empty("moved_control", "moved_items"))
        monkeypatch.delenv(databases.SERVER, raising=False)
        store = ObjectServer(tmp_path / "other", BUCKET)
        stack.callback(store.stop)
        store.start()
        yield {
            "TERRAFAIR_DATABASE": control,
            "TERRAFAIR_ITEMS_DATABASE": items,
            "TERRAFAIR_STORE_URL": store.access.endpoint,
            "TERRAFAIR_STORE_KEY": store.access.key,
            "TERRAFAIR_STORE_SECRET": store.access.secret,
            "TERRAFAIR_STORE_BUCKET": BUCKET,
        }


@contextmanager
def signed_in(platform: Platform) -> Iterator[httpx2.Client]:
    """Ada, who operates the platform."""
    with httpx2.Client(base_url=platform.url, timeout=60) as web:
        token = web.get("/openeo/credentials/basic", auth=ADA).json()["access_token"]
        web.headers["Authorization"] = f"Bearer basic//{token}"
        yield web


def leave_something(web: httpx2.Client) -> None:
    """What the demo has none of and a request makes."""
    graph = {"add": {"process_id": "add", "arguments": {"x": 1, "y": 2}, "result": True}}
    for method, path, more in (
        ("POST", "/openeo/jobs", {"json": {"title": "sum", "process": {"process_graph": graph}}}),
        ("PUT", "/openeo/process_graphs/my_sum", {"json": {"process_graph": graph}}),
        ("PUT", "/openeo/files/notes.txt", {"content": b"notes"}),
    ):
        reply = web.request(method, path, **more)
        assert reply.is_success, reply.text


def answers(platform: Platform, job: str) -> dict[str, tuple[int, str]]:
    """Every GET route, with names that the demo has where it takes one; addresses of the platform are one."""
    found = {}
    with signed_in(platform) as web:
        names = known(web, job)
        for path in sorted(routes(web)):
            if not CHANGES.search(filled := fill(path, names)):
                query = re.sub("[A-Z]+", lambda found: names[found[0]], QUERIES.get(path, ""))
                reply = web.get(filled + query, follow_redirects=True)
                found[filled] = (reply.status_code, plain(reply, platform.url))
    return found


QUERIES = {"/api/comparisons": "?a=JOB&b=JOB", "/tiles/jobs/{job}/{name}/point": "?lon=LON&lat=LAT"}


def routes(web: httpx2.Client) -> set[str]:
    """All that take GET, as the descriptions of the interfaces tell; and each item."""
    paths = {"/stac/search?limit=1000"}
    for prefix in DESCRIPTIONS:
        place = f"{prefix}/api" if prefix else "/openapi.json"
        described = web.get(place).raise_for_status().json()["paths"]
        paths |= {path if path.startswith(prefix) else prefix + path for path in described if "get" in described[path]}
    return paths


def known(web: httpx2.Client, job: str) -> dict[str, str]:
    """Values of what routes take: by the parameter, or by what stands before it and the parameter."""

    def first(path: str, *keys: str) -> Any:
        rows = web.get(path).raise_for_status().json()
        for key in keys:
            rows = rows[key] if isinstance(rows, dict) else rows[0][key]
        return rows

    item = web.get("/stac/search?limit=1").json()["features"][0]
    west, south, east, north = item["bbox"]
    layer, records = first("/features/collections", "collections", "id"), "experiments"
    process = next(row["id"] for row in first("/processes", "processes") if "ndvi" in row["id"])
    return {
        **dict.fromkeys(("job", "jobID", "job_id", "jobs/id"), job),
        **dict.fromkeys(("collection", "collection_id"), item["collection"]),
        "items/item": item["id"],
        "JOB": job,
        "LON": str((west + east) / 2),
        "LAT": str((south + north) / 2),
        "outputID": next(iter(first(f"/jobs/{job}/outputs", "outputs"))),
        "experiments/id": "demo-ndvi",
        "products/id": "demo-surface-water",
        "projects/id": first("/api/projects", "id"),
        "processID": process,
        f"jobs/{job}/files/name": "outputs/save.tif",
        f"jobs/{job}/name": "outputs/save.tif",
        "outputs/save.tif/z": "0",
        "outputs/save.tif/0/x": "0",
        "outputs/save.tif/0/0/last": "0.png",
        "demo-surface-water/files/name": first("/api/products/demo-surface-water/files", "files", "name"),
        "collectionId": records,
        "recordId": first(f"/records/collections/{records}/items", "features", "id"),
        "features/collections/collection": layer,
        f"features/collections/{layer}/items/item": first(f"/features/collections/{layer}/items", "features", "id"),
        "openeo/collections/collection_id": first("/openeo/collections", "collections", "id"),
        "openeo/jobs/job_id": first("/openeo/jobs", "jobs", "id"),
        "process_graph_id": "my_sum",
        "files/path": "notes.txt",
    }


def fill(path: str, names: dict[str, str]) -> str:
    filled = ""
    for part in path[1:].split("/"):
        if part.startswith("{") and part.endswith("}"):
            asked = f"{filled}/{part[1:-1]}"
            fitting = [name for name in names if asked.endswith(f"/{name}")]
            part = names[max(fitting, key=len)] if fitting else NONE  # noqa: PLW2901 - the name's value
        filled += "/" + part
    return filled


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


def plain(reply: httpx2.Response, url: str) -> str:
    """Its content without what is of the moment, and JSON whatever the order of its names."""
    text = reply.content.decode("latin-1").replace(url, "http://platform").replace(f"s3://{BUCKET}/", "s3://terrafair/")
    text = MOMENT.sub(r'\1""', text)
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
        job = before.json("reproduce", "demo-ndvi")["job"]
        with signed_in(before) as web:
            leave_something(web)
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
        assert len(was) > 120
        assert {path: said for path, said in was.items() if said[0] >= 400 and not ABSENT.search(path)} == {}
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
        "TERRAFAIR_STORE_BUCKET": ("sg-terrafair-generic", "the bucket of a project, a person or the archive"),
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
