"""Two runs side by side: `/jobs/compare?a=&b=`."""

from collections.abc import Mapping
from typing import Any, Protocol

from fastapi import APIRouter, Request
from fastapi.responses import Response

from terrafair.errors import InvalidInput, TerrafairError
from terrafair.portal.page import Pages

Document = dict[str, Any]
WORDS = {
    "identical bytes": "the same",
    "equal values within tolerance": "equal values",
    "different": "differs",
    "missing": "in the first alone",
    "additional": "in the second alone",
    "not comparable": "not compared",
}
GOOD = frozenset({"identical bytes", "equal values within tolerance"})


class Comparing(Protocol):
    """What the page asks."""

    def job(self, id: str) -> Document:  # noqa: A002
        """One job; raises `NotFound`."""
        ...

    def jobs(self, wanted: Mapping[str, str], limit: int) -> list[Document]:
        """Newest first."""
        ...

    def compare(self, first: str, second: str, *, values: bool) -> Document:
        """`{inputs, environment, metrics, outputs}`; raises `InvalidInput` for what cannot be compared."""
        ...


def router(pages: Pages, comparing: Comparing) -> APIRouter:
    """The page; without two runs it is a form to choose them."""
    routes = pages.router()

    @routes.get("/jobs/compare")
    def compare(request: Request, a: str = "", b: str = "", values: str = "") -> Response:
        a, b = a.strip(), b.strip()
        content: Document = {"a": a, "b": b, "problem": None, "found": None, "words": WORDS, "good": GOOD}
        content["choices"] = [job for job in comparing.jobs({}, 50) if job["finished"]]
        status = 200
        if a and b:
            try:
                content |= {"first": comparing.job(a), "second": comparing.job(b)}
                content["found"] = found = comparing.compare(a, b, values=values != "no")
                content["counts"] = {name: _differing(found[name]) for name in ("inputs", "environment", "metrics")}
                content["unlike"] = sum(each["verdict"] not in GOOD for each in found["outputs"])
            except InvalidInput as error:
                content["problem"], status = error.problem, 400
            except TerrafairError as error:
                if "second" not in content:
                    raise
                content["problem"], status = error.problem, 503
        return pages.show(request, "compare.html", content, status=status)

    return routes


def _differing(rows: list[Document]) -> int:
    return sum(not row["same"] for row in rows)
