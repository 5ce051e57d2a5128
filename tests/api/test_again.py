"""A job once more, with the same code and inputs: by the API and by the button on its page."""

import json

import pytest

from terrafair.execution.builtin import BUILD
from terrafair.execution.job import JobRequest, Owner

from .world import World, world

__all__ = ["world"]
SUM = {"process_graph": {"one": {"process_id": "add", "arguments": {"x": 1, "y": 2}, "result": True}}}


@pytest.fixture(scope="module")
def job(world: World) -> str:
    """Ada's, of a file that she sent."""
    ada = world.client("ada")
    reference = ada.post("/api/uploads", params={"name": "sum.json"}, content=json.dumps(SUM)).json()["reference"]
    made = ada.post("/api/jobs", json={"file": reference, "project": "glaciers", "timeout": 99})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def test_the_same_file_inputs_and_time(world: World, job: str) -> None:
    made = world.client("ada").post("/api/jobs", json={"id": job, "kind": "job", "project": "glaciers"})
    assert made.status_code == 201, made.text
    first, again = world.jobs.get(job), world.jobs.get(made.json()["id"])
    assert again.id != job and again.request == first.request


def test_by_the_button(world: World, job: str) -> None:
    reply = world.client("ada").post(f"/results/{job}/again", follow_redirects=False)
    assert reply.status_code == 303
    again = world.jobs.get(reply.headers["location"].rpartition("/")[2])
    assert again.id != job and again.request == world.jobs.get(job).request


@pytest.mark.parametrize(("who", "status"), [("dee", 404), ("cy", 403), ("", 401)])
def test_for_others_there_is_nothing_to_run(world: World, job: str, who: str, status: int) -> None:
    before = len(world.jobs.listing())
    client = world.client(who)
    body = {"id": job, "kind": "job", "project": "glaciers" if who == "cy" else ""}
    found = [client.post("/api/jobs", json=body).status_code, client.post(f"/results/{job}/again").status_code]
    assert found[0] == status and set(found) <= {200, 303, 401, 403, 404}, found
    # Who may look may run it again, as their own.
    assert len(world.jobs.listing()) == before + (who == "cy")


def test_what_is_no_run_is_told(world: World) -> None:
    ada, owner = world.client("ada"), Owner("glaciers", world.ids["ada"])
    build = world.jobs.submit(JobRequest("lakes", BUILD, "s3://x"), owner=owner)
    reply = ada.post("/api/jobs", json={"id": build.id, "kind": "job"})
    assert reply.status_code == 400 and "is a build" in reply.text
    assert ada.post("/api/jobs", json={"id": "20260101-aaaaaaaaaa", "kind": "job"}).status_code == 404
    assert ada.post("/api/jobs", json={"id": "", "kind": "job"}).status_code == 400
    assert ada.post("/api/jobs", json={"id": "x", "kind": "moon"}).status_code in {400, 422}
