"""The port that both kinds of target implement: what runs there, start it, watch it, fetch what it made, end it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from terrafair.errors import Problem
from terrafair.execution.engines.remote.target import Connection
from terrafair.workflows.workflow import Resolution

OGC, OPENEO = "ogc-api-processes", "openeo"


@dataclass(frozen=True, slots=True)
class Plan:
    """How a target would execute a workflow; JSON values only."""

    process: str = ""
    """Id of the process there."""
    deploy: str = ""
    """CWL to deploy first, under that id."""
    deploy_type: str = ""
    graph: Mapping[str, Any] = field(default_factory=dict)
    """openEO process graph; its parameters are filled in."""


@dataclass(frozen=True, slots=True)
class Status:
    """How a job there goes."""

    state: str
    """In the words of OGC: accepted, running, successful, failed, dismissed."""
    progress: float = 0.0
    """0 to 1."""
    message: str = ""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """One thing that a job there made."""

    name: str
    href: str = ""
    """Where it is; empty for a value."""
    media_type: str = ""
    value: Any = None


class Server(Protocol):
    """One target."""

    kind: str

    def plan(self, resolution: Resolution) -> Plan | Sequence[Problem]:
        """How it would run there, or every reason why it cannot."""
        ...

    def start(self, plan: Plan, values: Mapping[str, Any], title: str) -> str:
        """Start a job; gives its address."""
        ...

    def status(self, job: str) -> Status:
        """How it goes."""
        ...

    def log(self, job: str, since: str) -> tuple[list[str], str]:
        """Lines since a mark, and the next mark."""
        ...

    def outputs(self, job: str) -> Iterator[Output]:
        """What it made."""
        ...

    def dismiss(self, job: str) -> None:
        """End it."""
        ...

    def upload(self, name: str, content: bytes) -> str | None:
        """Bring data there; gives its reference, or None where the target takes none."""
        ...


def connect(connection: Connection) -> Server:
    """The kind of server that answers there."""
    from terrafair.execution.engines.remote.openeo import OpenEOServer
    from terrafair.execution.engines.remote.processes import ProcessesServer

    # An openEO back-end refuses HTTP Basic but where it is turned into a token: it is asked without first.
    for anonymous in (True, False) if connection.target.has_password else (False,):
        landing = connection.json("GET", "/", anonymous=anonymous, status=(401, 403) if anonymous else ())
        if isinstance(landing, dict) and "api_version" in landing and "endpoints" in landing:
            return OpenEOServer(connection, landing)
    return ProcessesServer(connection)
