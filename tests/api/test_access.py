"""Nobody reaches another project's things by any interface, guessed ids included."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from terrafair.api.processes.inputs import Inputs
from terrafair.data.bucket_inputs import BucketInputs
from terrafair.data.objects import MemoryObjects
from terrafair.data.stage import Stager
from terrafair.errors import InvalidInput, NotFound, Refused, TerrafairError
from terrafair.execution.job import JobRequest, Owner
from terrafair.identity.access import Actor
from terrafair.identity.asking import Asker, asking
from terrafair.identity.people import People
from terrafair.web import PlannedWeb

from .world import World

READS = [
    "/api/jobs/{id}",
    "/api/jobs/{id}/log",
    "/api/jobs/{id}/results",
    "/api/jobs/{id}/reproduction",
    "/api/jobs/{id}/files/outputs/secret.txt",
    "/api/jobs/{id}/files/collection.json",
    "/jobs/{id}",
    "/tiles/jobs/{id}/outputs/secret.txt/about",
    "/tiles/jobs/{id}/outputs/secret.txt/point?lon=1&lat=1",
    "/tiles/jobs/{id}/outputs/secret.txt/0/0/0.png",
    "/jobs/{id}?f=json",
    "/jobs/{id}/results",
    "/jobs/{id}/results/secret.txt",
    "/jobs/{id}/inputs",
    "/jobs/{id}/log",
    "/results/{id}",
    "/results/{id}/log",
    "/jobs/compare?f=html&a={id}&b=20260101-bbbbbbbbbb",
    "/api/comparisons?a={id}&b=20260101-bbbbbbbbbb",
    "/api/jobs/{id}/record",
    "/openeo/jobs/{id}",
    "/openeo/jobs/{id}/results",
    "/openeo/jobs/{id}/logs",
]
CHANGES = [
    ("DELETE", "/jobs/{id}"),
    ("DELETE", "/api/jobs/{id}"),
    ("POST", "/results/{id}/again"),
    ("POST", "/jobs/{id}/cancel"),
    ("DELETE", "/openeo/jobs/{id}"),
]


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("visibility", ["private", "project", "community"])
@pytest.mark.parametrize("who", ["dee", ""])
def test_nobody_reads_what_is_anothers(world: World, path: str, visibility: str, who: str) -> None:
    job = world.job(visibility=visibility)
    reply = world.client(who).get(path.format(id=job), follow_redirects=False)
    assert reply.status_code in {401, 403, 404}, reply.text
    assert "secret-workflow" not in reply.text
    # An id that nobody has is answered in the same words.
    other = "20260101-aaaaaaaaaa"
    unknown = world.client(who).get(path.format(id=other), follow_redirects=False)
    assert unknown.status_code == reply.status_code
    assert re.sub(r'"id":"[0-9a-f]{16}"', "", unknown.text.replace(other, job)) == re.sub(
        r'"id":"[0-9a-f]{16}"', "", reply.text
    )


@pytest.mark.parametrize(("method", "path"), CHANGES)
@pytest.mark.parametrize("who", ["dee", ""])
def test_nobody_changes_what_is_anothers(world: World, method: str, path: str, who: str) -> None:
    job = world.jobs.submit(JobRequest("secret-workflow"), owner=Owner("glaciers", world.ids["ada"])).id
    assert world.client(who).request(method, path.format(id=job)).status_code in {401, 403, 404}
    assert world.jobs.get(job).state.value == "accepted"


@pytest.mark.parametrize("path", READS[:7])
def test_its_own_people_read_it(world: World, path: str) -> None:
    job = world.job()
    for who in ("ada", "cy", "eve"):
        reply = world.client(who).get(path.format(id=job), follow_redirects=False)
        assert reply.status_code == 200 or "reproduction" in path, (who, reply.text)


def test_a_viewer_looks_and_does_not_touch(world: World) -> None:
    job = world.jobs.submit(JobRequest("x"), owner=Owner("glaciers", world.ids["ada"])).id
    assert world.client("cy").get(f"/api/jobs/{job}").status_code == 200
    assert world.client("cy").delete(f"/api/jobs/{job}").status_code == 403
    assert world.client("ada").delete(f"/api/jobs/{job}").status_code == 200


def test_listings_hold_what_one_sees(world: World) -> None:
    mine, theirs, shown = world.job(), world.job("dee", "forests"), world.job("dee", "forests", "public")
    private = world.job(visibility="private")
    for who, seen in {
        "ada": {mine, shown, private}, "cy": {mine, shown}, "dee": {theirs, shown}, "": {shown},
        "eve": {mine, theirs, shown, private},
    }.items():  # fmt: skip
        found = {row["id"] for row in world.client(who).get("/api/jobs?limit=10000").json()}
        assert found & {mine, theirs, shown, private} == seen, who
    assert mine not in world.client("dee").get("/jobs").text
    assert mine in world.client("ada").get("/jobs").text


@pytest.mark.parametrize(
    "text",
    ["s3://terrafair/jobs/{id}/outputs/secret.txt", "s3://terrafair/jobs/{quoted}/outputs/secret.txt"],
)
def test_no_job_reads_anothers_results(world: World, text: str) -> None:
    job = world.job()
    reference = text.format(id=job, quoted=job.replace("2", "%32", 1))
    order = {"id": "any", "inputs": {"deep": [{"data": reference}]}}
    reply = world.client("dee").post("/api/jobs", json=order)
    assert reply.status_code == 404
    assert "There is no job" in reply.json()["title"]
    graph = json.dumps({"process_graph": {"a": reference}}).replace("/", "\\u002f").encode()
    uploaded = world.client("dee").post("/api/uploads?name=graph.json", content=graph).json()["reference"]
    reply = world.client("dee").post("/api/jobs", json={"file": uploaded})
    assert "There is no job" in reply.json()["title"], reply.text


@pytest.mark.parametrize(
    "written",
    [
        "s3://terrafair/jobs/{id}/outputs/secret.txt",
        "s3://terrafair/jobs/{quoted}/outputs/secret.txt",
        "s3://terrafair/%6aobs/{id}/outputs/secret.txt",
        "s3://terrafair/jobs%2F{id}%2Foutputs%2Fsecret.txt",
        "s3://terrafair/jobs/{id}/outputs",
        "s3://terrafair/jobs/{id}",
        "s3://terrafair/jobs/",
        "s3://terrafair/jobs",
        "s3://terrafair/job",
        "s3://terrafair//jobs/{id}/outputs/secret.txt",
        "s3://terrafair/./jobs/{id}/outputs/secret.txt",
        "s3://terrafair/uploads/../jobs/{id}/outputs/secret.txt",
        "s3://terrafair/jobs/{id}/../{id}/outputs/secret.txt",
        "s3://terrafair/jobs/{id}/outputs/secret.txt?x",
        "S3://terrafair/jobs/{id}/outputs/secret.txt",
        "s3://TERRAFAIR/jobs/{id}/outputs/secret.txt",
        "s3://terrafair@terrafair/jobs/{id}/outputs/secret.txt",
        "file:///jobs/{id}/outputs/secret.txt",
    ],
)
@pytest.mark.parametrize("way", ["file", "asset", "alternate", "link"])
def test_no_way_of_writing_leads_to_anothers_results(world: World, tmp_path: Path, written: str, way: str) -> None:
    """Asked where a reference has become the key of an object: with the rights of the job's author, in every thread."""
    job = world.job()
    reference = written.format(id=job, quoted=job.replace("2", "%32", 1))
    asset = {"href": reference, "type": "text/plain"}
    if way == "alternate":
        asset = {"href": "https://nowhere.invalid/x", "alternate": {"s3": {"href": reference}}}
    item = {"type": "Feature", "stac_version": "1.1.0", "id": "x", "assets": {"data": asset}, "links": []}
    collection = {"type": "Catalog", "stac_version": "1.1.0", "links": [{"rel": "item", "href": reference}]}
    world.objects.put("uploads/mine.json", json.dumps(collection if way == "link" else item).encode())
    theirs = world.jobs.submit(JobRequest("x"), owner=Owner("forests", world.ids["dee"]))
    assert world.parts.admission is not None
    stager = world.parts.stager
    read = stager.file if way == "file" else stager.stac
    asked = reference if way == "file" else "s3://terrafair/uploads/mine.json"
    with asking(world.parts.admission.asker(theirs)), pytest.raises(TerrafairError):
        read(asked, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]


