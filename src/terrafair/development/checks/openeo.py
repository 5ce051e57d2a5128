"""An openEO process graph, by the platform's static validator."""

from collections.abc import Iterator, Mapping

from terrafair.development.checks.lines import Lines
from terrafair.development.checks.sources import Sources
from terrafair.development.findings import Finding, Severity
from terrafair.errors import InvalidInput, Problem
from terrafair.workflows.content import load
from terrafair.workflows.openeo import free_parameters, process_of


def check(sources: Sources, file: str) -> Iterator[Finding]:
    """Processes, arguments, references, types, parameters."""
    from terrafair.execution.engines.openeo.validation import review

    text = sources.text(file)
    try:
        document = load(text, file)
    except InvalidInput as fault:
        yield Finding.of(fault.problem, file).at(file)
        return
    lines = Lines(text)
    if not isinstance(document, Mapping):
        yield Finding("graph-invalid", "The document is no object.", file, 1, remedy="Give a process graph.")
        return
    found = review(document)
    for problem in found.problems:
        yield _finding(problem, file, lines, Severity.ERROR)
    for problem in found.warnings:
        yield _finding(problem, file, lines, Severity.WARNING)
    yield from _about(document, file, lines)


def _finding(problem: Problem, file: str, lines: Lines, severity: Severity) -> Finding:
    parts = [part for part in problem.where.replace("/", ".").replace("[", ".").replace("]", "").split(".") if part]
    line = 0
    for start in (("process_graph",), ("process", "process_graph"), ()):
        line = line or _deepest(lines, start, parts)
    return Finding(
        problem.code or "graph-invalid", problem.what, file, line, severity, problem.why, problem.remedy, problem.where
    )


def _deepest(lines: Lines, start: tuple[str, ...], parts: list[str]) -> int:
    """The line of the node that a place names, as deep as the document has its parts."""
    if not parts or not lines.of(*start, parts[0]) or lines.of(*start, parts[0]) == lines.of(*start):
        return 0
    best, path = lines.of(*start, parts[0]), [*start, parts[0]]
    for part in parts[1:]:
        for between in ((), ("arguments",), ("process_graph",), ("arguments", "reducer", "process_graph")):
            line = lines.of(*path, *between, part)
            if line and line != lines.of(*path, *between):
                best, path = line, [*path, *between, part]
                break
    return best


def _about(document: Mapping[str, object], file: str, lines: Lines) -> Iterator[Finding]:
    try:
        process = process_of(document)
        graph = process["process_graph"]
    except (KeyError, TypeError):
        return
    declared = process.get("parameters")
    entries = declared if isinstance(declared, list) else []
    names = {str(entry.get("name")) for entry in entries if isinstance(entry, Mapping)}
    for name in free_parameters(graph):
        if name not in names:
            what = f"The graph uses the parameter {name!r}, which it does not declare."
            why = "Forms and checks are made from the declarations."
            remedy = "Declare it under `parameters`, with description and schema."
            yield Finding("parameter-undeclared", what, file, 0, Severity.CHANGE, why, remedy, name)
    for entry in entries:
        if isinstance(entry, Mapping) and not entry.get("description"):
            what = f"The parameter {entry.get('name')!r} has no description."
            line = lines.of("parameters")
            yield Finding(
                "parameter-undescribed", what, file, line, Severity.WARNING, "", "Say what it means and its unit."
            )
