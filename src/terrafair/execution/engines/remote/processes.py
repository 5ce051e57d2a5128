"""An OGC API - Processes server elsewhere: its own processes, or ours deployed there (Part 2)."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from terrafair.errors import NotFound, Problem, TerrafairError
from terrafair.execution.engines.remote.server import OGC, Output, Plan, Status
from terrafair.execution.engines.remote.target import Connection, absolute
from terrafair.workflows.workflow import Resolution, WorkflowType

DRU = ("deploy-replace-undeploy", "dru")
CWL = "application/cwl+yaml"
CWL_JSON = "application/cwl+json"


class ProcessesServer:
    """Implements `server.Server`."""

    kind = OGC

    def __init__(self, connection: Connection) -> None:
        self._to = connection

    def plan(self, resolution: Resolution) -> Plan | Sequence[Problem]:
        """The process of the same id, if it is the same; else the CWL deployed under an id that says which it is."""
        name = (resolution.workflow or resolution.id).removesuffix(".cwl")
        application = resolution.application
        mine = application.digest if application else ""
        there = self._describe(name)
        if there is not None and (not _digest(there) or not mine or _digest(there) == mine):
            return Plan(process=name)
        if application is not None and application.type is WorkflowType.CWL and not application.location.repository:
            if not self._deploys():
                what = f"{self._to.target.name} does not have the process {name!r}, and takes none (no Part 2)."
                return [Problem(what, "", "Ask its operator to deploy it.", code="target-lacks-process")]
            return self._deployed(name, application.content, taken=there is not None)
        kind = resolution.type.value
        what = f"{self._to.target.name} does not have the process {name!r}."
        if there is not None:
            what = f"{self._to.target.name} has another version of {name!r}."
        why = f"A workflow of the type {kind} cannot be brought there; CWL documents can."
        return [Problem(what, why, "Publish it in a catalogue that the target shows.", code="target-lacks-process")]

    def _deployed(self, name: str, content: bytes, *, taken: bool) -> Plan:
        digest = hashlib.sha256(content).hexdigest()
        chosen = f"{name[:80]}-{digest[:8]}" if taken else name
        if taken and (there := self._describe(chosen)) is not None and _digest(there) in {"", digest}:
            return Plan(process=chosen)
        kind = CWL_JSON if content.lstrip().startswith(b"{") else CWL
        return Plan(process=chosen, deploy=content.decode("utf-8"), deploy_type=kind)

    def start(self, plan: Plan, values: Mapping[str, Any], title: str) -> str:  # noqa: ARG002 - openEO has titles
        """Deploy if need be, then execute asynchronously."""
        if plan.deploy:
            self._deploy(plan)
        path = f"/processes/{quote(plan.process, safe='')}/execution"
        body = {"inputs": dict(values), "response": "document"}
        document, headers = self._to.request("POST", path, json=body, headers={"Prefer": "respond-async"})
        location = headers.get("location") or (f"/jobs/{document['jobID']}" if document else "")
        return absolute(self._to.url + "/", location)

    def status(self, job: str) -> Status:
        """The status document."""
        document = self._to.json("GET", job)
        state = str(document.get("status", "running"))
        progress = document.get("progress")
        share = min(max(float(progress) / 100, 0.0), 1.0) if isinstance(progress, int | float) else 0.0
        problems: tuple[Problem, ...] = ()
        if state == "failed":
            told = (document.get("exception") or {}).get("problems") or ()
            problems = tuple(_problem(each) for each in told if isinstance(each, dict))
            problems = problems or (Problem(str(document.get("message") or "It failed there.")),)
        return Status(state, share, str(document.get("message") or ""), problems)

    def log(self, job: str, since: str) -> tuple[list[str], str]:
        """Where the server keeps logs as we do; others say nothing beyond their message."""
        try:
            document = self._to.json("GET", f"{job}/logs", params={"since": since or "0"})
        except TerrafairError:
            return [], since
        lines = document.get("logs") if isinstance(document, dict) else document
        if not isinstance(lines, list):
            return [], since
        if lines and not isinstance(lines[-1], dict):
            # Weaver gives all lines at each time.
            known = int(since or 0)
            return [str(line) for line in lines[known:]], str(len(lines))
        following = str(int(lines[-1]["line"]) + 1) if lines and "line" in lines[-1] else since
        return [str(line["message"]) for line in lines if line.get("message")], following

    def outputs(self, job: str) -> Iterator[Output]:
        """Each member of the results document."""
        document = _named(self._to.json("GET", f"{job}/results"))
        for name, value in document.items() if isinstance(document, dict) else (("result", document),):
            several = value if isinstance(value, list) and value and _is_link(value[0]) else [value]
            for number, each in enumerate(several):
                called = name if len(several) == 1 else f"{name}[{number}]"
                if _is_link(each):
                    yield Output(called, absolute(f"{job}/results", each["href"]), str(each.get("type", "")))
                else:
                    yield _by_value(called, each)

    def dismiss(self, job: str) -> None:
        """DELETE it."""
        self._to.json("DELETE", job, status=(404, 410, 409))

    def upload(self, name: str, content: bytes) -> str | None:
        """Platforms of our own kind take uploads."""
        try:
            answer = self._to.json("POST", "/api/uploads", params={"name": name}, content=content)
            return str(answer["reference"])
        except (NotFound, KeyError, TypeError):
            return None

    def _describe(self, process: str) -> Any:
        try:
            return self._to.json("GET", f"/processes/{quote(process, safe='')}")
        except NotFound:
            return None

    def _deploys(self) -> bool:
        document = self._to.json("GET", "/conformance")
        classes = document.get("conformsTo") or () if isinstance(document, dict) else ()
        return any("ogcapi-processes-2" in uri and uri.rpartition("/")[2] in DRU for uri in classes)

    def _deploy(self, plan: Plan) -> None:
        unit = {"value": plan.deploy, "mediaType": plan.deploy_type}
        package = {"processDescription": {"process": {"id": plan.process}}, "executionUnit": unit}
        headers = {"Content-Type": "application/ogcapppkg+json"}
        # Somebody else may have deployed the same a moment ago.
        self._to.json("POST", "/processes", json=package, headers=headers, status=(409,))


def _digest(description: Any) -> str:
    """What our own kind of platform says of the document that runs."""
    for each in description.get("metadata") or () if isinstance(description, dict) else ():
        if isinstance(each, dict) and each.get("role") == "digest":
            return str(each.get("title", "")).removeprefix("sha256:")
    return ""


def _named(document: Any) -> Any:
    """The results by name; pygeoapi gives a listing, `{"outputs": [{"id": ..., "value": ...}]}`."""
    listed = document.get("outputs") if isinstance(document, dict) and set(document) == {"outputs"} else None
    if not isinstance(listed, list) or not all(isinstance(each, dict) and "id" in each for each in listed):
        return document
    return {str(each["id"]): each if "href" in each else each.get("value") for each in listed}


def _is_link(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("href"), str)


def _by_value(name: str, value: Any) -> Output:
    qualified = isinstance(value, dict) and "value" in value
    return Output(name, value=value["value"] if qualified else value)


def _problem(document: Mapping[str, Any]) -> Problem:
    names = ("what", "why", "remedy", "where", "code")
    return Problem(**{name: str(document.get(name, ""))[:2000] for name in names})
