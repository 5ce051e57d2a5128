"""Nobody reaches another project's things by any interface, guessed ids included; and how a request says who asks."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from starlette.testclient import TestClient

from terrafair.app import Parts
from terrafair.config import Config
from terrafair.data.objects import MemoryObjects
from terrafair.database import migrate, open_engine, reading, transaction
from terrafair.errors import NotFound, TerrafairError
from terrafair.execution import queue
from terrafair.execution.job import Asset, JobRequest, Owner, Results, Started, Succeeded, Usage
from terrafair.execution.jobs import Jobs
from terrafair.identity import ledger, passwords
from terrafair.identity.access import Role, Scope, Visibility
from terrafair.identity.allocation import Approved
from terrafair.identity.allocations import Allocations
from terrafair.identity.asking import asking
from terrafair.identity.credits import MilliCredits
from terrafair.identity.people import People, Profile
from terrafair.identity.person import Person
from terrafair.identity.personal_tokens import PersonalTokens
from terrafair.identity.projects import Projects
from terrafair.identity.sessions import COOKIE, Sessions
from terrafair.identity_parts import budget
from terrafair.interfaces import build

MOMENT = "2026-01-01T00:00:00.000Z"


class NoQueue:
    def enqueue(self, connection: sa.Connection, job: str) -> None:
        pass


@dataclass
class World:
    """A platform for people who sign in: Ada owns `glaciers`, where Cy may look; Dee owns `forests`; Eve operates."""

    app: FastAPI
    engine: sa.Engine
    jobs: Jobs
    objects: MemoryObjects
    tokens: dict[str, str]
    ids: dict[str, str]
    parts: Parts

    def client(self, name: str = "", **headers: str) -> TestClient:
        if name:
            headers["Authorization"] = f"Bearer {self.tokens[name]}"
        return TestClient(self.app, base_url="http://127.0.0.1", headers=headers, raise_server_exceptions=False)

    def job(self, name: str = "ada", project: str = "glaciers", visibility: str = "project") -> str:
        job = self.jobs.submit(
            JobRequest("secret-workflow", inputs={"secret": 1}),
            owner=Owner(project, self.ids[name], Visibility(visibility)),
        )
        prefix = f"jobs/{job.id}"
        self.objects.put(f"{prefix}/outputs/secret.txt", b"secret")
        self.objects.put(f"{prefix}/collection.json", b"{}")
        asset = Asset("secret.txt", f"{prefix}/outputs/secret.txt", "text/plain", 6, "ab" * 32)
        self.jobs.apply(job.id, Started(MOMENT))
        results = Results(prefix, f"{prefix}/collection.json", (), (asset,))
        self.jobs.apply(job.id, Succeeded(MOMENT, results, Usage(1.0, 2.0, 10**9)))
        self.jobs.folder(job.id).mkdir(parents=True, exist_ok=True)
        self.jobs.log_file(job.id).write_text('{"time": "x", "level": "info", "message": "secret"}\n')
        return job.id


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("platform")
    accounts = {name: passwords.digest(name) for name in ("dee",)}
    config = Config(home=home, accounts=accounts, anonymous="visitor", operators=frozenset({"test#eve"}))
    engine = open_engine(config.database_url)
    migrate(engine)
    queue.prepare(config.database_url)
    people, projects, personal = People(engine, config.operators), Projects(engine), PersonalTokens(engine)
    ids, tokens = {}, {}
    for name in ("ada", "cy", "dee", "eve"):
        subject = "local#dee" if name == "dee" else f"test#{name}"
        profile = people.seen(Profile(Person(subject).id, subject, name.title(), f"{name}@example.org"))
        ids[name] = profile.id
        tokens[name], _ = personal.issue(profile.id, "test", list(Scope), timedelta(days=1))
    projects.create(people.actor(ids["ada"]), "glaciers", "Glaciers")
    projects.create(people.actor(ids["dee"]), "forests", "Forests")
    secret = projects.invite(people.actor(ids["ada"]), "glaciers", Role.VIEWER, email="cy@example.org")
    projects.accept(people.get(ids["cy"]), secret)
    objects = MemoryObjects()
    parts = Parts(config)
    vars(parts).update(objects=objects)
    with ExitStack() as stack:
        app = build(parts, stack)
        jobs = Jobs(engine, NoQueue(), home / "jobs", budget(parts))
        yield World(app, engine, jobs, objects, tokens, ids, parts)
    parts.catalogue.close()
    engine.dispose()


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


def test_who_one_is(world: World) -> None:
    me = world.client("ada").get("/api/me").json()
    assert (me["name"], me["operator"], me["projects"]["glaciers"]) == ("Ada", False, "owner")
    assert world.client("eve").get("/api/me").json()["operator"] is True
    assert world.client().get("/api/me").json()["id"] == ""
    token = world.client().get("/openeo/credentials/basic", auth=("dee", "dee")).json()["access_token"]
    reply = world.client().get("/api/me", headers={"Authorization": f"Bearer basic//{token}"})
    assert reply.json()["id"] == world.ids["dee"]


@pytest.mark.parametrize(
    "header",
    [
        "Bearer tfp_unknown",
        "Bearer x",
        "Bearer a.b.c",
        "Bearer basic//x",
        "Bearer oidc/x/y",
        "Basic eDp5",
        "x",
        "Bearer " + "x" * 20_000,
    ],
)
def test_credentials_that_do_not_hold(world: World, header: str) -> None:
    reply = world.client().get("/api/me", headers={"Authorization": header})
    assert reply.status_code == 401
    assert reply.json()["problems"][0]["what"]
    # The interface for openEO says it in its own words.
    assert world.client().get("/openeo/me", headers={"Authorization": header}).json()["code"]


def test_scopes_of_a_token(world: World) -> None:
    job = world.job()
    issued = world.client("ada").post("/api/tokens", json={"name": "ci", "scopes": ["read"]}).json()
    reader = TestClient(world.app, base_url="http://127.0.0.1", headers={"Authorization": f"Bearer {issued['token']}"})
    assert reader.get(f"/api/jobs/{job}").status_code == 200
    assert reader.delete(f"/api/jobs/{job}").status_code == 403
    assert reader.post("/api/jobs", json={"id": "x"}).status_code == 403
    more = reader.post("/api/tokens", json={"name": "more", "scopes": ["read", "manage"]}).json()
    assert more["scopes"] == ["read"]
    assert world.client("dee").delete(f"/api/tokens/{issued['id']}").status_code == 404
    assert world.client("ada").delete(f"/api/tokens/{issued['id']}").status_code == 204
    assert reader.get("/api/me").status_code == 401


@pytest.fixture
def browser(world: World) -> TestClient:
    cookie = Sessions(world.engine).begin(world.ids["ada"], "local")
    client = world.client()
    client.cookies.set(COOKIE, cookie)
    return client


def csrf_of(text: str) -> str:
    return text.split('name="csrf" value="')[1].split('"', maxsplit=1)[0]


def test_a_browser_needs_the_sessions_token(world: World, browser: TestClient) -> None:
    page = browser.get("/account")
    assert page.status_code == 200
    assert "Ada" in page.text
    form = {"name": "browser", "scopes": "read", "days": "3"}
    for data, headers in (
        (form, {}),
        ({**form, "csrf": "guessed"}, {}),
        (form, {"X-CSRF-Token": "guessed"}),
        (form, {"Sec-Fetch-Site": "cross-site"}),
        (form, {"Sec-Fetch-Site": "same-site"}),
    ):
        reply = browser.post("/account/tokens", data=data, headers=headers)
        assert (reply.status_code, reply.json()["problems"][0]["code"]) == (403, "csrf")
    made = browser.post("/account/tokens", data={**form, "csrf": csrf_of(page.text)})
    assert "tfp_" in made.text
    secret = made.text.split('id="token">')[1].split("<")[0]
    assert world.client().get("/api/me", headers={"Authorization": f"Bearer {secret}"}).json()["name"] == "Ada"
    assert secret not in browser.get("/account").text
    assert browser.post("/api/projects", json={"id": "x-y"}, headers={"Sec-Fetch-Site": "same-origin"}).is_success


def test_signing_out_ends_the_session(browser: TestClient) -> None:
    csrf = csrf_of(browser.get("/account").text)
    cookie = browser.cookies[COOKIE]
    out = browser.post("/account/sign-out", data={"csrf": csrf}, follow_redirects=False)
    assert out.status_code == 303
    browser.cookies.set(COOKIE, cookie)
    assert browser.get("/api/me").json()["id"] == ""


def test_pages_of_a_project(world: World, browser: TestClient) -> None:
    csrf = csrf_of(browser.get("/projects/glaciers").text)
    made = browser.post(
        "/projects/glaciers/invitations", data={"who": "dee@example.org", "role": "viewer", "csrf": csrf}
    )
    link = made.text.split('id="invitation">')[1].split("<")[0]
    assert world.client("cy").post(link.removeprefix("http://127.0.0.1")).status_code == 400
    assert "Glaciers" in browser.get("/projects").text
    wrong = browser.post("/projects", data={"id": "Not An Id", "csrf": csrf})
    assert wrong.status_code == 400
    assert "is no id" in wrong.text


def test_the_operators_page(world: World) -> None:
    assert "glaciers" in world.client("ada").get("/projects").text
    page = world.client("eve").get("/admin")
    assert page.status_code == 200
    assert "Dee" in page.text


def test_everything_asked_for_is_in_the_audit_trail(world: World) -> None:
    world.client("dee", **{"X-Request-Id": "request-of-dee"}).post("/api/projects", json={"id": "glaciers"})
    entries = [
        line
        for line in world.client("eve").get("/api/audit?limit=100000").text.splitlines()
        if "request-of-dee" in line
    ]
    assert len(entries) == 1
    for part in (
        f'"by": "{world.ids["dee"]}"',
        '"method": "POST"',
        '"status": 409',
        '"thing": "/api/projects"',
        '"from": ',
    ):
        assert part in entries[0]
    for change in ("UPDATE events SET thing = 'x'", "DELETE FROM events"):
        with pytest.raises(sa.exc.DatabaseError, match="only ever added"), transaction(world.engine) as connection:
            connection.execute(sa.text(change))


def test_each_answer_carries_the_id_of_its_request(world: World) -> None:
    assert world.client().get("/health", headers={"X-Request-Id": "abcdefgh-1"}).headers["x-request-id"] == "abcdefgh-1"
    made = world.client().get("/health", headers={"X-Request-Id": "<script>"}).headers["x-request-id"]
    assert made.isalnum()


def test_an_operator_on_this_machine_alone(world: World, tmp_path: Path) -> None:
    """Default on loopback; what a proxy passes on is somebody else's."""
    config = Config(home=tmp_path)
    engine = open_engine(config.database_url)
    migrate(engine)
    engine.dispose()
    queue.prepare(config.database_url)
    parts = Parts(config)
    vars(parts).update(objects=MemoryObjects())
    with ExitStack() as stack:
        client = TestClient(build(parts, stack), base_url="http://127.0.0.1")
        assert client.get("/api/me").json()["operator"] is True
        assert client.get("/api/me", headers={"X-Forwarded-For": "192.0.2.1"}).json()["operator"] is False
    parts.catalogue.close()


