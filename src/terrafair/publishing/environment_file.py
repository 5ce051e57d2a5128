"""`environment.yaml` of an experiment: the software that it ran with, so that it can be built again."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from terrafair.publishing.made import Made
from terrafair.publishing.workflow_record import kernel, python_of
from terrafair.workflows.workflow import WorkflowType

Document = dict[str, Any]


def environment(made: Made, name: str, application: bytes) -> bytes:
    """The file; `application` is the executable document, read for the openEO processes that it calls."""
    document: Document = {"name": name}
    pins = list(locked(made.lock))
    found = made.resolution.environment
    if made.resolution.type is WorkflowType.OPENEO:
        document["openeo"] = {"api_version": "1.2.0", "processes": sorted(set(_processes(application)))}
    elif made.resolution.type is WorkflowType.CWL or found.kind == "container":
        document["container"] = _container(made)
    if found.kind == "python" and made.resolution.type in {WorkflowType.NOTEBOOK, WorkflowType.COMMAND}:
        document["channels"] = ["conda-forge"]
        document["dependencies"] = [f"python={python_of(made)}", {"pip": pins}]
    if (which := kernel(made)) is not None:
        document["kernel"] = {"name": which["name"], "language": "python", "version": which["python_version"]}
        if found.kind != "python":
            document["python"] = which["python_version"]
    # Under a name that no reader takes for requirements: it is the platform's software, not the workflow's.
    document["software"] = {"platform": "terrafair", "python": python_of(made), "lock": pins}
    if "dependencies" in document:
        document["software"].pop("lock")
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110).encode()


def locked(lock: str) -> Iterator[str]:
    """`name==version` of each locked package, without hashes and options."""
    for line in re.sub(r"\\\r?\n", " ", lock).splitlines():
        text = re.sub(r"\s+--hash=\S+|\s+#.*$", "", line).strip()
        if re.match(r"[A-Za-z0-9][\w.-]*(\[[\w,-]+\])?\s*===?\s*\S+", text):
            yield text


def _container(made: Made) -> Document:
    image, digest = next(iter(made.images.items()), ("", ""))
    name, _, known = (image or made.resolution.environment.image or "unknown").partition("@")
    found: Document = {"image": name}
    if digest := digest or known:
        found["digest"] = digest if digest.startswith("sha256:") else f"sha256:{digest}"
    others = [name for name in made.images if name != image]
    return found | ({"others": others} if others else {})


def _processes(application: bytes) -> Iterator[str]:
    try:
        document = json.loads(application)
    except ValueError:
        return
    todo: list[Any] = [document]
    while todo:
        part = todo.pop()
        if isinstance(part, dict):
            if isinstance(part.get("process_id"), str) and "arguments" in part:
                yield part["process_id"]
            todo += part.values()
        elif isinstance(part, list):
            todo += part
