"""`/api/service-levels`: what was promised and what was kept in a month, as JSON or CSV."""

import csv
import io
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from terrafair.errors import InvalidInput

COLUMNS = ("month", "until", "name", "title", "level", "limit", "good", "counted", "share", "budget", "held")


def router(report: Callable[[str], dict[str, Any]]) -> APIRouter:
    """`report` gives a month's document; empty: this month."""
    routes = APIRouter(prefix="/api", tags=["operations"])

    @routes.get("/service-levels", response_model=None)
    def service_levels(month: str = "", f: str = "json") -> dict[str, Any] | Response:
        """One month (`YYYY-MM`, default: this one so far): each objective with its share and what is left of its
        error budget; `f=csv` for a table.
        """
        if f not in {"json", "csv"}:
            raise InvalidInput(f"The format {f!r} is not known.", "It is json or csv.", where="f")
        document = report(month)
        return document if f == "json" else Response(table(document), media_type="text/csv; charset=utf-8")

    return routes


def table(document: dict[str, Any]) -> str:
    """The report as CSV, one line for each objective."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for row in document["objectives"]:
        writer.writerow({"month": document["month"], "until": document["until"], **row})
    return text.getvalue()
