"""What the application answers to programs is a page for a person who opens the address in a browser."""

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from terrafair.api import problems
from terrafair.errors import NotFound, Refused
from terrafair.portal import readable
from terrafair.portal.page import Pages, Surroundings

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
NAVIGATES = BROWSER | {"Sec-Fetch-Mode": "navigate"}


@pytest.fixture
def web() -> TestClient:
    app = FastAPI()
    problems.install(app)
    readable.install(app, Pages(Surroundings(lambda: "abc", "", problems.status_of)))

    @app.get("/api/jobs/{id}/files/{name}")
    def file(id: str, name: str) -> None:
        raise NotFound(f"There is no file {name!r}.", "The job has none.", "Look at its files.", where="name")

    @app.get("/api/secret")
    def secret() -> None:
        raise Refused("<b>Not yours</b>.")

    @app.get("/api/broken")
    def broken() -> None:
        raise RuntimeError("/home/secret/path")

    @app.get("/api/number")
    def number(value: int) -> int:
        return value

    @app.get("/stac/items")
    def items() -> None:
        raise NotFound("There is no such item.")

    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize(
    "path", ["/none", "/products/none", "/a/b/c/d", "/%3Cscript%3Ealert(1)%3C/script%3E", "/api/none"]
)
def test_an_address_that_no_route_has_is_a_page_with_ways_on(web: TestClient, path: str) -> None:
    for headers in (BROWSER, NAVIGATES):
        reply = web.get(path, headers=headers)
        assert reply.status_code == 404 and reply.headers["content-type"].startswith("text/html")
        assert "There is no such page" in reply.text and 'role="search"' in reply.text and 'href="/find"' in reply.text
        assert "<script>alert" not in reply.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Accept": "application/json"},
        {"Accept": "*/*"},
        {"Accept": "application/json, text/html"},
        BROWSER | {"Sec-Fetch-Mode": "cors"},
    ],
)
def test_programs_keep_the_one_shape(web: TestClient, headers: dict[str, str]) -> None:
    for path, status in (("/none", 404), ("/api/jobs/x/files/y", 404), ("/api/secret", 403), ("/api/broken", 500)):
        reply = web.get(path, headers=headers)
        assert reply.status_code == status and reply.headers["content-type"] == "application/problem+json"
        assert reply.json()["status"] == status


@pytest.mark.parametrize("path", ["/stac/items", "/stac/none", "/openeo/none", "/records/none", "/health/none"])
def test_standards_answer_everybody_in_their_own_shape(web: TestClient, path: str) -> None:
    reply = web.get(path, headers=BROWSER)
    assert reply.status_code == 404 and reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/api/jobs/x/files/y.tif", 404, "There is no file &#39;y.tif&#39;."),
        ("GET", "/api/secret", 403, "&lt;b&gt;Not yours&lt;/b&gt;."),
        ("GET", "/api/number?value=many", 400, "valid integer"),
        ("POST", "/api/secret", 405, "/api/secret does not take POST."),
        ("GET", "/api/broken", 500, "Its log says why."),
    ],
)  # fmt: skip
def test_what_people_click_on_answers_pages(web: TestClient, method: str, path: str, status: int, said: str) -> None:
    reply: Any = web.request(method, path, headers=NAVIGATES)
    assert reply.status_code == status and reply.headers["content-type"].startswith("text/html")
    assert said in reply.text and "/home/secret" not in reply.text and "<h1>" in reply.text
    assert (status != 405) or reply.headers["allow"] == "GET"
    assert (status != 500) or "default-src" in reply.headers["content-security-policy"]


def test_a_page_that_cannot_be_made_leaves_the_plain_answer() -> None:
    def away() -> str:
        raise OSError("the database is away")

    app = FastAPI()
    problems.install(app)
    readable.install(app, Pages(Surroundings(away, "", problems.status_of)))
    reply = TestClient(app, raise_server_exceptions=False).get("/none", headers=BROWSER)
    assert reply.status_code == 404 and reply.headers["content-type"] == "application/problem+json"