def test_credits_are_held_and_charged(world: World) -> None:
    today = datetime.now(UTC).date()
    period = {"start": str(today), "end": str(date(today.year + 1, 1, 1))}
    asked = world.client("dee").post("/api/allocations", json={"project": "forests", "credits": 1, **period})
    assert asked.status_code == 201, asked.text
    name = asked.json()["id"]
    decision = {"decision": "approve", "reference": "NoR-2026-1"}
    assert world.client("dee").post(f"/api/allocations/{name}/decision", json=decision).status_code == 403
    assert world.client("eve").post(f"/api/allocations/{name}/decision", json=decision).json()["stage"] == "active"
    job = world.job("dee", "forests")
    with reading(world.engine) as connection:
        ledger.verify(connection)
        balance = ledger.allocation_of(connection, job)
    assert balance is not None
    # 2 CPU seconds, 1 GB for 1 second, 1 job: 0.04 + 0.005 + 1, rounded up.
    assert (balance.reserved, balance.spent) == (0, 2)
    rows = world.client("dee").get("/api/usage").json()
    assert (rows["total"], rows["usage"][0]["nor_reference"]) == (2, "NoR-2026-1")
    assert "NoR-2026-1" in world.client("dee").get("/api/usage?format=csv").text
    assert world.client("ada").get("/api/usage").json()["usage"] == []
    assert world.client("ada").get("/api/allocations?project=forests").json() == []
    estimate = world.client("dee").post("/api/estimate", json={"id": "secret-workflow", "project": "forests"}).json()
    assert estimate["metered"]
    assert estimate["free"] == 998


