"""What every answer carries, whoever gives it: a route, an interface below it, or a layer before all of them."""

import json
from typing import Any

import pytest

from .world import World

PATHS = (
    "/", "/find", "/jobs", "/results", "/account", "/admin", "/projects/glaciers", "/static/none.css", "/health",
    "/api/jobs", "/api/jobs/none", "/api/jobs/none/files/x", "/api/usage", "/api/usage?format=csv",
    "/tiles/jobs/a/b/about",
    "/processes", "/collections", "/stac", "/stac/collections", "/stac/none", "/features", "/openeo/", "/openeo/jobs",
    "/openapi.json", "/none", "/.well-known/openeo", "/metrics", "/conformance", "/workspaces/none",
)  # fmt: skip


def secured(reply: Any) -> None:
    headers = reply.headers
    where = (reply.request.method, reply.request.url, reply.status_code)
    assert headers.get("x-content-type-options") == "nosniff", where
    assert headers.get("x-frame-options") in {"DENY", "SAMEORIGIN"}, where
    assert headers.get("referrer-policy"), where
    assert "default-src" in headers.get("content-security-policy", ""), where
    rules = dict(rule.strip().partition(" ")[::2] for rule in headers["content-security-policy"].split(";"))
    assert "'unsafe-inline'" not in rules.get("script-src", rules["default-src"]), where
    assert headers.get("x-request-id"), where


@pytest.mark.parametrize("who", ["", "ada", "eve"])
def test_every_answer_is_secured(world: World, who: str) -> None:
    client = world.client(who)
    for path in PATHS:
        for accept in ("text/html", "application/json"):
            secured(client.get(path, headers={"Accept": accept}, follow_redirects=False))


def test_refusals_are_secured_too(world: World) -> None:
    """They come from layers before any route."""
    nobody, ada = world.client(), world.client("ada")
    for reply, status in (
        (nobody.post("/api/jobs", json={"id": "x"}), 401),
        (nobody.get("/api/jobs", headers={"Authorization": "Bearer tfp_wrong"}), 401),
        (ada.get("/", headers={"Host": "evil.example"}), 403),
        (ada.post("/api/jobs", json={"id": "x"}, headers={"Origin": "https://evil.example"}), 403),
        (ada.post("/api/jobs", content=b"[" * 200, headers={"Content-Type": "application/json"}), 400),
        (ada.post("/api/jobs", content=b"x" * (16 * 2**20 + 1)), 400),
        (ada.delete("/api/jobs"), 405),
    ):
        assert reply.status_code == status or (status == 400 and reply.status_code in {413, 422}), reply.text
        secured(reply)


def test_too_many_are_answered_with_the_time_to_wait(world: World) -> None:
    client = world.client()
    replies = [client.get("/openeo/credentials/basic", headers={"Authorization": "Basic eDp5"}) for _ in range(40)]
    assert replies[-1].status_code == 429
    assert "seconds" in replies[-1].text
    secured(replies[-1])


def test_the_audit_trail_is_exported_with_who_what_and_when(world: World) -> None:
    given = "audit-of-this-test"
    world.client("ada").post("/api/projects", json={"id": "glaciers"}, headers={"X-Request-Id": given})
    text = world.client("eve").get("/api/audit?limit=100000").text
    lines = [json.loads(line) for line in text.splitlines() if given in line]
    asked = next(line for line in lines if line["kind"] == "Asked")
    assert (asked["by"], asked["thing"], asked["status"]) == (world.ids["ada"], "/api/projects", 409), asked
    assert asked["request"] == given and asked["time"]
    for who in ("ada", ""):
        assert world.client(who).get("/api/audit").status_code in {401, 403, 404}


@pytest.mark.parametrize(("path", "status"), [("/admin", 403), ("/projects/none", 404), ("/status?month=x", 400)])
def test_refusals_of_pages_are_pages(world: World, path: str, status: int) -> None:
    reply = world.client("ada").get(path, headers={"Accept": "text/html"}, follow_redirects=False)
    assert reply.status_code == status
    assert reply.headers["content-type"].startswith("text/html"), reply.text[:200]
    assert "<h1" in reply.text and "<title>" in reply.text


@pytest.mark.parametrize("path", ["/none", "/products/none", "/api/jobs/none/files/x"])
def test_a_browser_that_is_lost_gets_a_page_and_a_program_a_problem(world: World, path: str) -> None:
    ada = world.client("ada")
    page = ada.get(path, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}, follow_redirects=False)
    assert page.status_code == 404 and page.headers["content-type"].startswith("text/html")
    assert 'role="search"' in page.text and 'href="/account"' in page.text
    told = ada.get(path, headers={"Accept": "application/json"}, follow_redirects=False)
    assert told.status_code == 404 and told.headers["content-type"] == "application/problem+json"
