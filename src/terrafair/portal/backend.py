"""What the pages ask, answered from the same services as the API."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from terrafair.data.objects import Content
from terrafair.errors import NotFound

Document = dict[str, Any]


class Runs(Protocol):
    """The runs of the platform as documents; `api.runs.Runs` is one."""

    def accept(
        self,
        id: str,  # noqa: A002
        *,
        kind: str = "",
        inputs: Mapping[str, Any] | None = None,
        reproduce: bool = False,
        target: str = "",
    ) -> Document:
        """Accept a job."""
        ...

    def listing(self, *, status: str = "", subject: str = "", limit: int = 100, **more: str) -> list[Document]:
        """Jobs, newest first."""
        ...

    def known(self) -> Document:
        """Types and projects of the jobs that there are."""
        ...

    def record(self, id: str) -> Document:  # noqa: A002
        """Steps, samples and cost of one."""
        ...

    def compare(self, first: str, second: str, *, values: bool = True) -> Document:
        """Two side by side."""
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

    def file(self, id: str, name: str) -> Content:  # noqa: A002
        """One file of them."""
        ...

    def reproduction(self, id: str) -> Document:  # noqa: A002
        """The comparison with the published product."""
        ...

    def upload(self, path: Path, name: str, digest: str) -> str:
        """Keep a file."""
        ...


class Targets(Protocol):
    """Platforms elsewhere; `execution.engines.remote.delegation.Delegation` with what resolves an id."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of all targets."""
        ...

    def verdict(self, name: str, id: str, kind: str) -> Document:  # noqa: A002
        """Whether one would run something, with the reasons if not."""
        ...


class PortalBackend:
    """Implements `run.Running` and `results.Watching`."""

    def __init__(
        self,
        table: Callable[[], list[Document]],
        explain: Callable[[str, str], Document],
        runs: Runs,
        quote: Callable[[str], Document],
        targets: Targets,
    ) -> None:
        """`quote` says what a run of an id is expected to cost."""
        self._quote = quote
        self._targets = targets
        self._table = table
        self._explain = explain
        self._runs = runs

    def experiments(self) -> list[Document]:
        """Every experiment and workflow with its verdict."""
        return self._table()

    def explain(self, id: str, kind: str) -> Document:  # noqa: A002
        """What one comes down to."""
        return self._explain(id, kind)

    def run(
        self,
        id: str,  # noqa: A002
        kind: str,
        inputs: Mapping[str, Any],
        *,
        reproduce: bool = False,
        target: str = "",
    ) -> str:
        """Accept a job; gives its id."""
        return str(self._runs.accept(id, kind=kind, inputs=inputs, reproduce=reproduce, target=target)["id"])

    def estimate(self, id: str) -> Document:  # noqa: A002
        """What a run is expected to cost at the most, in milli-credits, and what the project has left."""
        return self._quote(id)

    def targets(self) -> tuple[str, ...]:
        """Platforms elsewhere that jobs can run on."""
        return self._targets.names

    def verdict(self, target: str, id: str, kind: str) -> Document:  # noqa: A002
        """Whether one of them would run it."""
        return self._targets.verdict(target, id, kind)

    def upload(self, path: Path, name: str, digest: str) -> str:
        """Keep a file; gives its reference."""
        return self._runs.upload(path, name, digest)

    def jobs(self, wanted: Mapping[str, str], limit: int) -> list[Document]:
        """Newest first."""
        return self._runs.listing(limit=limit, **wanted)

    def known(self) -> Document:
        """Types and projects to choose from."""
        return self._runs.known()

    def record(self, id: str) -> Document:  # noqa: A002
        """Steps, samples and cost of one job."""
        return self._runs.record(id)

    def compare(self, first: str, second: str, *, values: bool) -> Document:
        """Two jobs side by side."""
        return self._runs.compare(first, second, values=values)

    def job(self, id: str) -> Document:  # noqa: A002
        """One job."""
        return self._runs.get(id)

    def log(self, id: str, since: int, limit: int) -> Document:  # noqa: A002
        """Its log's lines, the number of the next, and the job."""
        return self._runs.log(id, since, limit)

    def results(self, id: str) -> Document | None:  # noqa: A002
        """What it made, once it has."""
        try:
            return self._runs.results(id, "")
        except NotFound:
            return None

    def content(self, id: str, name: str, limit: int) -> bytes:  # noqa: A002
        """The beginning of one file."""
        found = b""
        for chunk in self._runs.file(id, name).chunks:
            found += chunk
            if len(found) >= limit:
                break
        return found[:limit]

    def reproduction(self, id: str) -> Document | None:  # noqa: A002
        """The comparison with the published product, where it was asked for."""
        try:
            return self._runs.reproduction(id)
        except NotFound:
            return None

    def cancel(self, id: str) -> None:  # noqa: A002
        """End it."""
        self._runs.cancel(id)

    def again(self, id: str) -> str:  # noqa: A002
        """Accept it once more; gives the new job's id."""
        return str(self._runs.accept(id, kind="job")["id"])