def test_its_own_people_and_relative_links_reach_results(world: World, tmp_path: Path) -> None:
    job = world.job()
    asset = {"href": f"../jobs/{job}/outputs/secret.txt"}
    item = {"type": "Feature", "stac_version": "1.1.0", "id": "x", "assets": {"data": asset}, "links": []}
    world.objects.put("uploads/relative.json", json.dumps(item).encode())
    admission = world.parts.admission
    assert admission is not None
    for who, project, good in (("ada", "glaciers", True), ("dee", "forests", False), ("eve", "", True)):
        running = world.jobs.submit(JobRequest("x"), owner=Owner(project, world.ids[who]))
        folder = tmp_path / who
        with asking(admission.asker(running)):
            if good:
                world.parts.stager.stac("s3://terrafair/uploads/relative.json", folder)
                assert world.parts.stager.file(f"s3://terrafair/jobs/{job}/outputs/secret.txt", folder).is_file()
            else:
                with pytest.raises(NotFound, match="There is no job"):
                    world.parts.stager.stac("s3://terrafair/uploads/relative.json", folder)


def test_a_text_that_is_no_reference_may_name_any_job(world: World) -> None:
    """Nor does an answer tell which ids there are: one that exists is answered as one that does not."""
    job = world.job()
    for id_ in (job, "20260101-aaaaaaaaaa"):
        reply = world.client("dee").post("/api/jobs", json={"id": "any", "inputs": {"note": f"like job {id_}"}})
        assert "There is no job" not in reply.text
        reply = world.client("dee").post(
            "/api/jobs", json={"id": "any", "inputs": {"a": f"s3://terrafair/jobs/{id_}/x"}}
        )
        assert reply.json()["title"] == f"There is no job {id_!r}."


