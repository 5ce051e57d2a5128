"""How a request says who asks: tokens, sessions, and what is written down of it."""

from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from terrafair.app import Parts
from terrafair.config import Config
from terrafair.database import migrate, open_engine, transaction
from terrafair.execution import queue
from terrafair.identity.sessions import COOKIE, Sessions
from terrafair.interfaces import build

from ..databases import elsewhere, objects
from .world import World


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
    config = Config(home=tmp_path, **elsewhere(tmp_path))
    engine = open_engine(config.database_url)
    migrate(engine)
    engine.dispose()
    queue.prepare(config.database_url)
    parts = Parts(config)
    vars(parts).update(objects=objects(tmp_path))
    with ExitStack() as stack:
        client = TestClient(build(parts, stack), base_url="http://127.0.0.1")
        assert client.get("/api/me").json()["operator"] is True
        assert client.get("/api/me", headers={"X-Forwarded-For": "192.0.2.1"}).json()["operator"] is False
    parts.catalogue.close()


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
