"""What all pages share: templates, the frame around the content, and errors as pages."""

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.exceptions import HTTPException
from starlette.types import Scope

from terrafair import __version__
from terrafair.errors import InvalidInput, Problem, TerrafairError, public
from terrafair.identity.asking import asker
from terrafair.identity.credits import shown
from terrafair.portal.refill import refilled, typed, wrong

HERE = Path(__file__).parent
STATIC = HERE / "static"
YEAR = "public, max-age=31536000, immutable"
MAP_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; connect-src 'self' data:;"
    " img-src 'self' data: blob:; worker-src 'self' blob:; frame-ancestors 'none'"
)
"""OpenLayers compiles its style expressions, and draws pictures that it has made itself."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The project that somebody works in."""

    project: str
    """Its id; empty: none."""
    title: str
    left: str
    """Credits that it has left, as people read them; empty: they do not limit it."""
    others: tuple[tuple[str, str], ...] = ()
    """(id, title) of all projects that they may work in."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every page shows beside its own content."""

    commit: Callable[[], str]
    """The catalogue's commit."""
    warning: str
    """Shown on every page, e.g. that isolation is missing."""
    status: Callable[[TerrafairError], int]
    """The HTTP status of an error."""
    banner: Callable[[], str] = lambda: ""
    """Shown on every page for as long as it says something, e.g. that nothing can be changed."""
    standing: Callable[[], Standing | None] = lambda: None
    """Of whoever asks; None: they have not signed in."""


class Static(StaticFiles):
    """Style sheet, scripts and fetched browser files; kept for a year under an address that names their version."""

    def file_response(self, full_path: Any, stat_result: Any, scope: Scope, status_code: int = 200) -> Response:
        """Kept long only where the address changes with the content."""
        reply = super().file_response(full_path, stat_result, scope, status_code)
        if b"v=" in scope.get("query_string", b""):
            reply.headers["Cache-Control"] = YEAR
        return reply


def address(name: str) -> str:
    """Where browsers find a static file; another version has another address."""
    try:
        about = (STATIC / name).stat()
    except OSError:
        return f"/static/{name}"
    return f"/static/{name}?v={about.st_mtime_ns:x}{about.st_size:x}"


class Pages:
    """Renders pages."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._templates = Jinja2Templates(HERE / "templates")
        self._templates.env.trim_blocks = self._templates.env.lstrip_blocks = True
        self._templates.env.filters |= {"bytes": size, "moment": moment, "path": path, "pairs": pairs}
        self._templates.env.filters |= {"credits": shown, "told": told, "project": project}
        self._templates.env.globals |= {
            "asker": asker,
            "standing": surroundings.standing,
            "asset": address,
            "typed": typed,
            "wrong": wrong,
            "version": __version__,
            "live": (STATIC / "vendor/htmx.min.js").exists(),
            "documents": (HERE / "documents/index.html").is_file(),
            "maps": (STATIC / "vendor/eox-map.js").exists(),
        }

    def show(
        self, request: Request, name: str, content: Mapping[str, Any], *, status: int = 200, drawn: bool = False
    ) -> Response:
        """A page; `drawn`: there is a map on it."""
        about: dict[str, Any] = {"warning": self._surroundings.warning, "commit": self._surroundings.commit()[:12]}
        about["banner"] = self._surroundings.banner()
        about |= {"url": str(request.base_url).rstrip("/")}
        # Workspaces are another part of the platform, which may not be there.
        # A layer in front of the application answers, too.
        application = request.scope.get("app")
        about |= {"notebooks": application is not None and getattr(application.state, "notebooks", False)}
        # Whoever is signed in stands on it: no cache between may keep it, and ours only to go back to.
        headers = {"Cache-Control": "private, no-cache"} | ({"Content-Security-Policy": MAP_POLICY} if drawn else {})
        return self._templates.TemplateResponse(
            request, name, {**about, **content}, status_code=status, headers=headers
        )

    def problem(self, request: Request, error: TerrafairError) -> Response:
        """An error as a page."""
        error = public(error)
        return self.problems(request, error.problems, self._surroundings.status(error))

    def problems(self, request: Request, problems: Sequence[Problem], status: int, sent: Any = None) -> Response:
        """What is wrong as a page, with ways on; `sent` has the `fields` of a form that can be sent again."""
        content = {"problems": problems, "code": status, "sent": sent, "posted": request.method == "POST"}
        return self.show(request, "problem.html", content, status=status)

    def router(self, prefix: str = "") -> APIRouter:
        """Routes whose errors are pages, too."""
        pages = self

        class PageRoute(APIRoute):
            def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
                proceed = super().get_route_handler()

                async def handle(request: Request) -> Response:
                    try:
                        return await proceed(request)
                    except TerrafairError as error:
                        if request.headers.get("accept", "").startswith("application/json"):
                            # A script of ours asks: the application answers in its one shape.
                            raise
                        return await refused(request, error)
                    except HTTPException as fault:
                        return pages.problem(request, InvalidInput(f"{fault.detail}."))
                    except RequestValidationError as fault:
                        first = fault.errors()[0]
                        where = str(first["loc"][-1])
                        return await refused(request, InvalidInput(f"{first['msg']}.", where=where))

                return handle

        async def refused(request: Request, error: TerrafairError) -> Response:
            error = public(error)
            status = pages._surroundings.status(error)
            page = await refilled(request, made.routes, error.problems, status) if request.method == "POST" else None
            return page or pages.problem(request, error)

        options: dict[str, Any] = {"include_in_schema": False, "default_response_class": HTMLResponse}
        made = APIRouter(prefix=prefix, route_class=PageRoute, **options)
        return made


def size(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def moment(text: str) -> str:
    """An instant without what nobody reads."""
    return text[:16].replace("T", " ") if text else ""


def told(problem: Any) -> str:
    """A problem in one line."""
    return " ".join(part for part in (problem.what, problem.why, problem.remedy) if part)


def path(text: str) -> str:
    """A text as one part of an address."""
    return quote(text, safe="")


def project(name: str) -> str:
    """A project as who looks at the page knows it: one's own bears one's id, which says nothing to people."""
    return "your own" if name and name == asker().actor.person else name


def pairs(texts: Iterable[str]) -> list[tuple[str, str]]:
    """Each twice: as the value of an option and as its words."""
    return [(each, each) for each in texts]