CWL = """cwlVersion: v1.2
class: CommandLineTool
id: {id}
baseCommand: [echo, hello]
inputs: []
outputs: {{said: {{type: stdout}}}}
"""


def test_a_deployed_process_is_changed_by_its_own_people(world: World) -> None:
    """Its author, an owner of its project, the operator; everybody runs it; before rights come existence and form."""
    send: Any = {"headers": {"Content-Type": "application/cwl+yaml"}, "content": CWL.format(id="dees")}
    assert world.client().post("/processes", **send).status_code == 401
    assert world.client("dee").post("/processes", **send).status_code == 201
    for who, status in (("", 401), ("cy", 403), ("ada", 403)):
        assert world.client(who).put("/processes/dees", **send).status_code == status
        assert world.client(who).delete("/processes/dees").status_code == status
        assert world.client(who).get("/processes/dees").status_code == 200
    assert world.client("ada").put("/processes/nobodys", **send).status_code == 404
    assert world.client("dee").put("/processes/dees", **send).status_code == 204
    assert world.client("eve").put("/processes/dees", **send).status_code == 204
    assert world.client("ada").delete("/processes/dees").status_code == 403
    assert world.client("dee").delete("/processes/dees").status_code == 204


def test_a_process_of_a_project(world: World) -> None:
    kind = {"Content-Type": "application/cwl+yaml"}
    content = CWL.format(id="shared")
    viewer = world.client("cy", **{"X-Terrafair-Project": "glaciers"})
    assert viewer.post("/processes", headers=kind, content=content).status_code == 403
    ours = world.client("ada", **{"X-Terrafair-Project": "glaciers"})
    assert ours.post("/processes", headers=kind, content=content).status_code == 201
    assert viewer.delete("/processes/shared").status_code == 403
    issued = world.client("ada").post("/api/tokens", json={"name": "look", "scopes": ["read"]}).json()
    reader = TestClient(world.app, base_url="http://127.0.0.1", headers={"Authorization": f"Bearer {issued['token']}"})
    assert reader.delete("/processes/shared").status_code == 403
    assert ours.delete("/processes/shared").status_code == 204


