"""What is typed outlives reload, error and session: the store, and the forms of people who are signed in no more."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from starlette.types import Receive, Scope, Send

from terrafair.database import migrate, open_engine
from terrafair.errors import InvalidInput
from terrafair.portal.interrupted import COOKIE, Interrupted, left
from terrafair.portal.kept import LARGEST, LEFT_BEHIND, Kept
from terrafair.portal.page import Pages, Surroundings

from ..databases import control_database


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    engine = open_engine(control_database(tmp_path))
    migrate(engine)
    yield Kept(engine)
    engine.dispose()


def test_the_last_state_of_a_page_is_kept_for_each_person(kept: Kept) -> None:
    first = kept.save("ada", "/publish/j1", {"title": ["A"]})
    second = kept.save("ada", "/publish/j1", {"title": ["<b>", ""]})
    kept.save("grace", "/publish/j1", {"title": ["G"]})
    found = kept.find("ada", "/publish/j1")
    assert found and found.fields == {"title": ["<b>", ""]}
    assert found.updated == second.updated != first.updated
    kept.drop("ada", "/publish/j1")
    assert kept.find("ada", "/publish/j1") is None and kept.find("grace", "/publish/j1")


def test_nobody_types_that_much(kept: Kept) -> None:
    with pytest.raises(InvalidInput, match="characters"):
        kept.save("ada", "/publish/j1", {"title": ["x" * (LARGEST + 1)]})


def test_what_is_left_behind_is_found_by_its_secret_and_bounded(kept: Kept) -> None:
    first = kept.leave("/run/experiment/x", {"in:a": ["1"]})
    assert kept.found(first, "/run/experiment/x") and kept.found(first)
    assert kept.found(first, "/run/experiment/y") is None and kept.found("guess") is None
    # Nor by the way that people's own drafts are found.
    assert kept.find("-", "/run/experiment/x") is None
    for number in range(LEFT_BEHIND):
        kept.leave("/run/experiment/x", {"in:a": [str(number)]})
    assert kept.found(first) is None


@pytest.fixture
def web(kept: Kept) -> TestClient:
    """Every form comes from somebody who is not signed in."""
    pages = Pages(Surroundings(lambda: "abc", "", lambda _: 413))
    keeper = Interrupted(kept, pages)
    app = FastAPI()

    @app.get("/again")
    def again(request: Request) -> dict[str, object]:
        found = left(request, kept, "/run/experiment/x")
        return {"fields": found.fields if found else None}

    async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and keeper.takes(scope):
            await keeper(scope, receive, send)
        else:
            await app(scope, receive, send)

    return TestClient(refusing, follow_redirects=False, headers={"Accept": "text/html", "Origin": "http://testserver"})


def test_a_form_is_kept_and_led_to_the_sign_in(web: TestClient, kept: Kept) -> None:
    reply = web.post("/run/experiment/x", data={"in:a": "9", "csrf": "t"}, files={"file:b": ("b.txt", b"x")})
    assert reply.status_code == 303
    assert reply.headers["location"].startswith("/account/sign-in?next=%2Frun%2Fexperiment%2Fx%3Fkept%3Dyes")
    assert "HttpOnly" in reply.headers["set-cookie"]
    assert kept.found(reply.cookies[COOKIE], "/run/experiment/x").fields == {"in:a": ["9"]}  # type: ignore[union-attr]
    assert web.get("/again?kept=yes").json() == {"fields": {"in:a": ["9"]}}
    web.cookies.clear()
    assert web.get("/again?kept=yes").json() == {"fields": None}


def test_other_forms_are_shown_as_a_list(web: TestClient) -> None:
    reply = web.post("/projects/p1/members/ada", data={"role": "owner"})
    assert "next=%2Faccount%2Fkept" in reply.headers["location"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Accept": "application/json"},
        {"Content-Type": "application/json"},
    ],
)
def test_what_no_page_of_ours_has_sent_is_not_kept(web: TestClient, headers: dict[str, str]) -> None:
    assert web.post("/run/experiment/x", content=b"in%3Aa=1", headers=headers).status_code != 303


def test_a_huge_form_is_told_and_not_kept(web: TestClient) -> None:
    reply = web.post("/run/experiment/x", data={}, files={"file:b": ("b", b"x" * (17 * 2**20))})
    assert reply.status_code == 413 and "as you left it" in reply.text
