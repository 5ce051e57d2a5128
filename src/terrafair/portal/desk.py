"""The frame of the pages about people and projects: as all pages, and never kept by a browser."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from terrafair.errors import TerrafairError
from terrafair.portal.page import Pages


@dataclass(frozen=True, slots=True)
class Desk:
    """Renders these pages."""

    pages: Pages

    def show(self, request: Request, name: str, content: Mapping[str, Any], status: int = 200) -> Response:
        """A page; never kept by a browser, since it shows one person's things."""
        reply = self.pages.show(request, name, {"here": request.url.path, **content}, status=status)
        reply.headers["Cache-Control"] = "no-store"
        return reply

    def problem(self, request: Request, error: TerrafairError, status: int = 400) -> Response:
        """What went wrong, as a page."""
        return self.show(request, "refusal.html", {"problems": error.problems}, status)
