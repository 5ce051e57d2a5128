"""Every route of the application, found by asking the application, tried by a stranger and by a second person.

A route below a new part of the site fails here until `CLASSIFIED` says what its parameters name.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.responses import HTMLResponse

from terrafair.database import reading, transaction
from terrafair.development.links import Links
from terrafair.development.releases import Release, Releases
from terrafair.identity.access import Role, Scope
from terrafair.identity.allocations import Allocations
from terrafair.identity.credits import MilliCredits
from terrafair.identity.people import People
from terrafair.identity.personal_tokens import PersonalTokens
from terrafair.identity.projects import Projects
from terrafair.workspaces.store import Store as Workspaces
from terrafair.workspaces.workspace import Seed, State, Workspace

from ..browser.every_page import ELSEWHERE, PAGES
from .world import World

CANARY = "canary7f3a"
JOB, BATCH, PROJECT, NONE = "{job}", "{batch}", "glaciers", ""
CLASSIFIED: dict[str, str] = {
    "/account/tokens": "{token}", "/api/tokens": "{token}", "/account/keys": "{key}", "/api/s3": "{key}",
    "/api/jobs": JOB, "/jobs": JOB, "/results": JOB, "/tiles": JOB, "/publish": JOB, "/api/publications": JOB,
    "/openeo/jobs": BATCH, "/openeo/results": BATCH, "/openeo/services": BATCH, "/openeo/xyz": BATCH,
    "/openeo/files": "own.txt", "/openeo/process_graphs": "own_graph", "/openeo/processes": "own_graph",
    "/openeo/collections": JOB, "/api/projects": PROJECT, "/projects": PROJECT, "/api/communities": PROJECT,
    "/api/allocations": "{allocation}", "/admin/allocations": "{allocation}", "/processes": JOB, "/stac": JOB,
    "/features": JOB, "/records": JOB, "/find": JOB, "/run": JOB, "/api/experiments": JOB, "/api/targets": JOB,
    "/account/sign-in": "local", "/develop/workflows": "own_flow", "/api/builds": "own_flow",
    "/api/releases": "own_flow", "/api/sources": "{source}",
    "/api/workspaces": "{workspace}", "/develop/workspaces": "{workspace}", "/api/products": JOB,
}  # fmt: skip
"""Beginning of a path -> whose thing its parameters are filled with."""
PLAIN = {
    "", "/", "/.well-known", "/account", "/admin", "/api", "/capabilities", "/conformance", "/develop", "/docs",
    "/documents", "/redoc", "/health", "/status", "/openapi.json", "/openeo", "/patterns", "/static", "/metrics",
}  # fmt: skip
"""Parts of the site whose routes take no parameters."""
NAMED = {
    "name": "outputs/secret.txt", "person": "{ada}", "secret": "{invitation}", "project": PROJECT, "z": "0", "x": "0",
    "y": "0", "last": "0.png", "kind": "job", "ticket": "guessed", "namespace": "backend", "outputID": "secret.txt",
    "collectionId": "experiments", "path": "own.txt", "version": "1",
}  # fmt: skip
"""Parameters that mean the same everywhere."""
TODAY = datetime.now(UTC).date().isoformat()
BODIES: dict[str, dict[str, Any]] = {
    "/api/builds": {"name": "own_flow", "file": "s3://terrafair/x", "project": PROJECT},
    "/api/sources": {"repository": "https://git.example.org/a/b", "project": PROJECT},
    "/api/workspaces": {"project": PROJECT},
    "/develop/workspaces": {"project": PROJECT},
    "/api/s3/keys": {"project": PROJECT, "write": False},
    "/api/s3/links": {"project": PROJECT, "key": "x"},
    "/api/jobs": {"id": "x", "project": PROJECT},
    "/api/allocations": {"project": PROJECT, "credits": 1, "start": TODAY, "end": TODAY},
    "/api/allocations/{id}/decision": {"decision": "approve", "reference": "NoR"},
    "/api/projects": {"id": PROJECT, "title": "mine"},
    "/api/projects/{id}/invitations": {"email": "dee@example.org", "role": "owner"},
    "/api/projects/{id}/members/{person}": {"role": "viewer"},
    "/api/projects/{id}/groups/{name}": {"people": []},
    "/api/publications": {"job": JOB},
    "/api/estimate": {"id": "secret-workflow", "project": PROJECT},
    "/account/keys": {"project": PROJECT},
    "/projects/{project}/invitations": {"who": "dee@example.org", "role": "owner"},
    "/projects/{project}/members/{person}": {"role": "viewer"},
    "/projects/{project}/groups": {"name": "x", "people": "x"},
    "/projects/{project}/allocations": {"credits": "1", "start": TODAY, "end": TODAY},
    "/api/invitations/accept": {"secret": "guessed"},
}
WATCHED = (
    "jobs",
    "projects",
    "members",
    "project_groups",
    "allocations",
    "personal_tokens",
    "object_keys",
    "openeo_jobs",
    "releases",
    "sources",
    "workspaces",
)


def routes(app: Any, before: str = "") -> Iterator[tuple[str, str]]:
    """(method, path) of all routes, mounted and included ones too."""
    for route in app.routes:
        if hasattr(route, "original_router"):
            yield from routes(route.original_router, before + route.include_context.prefix)
        elif getattr(route, "methods", None):
            yield from ((method, before + route.path) for method in sorted(route.methods - {"HEAD", "OPTIONS"}))
        elif getattr(route, "routes", None):
            yield from routes(route, before + route.path)


def classified(path: str) -> str | None:
    """What a path's parameters are filled with; None: nobody has said."""
    found = max((each for each in CLASSIFIED if path == each or path.startswith(f"{each}/")), key=len, default=None)
    if found is not None:
        return CLASSIFIED[found]
    first = "/" + path.split("/")[1]
    return NONE if first in PLAIN and "{" not in path else None


