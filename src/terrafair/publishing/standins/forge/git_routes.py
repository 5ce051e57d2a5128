"""Repositories, references, blobs, trees, commits and files over HTTP."""

import base64
import binascii
import time
from datetime import UTC, datetime
from typing import Any

from starlette.responses import JSONResponse, Response

from terrafair.errors import Conflict, InvalidInput, NotFound
from terrafair.publishing.standins.forge import shapes
from terrafair.publishing.standins.forge.ask import Ask, Handlers
from terrafair.publishing.standins.forge.forge import now
from terrafair.publishing.standins.forge.objects import Signature

LIMIT = 5000
MODES = {"100644", "100755", "040000", "160000", "120000"}


class GitRoutes(Handlers):
    """The git data interface."""

    def installation_token(self, ask: Ask) -> Response:
        """`POST /app/installations/{installation}/access_tokens`."""
        assertion = ask.request.headers.get("authorization", "").partition(" ")[2]
        try:
            token, ends = self._forge.installation_token(assertion)
        except NotFound as error:
            return JSONResponse({"message": error.problem.what}, 401)
        expires = datetime.fromtimestamp(ends, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return JSONResponse({"token": token, "expires_at": expires, "permissions": {"contents": "write"}}, 201)

    # Repositories

    def user(self, ask: Ask) -> Response:
        """`GET /user`."""
        return JSONResponse(shapes.myself(ask.base, ask.login, "2024-01-01T00:00:00Z"))

    def rate_limit(self, _: Ask) -> Response:
        """`GET /rate_limit`."""
        rate = {"limit": LIMIT, "used": 0, "remaining": LIMIT, "reset": int(time.time()) + 3600}
        return JSONResponse({"resources": {"core": rate, "search": rate}, "rate": rate})

    def repository(self, ask: Ask) -> Response:
        """`GET /repos/{owner}/{repo}`."""
        return JSONResponse(self._answers(ask).repository(ask.name))

    def fork(self, ask: Ask) -> Response:
        """`POST /repos/{owner}/{repo}/forks`."""
        hosted = self._forge.fork(ask.login, ask.name, ask.text("name", needed=False))
        return JSONResponse(self._answers(ask).repository(hosted.name), 202)

    def forks(self, ask: Ask) -> Response:
        """`GET /repos/{owner}/{repo}/forks`."""
        found = [shapes.minimal_repository(ask.base, f.name, fork=True) for f in self._forge.forks(ask.name)]
        return JSONResponse(found)

    def merge_upstream(self, ask: Ask) -> Response:
        """`POST /repos/{owner}/{repo}/merge-upstream`."""
        self._writing(ask)
        branch = ask.text("branch")
        kind = self._forge.merge_upstream(ask.name, branch)
        said = "Successfully fetched and fast-forwarded" if kind == "fast-forward" else "This branch is not behind"
        return JSONResponse({"message": said, "merge_type": kind, "base_branch": branch})

    # Git objects

    def get_ref(self, ask: Ask) -> Response:
        """`GET /repos/{owner}/{repo}/git/ref/{ref}`."""
        full = f"refs/{ask['ref']}"
        return self._ref(ask, full, self._forge.bare(ask.name).ref(full))

    def matching_refs(self, ask: Ask) -> Response:
        """`GET /repos/{owner}/{repo}/git/matching-refs/{ref}`."""
        found = self._forge.bare(ask.name).refs(f"refs/{ask['ref']}")
        return JSONResponse([shapes.ref(ask.base, ask.name, full, sha, "commit") for full, sha in found])

    def create_ref(self, ask: Ask) -> Response:
        """`POST /repos/{owner}/{repo}/git/refs`."""
        self._writing(ask)
        full, sha = ask.text("ref"), ask.text("sha")
        self._forge.create_ref(ask.name, full, sha)
        return self._ref(ask, full, sha, 201)

    def update_ref(self, ask: Ask) -> Response:
        """`PATCH /repos/{owner}/{repo}/git/refs/{ref}`."""
        self._writing(ask)
        full, sha = f"refs/{ask['ref']}", ask.text("sha")
        self._forge.update_ref(ask.name, full, sha, force=ask.body.get("force") is True)
        return self._ref(ask, full, sha)

    def delete_ref(self, ask: Ask) -> Response:
        """`DELETE /repos/{owner}/{repo}/git/refs/{ref}`."""
        self._writing(ask)
        self._forge.delete_ref(ask.name, f"refs/{ask['ref']}")
        return Response(status_code=204)

    def _ref(self, ask: Ask, full: str, sha: str, status: int = 200) -> Response:
        return JSONResponse(shapes.ref(ask.base, ask.name, full, sha, "commit"), status)

    def create_blob(self, ask: Ask) -> Response:
        """`POST /repos/{owner}/{repo}/git/blobs`."""
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
        """`GET /repos/{owner}/{repo}/git/blobs/{sha}`."""
        repository = self._forge.bare(ask.name)
        if repository.kind(ask["sha"]) != "blob":
            raise NotFound("Not Found")
        content = repository.content(ask["sha"])
        url = f"{ask.base}/repos/{ask.name}/git/blobs/{ask['sha']}"
        about = {"sha": ask["sha"], "node_id": shapes.node("Blob", ask["sha"]), "url": url, "size": len(content)}
        return JSONResponse({**about, "content": base64.encodebytes(content).decode(), "encoding": "base64"})

    def create_tree(self, ask: Ask) -> Response:
        """`POST /repos/{owner}/{repo}/git/trees`."""
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
        """`GET /repos/{owner}/{repo}/git/trees/{sha}`."""
        repository = self._forge.bare(ask.name)
        try:
            sha = repository.ref(f"{ask['sha']}^{{tree}}")
        except InvalidInput:
            raise NotFound("Not Found") from None
        recursive = "recursive" in ask.request.query_params
        return JSONResponse(shapes.tree(ask.base, ask.name, sha, repository, recursive=recursive))

    def create_commit(self, ask: Ask) -> Response:
        """`POST /repos/{owner}/{repo}/git/commits`."""
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
        """`GET /repos/{owner}/{repo}/git/commits/{sha}`."""
        repository = self._forge.bare(ask.name)
        if repository.kind(ask["sha"]) != "commit":
            raise NotFound("Not Found")
        return JSONResponse(shapes.git_commit(ask.base, ask.name, repository.read_commit(ask["sha"])))

    def get_content(self, ask: Ask) -> Response:
        """`GET /repos/{owner}/{repo}/contents/{path}`."""
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
        """`PUT /repos/{owner}/{repo}/contents/{path}`."""
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
        """`GET /repos/{owner}/{repo}/compare/{basehead}`."""
        return JSONResponse(self._answers(ask).comparison(ask.name, ask["basehead"]))