def test_a_job_over_budget_is_refused_with_what_is_missing(world: World) -> None:
    today = datetime.now(UTC).date()
    allocations = Allocations(world.engine)
    eve = People(world.engine, ["test#eve"]).actor(world.ids["eve"])
    Projects(world.engine).create(eve, "deserts", "Deserts")
    asked = allocations.request(eve, "deserts", MilliCredits(100), today, today)
    allocations.decide(eve, asked.id, Approved("NoR-2"))
    with pytest.raises(ledger.OverBudget, match=r"0\.228 credits, and 0\.1 are free\. 0\.128 credits are missing"):
        world.jobs.submit(JobRequest("dear"), owner=Owner("deserts", world.ids["eve"]))
    assert world.jobs.listing(subject="dear") == []


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


def test_a_project_is_chosen_in_the_header(world: World, browser: TestClient) -> None:
    page = browser.get("/find").text
    assert "Glaciers" in page and "Switch" in page
    csrf = csrf_of(page)
    chosen = browser.post(
        "/projects/current", data={"project": "glaciers", "next": "//evil", "csrf": csrf}, follow_redirects=False
    )
    assert (chosen.status_code, chosen.headers["location"].startswith("//")) == (303, False)
    assert '<option value="glaciers" selected>' in browser.get("/find").text
    refused = browser.post("/projects/current", data={"project": "forests", "csrf": csrf}, follow_redirects=False)
    assert refused.status_code == 404
    # A cookie that names somebody else's project is nobody's choice.
    browser.cookies.set("terrafair_project", "forests")
    assert "forests" not in browser.get("/find").text
