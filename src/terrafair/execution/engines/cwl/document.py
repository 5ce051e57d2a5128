"""Reads a gathered CWL document with cwltool and says what it asks for; nothing of it is executed."""

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from terrafair.errors import InvalidInput
from terrafair.execution.engines.cwl.bundle import ROOT, Bundle, parse

_UPWARDS = re.compile(r"(?:\.\./)+application/|\bapplication/(?=[^\s:]+:\d+:\d+)")
"""How the root of a bundle looks from a folder of this machine."""
_CLASSES = ("CommandLineTool", "Workflow", "ExpressionTool", "Operation")


@dataclass(frozen=True, slots=True)
class Port:
    """One input of the process, as far as staging needs it."""

    name: str
    kinds: frozenset[str]
    """`File`, `Directory`, `record` (with one field `value`), `string` ..., of arrays their items'."""
    required: bool = True


@dataclass(frozen=True, slots=True)
class Tool:
    """One step that runs a program or an expression."""

    name: str
    kind: str
    image: str = ""
    network: bool = False
    unsupported: tuple[str, ...] = ()


def load(bundle: Bundle, entry: str = "", make: Any = None) -> Any:
    """Give cwltool's process object; raises `InvalidInput` with file and line of what is wrong.

    `make` builds tool objects as cwltool's `construct_tool_object` does.
    """
    from cwltool.context import LoadingContext
    from cwltool.load_tool import fetch_document, make_tool, resolve_and_validate_document
    from cwltool.workflow import default_make_tool

    quiet()
    context = LoadingContext(
        {
            "fetcher_constructor": lambda cache, _session: fetcher(bundle, cache),
            "skip_schemas": True,
            "disable_js_validation": True,
            "doc_cache": False,
            "strict": False,
        }
    )
    context.construct_tool_object = make or default_make_tool
    target = bundle.main + fragment(bundle, entry)
    try:
        context, document, _ = fetch_document(bundle.main, context)
        context, uri = resolve_and_validate_document(context, document, target)
        return make_tool(uri, context)
    except InvalidInput:
        raise
    except Exception as fault:  # cwltool raises a dozen kinds for documents that are wrong
        raise InvalidInput(
            f"The CWL document is not valid: {clean(str(fault)) or type(fault).__name__}",
            remedy="`cwltool --validate` on the document shows the same.",
            where=bundle.main.removeprefix(ROOT),
            code="cwl-invalid",
        ) from None


def fragment(bundle: Bundle, entry: str) -> str:
    """Choose the process of a `$graph`: the one named, else `main`, else its only workflow; raises `InvalidInput`."""
    name = bundle.main.removeprefix(ROOT)
    document = parse(bundle.documents[bundle.main], name)
    if not isinstance(document, dict) or not ({"class", "$graph"} & document.keys()):
        what = f"{name} is no CWL: it has neither `class` nor `$graph`."
        raise InvalidInput(what, remedy="Link the CWL document itself.", where=name, code="cwl-invalid")
    graph = document.get("$graph")
    if not isinstance(graph, list):
        return ""
    processes = {str(each.get("id", "")).lstrip("#"): each.get("class") for each in graph if isinstance(each, dict)}
    wanted = entry.rpartition("#")[2].strip()
    workflows = [name for name, kind in processes.items() if kind == "Workflow"]
    for choice in (wanted,) if wanted else ("main", *(workflows if len(workflows) == 1 else ()), *processes):
        if choice in processes and (wanted or choice == "main" or choice in workflows or len(processes) == 1):
            return f"#{choice}"
    what = f"{name} has no process {wanted!r}." if wanted else f"{name} does not say which of its processes to run."
    remedy = f"It has: {', '.join(processes)}. Name one after a # in the link."
    raise InvalidInput(what, remedy=remedy, where=name, code="cwl-entry")


def ports(process: Any) -> tuple[Port, ...]:
    """Give the inputs of the process."""
    found = []
    for entry in process.tool["inputs"]:
        name = str(entry["id"]).rpartition("#")[2].rpartition("/")[2]
        kinds = frozenset(_kinds(entry["type"], process.schemaDefs))
        found.append(Port(name, kinds, "null" not in kinds and "default" not in entry))
    return tuple(found)


