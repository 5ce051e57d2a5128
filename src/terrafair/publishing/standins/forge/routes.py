"""The forge over HTTP: the subset of GitHub's REST interface, and a page for each pull request."""

import base64
import binascii
import html
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from terrafair.errors import Conflict, InvalidInput, NotFound, Refused, TerrafairError
from terrafair.publishing.standins.forge import shapes
from terrafair.publishing.standins.forge.answers import Answers
from terrafair.publishing.standins.forge.forge import Forge, now
from terrafair.publishing.standins.forge.objects import Signature
from terrafair.publishing.standins.forge.state import Said

Document = dict[str, Any]
Handler = Callable[["Ask"], Response]
LIMIT = 5000
MODES = {"100644", "100755", "040000", "160000", "120000"}


class Ask:
    """One request, with who asks and the body read."""

    def __init__(self, request: Request, body: Any, login: str) -> None:
        self.request, self.login, self.whole = request, login, body
        self.body: Document = body if isinstance(body, dict) else {}
        self.base = str(request.base_url).rstrip("/")

    def __getitem__(self, name: str) -> str:
        return str(self.request.path_params[name])

    @property
    def name(self) -> str:
        """`owner/repo`."""
        return f"{self['owner']}/{self['repo']}"

    def text(self, name: str, *, needed: bool = True) -> str:
        """A text of the body; raises `InvalidInput` when it is missing or none."""
        value = self.body.get(name)
        if value is None and not needed:
            return ""
        if not isinstance(value, str):
            raise InvalidInput(f"Invalid request.\n\n{name!r} wasn't supplied or is not a string.")
        return value


