"""What happens in one's projects' development: `/develop/activity`; and the versions of a workflow with differences."""

import difflib
from collections.abc import Mapping
from typing import Any, Protocol

from fastapi import APIRouter, Request
from fastapi.responses import Response

from terrafair.errors import InvalidInput, NotFound
from terrafair.portal.page import Pages

Document = dict[str, Any]
FILTERS = ("what", "project", "status", "text", "log", "before")
WHATS = ("build", "release", "run")
STATES = ("accepted", "running", "successful", "failed", "dismissed")
ROWS, LINES = 50, 2000


class Development(Protocol):
    """What the pages ask; what the asker may not see is not among it."""

    def activity(self, wanted: Mapping[str, str], limit: int) -> tuple[list[Document], str]:
        """`{what, when, title, href, status, project, author, words, lines}`, newest first; where the next page starts.

        `lines` are those of its log that hold the words of `log`: [(number, text)].
        """
        ...

    def projects(self) -> list[str]:
        """One's own."""
        ...

    def workflows(self) -> list[Document]:
        """Each released workflow by its newest version, and how many `versions` it has."""
        ...

    def versions(self, name: str) -> list[Document]:
        """Releases of a workflow, newest first; raises `NotFound` for none."""
        ...

    def sources(self, name: str, old: str, new: str) -> list[tuple[str, str]]:
        """Lines that differ in the sources of two versions: (`file`, `where`, `same`, `removed` or `added`, text).

        Raises `NotFound` where they are not at hand.
        """
        ...

    def document(self, process: str) -> str:
        """What is executed under an id, as text; raises `NotFound`."""
        ...


def router(pages: Pages, development: Development) -> APIRouter:
    """`/develop/activity`, `/develop/workflows` and the page of each workflow."""
    routes = pages.router()

    @routes.get("/develop/workflows")
    def workflows(request: Request) -> Response:
        return pages.show(request, "workflows.html", {"rows": development.workflows()})

    @routes.get("/develop/activity")
    def activity(request: Request) -> Response:
        wanted = {name: request.query_params.get(name, "").strip()[:200] for name in FILTERS}
        content: Document = {
            "wanted": wanted,
            "whats": WHATS,
            "states": STATES,
            "problem": None,
            "rows": [],
            "more": "",
        }
        try:
            rows, more = development.activity(_known(wanted), ROWS)
            content |= {"rows": rows, "more": more}
        except InvalidInput as error:
            content["problem"] = error.problem
        content |= {"projects": development.projects(), "filtered": any(wanted.values())}
        return pages.show(request, "activity.html", content, status=400 if content["problem"] else 200)

    @routes.get("/develop/workflows/{name}")
    def versions(request: Request, name: str, a: str = "", b: str = "") -> Response:
        found = development.versions(name)
        known = {each["version"]: each for each in found}
        content: Document = {"name": name, "versions": found, "a": a, "b": b, "lines": None, "problem": None}
        content |= {"sources": None, "gone": None}
        if a or b:
            missing = next((version for version in (a, b) if version not in known), None)
            if missing is None:
                texts = [development.document(known[version]["process"]) for version in (a, b)]
                content["lines"] = difference(texts[0], texts[1], a, b)
                content["facts"] = facts(known[a], known[b])
                try:
                    content["sources"] = development.sources(name, a, b)
                except NotFound as error:
                    content["gone"] = error.problem
            else:
                why = f"It has {', '.join(list(known)[:10])}."
                content["problem"] = InvalidInput(f"{name} has no version {missing[:40]!r}.", why).problem
        return pages.show(request, "versions.html", content, status=400 if content["problem"] else 200)

    return routes


def difference(old: str, new: str, first: str, second: str) -> list[tuple[str, str]]:
    """Lines as (`same`, `removed`, `added` or `where`, text), three around each change; empty: none differs."""
    kinds = {"+": "added", "-": "removed", "@": "where"}
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), first, second, lineterm="")
    return [(kinds.get(line[:1], "same"), line) for number, line in enumerate(lines) if number > 1][:LINES]


def facts(old: Document, new: Document) -> list[tuple[str, str, str]]:
    """What else differs between two versions: (name, before, after)."""
    pairs = [(name, str(old.get(name) or ""), str(new.get(name) or "")) for name in ("digest", "revision", "author")]
    before, after = old.get("about") or {}, new.get("about") or {}
    said = ("type", "title", "license", "environment", "image")
    pairs += [(name, str(before.get(name) or ""), str(after.get(name) or "")) for name in said]
    sums: list[Mapping[str, str]] = [each.get("outputs") or {} for each in (before, after)]
    paths = sorted({*sums[0], *sums[1]})
    pairs += [(f"result {path} of the tiny data", sums[0].get(path, ""), sums[1].get(path, "")) for path in paths]
    return [pair for pair in pairs if pair[1] != pair[2]]


def _known(wanted: Mapping[str, str]) -> dict[str, str]:
    for name, values in (("what", WHATS), ("status", STATES)):
        if wanted[name] and wanted[name] not in values:
            what = f"There is no {name} {wanted[name][:40]!r}."
            raise InvalidInput(what, remedy=f"Known: {', '.join(values)}.", where=name)
    return {name: value for name, value in wanted.items() if value}
