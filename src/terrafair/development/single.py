"""One text of a repository, checked while it is written."""

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from terrafair.development.checks import code, cwl, notebook, openeo
from terrafair.development.checks.code import Piece
from terrafair.development.checks.lines import Lines
from terrafair.development.checks.sources import Sources
from terrafair.development.cwl_words import words
from terrafair.development.findings import Finding, Report, Severity
from terrafair.development.manifest import FILE, Manifest, parse, read
from terrafair.errors import InvalidInput, TerrafairError
from terrafair.web import Web
from terrafair.workflows.content import Format, load, sniff

LARGEST = 400_000
"""Characters of one text that is edited."""
Beside = Callable[[Path], None]
"""Writes the files that the text belongs with into a folder."""
_NAME = re.compile(r"[^\0-\x1f\x7f\\]{1,300}")


def admit(text: str, file: str) -> None:
    """Raise `InvalidInput` for a text or a name that no editor here takes."""
    if len(text) > LARGEST:
        what = f"The text has {len(text):,} characters."
        raise InvalidInput(what, f"At most {LARGEST:,} are edited here.", "Edit it in a workspace.", code="too-large")
    parts = PurePosixPath(file).parts
    if not _NAME.fullmatch(file) or file.startswith(("/", "~")) or {"..", ".git"} & set(parts) or not parts:
        what = f"{file[:80]!r} is no name of a file in a repository."
        raise InvalidInput(what, remedy="Give one like workflow.cwl or src/steps/mask.cwl.", where="file")


def kind_of(text: str, file: str) -> str:
    """`cwl`, `openeo`, `notebook`, `python`, `manifest`, `json`, `yaml` or `text`; by its name, else by its content."""
    name = PurePosixPath(file).name.lower()
    suffix = PurePosixPath(name).suffix
    if name == FILE:
        return "manifest"
    known = {".cwl": "cwl", ".ipynb": "notebook", ".py": "python"}
    if suffix in known:
        return known[suffix]
    if suffix in {".json", ".yaml", ".yml", ""}:
        found = {Format.CWL: "cwl", Format.OPENEO: "openeo", Format.NOTEBOOK: "notebook"}.get(sniff(text.encode()))
        return found or ("json" if suffix == ".json" else "yaml" if suffix else "text")
    return "text"


def check(text: str, file: str, web: Web, beside: Beside | None = None) -> Report:
    """What is wrong with it, line by line; raises as `admit` does."""
    admit(text, file)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if beside is not None:
            beside(folder)
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8", newline="")
        found = list(_findings(text, file, Sources(folder, _manifest(folder, file, text)), web))
    return Report.of(found, file)


def _manifest(folder: Path, file: str, text: str) -> Manifest:
    try:
        return read(folder)
    except TerrafairError:
        return Manifest("untitled", kind_of(text, file), file, version="")


def _findings(text: str, file: str, sources: Sources, web: Web) -> Iterator[Finding]:
    kind = kind_of(text, file)
    try:
        match kind:
            case "manifest":
                parse(text)
            case "cwl":
                yield from (_deepest(each, file) for each in cwl.check(sources, file, web))
                yield from _unknown(text, file)
            case "openeo":
                yield from openeo.check(sources, file)
            case "notebook":
                yield from notebook.check(sources, file)
            case "python":
                yield from _python(text, file)
            case "json" | "yaml":
                load(text, file)
    except TerrafairError as fault:
        yield from (Finding.of(problem, file).at(file) for problem in fault.problems)


def _python(text: str, file: str) -> Iterator[Finding]:
    piece = Piece(file, text)
    tree = code.parse(piece)
    if isinstance(tree, Finding):
        yield tree
        return
    yield from code.paths(piece, tree)
    yield from code.secrets(piece, tree)


def _deepest(finding: Finding, file: str) -> Finding:
    """cwltool tells the way down to a fault; whoever edits wants its end."""
    parts = re.split(rf"{re.escape(PurePosixPath(file).name)}:(\d+):\d+:", finding.what)
    if finding.rule != "cwl-invalid" or len(parts) < 3:
        return finding
    return replace(finding, what=" ".join(parts[-1].split()) or finding.what, line=int(parts[-2]), remedy="")


def _unknown(text: str, file: str) -> Iterator[Finding]:
    """Fields that CWL v1.2 does not have: the runner passes over them, and what they were to say is lost."""
    document = load(text, file)
    graph = document.get("$graph") if isinstance(document, Mapping) else None
    lines = Lines(text)
    for process in graph if isinstance(graph, list) else [document]:
        if not isinstance(process, Mapping):
            continue
        known = words()["objects"].get(str(process.get("class")), {}).get("fields")
        place = ("$graph", str(process.get("id", "")).lstrip("#")) if isinstance(graph, list) else ()
        for name in process if known else ():
            if name not in known and not str(name).startswith("$") and ":" not in str(name):
                near = get_close_matches(str(name), list(known), 1)
                remedy = f"Did you mean {near[0]}?" if near else f"It has: {', '.join(known)}."
                what = f"A {process['class']} has no field {str(name)[:60]!r}."
                yield Finding("cwl-field", what, file, lines.of(*place, name), Severity.WARNING, "", remedy)
