"""One request to the forge, and what all its handlers share."""

from typing import Any

from starlette.requests import Request

from terrafair.errors import InvalidInput, Refused
from terrafair.publishing.standins.forge.answers import Answers
from terrafair.publishing.standins.forge.forge import Forge

Document = dict[str, Any]


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


class Handlers:
    """Answers requests on one forge."""

    def __init__(self, forge: Forge) -> None:
        self._forge = forge

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
