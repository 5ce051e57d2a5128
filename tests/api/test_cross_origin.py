"""Pages of other sites: what is open they may ask for as a visitor; what a browser's owner may do they may not."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from terrafair.api.cross_origin import foreign, welcome

THERE = "https://browser.example"


@pytest.mark.parametrize(
    "path", ["/stac", "/stac/search", "/records", "/processes", "/features/collections", "/conformance"]
)
def test_browsers_are_told_that_they_may(client: TestClient, path: str) -> None:
    asked = {"Origin": THERE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    reply = client.options(path, headers=asked)
    assert reply.status_code == 204 and reply.headers["access-control-allow-origin"] == "*"
    assert "POST" in reply.headers["access-control-allow-methods"]
    assert "Content-Type" in reply.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in reply.headers
    reply = client.get(path, headers={"Origin": THERE})
    assert reply.status_code == 200 and reply.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in reply.headers


def test_a_search_by_post_is_a_question(client: TestClient) -> None:
    for path in ("/stac/search", "/stac/aggregate"):
        reply = client.post(path, json={"limit": 1}, headers={"Origin": THERE})
        assert reply.status_code == 200 and reply.headers["access-control-allow-origin"] == "*"
    wrong = client.post("/stac/search", json={"limit": 0}, headers={"Origin": THERE})
    assert wrong.status_code == 400 and wrong.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/stac/collections"), ("DELETE", "/stac/collections/x"), ("POST", "/processes/echo/execution"),
     ("POST", "/api/jobs"), ("DELETE", "/jobs/x")],
)  # fmt: skip
def test_changes_are_refused_whoever_sits_at_the_browser(client: TestClient, method: str, path: str) -> None:
    """The one at this machine is its operator (`anonymous`), and still the page is not."""
    reply = client.request(method, path, json={}, headers={"Origin": THERE})
    assert reply.status_code in {401, 403}, reply.text


def test_what_is_private_is_neither_shown_nor_shared(client: TestClient) -> None:
    reply = client.get("/api/me", headers={"Origin": THERE})
    assert "access-control-allow-origin" not in reply.headers
    assert client.get("/api/me").json() != reply.json() if reply.status_code == 200 else True


def test_rules() -> None:
    here: dict[str, Any] = {"host": "a.example", "origin": "https://a.example"}
    assert not foreign(here) and not foreign({"host": "a.example"})
    for origin in (THERE, "null", "https://a.example:444", "http://[::1"):
        assert foreign({"host": "a.example", "origin": origin})
    assert welcome("GET", "/anything", {}) and welcome("POST", "/stac/collections/a/aggregate", {})
    assert not welcome("POST", "/stac/collections/a/items", {}) and not welcome("POST", "/stac/../api/jobs/search", {})
    assert welcome("POST", "/processes/echo/execution", {"authorization": "Bearer x"})
    assert not welcome("POST", "/api/jobs", {"authorization": "Bearer x"})