def tools(process: Any) -> Iterator[Tool]:
    """Give every tool that may run, those of sub-workflows included."""
    for each in processes(process):
        if each.tool["class"] == "Workflow":
            continue
        name = str(each.tool["id"]).rpartition("#")[2].rpartition("/")[2] or "main"
        docker, _ = each.get_requirement("DockerRequirement")
        image = str((docker or {}).get("dockerPull") or (docker or {}).get("dockerImageId") or "")
        network, required = each.get_requirement("NetworkAccess")
        wants = bool(network and required and network.get("networkAccess") not in (False, None))
        yield Tool(name, each.tool["class"], image, wants, tuple(_unsupported(each, docker, image)))


def processes(process: Any) -> Iterator[Any]:
    """Give the process and everything that it runs."""
    yield process
    for step in getattr(process, "steps", ()):
        yield from processes(step.embedded_tool)


def uses_javascript(bundle: Bundle) -> bool:
    """Tell whether an expression needs a JavaScript engine: more than `$(inputs.name.property)`."""
    from cwl_utils.sandboxjs import param_re

    for content in bundle.documents.values():
        text = content.decode("utf-8", "replace")
        if "InlineJavascriptRequirement" not in text:
            continue
        if "${" in text:
            return True
        for found in re.finditer(r"\$(\((?:[^()]|\([^()]*\))*\))", text):
            if not param_re.match(found[1]):
                return True
    return False


def fetcher(bundle: Bundle, cache: Any) -> Any:
    """Give cwltool a fetcher that knows the bundle and nothing else, neither files nor the web."""
    from schema_salad.exceptions import ValidationException
    from schema_salad.fetcher import DefaultFetcher

    class BundleFetcher(DefaultFetcher):
        def fetch_text(self, url: str, content_types: list[str] | None = None) -> str:  # noqa: ARG002
            if url in bundle.documents:
                return bundle.documents[url].decode("utf-8-sig")
            raise ValidationException(f"{url.removeprefix(ROOT)} is not there")

        def check_exists(self, url: str) -> bool:
            return url in bundle.documents

    return BundleFetcher(cache, None)


def clean(text: str, replace: Mapping[str, str] | None = None) -> str:
    """Make one line of cwltool's report: plain characters, short paths, no repetition."""
    for old, new in {**(replace or {}), ROOT: ""}.items():
        text = text.replace(old, new)
    # The library tells places from the folder that this process happens to be in.
    text = _UPWARDS.sub("", text)
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    if thrown := re.search(r"stderr was:\s*(.+?)(?:\n\s+at |\Z)", text, re.DOTALL):
        expression = re.search(r"[Ee]xpression was: ?(.+?)\nstdout was", text, re.DOTALL)
        lines = [line.strip() for line in thrown[1].splitlines() if re.match(r"\s*\w*(Error|Exception)\b", line)]
        reason = lines[-1] if lines else thrown[1].strip().splitlines()[-1]
        text = f"JavaScript failed with {reason}" + (f" in {expression[1]}" if expression else "")
    lines = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    joined = re.sub(r"\s+", " ", " ".join(lines))
    return joined if len(joined) <= 900 else joined[:897] + "..."


def quiet() -> None:
    """Keep cwltool's messages off the platform's own stderr; the child installs its own handler."""
    from cwltool.loghandler import defaultStreamHandler

    for name in ("cwltool", "salad", "rdflib.term", "cwl_utils"):
        logger = logging.getLogger(name)
        logger.removeHandler(defaultStreamHandler)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
        logger.propagate = False


def _kinds(kind: Any, definitions: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(kind, list):
        for each in kind:
            yield from _kinds(each, definitions)
    elif isinstance(kind, dict):
        if kind.get("type") == "array":
            yield from (each for each in _kinds(kind["items"], definitions) if each != "null")
        elif kind.get("type") == "record":
            names = [str(each["name"]).rpartition("#")[2].rpartition("/")[2] for each in kind.get("fields", ())]
            yield "record:value" if names == ["value"] else "record"
        else:
            yield from _kinds(kind.get("type"), definitions)
    elif isinstance(kind, str):
        known = definitions.get(kind)
        if known is not None:
            yield from _kinds(known, {})
        else:
            yield re.split(r"[#.]", kind)[-1]


def _unsupported(process: Any, docker: Any, image: str) -> Iterator[str]:
    if docker and not image:
        yield "DockerRequirement without dockerPull: images are not built here"
    for name in ("MPIRequirement", "CUDARequirement"):
        _, required = process.get_requirement(f"http://commonwl.org/cwltool#{name}")
        if required:
            yield name
    if process.tool["class"] == "Operation":
        yield "Operation, which is a placeholder without a program"