@pytest.fixture(scope="module")
def adas(world: World) -> dict[str, str]:
    """What is Ada's, in every part of the site: name -> id."""
    ada = world.client("ada")
    people, projects = People(world.engine), Projects(world.engine)
    with transaction(world.engine) as connection:
        connection.execute(sa.text(f"UPDATE projects SET description = '{CANARY}' WHERE id = 'glaciers'"))
        row = {"id": "0123456789abcdef", "person": world.ids["ada"], "project": PROJECT, "key": CANARY, "handle": ""}
        columns = {**row, "created": "2026", "expires": "2999", "write": True}
        table = sa.table("object_keys", *(sa.column(name) for name in columns))
        connection.execute(table.insert().values(**columns))
    _, token = PersonalTokens(world.engine).issue(world.ids["ada"], CANARY, [Scope.READ], timedelta(days=1))
    today = datetime.now(UTC).date()
    asked = Allocations(world.engine).request(
        people.actor(world.ids["ada"]), PROJECT, MilliCredits(10), today, today, note=CANARY
    )
    graph = {"a": {"process_id": "add", "arguments": {"x": 1, "y": 2}, "result": True}}
    made = ada.post("/openeo/jobs", json={"title": CANARY, "process": {"process_graph": graph}})
    assert made.status_code == 201, made.text
    assert ada.put("/openeo/process_graphs/own_graph", json={"process_graph": graph, "summary": CANARY}).is_success
    assert ada.put("/openeo/files/own.txt", content=CANARY.encode()).is_success
    Releases(world.engine).add(Release("own_flow", "1", PROJECT, world.ids["ada"], CANARY, "sha256:0", "", "own_flow"))
    source = Links(world.engine).add(f"https://git.example.org/{CANARY}", "main", PROJECT, world.ids["ada"])
    with transaction(world.engine) as connection:
        opened = Workspace("w-0123", world.ids["ada"], PROJECT, CANARY, 1, State.RUNNING, "2026", Seed("job", CANARY))
        Workspaces(world.engine).add(connection, opened)
    invitation = projects.invite(people.actor(world.ids["ada"]), PROJECT, Role.VIEWER, email="cy@example.org")
    return {
        "job": world.job(), "batch": made.headers["openeo-identifier"], "token": token.id, "key": row["id"],
        "allocation": asked.id, "source": source.id, "ada": world.ids["ada"], "invitation": invitation,
        "workspace": opened.id,
    }  # fmt: skip


def state(world: World) -> dict[str, list[str]]:
    """All that is Ada's in the database."""
    found = {}
    with reading(world.engine) as connection:
        for table in WATCHED:
            rows = connection.execute(sa.text(f"SELECT * FROM {table}")).mappings()
            mine = (json.dumps(dict(row), default=str, sort_keys=True) for row in rows)
            found[table] = sorted(row for row in mine if world.ids["ada"] in row or PROJECT in row)
    return found


def test_every_route_is_classified(world: World) -> None:
    found = sorted(set(routes(world.app)))
    assert len(found) > 150
    assert [path for _, path in found if classified(path) is None] == []


def pages(app: Any, before: str = "") -> Iterator[str]:
    """The routes that answer people with a page."""
    for route in app.routes:
        if hasattr(route, "original_router"):
            yield from pages(route.original_router, before + route.include_context.prefix)
        elif "GET" in (getattr(route, "methods", None) or ()) and getattr(route, "response_class", 0) is HTMLResponse:
            yield before + route.path


def test_every_page_is_looked_at_in_a_browser(world: World) -> None:
    assert sorted(set(pages(world.app))) == sorted({**PAGES, **ELSEWHERE})
    assert not set(PAGES) & set(ELSEWHERE)


@pytest.mark.parametrize("who", ["dee", ""])
def test_no_route_gives_or_changes_what_is_anothers(world: World, adas: dict[str, str], who: str) -> None:
    before, given = state(world), []
    client = world.client(who)
    for method, path in sorted(set(routes(world.app))):
        filling = (classified(path) or "").format(**adas)
        filled = "/".join(
            NAMED.get(part.strip("{}").partition(":")[0].partition(".")[0].rstrip("}"), filling).format(**adas)
            if part.startswith("{")
            else part
            for part in path.split("/")
        )
        body = json.loads(json.dumps(BODIES.get(path, {})).replace(JOB, adas["job"]))
        form = path.startswith(("/develop", "/account", "/projects", "/admin"))
        options: dict[str, Any] = {"data" if form else "json": body} if method != "GET" else {}
        reply = client.request(method, filled, follow_redirects=False, **options)
        assert reply.status_code < 500 or reply.status_code in {501, 502, 503}, (method, filled, reply.text)
        if CANARY in reply.text or "secret-workflow" in reply.text:
            given.append((method, filled, reply.status_code, reply.text[:300]))
    assert given == []
    after = state(world)
    assert [(name, set(after[name]) ^ set(before[name])) for name in after if after[name] != before[name]] == []


def test_its_own_person_sees_it(world: World, adas: dict[str, str]) -> None:
    """The canary sings where it may: the test above would see it."""
    ada = world.client("ada")
    for path in (
        "/api/projects/glaciers", "/api/tokens", "/api/s3/keys", "/api/allocations", "/openeo/jobs",
        f"/openeo/jobs/{adas['batch']}", "/openeo/process_graphs/own_graph", "/openeo/files/own.txt", "/account",
        "/projects/glaciers",
    ):  # fmt: skip
        assert CANARY in ada.get(path).text, path
    assert "secret-workflow" in ada.get(f"/results/{adas['job']}").text