class Routes:
    """Handlers by path."""

    def __init__(self, forge: Forge) -> None:
        self._forge = forge

    # Repositories

    def user(self, ask: Ask) -> Response:
        return JSONResponse(shapes.myself(ask.base, ask.login, "2024-01-01T00:00:00Z"))

    def rate_limit(self, ask: Ask) -> Response:
        rate = {"limit": LIMIT, "used": 0, "remaining": LIMIT, "reset": int(time.time()) + 3600}
        return JSONResponse({"resources": {"core": rate, "search": rate}, "rate": rate})

    def repository(self, ask: Ask) -> Response:
        return JSONResponse(self._answers(ask).repository(ask.name))

    def fork(self, ask: Ask) -> Response:
        hosted = self._forge.fork(ask.login, ask.name, ask.text("name", needed=False))
        return JSONResponse(self._answers(ask).repository(hosted.name), 202)

    def forks(self, ask: Ask) -> Response:
        found = [shapes.minimal_repository(ask.base, f.name, fork=True) for f in self._forge.forks(ask.name)]
        return JSONResponse(found)

    def merge_upstream(self, ask: Ask) -> Response:
        self._writing(ask)
        branch = ask.text("branch")
        kind = self._forge.merge_upstream(ask.name, branch)
        said = "Successfully fetched and fast-forwarded" if kind == "fast-forward" else "This branch is not behind"
        return JSONResponse({"message": said, "merge_type": kind, "base_branch": branch})

    # Git objects

    def get_ref(self, ask: Ask) -> Response:
        full = f"refs/{ask['ref']}"
        return self._ref(ask, full, self._forge.bare(ask.name).ref(full))

    def matching_refs(self, ask: Ask) -> Response:
        found = self._forge.bare(ask.name).refs(f"refs/{ask['ref']}")
        return JSONResponse([shapes.ref(ask.base, ask.name, full, sha, "commit") for full, sha in found])

    def create_ref(self, ask: Ask) -> Response:
        self._writing(ask)
        full, sha = ask.text("ref"), ask.text("sha")
        self._forge.create_ref(ask.name, full, sha)
        return self._ref(ask, full, sha, 201)

    def update_ref(self, ask: Ask) -> Response:
        self._writing(ask)
        full, sha = f"refs/{ask['ref']}", ask.text("sha")
        self._forge.update_ref(ask.name, full, sha, force=ask.body.get("force") is True)
        return self._ref(ask, full, sha)

    def delete_ref(self, ask: Ask) -> Response:
        self._writing(ask)
        self._forge.delete_ref(ask.name, f"refs/{ask['ref']}")
        return Response(status_code=204)

    def _ref(self, ask: Ask, full: str, sha: str, status: int = 200) -> Response:
        return JSONResponse(shapes.ref(ask.base, ask.name, full, sha, "commit"), status)

    def create_blob(self, ask: Ask) -> Response:
        self._writing(ask)
        encoding, text = ask.body.get("encoding", "utf-8"), ask.text("content")
        if encoding not in {"utf-8", "base64"}:
            raise InvalidInput("encoding is invalid")
        try:
            content = base64.b64decode(text) if encoding == "base64" else text.encode()
        except binascii.Error:
            raise InvalidInput("content is not valid Base64") from None
        sha = self._forge.bare(ask.name).blob(content)
        return JSONResponse({"sha": sha, "url": f"{ask.base}/repos/{ask.name}/git/blobs/{sha}"}, 201)

    def get_blob(self, ask: Ask) -> Response:
        repository = self._forge.bare(ask.name)
        if repository.kind(ask["sha"]) != "blob":
            raise NotFound("Not Found")
        content = repository.content(ask["sha"])
        url = f"{ask.base}/repos/{ask.name}/git/blobs/{ask['sha']}"
        about = {"sha": ask["sha"], "node_id": shapes.node("Blob", ask["sha"]), "url": url, "size": len(content)}
        return JSONResponse({**about, "content": base64.encodebytes(content).decode(), "encoding": "base64"})

    def create_tree(self, ask: Ask) -> Response:
        self._writing(ask)
        repository = self._forge.bare(ask.name)
        base = ask.text("base_tree", needed=False)
        if base and repository.kind(base) not in {"tree", "commit"}:
            raise InvalidInput("base_tree is not a valid tree oid")
        entries = ask.body.get("tree")
        if not isinstance(entries, list):
            raise InvalidInput("Invalid request.\n\n'tree' wasn't supplied.")
        laid = [self._entry(ask, entry) for entry in entries]
        sha = repository.tree(laid, base)
        return JSONResponse(shapes.tree(ask.base, ask.name, sha, repository, recursive=False), 201)

    def _entry(self, ask: Ask, entry: Any) -> tuple[str, str, str | None]:
        path = entry.get("path") if isinstance(entry, dict) else None
        if not isinstance(path, str) or any(part in {"", ".", "..", ".git"} for part in path.split("/")):
            raise InvalidInput("tree.path contains a malformed path component")
        mode = entry.get("mode", "100644")
        if mode not in MODES:
            raise InvalidInput("tree.mode is invalid")
        if "content" in entry and entry.get("sha"):
            raise InvalidInput("Must supply either tree.sha or tree.content, not both")
        if isinstance(entry.get("content"), str):
            return mode, path, self._forge.bare(ask.name).blob(entry["content"].encode())
        sha = entry.get("sha")
        if sha is not None and not self._forge.bare(ask.name).kind(str(sha)):
            raise InvalidInput(f"tree.sha {sha} is not a valid blob")
        return mode, path, sha

    def get_tree(self, ask: Ask) -> Response:
        repository = self._forge.bare(ask.name)
        try:
            sha = repository.ref(f"{ask['sha']}^{{tree}}")
        except InvalidInput:
            raise NotFound("Not Found") from None
        recursive = "recursive" in ask.request.query_params
        return JSONResponse(shapes.tree(ask.base, ask.name, sha, repository, recursive=recursive))

    def create_commit(self, ask: Ask) -> Response:
        self._writing(ask)
        repository = self._forge.bare(ask.name)
        tree, message, parents = ask.text("tree"), ask.text("message"), ask.body.get("parents", [])
        if repository.kind(tree) != "tree":
            raise InvalidInput("Tree SHA does not exist")
        if not isinstance(parents, list) or any(repository.kind(str(sha)) != "commit" for sha in parents):
            raise InvalidInput("Parent SHA does not exist or is not a commit object")
        author = self._signature(ask, ask.body.get("author"))
        committer = self._signature(ask, ask.body.get("committer") or ask.body.get("author"))
        sha = repository.commit(tree, parents, message, author, committer)
        return JSONResponse(shapes.git_commit(ask.base, ask.name, repository.read_commit(sha)), 201)

    def _signature(self, ask: Ask, said: Any) -> Signature:
        if not isinstance(said, dict):
            return Signature(ask.login, f"{ask.login}@users.noreply.example", now())
        if not all(isinstance(said.get(name), str) for name in ("name", "email")):
            raise InvalidInput("author needs name and email")
        return Signature(said["name"], said["email"], said.get("date") or now())

    def get_commit(self, ask: Ask) -> Response:
        repository = self._forge.bare(ask.name)
        if repository.kind(ask["sha"]) != "commit":
            raise NotFound("Not Found")
        return JSONResponse(shapes.git_commit(ask.base, ask.name, repository.read_commit(ask["sha"])))

    def get_content(self, ask: Ask) -> Response:
        repository = self._forge.bare(ask.name)
        at = ask.request.query_params.get("ref") or repository.branch
        try:
            sha = repository.ref(f"{at}:{ask['path']}")
            data = repository.content(sha)
        except InvalidInput:
            raise NotFound("Not Found") from None
        if "raw" in ask.request.headers.get("accept", ""):
            return Response(data, media_type="application/vnd.github.raw+json")
        return JSONResponse(shapes.content(ask.base, ask.name, ask["path"], at, data, sha))

    def put_content(self, ask: Ask) -> Response:
        self._writing(ask)
        repository = self._forge.bare(ask.name)
        branch = ask.text("branch", needed=False) or repository.branch
        before = repository.ref(f"refs/heads/{branch}")
        try:
            known = repository.ref(f"{before}:{ask['path']}")
        except NotFound:
            known = ""
        if known != ask.text("sha", needed=False):
            raise Conflict(f"{ask['path']} does not match {ask.text('sha', needed=False)}")
        data = base64.b64decode(ask.text("content"))
        sha = repository.blob(data)
        tree = repository.tree([("100644", ask["path"], sha)], before)
        who = self._signature(ask, ask.body.get("author"))
        made = repository.commit(tree, [before], ask.text("message"), who, who)
        self._forge.update_ref(ask.name, f"refs/heads/{branch}", made, force=False)
        commit = shapes.git_commit(ask.base, ask.name, repository.read_commit(made))
        about = shapes.content(ask.base, ask.name, ask["path"], branch, data, sha)
        return JSONResponse({"content": about, "commit": commit}, 200 if known else 201)

    def compare(self, ask: Ask) -> Response:
        return JSONResponse(self._answers(ask).comparison(ask.name, ask["basehead"]))

    # Pull requests

    def create_pull(self, ask: Ask) -> Response:
        head, base, title = ask.text("head"), ask.text("base"), ask.text("title")
        pull = self._forge.open_pull(ask.name, ask.login, title, ask.text("body", needed=False), head, base)
        return JSONResponse(self._answers(ask).pull(ask.name, pull), 201)

    def list_pulls(self, ask: Ask) -> Response:
        wanted = ask.request.query_params
        state, head, base = wanted.get("state", "open"), wanted.get("head", ""), wanted.get("base", "")
        found = []
        for pull in reversed(self._forge.pulls(ask.name)):
            label = f"{pull.head_repo.partition('/')[0]}:{pull.head}"
            fits = state == "all" or pull.open == (state == "open")
            if fits and head in {"", label} and base in {"", pull.base}:
                found.append(self._answers(ask).pull_simple(ask.name, pull))
        return JSONResponse(self._page(ask, found))

    def get_pull(self, ask: Ask) -> Response:
        return JSONResponse(self._answers(ask).pull(ask.name, self._pull(ask)))

    def edit_pull(self, ask: Ask) -> Response:
        pull = self._pull(ask)
        if ask.login != pull.user:
            self._writing(ask)
        edited = self._forge.edit_pull(
            ask.name, pull.number, **{name: ask.body.get(name) for name in ("title", "body", "state")}
        )
        return JSONResponse(self._answers(ask).pull(ask.name, edited))

    def merge(self, ask: Ask) -> Response:
        self._writing(ask)
        pull = self._forge.merge(ask.name, self._number(ask), ask.login, ask.text("sha", needed=False))
        return JSONResponse({"sha": pull.merge_sha, "merged": True, "message": "Pull Request successfully merged"})

    def pull_files(self, ask: Ask) -> Response:
        return JSONResponse(self._page(ask, self._answers(ask).pull_files(ask.name, self._pull(ask))))

    def reviews(self, ask: Ask) -> Response:
        pull = self._pull(ask)
        numbered = enumerate(pull.reviews, 1)
        return JSONResponse(
            [shapes.review(ask.base, ask.name, pull.number, n, self._said(said)) for n, said in numbered]
        )

    def review(self, ask: Ask) -> Response:
        state = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED"}.get(ask.text("event"), "COMMENTED")
        pull = self._pull(ask)
        said = Said(ask.login, ask.text("body", needed=False), now(), state, pull.head_sha)
        number = self._forge.say(ask.name, pull.number, said)
        return JSONResponse(shapes.review(ask.base, ask.name, pull.number, number, self._said(said)))

    def comments(self, ask: Ask) -> Response:
        pull = self._pull(ask)
        numbered = enumerate(pull.comments, 1)
        found = [shapes.comment(ask.base, ask.name, pull.number, n, self._said(said)) for n, said in numbered]
        return JSONResponse(self._page(ask, found))

    def comment(self, ask: Ask) -> Response:
        pull, said = self._pull(ask), Said(ask.login, ask.text("body"), now())
        number = self._forge.say(ask.name, pull.number, said)
        return JSONResponse(shapes.comment(ask.base, ask.name, pull.number, number, self._said(said)), 201)

    def labels(self, ask: Ask) -> Response:
        asked = ask.whole if isinstance(ask.whole, list) else ask.body.get("labels")
        if not isinstance(asked, list) or not all(isinstance(each, str) for each in asked):
            raise InvalidInput("labels is invalid")
        return JSONResponse(self._answers(ask).labels(ask.name, self._forge.label(ask.name, self._number(ask), asked)))

    def _said(self, said: Said) -> Document:
        return {name: getattr(said, name) for name in Said.__slots__}

    def _number(self, ask: Ask) -> int:
        if not ask["number"].isdigit():
            raise NotFound("Not Found")
        return int(ask["number"])

    def _pull(self, ask: Ask) -> Any:
        return self._forge.pull(ask.name, self._number(ask))

    # Checks

    def status(self, ask: Ask) -> Response:
        return JSONResponse(self._answers(ask).status(ask.name, self._commit(ask)))

    def check_runs(self, ask: Ask) -> Response:
        sha = self._commit(ask)
        runs = [
            shapes.check_run(ask.base, ask.name, number, sha, {n: getattr(check, n) for n in type(check).__slots__})
            for number, check in enumerate(self._forge.checks(ask.name, sha), 1)
        ]
        return JSONResponse({"total_count": len(runs), "check_runs": runs})

    def _commit(self, ask: Ask) -> str:
        return self._forge.bare(ask.name).ref(f"{ask['ref']}^{{commit}}")

    # Pages for people

    def page(self, ask: Ask) -> Response:
        pull = self._pull(ask)
        checks = self._forge.checks(ask.name, pull.head_sha)
        state = "merged" if pull.merged else "open" if pull.open else "closed"
        patch = self._forge.bare(ask.name).patch(
            self._forge.bare(ask.name).merge_base(self._forge.base_of(ask.name, pull), pull.head_sha), pull.head_sha
        )
        rows = "".join(
            f"<li>{html.escape(check.name)}: {html.escape(check.conclusion or check.status)}"
            f"<pre>{html.escape(check.summary)}</pre></li>"
            for check in checks
        )
        button = '<form method="post" action="?merge"><button>Merge</button></form>' if pull.open else ""
        body = (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(pull.title)}</title>'
            f"<h1>{html.escape(pull.title)} #{pull.number}</h1><p>{state}, {html.escape(ask.name)}</p>"
            f"<p>This forge stands in for GitHub; here you play the reviewer.</p>{button}"
            f"<pre>{html.escape(pull.body)}</pre><ul>{rows}</ul><pre>{html.escape(patch)}</pre>"
        )
        policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"}
        return HTMLResponse(body, headers=policy)

    def press(self, ask: Ask) -> Response:
        """The button: only from the forge's own page, since no token comes with it."""
        came = urlsplit(ask.request.headers.get("origin", ""))
        if f"{came.scheme}://{came.netloc}" != ask.base:
            raise Refused("Not from this page")
        self._forge.merge(ask.name, self._number(ask), ask["owner"])
        return RedirectResponse(f"/{ask.name}/pull/{ask['number']}", 303)

    def diff(self, ask: Ask) -> Response:
        pull = self._pull(ask)
        repository = self._forge.bare(ask.name)
        base = repository.merge_base(self._forge.base_of(ask.name, pull), pull.head_sha)
        return PlainTextResponse(repository.patch(base, pull.head_sha))

    # Shared

    def _answers(self, ask: Ask) -> Answers:
        return Answers(self._forge, ask.base, ask.login)

    def _writing(self, ask: Ask) -> None:
        if not self._forge.may_write(ask.login, ask.name):
            self._forge.hosted(ask.name)
            raise Refused("Resource not accessible by personal access token")

    def _page(self, ask: Ask, rows: list[Document]) -> list[Document]:
        wanted = ask.request.query_params
        size = min(max(int(wanted.get("per_page", "30")), 1), 100)
        start = (max(int(wanted.get("page", "1")), 1) - 1) * size
        return rows[start : start + size]


_REPO = "/repos/{owner}/{repo}"
TABLE: tuple[tuple[str, str, str], ...] = (
    ("GET", "/user", "user"),
    ("GET", "/rate_limit", "rate_limit"),
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
OPEN = frozenset({"page", "press", "diff"})


def application(forge: Forge) -> Starlette:
    """The forge as an ASGI application."""
    handlers = Routes(forge)
    routes = [Route(path, _endpoint(forge, name, getattr(handlers, name)), methods=[m]) for m, path, name in TABLE]
    return Starlette(routes=routes, exception_handlers={404: _missing})


async def _missing(request: Request, fault: Exception) -> Response:
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
