"""An openEO back-end elsewhere: a process graph as a batch job there."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from terrafair.errors import InvalidInput, Problem
from terrafair.execution.engines.remote.server import OPENEO, Output, Plan, Status
from terrafair.execution.engines.remote.target import Connection, absolute
from terrafair.workflows.content import decode, load
from terrafair.workflows.openeo import process_of
from terrafair.workflows.workflow import Resolution, WorkflowType

STATES = {
    "created": "accepted",
    "queued": "accepted",
    "running": "running",
    "finished": "successful",
    "error": "failed",
    "canceled": "dismissed",
}
PAGE = 1000


class OpenEOServer:
    """Implements `server.Server`."""

    kind = OPENEO

    def __init__(self, connection: Connection, landing: Mapping[str, Any]) -> None:
        self._to = connection
        self._landing = landing
        # HTTP Basic opens this one address (openEO API 1.2, "Authentication").
        self._to.sign_in("/credentials/basic")

    def plan(self, resolution: Resolution) -> Plan | Sequence[Problem]:
        """The graph, if the back-end has batch jobs and every process that the graph calls."""
        name = self._to.target.name
        if resolution.type is not WorkflowType.OPENEO or resolution.application is None:
            what = f"{name} is an openEO back-end; {resolution.id} is a workflow of the type {resolution.type.value}."
            return [Problem(what, code="target-type")]
        problems = []
        offered = {(method, each["path"]) for each in self._landing["endpoints"] for method in each["methods"]}
        if ("POST", "/jobs") not in offered:
            problems.append(Problem(f"{name} has no batch jobs.", code="target-lacks-jobs"))
        try:
            document = load(decode(resolution.application.content), resolution.application.location.url)
        except InvalidInput as error:
            return list(error.problems)
        graph = process_of(document)["process_graph"]
        known = set(self._processes())
        for wanted in sorted({process for process, namespace in _calls(graph) if not namespace} - known):
            what = f"{name} does not know the openEO process {wanted!r}."
            problems.append(Problem(what, where=wanted, code="target-lacks-process"))
        return problems or Plan(graph=graph)

    def start(self, plan: Plan, values: Mapping[str, Any], title: str) -> str:
        """Create a batch job and start it."""
        body = {"title": title, "process": {"process_graph": filled(plan.graph, values)}}
        _, headers = self._to.request("POST", "/jobs", json=body)
        job = headers.get("location") or f"/jobs/{headers.get('openeo-identifier', '')}"
        job = absolute(self._to.url + "/", job)
        self._to.json("POST", f"{job}/results")
        return job

    def status(self, job: str) -> Status:
        """Its metadata."""
        document = self._to.json("GET", job)
        state = STATES.get(str(document.get("status")), "running")
        progress = document.get("progress")
        share = min(max(float(progress) / 100, 0.0), 1.0) if isinstance(progress, int | float) else 0.0
        problems: tuple[Problem, ...] = ()
        if state == "failed":
            lines, _ = self._lines(job, "", "error")
            problems = tuple(Problem(line) for line in lines[-3:]) or (
                Problem("It failed there, and does not say why."),
            )
        return Status(state, share, "", problems)

    def log(self, job: str, since: str) -> tuple[list[str], str]:
        """Lines since the id of the last one."""
        return self._lines(job, since, "info")

    def outputs(self, job: str) -> Iterator[Output]:
        """Each asset of the results."""
        document = self._to.json("GET", f"{job}/results")
        assets = document.get("assets") if isinstance(document, dict) else None
        for name, asset in (assets or {}).items():
            if isinstance(asset, dict) and isinstance(asset.get("href"), str):
                yield Output(name, absolute(f"{job}/results", asset["href"]), str(asset.get("type", "")))

    def dismiss(self, job: str) -> None:
        """Cancel it; its metadata stay there."""
        self._to.json("DELETE", f"{job}/results", status=(400, 404))

    def upload(self, name: str, content: bytes) -> str | None:  # noqa: ARG002
        """Data for a graph has to be where the back-end can reach it."""
        return None

    def _processes(self) -> Iterator[str]:
        url = "/processes"
        while url:
            page = self._to.json("GET", url)
            yield from (str(each.get("id")) for each in page.get("processes") or ())
            following = [link["href"] for link in page.get("links") or () if link.get("rel") == "next"]
            url = absolute(self._to.url + "/", following[0]) if following else ""

    def _lines(self, job: str, since: str, level: str) -> tuple[list[str], str]:
        parameters = {"limit": PAGE, "level": level, **({"offset": since} if since else {})}
        document = self._to.json("GET", f"{job}/logs", params=parameters)
        entries = document.get("logs") or []
        # What a back-end takes as offset is the id of the last entry known; some give that one again.
        entries = [entry for entry in entries if str(entry.get("id")) != since]
        # Some tell their progress by entries without words.
        said = [message for entry in entries if (message := str(entry.get("message") or "").strip())]
        return said, str(entries[-1]["id"]) if entries else since


def _calls(node: Any) -> Iterator[tuple[str, str]]:
    """(process, namespace) of every node, those of callbacks too."""
    if isinstance(node, dict):
        if isinstance(node.get("process_id"), str):
            yield node["process_id"], str(node.get("namespace") or "")
        for part in node.values():
            yield from _calls(part)
    elif isinstance(node, list):
        for part in node:
            yield from _calls(part)


def filled(node: Any, values: Mapping[str, Any]) -> Any:
    """A graph with values in the place of its parameters; those of callbacks keep their names."""
    if isinstance(node, dict):
        if set(node) == {"from_parameter"} and node["from_parameter"] in values:
            return values[node["from_parameter"]]
        return {name: filled(part, values) for name, part in node.items()}
    return [filled(part, values) for part in node] if isinstance(node, list) else node
