"""Pull requests, reviews, comments and checks over HTTP, and a page for each pull request."""

import html
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from terrafair.errors import InvalidInput, NotFound, Refused
from terrafair.publishing.standins.forge import shapes
from terrafair.publishing.standins.forge.ask import Ask, Document, Handlers
from terrafair.publishing.standins.forge.forge import now
from terrafair.publishing.standins.forge.state import Said


class PullRoutes(Handlers):
    """Everything that a reviewer sees."""

    # Pull requests

    def create_pull(self, ask: Ask) -> Response:
        """`POST /repos/{owner}/{repo}/pulls`."""
        head, base, title = ask.text("head"), ask.text("base"), ask.text("title")
        pull = self._forge.open_pull(ask.name, ask.login, title, ask.text("body", needed=False), head, base)
        return JSONResponse(self._answers(ask).pull(ask.name, pull), 201)

    def list_pulls(self, ask: Ask) -> Response:
        """`GET /repos/{owner}/{repo}/pulls`."""
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
        """`GET /repos/{owner}/{repo}/pulls/{number}`."""
        return JSONResponse(self._answers(ask).pull(ask.name, self._pull(ask)))

    def edit_pull(self, ask: Ask) -> Response:
        """`PATCH /repos/{owner}/{repo}/pulls/{number}`."""
        pull = self._pull(ask)
        if ask.login != pull.user:
            self._writing(ask)
        edited = self._forge.edit_pull(
            ask.name, pull.number, **{name: ask.body.get(name) for name in ("title", "body", "state")}
        )
        return JSONResponse(self._answers(ask).pull(ask.name, edited))

    def merge(self, ask: Ask) -> Response:
        """`PUT /repos/{owner}/{repo}/pulls/{number}/merge`."""
        self._writing(ask)
        pull = self._forge.merge(ask.name, self._number(ask), ask.login, ask.text("sha", needed=False))
        return JSONResponse({"sha": pull.merge_sha, "merged": True, "message": "Pull Request successfully merged"})

    def pull_files(self, ask: Ask) -> Response:
        """`GET /repos/{owner}/{repo}/pulls/{number}/files`."""
        return JSONResponse(self._page(ask, self._answers(ask).pull_files(ask.name, self._pull(ask))))

    def reviews(self, ask: Ask) -> Response:
        """`GET /repos/{owner}/{repo}/pulls/{number}/reviews`."""
        pull = self._pull(ask)
        numbered = enumerate(pull.reviews, 1)
        return JSONResponse(
            [shapes.review(ask.base, ask.name, pull.number, n, self._said(said)) for n, said in numbered]
        )

    def review(self, ask: Ask) -> Response:
        """`POST /repos/{owner}/{repo}/pulls/{number}/reviews`."""
        state = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED"}.get(ask.text("event"), "COMMENTED")
        pull = self._pull(ask)
        said = Said(ask.login, ask.text("body", needed=False), now(), state, pull.head_sha)
        number = self._forge.say(ask.name, pull.number, said)
        return JSONResponse(shapes.review(ask.base, ask.name, pull.number, number, self._said(said)))

    def comments(self, ask: Ask) -> Response:
        """`GET /repos/{owner}/{repo}/issues/{number}/comments`."""
        pull = self._pull(ask)
        numbered = enumerate(pull.comments, 1)
        found = [shapes.comment(ask.base, ask.name, pull.number, n, self._said(said)) for n, said in numbered]
        return JSONResponse(self._page(ask, found))

    def comment(self, ask: Ask) -> Response:
        """`POST /repos/{owner}/{repo}/issues/{number}/comments`."""
        pull, said = self._pull(ask), Said(ask.login, ask.text("body"), now())
        number = self._forge.say(ask.name, pull.number, said)
        return JSONResponse(shapes.comment(ask.base, ask.name, pull.number, number, self._said(said)), 201)

    def labels(self, ask: Ask) -> Response:
        """`POST /repos/{owner}/{repo}/issues/{number}/labels`."""
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
        """`GET /repos/{owner}/{repo}/commits/{ref}/status`."""
        return JSONResponse(self._answers(ask).status(ask.name, self._commit(ask)))

    def check_runs(self, ask: Ask) -> Response:
        """`GET /repos/{owner}/{repo}/commits/{ref}/check-runs`."""
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
        """`GET /{owner}/{repo}/pull/{number}`."""
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
        """`GET /{owner}/{repo}/pull/{number}.diff`."""
        pull = self._pull(ask)
        repository = self._forge.bare(ask.name)
        base = repository.merge_base(self._forge.base_of(ask.name, pull), pull.head_sha)
        return PlainTextResponse(repository.patch(base, pull.head_sha))
