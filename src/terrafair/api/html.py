"""The machines' documents as simple pages, for people who follow a link in a browser."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.templating import Jinja2Templates

TEMPLATES = Path(__file__).parent / "templates"


class Pages:
    """Renders one template for each kind of document; all are complete without JavaScript."""

    def __init__(self) -> None:
        self._templates = Jinja2Templates(TEMPLATES)
        self._templates.env.filters["pretty"] = _pretty

    def render(self, request: Request, name: str, document: Mapping[str, Any], **more: Any) -> Response:
        """The page of a document."""
        content = {"document": document, "trail": _trail(request.url.path), **more}
        return self._templates.TemplateResponse(request, f"{name}.html", content)


def _pretty(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, default=str)


def _trail(path: str) -> list[tuple[str, str]]:
    """(name, address) of each step from the start to here."""
    parts = [part for part in path.split("/") if part]
    return [(part, "/" + "/".join(parts[: number + 1])) for number, part in enumerate(parts)]
