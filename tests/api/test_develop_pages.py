"""`/develop/new`, `/develop/notebook` and `/develop/graph` by their routes, with what people get wrong."""

import io
import json
import zipfile
from pathlib import Path

import pytest

from terrafair.development.manifest import TYPES
from terrafair.development.new import create

from .world import World, world

__all__ = ["world"]
SUM = {"process_graph": {"one": {"process_id": "add", "arguments": {"x": 1, "y": 2}, "result": True}}}
HOSTILE = "<script>alert(1)</script>"


@pytest.mark.parametrize("kind", TYPES)
def test_the_portal_makes_the_repository_of_the_command_line(world: World, kind: str, tmp_path: Path) -> None:
    name = f"lake-{kind}"
    folder = create(kind, name, tmp_path, "Ada", "Apache-2.0")
    here = {
        path.relative_to(tmp_path).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".git/" not in path.as_posix()
    }
    form = {"id": kind, "name": name, "author": "Ada", "license": "Apache-2.0", "action": "zip"}
    reply = world.client("ada").post("/develop/new", data=form)
    assert (
        reply.headers["content-type"] == "application/zip" and f'"{name}.zip"' in reply.headers["content-disposition"]
    )
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
        assert {each: archive.read(each) for each in archive.namelist()} == here
    to = world.client("ada").post("/develop/new", data={**form, "action": "edit"}, follow_redirects=False)
    assert to.status_code == 303
    editor = world.client("ada").get(to.headers["location"])
    assert editor.status_code == 200 and name in editor.text


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"id": "fortran"}, "no template"),
        ({"id": ""}, "no template"),
        ({"name": "Lake Watch"}, "cannot be the name"),
        ({"name": ""}, "cannot be the name"),
        ({"name": "../../etc"}, "cannot be the name"),
        ({"name": HOSTILE}, "cannot be the name"),
        ({"name": "x" * 400}, "cannot be the name"),
        ({"license": "GPL"}, "no text of the licence"),
    ],
)
def test_what_no_repository_is_made_of_is_told_and_kept(world: World, given: dict[str, str], says: str) -> None:
    form = {"id": "cwl", "name": "lakes", "author": "Ada Lovelace", "license": "MIT", **given}
    reply = world.client("ada").post("/develop/new", data=form)
    assert reply.status_code == 400 and says in reply.text
    assert 'value="Ada Lovelace"' in reply.text and HOSTILE not in reply.text


def test_a_notebook_is_read_with_its_problems(world: World) -> None:
    page = world.client("ada").get("/develop/notebook", params={"origin": "template", "id": "notebook"})
    assert page.status_code == 200 and page.text.count('class="cell parameters"') == 1
    assert "A mask for each date" in page.text


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ({}, 400, "Nothing is opened from"),
        ({"origin": "moon"}, 400, "Nothing is opened from"),
        ({"origin": "template", "id": "cwl"}, 400, "no notebook"),
        ({"origin": "template", "id": "moon"}, 400, "no template"),
        ({"origin": "template", "id": "notebook", "file": "none.ipynb"}, 404, "no file"),
        ({"origin": "workflow", "id": "none"}, 404, "none"),
        ({"origin": "source", "id": "none"}, 404, "none"),
        ({"origin": "process", "id": HOSTILE}, 404, ""),
    ],
)
@pytest.mark.parametrize("page", ["notebook", "text", "graph"])
def test_what_cannot_be_opened_is_told(world: World, page: str, query: dict[str, str], status: int, says: str) -> None:
    if page != "notebook" and (not query or query.get("id") == "cwl"):
        pytest.skip("other pages begin empty, and open any text")
    reply = world.client("ada").get(f"/develop/{page}", params=query)
    assert reply.status_code == status and says in reply.text, reply.text[:2000]
    assert HOSTILE not in reply.text


def test_a_graph_is_opened_checked_and_kept(world: World) -> None:
    ada = world.client("ada")
    assert "load_stac" in ada.get("/develop/graph", params={"origin": "template", "id": "openeo"}).text
    looked = ada.post("/develop/graph/check", data={"text": json.dumps(SUM)}).json()
    assert looked["findings"] == []
    kept = ada.post("/develop/graph", data={"text": json.dumps(SUM), "action": "keep", "name": "kept_sum"})
    assert kept.status_code == 200 and "kept_sum" in kept.text
    assert world.client("dee").get("/develop/graph", params={"origin": "graph", "id": "kept_sum"}).status_code == 404


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"text": ""}, "no JSON"),
        ({"text": "{"}, "no JSON"),
        ({"text": "[]"}, "no JSON object"),
        ({"text": '{"process_graph": 1}'}, "is no object"),
        ({"action": "keep", "name": "no name!"}, "no name"),
        ({"action": "keep", "name": ""}, ""),
        ({"action": "run", "west": "1"}, "four numbers"),
        ({"action": "run", "west": "a", "south": "1", "east": "2", "north": "3"}, "four numbers"),
        ({"action": "run", "west": "nan", "south": "1", "east": "2", "north": "3"}, "no end"),
        ({"action": "run", "west": "1", "south": "3", "east": "2", "north": "1"}, "north of its north"),
        ({"action": "run", "start": "soon"}, "is no date"),
        ({"action": "run", "text": '{"process_graph": {"a": {"process_id": "nothing", "arguments": {}}}}'}, "nothing"),
        ({"action": "run", "text": '{"process_graph": {}}'}, ""),
    ],
)
def test_what_is_wrong_with_a_graph_is_told_and_nothing_typed_is_lost(
    world: World, given: dict[str, str], says: str
) -> None:
    form = {"text": json.dumps(SUM), "action": "run", "title": "A title that stays", **given}
    before = len(world.jobs.listing())
    reply = world.client("ada").post("/develop/graph", data=form, follow_redirects=False)
    assert reply.status_code == 400 and says in reply.text, reply.text[:3000]
    assert "A title that stays" in reply.text and 'class="problem' in reply.text
    assert len(world.jobs.listing()) == before


@pytest.mark.parametrize("action", ["run", "keep"])
def test_strangers_run_and_keep_nothing(world: World, action: str) -> None:
    before = len(world.jobs.listing())
    form = {"text": json.dumps(SUM), "action": action, "name": "strange"}
    reply = world.client().post("/develop/graph", data=form, follow_redirects=False)
    assert reply.status_code in {302, 303, 400, 401, 403}, reply.status_code
    assert "/results/" not in reply.headers.get("location", "") and len(world.jobs.listing()) == before
