"""The frame of the pages about people and projects: templates that know who is asking."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response
from fastapi.templating import Jinja2Templates

from terrafair import __version__
from terrafair.errors import TerrafairError
from terrafair.identity.asking import asker
from terrafair.identity.credits import shown

HERE = Path(__file__).parent


def _templates() -> Jinja2Templates:
    made = Jinja2Templates(HERE / "templates")
    made.env.globals |= {"asker": asker, "version": __version__, "live": False, "maps": False}
    made.env.globals["asset"] = lambda name: f"/static/{name}"
    made.env.filters |= {
        "credits": shown,
        "path": partial(quote, safe=""),
        "pairs": lambda texts: [(t, t) for t in texts],
    }
    return made


@dataclass(frozen=True, slots=True)
class Desk:
    """Renders these pages."""

    warning: str
    commit: Callable[[], str]
    templates: Jinja2Templates = field(default_factory=_templates)

    def show(self, request: Request, name: str, content: Mapping[str, Any], status: int = 200) -> Response:
        """A page; never kept by a browser, since it shows one person's things."""
        about = {"warning": self.warning, "commit": self.commit()[:12], "here": request.url.path}
        about |= {"url": str(request.base_url).rstrip("/")}
        headers = {"Cache-Control": "no-store"}
        return self.templates.TemplateResponse(request, name, {**about, **content}, status, headers)

    def problem(self, request: Request, error: TerrafairError, status: int = 400) -> Response:
        """What went wrong, as a page."""
        return self.show(request, "refusal.html", {"problems": error.problems}, status)