def test_visitors_run_and_bring_nothing(world: World) -> None:
    visitor = world.client()
    assert visitor.post("/api/jobs", json={"id": "x"}).status_code == 401
    assert visitor.post("/api/uploads?name=x", content=b"x").status_code == 401
    assert visitor.post("/api/projects", json={"id": "mine"}).status_code == 401
    assert visitor.get("/api/tokens").status_code == 401
    assert visitor.get("/api/people").status_code == 401
    assert visitor.get("/api/audit").status_code == 401
    assert visitor.get("/api/find?text=x").status_code == 200
    page = visitor.get("/admin", headers={"Accept": "text/html"}, follow_redirects=False)
    assert (page.status_code, page.headers["location"]) == (303, "/account/sign-in?next=%2Fadmin")


@pytest.mark.parametrize("who", ["dee", "", "cy"])
def test_nobody_publishes_what_is_anothers(world: World, who: str) -> None:
    job = world.job()
    begun = world.client(who).post("/api/publications", json={"job": job})
    assert begun.status_code in {401, 403, 404}, begun.text
    looked = world.client(who).post("/api/publications", json={"job": job, "dry_run": True})
    assert looked.status_code != 200 or who == "cy"
    mine = world.client("ada").post("/api/publications", json={"job": job})
    if mine.status_code == 201:
        for path in ("", "/diff"):
            reply = world.client(who).get(f"/api/publications/{mine.json()['id']}{path}")
            assert reply.status_code == 404 or who == "cy"
        assert who == "cy" or world.client(who).get("/api/publications").json() == []
        assert not world.client(who).post(f"/api/publications/{mine.json()['id']}/advance").is_success


@pytest.mark.parametrize("who", ["dee", ""])
def test_what_is_not_public_stays_off_the_shelves(world: World, who: str) -> None:
    for path in ("/stac/collections", "/stac/search", "/features/collections"):
        assert "secret" not in world.client(who).get(path).text
    assert world.client(who).post("/stac/collections", json={"id": "x"}).status_code in {401, 403}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/projects/glaciers", None),
        ("POST", "/api/projects/glaciers/invitations", {"email": "dee@example.org"}),
        ("PUT", "/api/projects/glaciers/members/{dee}", {"role": "owner"}),
        ("DELETE", "/api/projects/glaciers/members/{ada}", None),
        ("PUT", "/api/projects/glaciers/groups/a", {"people": []}),
        ("POST", "/api/allocations", {"project": "glaciers", "credits": 1, "start": "2026-01-01", "end": "2026-02-01"}),
        ("GET", "/projects/glaciers", None),
        ("GET", "/admin", None),
        ("GET", "/api/people", None),
        ("GET", "/api/audit", None),
    ],
)
def test_no_other_projects_business(world: World, method: str, path: str, body: Any) -> None:
    reply = world.client("dee").request(method, path.format(**world.ids), json=body, follow_redirects=False)
    assert reply.status_code in {403, 404}, reply.text
    assert "cy@example.org" not in reply.text


def test_no_jobs_in_a_project_of_others(world: World) -> None:
    for who, status in (("dee", 403), ("cy", 403), ("ada", 404)):
        for send in (
            {"json": {"id": "unknown-workflow", "project": "glaciers"}},
            {"json": {"id": "unknown-workflow"}, "headers": {"X-Terrafair-Project": "glaciers"}},
        ):
            reply = world.client(who).post("/api/jobs", **send)
            assert reply.status_code == status, (who, reply.text)


@pytest.mark.parametrize("who", ["dee", "", "cy"])
def test_the_pages_of_publishing_are_the_projects_own(world: World, who: str) -> None:
    job = world.job()
    world.client("ada").post("/api/publications", json={"job": job})
    client = world.client(who)
    for path in ("", "/review", "/follow"):
        reply = client.get(f"/publish/{job}{path}", follow_redirects=False)
        assert reply.status_code in {303, 401, 403, 404, 409}, (path, reply.status_code)
        assert "secret" not in reply.text
    for path in ("", "/draft", "/go", "/merge", "/sync"):
        reply = client.post(f"/publish/{job}{path}", data={"region": "x", "seen": ""}, follow_redirects=False)
        assert reply.status_code in {303, 401, 403, 404}, (path, reply.status_code)
        assert reply.status_code != 303 or "/account/sign-in" in reply.headers["location"]
    if who != "cy":
        assert job not in client.get("/publish").text
    assert client.post("/admin/sync", follow_redirects=False).status_code in {401, 403}


