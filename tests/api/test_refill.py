"""Forms about people and projects that are refused: all that was typed comes back, with what is wrong."""

import html
from typing import Any

import pytest

from .world import World

HOSTILE = "</textarea><script>window.hacked = 1</script><img src=x onerror=alert(1)>"


def sent(world: World, path: str, **fields: Any) -> str:
    reply = world.client("ada").post(path, data=fields, headers={"accept": "text/html"}, follow_redirects=False)
    assert 400 <= reply.status_code < 500, reply.status_code
    assert "<script>window" not in reply.text
    return html.unescape(reply.text)


@pytest.mark.parametrize("text", [HOSTILE, "x" * 20_000, "Glaciers", "-a"])
def test_a_project_with_a_wrong_id(world: World, text: str) -> None:
    page = sent(world, "/projects", id=text, title="Ice of the Alps", description=HOSTILE)
    assert f'value="{text}"' in page and 'value="Ice of the Alps"' in page and f'value="{HOSTILE}"' in page
    assert 'role="alert"' in page and "is no id" in page and "New project" in page


def test_an_invitation_of_nobody(world: World) -> None:
    page = sent(world, "/projects/glaciers/invitations", who=f"{HOSTILE}@", role="viewer")
    assert f'value="{HOSTILE}@"' in page and "<option selected>viewer" in page and 'role="alert"' in page


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"credits": "many", "start": "2026-01-01", "end": "2026-02-01"}, "(credits)"),
        ({"credits": "1e400", "start": "2026-01-01", "end": "2026-02-01"}, "credits"),
        ({"credits": "-3", "start": "2026-01-01", "end": "2026-02-01"}, "credit"),
        ({"credits": "3", "start": "never", "end": "2026-02-01"}, "(start)"),
        ({"credits": "3", "start": "2026-03-01", "end": "2026-02-01"}, "2026-02-01"),
    ],
)
def test_an_allocation_that_cannot_be(world: World, fields: dict[str, str], said: str) -> None:
    page = sent(world, "/projects/glaciers/allocations", note="For the winter", **fields)
    assert 'value="For the winter"' in page and said in page and 'role="alert"' in page
    assert f'value="{fields["credits"]}"' in page and f'value="{fields["end"]}"' in page


@pytest.mark.parametrize("days", ["0", "367", "9" * 30, "soon"])
def test_a_token_of_no_such_length(world: World, days: str) -> None:
    page = sent(world, "/account/tokens", name="my laptop", scopes=["read", "run"], days=days)
    assert 'value="my laptop"' in page and f'value="{days}"' in page and 'role="alert"' in page
    assert 'value="run" checked' in page


@pytest.mark.parametrize("hours", ["0", "1000000000", "nan", "long"])
def test_keys_of_no_such_length(world: World, hours: str) -> None:
    page = sent(world, "/account/keys", project="glaciers", write="true", hours=hours)
    assert f'value="{hours}"' in page and 'role="alert"' in page


def test_what_one_may_not_see_stays_a_refusal(world: World) -> None:
    reply = world.client("dee").post("/projects/glaciers/groups", data={"name": "x"}, follow_redirects=False)
    assert reply.status_code in {403, 404} and "Groups" not in reply.text
