"""Forms that a layer in front of the routes refuses: people get a page with what they typed on it; programs do not."""

import html
from collections.abc import Iterator
from typing import Any

import pytest

from terrafair.identity.sessions import COOKIE, Sessions

from .world import World

HOSTILE = "</textarea><script>window.hacked = 1</script>"
NAVIGATES = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Mode": "navigate"}
OURS = NAVIGATES | {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1"}
TYPED = {"id": "ice", "title": HOSTILE, "description": "two\nlines"}


def page(reply: Any, status: int) -> str:
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"].startswith("text/html") and reply.headers["x-request-id"]
    assert "default-src" in reply.headers["content-security-policy"]
    assert "<script>window" not in reply.text and reply.text.count("<h1>") == 1
    return html.unescape(reply.text)


@pytest.fixture
def read_only(world: World) -> Iterator[None]:
    switch = world.app.state.read_only
    switch.set(on=True, by="test", reason="New disks.")
    yield
    switch.set(on=False, by="test")


@pytest.mark.usefixtures("read_only")
def test_what_was_typed_while_nothing_is_changed_comes_back(world: World) -> None:
    ada = world.client("ada", **OURS)
    text = page(ada.post("/projects", data=TYPED), 503)
    assert "New disks." in text and 'action="/projects"' in text and "Send it again" in text
    assert f"\n{HOSTILE}</textarea>" in text and "\ntwo\nlines</textarea>" in text and 'name="id"' in text
    files = {"file": ("b.tif", b"x")}
    text = page(ada.post("/run/experiment/none?again=x", data={"in:max_cloud": "3", "csrf": "old"}, files=files), 503)
    assert "files have to be chosen again" in text and 'action="/run/experiment/none?again=x"' in text
    assert 'name="in:max_cloud"' in text and "old" not in text and "<dt>Max cloud" in text


@pytest.mark.usefixtures("read_only")
@pytest.mark.parametrize(
    "headers",
    [{}, {"Accept": "application/json"}, OURS | {"Sec-Fetch-Mode": "cors"}, OURS | {"Accept": "application/json"}],
)
def test_programs_and_scripts_keep_the_one_shape(world: World, headers: dict[str, str]) -> None:
    reply = world.client("ada", **headers).post("/projects", data=TYPED)
    assert reply.status_code == 503 and reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["problems"][0]["code"] == "read-only"


def session(world: World) -> tuple[dict[str, str], str]:
    """The cookie of a browser of Ada's, and the token of its forms."""
    sessions = Sessions(world.engine)
    cookie = sessions.begin(world.ids["ada"], "local")
    found = sessions.find(cookie)
    assert found is not None
    return {"Cookie": f"{COOKIE}={cookie}"}, found.csrf


def test_a_token_of_an_older_session_asks_once_more(world: World) -> None:
    """Browsers say nothing of a page's site over plain HTTP; another tab has signed in anew meanwhile."""
    cookie, csrf = session(world)
    plain = NAVIGATES | cookie | {"Origin": "http://127.0.0.1"}
    text = page(world.client(**plain).post("/projects", data=TYPED | {"csrf": "of-yesterday"}), 403)
    assert "session's token" in text and "Send it again" in text and f"\n{HOSTILE}</textarea>" in text
    assert f'name="csrf" value="{csrf}"' in text and "of-yesterday" not in text


@pytest.mark.parametrize(
    ("origin", "status"),
    [({"Origin": "https://evil.example"}, 401), ({}, 403), ({"Referer": "https://evil.example/x"}, 403)],
)
def test_nobody_is_asked_to_send_what_another_page_made_up(world: World, origin: dict[str, str], status: int) -> None:
    cookie, _ = session(world)
    text = page(world.client(**NAVIGATES, **cookie, **origin).post("/projects", data=TYPED), status)
    assert "Send it again" not in text and "two\nlines" not in text and 'role="alert"' in text


def test_what_is_too_large_says_so(world: World) -> None:
    ada = world.client("ada", **OURS)
    text = page(ada.post("/projects", data=TYPED | {"description": "x" * (17 * 2**20)}), 413)
    assert "larger than 16 MiB" in text and "the form is as you left it" in text and len(text) < 50_000


def test_who_asks_too_often_is_told_when_to_send_it_again(world: World) -> None:
    nobody = world.client(**OURS)
    for _ in range(40):
        reply = nobody.post("/account/sign-in", data={"next": "/find"})
        if reply.status_code == 429:
            break
    text = page(reply, 429)
    assert "Too many requests" in text and "seconds" in text and 'name="next"' in text