@pytest.mark.parametrize("address", ["s3://p-glaciers/maps/area.txt", "s3://p-glaciers/", "s3://p-none/maps/area.txt"])
def test_a_job_reads_a_bucket_of_its_authors_projects_alone(world: World, address: str) -> None:
    """Refused when it is asked for, by both interfaces, in the same words as for a bucket that is not there."""
    reply = world.client("dee").post("/api/jobs", json={"id": "any", "inputs": {"deep": [{"data": address}]}})
    assert (reply.status_code, reply.json()["title"]) == (404, f"There is nothing at {address}.")
    inputs = Inputs(world.parts.web, world.objects, world.parts.admit, world.parts.bucket_inputs)
    dee = People(world.engine, world.parts.config.operators).actor(world.ids["dee"])
    with asking(Asker(dee)), pytest.raises(NotFound, match="There is nothing at"):
        inputs.check_references({"deep": [{"data": address}]})
    order = {"id": "any", "inputs": {"data": "s3://p-glaciers/maps/area.txt"}}
    for who in ("ada", "eve"):
        # Not the bucket is what stops it: there is no such workflow.
        assert "s3://p-glaciers" not in world.client(who).post("/api/jobs", json=order).text


def test_what_a_job_brings_from_buckets(world: World, tmp_path: Path) -> None:
    """With its author's rights of then, whatever it was written as: a file, a folder, a STAC document."""
    buckets = {"glaciers": MemoryObjects("p-glaciers"), "forests": MemoryObjects("p-forests")}
    item = {"type": "Feature", "id": "a", "links": [], "assets": {"data": {"href": "./area.txt", "roles": ["data"]}}}
    buckets["glaciers"].put("maps/area.txt", b"ice")
    buckets["glaciers"].put("maps/item.json", json.dumps(item).encode())
    buckets["forests"].put("tree.txt", b"wood")
    stager = Stager(world.objects, PlannedWeb({}), (), world.parts.admit, BucketInputs(buckets.__getitem__))
    people = People(world.engine, world.parts.config.operators)

    def rights(name: str) -> Asker:
        return Asker(people.actor(world.ids[name]))

    for who in ("ada", "cy", "eve"):
        with asking(rights(who)):
            assert stager.file("s3://p-glaciers/maps/area.txt", tmp_path / who).read_bytes() == b"ice"
            assert (stager.file("s3://p-glaciers/maps/", tmp_path / f"{who}-all") / "area.txt").is_file()
            found = json.loads(stager.stac("s3://p-glaciers/maps/item.json", tmp_path / f"{who}-stac").read_bytes())
            assert Path(found["assets"]["data"]["href"]).read_bytes() == b"ice"
            with pytest.raises(NotFound):
                stager.file("s3://p-glaciers/none.txt", tmp_path / who)
    for who, address in (
        ("dee", "s3://p-glaciers/maps/area.txt"), ("dee", "s3://p-glaciers/m%61ps/area.txt"),
        ("dee", "s3://p-glaciers"), ("dee", "s3://p-glaciers/"), ("ada", "s3://p-forests/tree.txt"),
        ("ada", "s3://p-none/tree.txt"), ("ada", "s3://p-/tree.txt"), ("ada", "s3://h-glaciers/maps/area.txt"),
        ("ada", "s3://p-glaciers/../p-forests/tree.txt"), ("ada", "s3://P-glaciers/maps/area.txt"),
    ):  # fmt: skip
        with asking(rights(who)):
            for bring in (stager.file, stager.stac):
                with pytest.raises((NotFound, InvalidInput, Refused)):
                    bring(address, tmp_path / "nothing")
    buckets["glaciers"].put(
        "leads.json", json.dumps({**item, "assets": {"d": {"href": "s3://p-forests/tree.txt"}}}).encode()
    )
    with asking(rights("ada")), pytest.raises(NotFound):
        stager.stac("s3://p-glaciers/leads.json", tmp_path / "leads")
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and file.read_bytes() == b"wood"]
    with asking(Asker(Actor())), pytest.raises(NotFound):
        stager.file("s3://p-glaciers/maps/area.txt", tmp_path / "nobody")
