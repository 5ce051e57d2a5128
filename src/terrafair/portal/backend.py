"""What the pages ask, answered from the same services as the API."""

from collections.abc import Callable
from typing import Any, Protocol

from terrafair.catalogue.catalogue import Catalogue
from terrafair.catalogue.query import Query
from terrafair.errors import NotFound

Document = dict[str, Any]
LOG_LINES = 500


class Runs(Protocol):
    """The runs of the platform as documents; `api.runs.Runs` is one."""

    def accept(self, id: str, *, kind: str = "") -> Document:  # noqa: A002
        """Accept a job."""
        ...

    def listing(self) -> list[Document]:
        """Jobs, newest first."""
        ...

    def get(self, id: str) -> Document:  # noqa: A002
        """One job."""
        ...

    def cancel(self, id: str) -> Document:  # noqa: A002
        """End one."""
        ...

    def log(self, id: str, since: int, limit: int) -> Document:  # noqa: A002
        """Its log."""
        ...

    def results(self, id: str, base: str) -> Document:  # noqa: A002
        """Its results."""
        ...


class PortalBackend:
    """Implements `pages.Backend`."""

    def __init__(
        self,
        catalogue: Catalogue,
        table: Callable[[], list[Document]],
        explain: Callable[[str, str], Document],
        runs: Runs,
    ) -> None:
        self._catalogue = catalogue
        self._table = table
        self._explain = explain
        self._runs = runs

    def find(self, text: str, kind: str) -> Document:
        """Search all kinds."""
        return self._catalogue.search(Query.parse(text=text, kinds=(kind,) if kind else (), limit=50)).document()

    def experiments(self) -> list[Document]:
        """Every experiment and workflow with its verdict."""
        return self._table()

    def explain(self, id: str, kind: str) -> Document:  # noqa: A002
        """What one comes down to."""
        return self._explain(id, kind)

    def run(self, id: str, kind: str) -> str:  # noqa: A002
        """Accept a job; gives its id."""
        return str(self._runs.accept(id, kind=kind)["id"])

    def jobs(self) -> list[Document]:
        """Newest first."""
        return self._runs.listing()

    def job(self, id: str) -> Document:  # noqa: A002
        """One job."""
        return self._runs.get(id)

    def log(self, id: str) -> list[Document]:  # noqa: A002
        """Its log's lines."""
        lines: list[Document] = self._runs.log(id, 0, LOG_LINES)["lines"]
        return lines

    def results(self, id: str) -> Document | None:  # noqa: A002
        """What it made, once it has."""
        try:
            return self._runs.results(id, "")
        except NotFound:
            return None

    def cancel(self, id: str) -> None:  # noqa: A002
        """End it."""
        self._runs.cancel(id)
