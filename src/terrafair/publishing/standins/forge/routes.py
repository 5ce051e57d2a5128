"""The forge over HTTP: the subset of GitHub's REST interface that publishing uses."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from terrafair.errors import Conflict, InvalidInput, NotFound, Refused, TerrafairError
from terrafair.publishing.standins.forge.ask import Ask
from terrafair.publishing.standins.forge.forge import Forge
from terrafair.publishing.standins.forge.git_routes import LIMIT, GitRoutes
from terrafair.publishing.standins.forge.pull_routes import PullRoutes

Document = dict[str, Any]
Handler = Callable[[Ask], Response]

_REPO = "/repos/{owner}/{repo}"
TABLE: tuple[tuple[str, str, str], ...] = (
    ("GET", "/user", "user"),
    ("GET", "/rate_limit", "rate_limit"),
    ("POST", "/app/installations/{installation}/access_tokens", "installation_token"),
    ("GET", _REPO, "repository"),
    ("POST", f"{_REPO}/forks", "fork"),
    ("GET", f"{_REPO}/forks", "forks"),
    ("POST", f"{_REPO}/merge-upstream", "merge_upstream"),
    ("GET", f"{_REPO}/git/ref/{{ref:path}}", "get_ref"),
    ("GET", f"{_REPO}/git/matching-refs/{{ref:path}}", "matching_refs"),
    ("POST", f"{_REPO}/git/refs", "create_ref"),
    ("PATCH", f"{_REPO}/git/refs/{{ref:path}}", "update_ref"),
    ("DELETE", f"{_REPO}/git/refs/{{ref:path}}", "delete_ref"),
    ("POST", f"{_REPO}/git/blobs", "create_blob"),
    ("GET", f"{_REPO}/git/blobs/{{sha}}", "get_blob"),
    ("POST", f"{_REPO}/git/trees", "create_tree"),
    ("GET", f"{_REPO}/git/trees/{{sha:path}}", "get_tree"),
    ("POST", f"{_REPO}/git/commits", "create_commit"),
    ("GET", f"{_REPO}/git/commits/{{sha}}", "get_commit"),
    ("GET", f"{_REPO}/contents/{{path:path}}", "get_content"),
    ("PUT", f"{_REPO}/contents/{{path:path}}", "put_content"),
    ("GET", f"{_REPO}/compare/{{basehead:path}}", "compare"),
    ("POST", f"{_REPO}/pulls", "create_pull"),
    ("GET", f"{_REPO}/pulls", "list_pulls"),
    ("GET", f"{_REPO}/pulls/{{number}}", "get_pull"),
    ("PATCH", f"{_REPO}/pulls/{{number}}", "edit_pull"),
    ("PUT", f"{_REPO}/pulls/{{number}}/merge", "merge"),
    ("GET", f"{_REPO}/pulls/{{number}}/files", "pull_files"),
    ("GET", f"{_REPO}/pulls/{{number}}/reviews", "reviews"),
    ("POST", f"{_REPO}/pulls/{{number}}/reviews", "review"),
    ("GET", f"{_REPO}/issues/{{number}}/comments", "comments"),
    ("POST", f"{_REPO}/issues/{{number}}/comments", "comment"),
    ("POST", f"{_REPO}/issues/{{number}}/labels", "labels"),
    ("GET", f"{_REPO}/commits/{{ref:path}}/status", "status"),
    ("GET", f"{_REPO}/commits/{{ref:path}}/check-runs", "check_runs"),
    ("GET", "/{owner}/{repo}/pull/{number}", "page"),
    ("POST", "/{owner}/{repo}/pull/{number}", "press"),
    ("GET", "/{owner}/{repo}/pull/{number}.diff", "diff"),
)
OPEN = frozenset({"page", "press", "diff", "installation_token"})
"""They bring no token of a person."""


def application(forge: Forge) -> Starlette:
    """The forge as an ASGI application."""
    parts = (GitRoutes(forge), PullRoutes(forge))
    routes = []
    for method, path, name in TABLE:
        handler = next(found for part in parts if (found := getattr(part, name, None)))
        routes.append(Route(path, _endpoint(forge, name, handler), methods=[method]))
    return Starlette(routes=routes, exception_handlers={404: _missing})


async def _missing(_: Request, __: Exception) -> Response:
    return _failure(404, "Not Found")


def _endpoint(forge: Forge, name: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        login = ""
        if name not in OPEN:
            kind, _, token = request.headers.get("authorization", "").partition(" ")
            try:
                login = forge.login(token.strip()) if kind.lower() in {"bearer", "token"} else ""
            except NotFound:
                return _failure(401, "Bad credentials")
            if not login and (request.method != "GET" or name == "user"):
                return _failure(401, "Requires authentication")
        try:
            body = await request.json() if name not in OPEN and await request.body() else None
        except ValueError:
            return _failure(400, "Problems parsing JSON")
        reply = await run_in_threadpool(_answer, handler, Ask(request, body, login))
        reply.headers["x-ratelimit-limit"] = str(LIMIT)
        reply.headers["x-ratelimit-remaining"] = str(LIMIT - 1)
        return reply

    return endpoint


def _answer(handler: Handler, ask: Ask) -> Response:
    try:
        return handler(ask)
    except NotFound as error:
        return _failure(404, error.problem.what)
    except Refused as error:
        return _failure(405 if "mergeable" in error.problem.what else 403, error.problem.what)
    except Conflict as error:
        return _failure(409, error.problem.what)
    except InvalidInput as error:
        return _failure(422, error.problem.what)
    except TerrafairError as error:
        return _failure(500, error.problem.what)


def _failure(status: int, message: str) -> Response:
    document: Document = {"message": message, "documentation_url": "about:blank", "status": str(status)}
    if status == 422:
        document["errors"] = [{"resource": "", "field": "", "code": "custom", "message": message}]
    return JSONResponse(document, status)
