"""A CWL document: valid, and an application package as OGC 20-089 and its users want it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terrafair.development.checks.lines import Lines
from terrafair.development.checks.sources import Sources
from terrafair.development.findings import Finding, Severity
from terrafair.errors import NotFound, TerrafairError
from terrafair.execution.containers import Image
from terrafair.execution.engines.cwl.bundle import Web, gather
from terrafair.execution.engines.cwl.document import load, tools
from terrafair.workflows import cwl
from terrafair.workflows.content import load as read_document
from terrafair.workflows.workflow import Application, CodeLocation, WorkflowType

_HOSTS = re.compile(r"^/(?:home|Users|root|mnt|media|scratch|data)/")


@dataclass(frozen=True, slots=True)
class FolderCode:
    """A working tree in the place of a repository at a commit."""

    sources: Sources

    def open(self, url: str, *, refresh: bool = False) -> "FolderCode":  # noqa: ARG002 - the port's shape
        """Itself."""
        return self

    def resolve(self, reference: str = "") -> str:
        """No commit."""
        return reference or "working-tree"

    def files(self, commit: str, folder: str = "") -> dict[str, str]:  # noqa: ARG002
        """Its files."""
        return {path: path for path in self.sources.files if path.startswith(folder)}

    def read(self, commit: str, path: str) -> bytes:  # noqa: ARG002
        """One file."""
        if not self.sources.has(path):
            raise NotFound(f"The repository has no file {path!r}.", where=path)
        return self.sources.read(path)

    def checkout(self, commit: str, target: Path) -> None:  # noqa: ARG002
        """Copy the files."""
        for path in self.sources.files:
            place = target / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes((self.sources.folder / path).read_bytes())
            place.chmod((self.sources.folder / path).stat().st_mode & 0o755 | 0o644)


def application(sources: Sources, file: str) -> Application:
    """The application that a CWL file of a repository is."""
    content = sources.read(file)
    try:
        document = read_document(content.decode("utf-8", "replace"), file)
    except TerrafairError:
        document = {}
    entry = cwl.entry_of(document) if isinstance(document, Mapping) else ""
    location = CodeLocation(file, repository="working-tree", commit="working-tree", path=file)
    return Application(WorkflowType.CWL, location, content, entry)


def check(sources: Sources, file: str, web: Web) -> Iterator[Finding]:
    """Everything about one document."""
    found = application(sources, file)
    try:
        bundle = gather(found, FolderCode(sources), web)
        process = load(bundle, found.entry)
    except TerrafairError as fault:
        for problem in fault.problems:
            yield Finding.of(problem, file)
        return
    text = sources.text(file)
    document = read_document(text, file)
    lines = Lines(text)
    for tool in tools(process):
        place = ("$graph", tool.name)
        for name in tool.unsupported:
            what = f"The step {tool.name} needs {name}."
            yield Finding(
                "cwl-requirement", what, file, lines.of(*place), Severity.ERROR, "No platform of this kind gives that."
            )
        if tool.network:
            remedy = "Take the data as inputs: they are staged before the run."
            what = f"The step {tool.name} asks for network access."
            line = lines.of(*place, "requirements", "NetworkAccess")
            yield Finding("cwl-network", what, file, line, Severity.ERROR, "Jobs have none here.", remedy, tool.name)
    yield from _package(document, file, lines, sources)


def _package(document: Any, file: str, lines: Lines, sources: Sources) -> Iterator[Finding]:
    graph = document.get("$graph")
    processes = [each for each in (graph if isinstance(graph, list) else [document]) if isinstance(each, Mapping)]
    if not any(process.get("class") == "Workflow" for process in processes):
        why = "OGC 20-089 asks for a Workflow around the tools: stage-in and stage-out happen around it."
        remedy = "Wrap the tool into a Workflow, both in one `$graph`."
        yield Finding(
            "cwl-workflow", "The document has no Workflow.", file, lines.of("class"), Severity.WARNING, why, remedy
        )
    for process in processes:
        name = str(process.get("id", "")).lstrip("#")
        place: tuple[str | int, ...] = ("$graph", name) if isinstance(graph, list) else ()
        if process.get("class") == "Workflow":
            yield from _workflow(process, name, place, file, lines)
        elif process.get("class") == "CommandLineTool":
            yield from _tool(process, name, place, file, lines, sources)
    version = cwl.about(document, cwl.entry_of(document))["version"]
    if version and sources.manifest.version and version != sources.manifest.version:
        what = f"s:softwareVersion is {version}, and the manifest says {sources.manifest.version}."
        line = lines.of("s:softwareVersion")
        yield Finding("cwl-version", what, file, line, Severity.WARNING, "", "Write the same version in both.")


def _workflow(process: Mapping[str, Any], name: str, place: Any, file: str, lines: Lines) -> Iterator[Finding]:
    for key in ("label", "doc"):
        if not process.get(key):
            why = "Portals and catalogues show it."
            what = f"The workflow {name or 'without id'} has no `{key}`."
            yield Finding("cwl-undocumented", what, file, lines.of(*place), Severity.WARNING, why, "Add one.")
    for side in ("inputs", "outputs"):
        for port, about in _entries(process.get(side)):
            line = lines.of(*place, side, port)
            if not isinstance(about, Mapping) or not about.get("label") or not about.get("doc"):
                what = f"{side[:-1].capitalize()} {port} has no label and doc."
                why = "Forms and process descriptions are made from them."
                yield Finding("cwl-undocumented", what, file, line, Severity.WARNING, why, "Add label and doc.", port)
            if _type(about) == "Any":
                what = f"The {side[:-1]} {port} has the type Any."
                yield Finding(
                    "cwl-type",
                    what,
                    file,
                    line,
                    Severity.WARNING,
                    "Nothing can be checked or shown.",
                    "Name its type.",
                    port,
                )
    kinds = {_type(about) for _, about in _entries(process.get("outputs"))}
    if not kinds & {"File", "Directory"}:
        what = f"The workflow {name} gives no File and no Directory."
        why = "Stage-out keeps a folder with a STAC catalogue (OGC 20-089)."
        remedy = "Give a Directory with catalog.json as output."
        yield Finding("cwl-stage-out", what, file, lines.of(*place, "outputs"), Severity.CHANGE, why, remedy, name)


def _tool(
    process: Mapping[str, Any], name: str, place: Any, file: str, lines: Lines, sources: Sources
) -> Iterator[Finding]:
    wishes = {**_wishes(process.get("hints")), **_wishes(process.get("requirements"))}
    line = lines.of(*place)
    docker = wishes.get("DockerRequirement")
    image = str(docker.get("dockerPull") or "") if isinstance(docker, Mapping) else ""
    if not image:
        what = f"The tool {name} names no container image."
        remedy = "Add DockerRequirement with dockerPull."
        yield Finding(
            "cwl-image", what, file, line, Severity.CHANGE, "Elsewhere nothing says what runs it.", remedy, name
        )
    else:
        parsed = Image.parse(image)
        if not parsed.digest and parsed.tag == "latest":
            what = f"The image {image} has no version."
            where = lines.of(*place, "requirements", "DockerRequirement", "dockerPull") or line
            why = "Tomorrow it may be another one."
            yield Finding(
                "cwl-image-version", what, file, where, Severity.CHANGE, why, "Name a tag, better a digest.", name
            )
    resources = wishes.get("ResourceRequirement")
    if not isinstance(resources, Mapping) or not {"ramMin", "ramMax"} & set(resources):
        what = f"The tool {name} does not say how much memory it needs."
        why = "Platforms choose machines and limits by it."
        yield Finding(
            "cwl-resources", what, file, line, Severity.WARNING, why, "Add ResourceRequirement with ramMin.", name
        )
    yield from _command(process, name, place, file, lines, sources, wishes)


def _command(
    process: Mapping[str, Any],
    name: str,
    place: Any,
    file: str,
    lines: Lines,
    sources: Sources,
    wishes: Mapping[str, Any],
) -> Iterator[Finding]:
    command = process.get("baseCommand") or []
    words = [str(word) for word in (command if isinstance(command, list) else [command])]
    arguments = process.get("arguments")
    words += [word for word in arguments if isinstance(word, str)] if isinstance(arguments, list) else []
    line = lines.of(*place, "baseCommand")
    for word in words:
        if _HOSTS.match(word):
            what = f"The tool {name} runs {word}, a path of one machine."
            yield Finding(
                "path-absolute", what, file, line, Severity.CHANGE, "", "Use a name on the image's PATH.", name
            )
    if len(words) >= 3 and words[0] in {"python", "python3"} and words[1] == "-m" and sources.manifest.modules:
        module = words[2]
        base = f"{sources.manifest.modules}/{module.replace('.', '/')}"
        known = sources.has(f"{base}.py") or sources.has(f"{base}/__main__.py")
        if module.split(".")[0] in sources.modules and not known:
            what = f"The tool {name} runs the module {module}, which is not in {sources.manifest.modules}/."
            yield Finding(
                "cwl-program", what, file, line, Severity.ERROR, "", "Correct baseCommand, or add the module.", name
            )
    elif len(words) >= 2 and words[0] in {"python", "python3"} and words[1].endswith(".py"):
        listing = str(wishes.get("InitialWorkDirRequirement", ""))
        if words[1] not in listing and not words[1].startswith("/"):
            what = f"The tool {name} runs {words[1]}, which nothing brings into its working directory."
            remedy = "List it in InitialWorkDirRequirement, or run a module of the image."
            yield Finding("cwl-program", what, file, line, Severity.ERROR, "", remedy, name)


def _entries(declared: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(declared, Mapping):
        yield from ((str(name), about) for name, about in declared.items())
    for about in declared if isinstance(declared, list) else ():
        if isinstance(about, Mapping):
            yield str(about.get("id", "")).lstrip("#").rpartition("/")[2], about


def _type(about: Any) -> str:
    kind = about.get("type") if isinstance(about, Mapping) else about
    while isinstance(kind, Mapping | list):
        if isinstance(kind, list):
            kind = next((each for each in kind if each != "null"), "")
        else:
            kind = kind.get("items") or kind.get("type")
            kind = "record" if isinstance(kind, list) else kind
    return str(kind or "").rstrip("?").removesuffix("[]")


def _wishes(declared: Any) -> dict[str, Any]:
    if isinstance(declared, Mapping):
        return {str(name): about for name, about in declared.items()}
    entries = declared if isinstance(declared, list) else ()
    return {str(each["class"]): each for each in entries if isinstance(each, Mapping) and "class" in each}
