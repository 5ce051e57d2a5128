"""A notebook as a workflow: parameters, order of execution, and all that is said of Python sources."""

import ast
import builtins
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from terrafair.development.checks import code
from terrafair.development.checks.code import Piece
from terrafair.development.checks.lines import cell_lines
from terrafair.development.checks.sources import Sources
from terrafair.development.findings import Finding, Severity
from terrafair.errors import InvalidInput
from terrafair.execution.engines.notebook import document
from terrafair.workflows.notebook import OUTPUT_NAMES, inputs

_MAGIC = re.compile(r"^(\s*)([%!?]|.*\?\s*$)")
_INSTALL = re.compile(r"^\s*[%!]\s*(?:pip|conda|mamba|apt(?:-get)?)\b.*\binstall\b")


@dataclass(frozen=True, slots=True)
class Cell:
    """A code cell."""

    number: int
    """Counts all cells from 1, as editors show them."""
    source: str
    lines: list[int]
    """Of the file, for each line of the source."""
    count: int | None
    tags: tuple[str, ...]

    @property
    def name(self) -> str:
        """For messages."""
        return f"cell {self.number}"

    def line(self, number: int) -> int:
        """Of the file, for a line of the source that counts from 1."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else (self.lines[0] if self.lines else 0)


def check(sources: Sources, file: str) -> Iterator[Finding]:
    """All that is odd about one notebook."""
    content = sources.read(file)
    yield from (Finding.of(problem, file) for problem in document.problems(content, file))
    try:
        notebook = document.read(content, file)
    except InvalidInput:
        return
    cells = _cells(notebook, sources.text(file))
    if not any("parameters" in cell.tags for cell in cells):
        why = "Without it the workflow has no inputs: each run is the same."
        remedy = "Tag the cell that assigns the inputs `parameters`."
        yield Finding("parameters-missing", "No cell is tagged `parameters`.", file, 0, Severity.CHANGE, why, remedy)
    elif not any(spec.name.lower() in OUTPUT_NAMES for spec in inputs(notebook)):
        why = "The platform keeps what lies in the folder that it names; else TERRAFAIR_OUTPUTS."
        if "TERRAFAIR_OUTPUTS" not in sources.text(file):
            what = "No parameter says where the results go."
            yield Finding("output-unnamed", what, file, 0, Severity.CHANGE, why, 'Add output_dir: str = "results".')
    yield from _order(cells, file)
    for cell in cells:
        yield from _cell(cell, file, sources)


def _cells(notebook: object, text: str) -> list[Cell]:
    raw = list(notebook.cells)  # type: ignore[attr-defined]
    places = cell_lines(text, [cell.source.splitlines(keepends=True) for cell in raw])
    return [
        Cell(number, cell.source, places[number - 1], cell.get("execution_count"), tuple(cell.metadata.get("tags", ())))
        for number, cell in enumerate(raw, 1)
        if cell.cell_type == "code" and cell.source.strip()
    ]


def _cell(cell: Cell, file: str, sources: Sources) -> Iterator[Finding]:
    for number, line in enumerate(cell.source.splitlines(), 1):
        if _INSTALL.match(line):
            why = "The environment is built before the run, and jobs have no network."
            remedy = "Move the packages to the requirements."
            what = f"It installs packages: {line.strip()[:60]}."
            yield Finding("notebook-install", what, file, cell.line(number), Severity.CHANGE, why, remedy, cell.name)
    piece = Piece(file, _plain(cell.source), 0, cell.name)
    tree = code.parse(piece)
    if isinstance(tree, Finding):
        yield replace(tree, line=cell.line(tree.line))
        return
    found = [*code.secrets(piece, tree), *code.imports(piece, tree, sources)]
    if "parameters" not in cell.tags:
        found += code.paths(piece, tree)
    else:
        found += (
            replace(each, remedy="Give a default that is there for everybody.") for each in code.paths(piece, tree)
        )
    for finding in found:
        yield replace(finding, line=cell.line(finding.line))


def _plain(source: str) -> str:
    """Python without the magics of IPython; the lines keep their numbers."""
    if source.lstrip().startswith("%%"):
        return "\n" * source.count("\n")
    return "\n".join(f"{found[1]}pass" if (found := _MAGIC.match(line)) else line for line in source.splitlines())


def _order(cells: list[Cell], file: str) -> Iterator[Finding]:
    counts = [cell for cell in cells if cell.count]
    for before, after in itertools.pairwise(counts):
        if (after.count or 0) < (before.count or 0):
            what = f"It was run as [{after.count}], after {before.name} as [{before.count}]."
            why = "What is shown did not come from running the notebook from top to bottom."
            remedy = "Restart the kernel and run all cells, then save."
            yield Finding("notebook-order", what, file, after.line(1), Severity.WARNING, why, remedy, after.name)
            break
    yield from _names(cells, file)


def _names(cells: list[Cell], file: str) -> Iterator[Finding]:
    """Names that a cell uses and only a later one defines."""
    trees = []
    for cell in cells:
        tree = code.parse(Piece(file, _plain(cell.source)))
        if isinstance(tree, ast.Module):
            trees.append((cell, tree))
    later: dict[str, Cell] = {}
    for cell, tree in reversed(trees):
        later |= dict.fromkeys(_defined(tree), cell)
    first = dict(later.items())
    known = set(dir(builtins)) | {"get_ipython", "display", "In", "Out", "__file__", "__name__"}
    for cell, tree in trees:
        own = _defined(tree)
        for name, line in _used_first(tree, known | own):
            if name in first and first[name].number > cell.number:
                what = f"{name} is used here, and defined in {first[name].name} only."
                why = "Run from top to bottom, the notebook fails here."
                remedy = "Move the definition before its first use."
                yield Finding("notebook-order", what, file, cell.line(line), Severity.ERROR, why, remedy, cell.name)
        known |= own


def _defined(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
    return found


def _used_first(tree: ast.Module, known: set[str]) -> Iterator[tuple[str, int]]:
    """Names read when the cell itself runs: not in bodies of functions, which run later."""
    waiting: list[ast.AST] = list(tree.body)
    seen: set[str] = set()
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                waiting += [*node.decorator_list, *node.args.defaults]
            continue
        if (
            isinstance(node, ast.Name)
            and isinstance(node.ctx, ast.Load)
            and node.id not in known
            and node.id not in seen
        ):
            seen.add(node.id)
            yield node.id, node.lineno
        waiting += list(ast.iter_child_nodes(node))
