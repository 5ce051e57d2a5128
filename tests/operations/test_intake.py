"""Read-only mode and a full disk: what is refused, in which words, and what goes on."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from terrafair.errors import InvalidInput, Unavailable
from terrafair.execution.job import JobRequest
from terrafair.operations.intake import KEPT_SECONDS, ReadOnly, Room, floor_bytes

from .test_metrics import World, value, world  # noqa: F401 - a fixture

WISH = "/api/operation/read-only"


@pytest.fixture
def closed(world: World) -> Iterator[World]:  # noqa: F811
    eve = world.token("eve")
    answer = world.client.put(WISH, json={"on": True, "reason": "The database moves."}, headers=eve)
    assert answer.status_code == 200 and answer.json()["by"] == "eve"
    yield world
    assert world.client.put(WISH, json={"on": False}, headers=eve).json()["on"] is False


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/jobs"), ("POST", "/processes/x/execution"), ("DELETE", "/jobs/x"),
        ("POST", "/api/uploads?name=a"),
        ("POST", "/stac/collections"), ("POST", "/publish/x"), ("PUT", "/api/projects/x"), ("POST", "/admin/sync"),
        ("POST", "/api/workspaces"), ("POST", "/api/tokens"),
    ],
)  # fmt: skip
def test_changes_are_refused(closed: World, method: str, path: str) -> None:
    answer = closed.client.request(method, path, json={}, headers=closed.token("eve"))
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "120"
    assert answer.json()["problems"][0]["code"] == "read-only" and "The database moves." in answer.json()["detail"]


def test_openeo_says_it_in_its_own_words(closed: World) -> None:
    answer = closed.client.post("/openeo/jobs", json={}, headers=closed.token("eve"))
    assert answer.status_code == 503 and answer.json()["code"] == "InfrastructureBusy"
    assert answer.headers["Retry-After"] == "120" and "read-only" in answer.json()["message"]


def test_a_browser_gets_a_page(closed: World) -> None:
    answer = closed.client.post("/admin/sync", headers={"Accept": "text/html", **closed.token("eve")})
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "120"
    assert "read-only" in answer.text and "<html" in answer.text


def test_reading_goes_on_and_pages_say_it(closed: World) -> None:
    for path in ("/stac", "/processes", "/openeo/", "/health"):
        assert closed.client.get(path).status_code == 200
    assert closed.client.post("/stac/search", json={}).status_code == 200
    page = closed.client.get("/find").text
    assert re.search(r'role="status">Read-only for now.*The database moves\.', page)
    assert value(closed.scrape()["terrafair_read_only"]) == 1


def test_only_operators_switch(world: World) -> None:  # noqa: F811
    ada = world.token("ada")
    assert world.client.put(WISH, json={"on": True}, headers=ada).status_code == 403
    assert world.client.get(WISH, headers=ada).status_code == 403
    assert world.client.get("/api/operation/scrub", headers=ada).status_code == 403
    assert world.client.get(WISH, headers=world.token("eve")).json()["on"] is False
    assert world.client.get("/api/operation/scrub", headers=world.token("eve")).json()["damaged"] == []


def test_the_button(world: World) -> None:  # noqa: F811
    eve = world.token("eve")
    post = world.client.post("/admin/read-only", data={"on": "yes", "reason": "x"}, headers=eve, follow_redirects=False)
    assert post.status_code == 303
    page = world.client.get("/admin", headers=eve).text
    assert "Take changes again" in page
    assert world.client.post("/admin/read-only", data={"on": "no"}, headers=eve, follow_redirects=False).is_redirect
    assert "Make it read-only" in world.client.get("/admin", headers=eve).text


def test_another_process_knows_soon(world: World) -> None:  # noqa: F811
    import time

    here, there = ReadOnly(world.engine), ReadOnly(world.engine)
    assert there.refusal() is None
    here.set(on=True, by="me")
    time.sleep(KEPT_SECONDS + 0.05)
    assert there.refusal() is not None
    here.set(on=False, by="me")
    assert here.banner() == ""


def test_by_the_settings(world: World) -> None:  # noqa: F811
    always = ReadOnly(world.engine, always=True)
    assert always.refusal() is not None and always.set(on=False, by="me")["on"]


def test_no_room(world: World) -> None:  # noqa: F811
    free = [10**9]
    room = Room(world.config.home, "2 GB", lambda _: (10**12, 0, free[0]))
    from terrafair.execution.jobs import Jobs

    from .test_scrub import NoQueue

    jobs = Jobs(world.engine, NoQueue(), world.config.home / "jobs", room=room.check)
    before = len(jobs.listing(limit=10_000))
    with pytest.raises(Unavailable, match=r"1\.00 GB are free") as told:
        jobs.submit(JobRequest("one"))
    assert told.value.problem.code == "disk-full"
    assert len(jobs.listing(limit=10_000)) == before, "nothing half accepted"
    free[0] = 3 * 10**9
    assert jobs.submit(JobRequest("one")).id, "it recovers by itself"


def test_no_room_over_http(tmp_path: Path) -> None:
    from contextlib import ExitStack
    from dataclasses import replace

    from fastapi.testclient import TestClient

    from terrafair.app import Parts
    from terrafair.interfaces import build

    with ExitStack() as stack:
        world = World(tmp_path, stack)
        parts = Parts(replace(world.config, disk_floor="100 %"))
        vars(parts).update(objects=world.parts.objects)
        client, eve = TestClient(build(parts, stack)), world.token("eve")
        answer = client.post("/api/uploads?name=a", content=b"x" * 100, headers=eve)
        assert answer.status_code == 503 and answer.json()["problems"][0]["code"] == "disk-full"
        assert answer.headers["Retry-After"] == "120"
        assert client.put("/openeo/files/a", content=b"x", headers=eve).status_code == 503
        execution = client.post(
            "/processes/echo/execution", json={"inputs": {}}, headers={"Prefer": "respond-async", **eve}
        )
        assert execution.status_code in {400, 503}
        made = client.post("/api/tokens", json={"name": "t", "scopes": ["read"]}, headers=eve)
        assert made.status_code < 300, "what needs no room goes on"
        assert "terrafair_intake_closed 1.0" in client.get("/metrics", headers=eve).text
        world.parts.catalogue.close()
        parts.catalogue.close()


@pytest.mark.parametrize(
    ("text", "count"),
    [("2 GB", 2 * 10**9), ("500MB", 5 * 10**8), ("5 %", 50), ("0", 0), ("1.5 GiB", 1.5 * 2**30), ("123", 123)],
)
def test_floors(text: str, count: float) -> None:
    assert floor_bytes(text, 1000) == count


@pytest.mark.parametrize("text", ["", "much", "5 furlongs", "-1 GB", "101 %", "nan", "inf GB", "1 %%"])
def test_floors_that_are_none(text: str) -> None:
    with pytest.raises(InvalidInput, match="disk_floor"):
        floor_bytes(text, 1000)
