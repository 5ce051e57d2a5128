"""The import order that ARCHITECTURE.md declares, function-level imports included."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import terrafair

PACKAGE = Path(terrafair.__file__).parent

COMPOSITION = frozenset(
    {
        "app",
        "server",
        "interfaces",
        "openeo_parts",
        "identity_parts",
        "development_parts",
        "web_workers",
        "operations_parts",
        "portal_parts",
        "publishing_parts",
        "local_parts",
        "workspaces_parts",
        "workspace_kernels_parts",
        "editors_parts",
        "worker_parts",
        "migration_parts",
    }
)
# Each step may import the steps before it; rooms on one step do not import each other.
STEPS: tuple[frozenset[str], ...] = (
    frozenset({"errors"}),
    frozenset({"config", "tracing"}),
    frozenset({"database", "events", "web", "repositories", "programs", "journal"}),
    frozenset({"data.objects"}),
    frozenset({"identity", "catalogue", "workflows"}),
    frozenset({"data"}),
    frozenset({"execution"}),
    frozenset({"publishing", "development", "workspaces"}),
    frozenset({"api", "portal", "operations", "demo"}),
    COMPOSITION,
    frozenset({"cli"}),
)
OUTSIDE = {
    "client": frozenset({"errors"}),
    "opening": frozenset({"client", "credentials", "errors"}),
    "credentials": frozenset[str](),
    "migrations": frozenset({"database"}),
}


def room(module: str) -> str:
    """The declared room of a module given below the package, e.g. `data.objects` or `catalogue`."""
    if module.startswith("data.objects"):
        return "data.objects"
    return module.split(".", maxsplit=1)[0]


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if name not in {"__init__", "__main__"} and "demo.workflows" not in name:
            yield name.removesuffix(".__init__"), path


def imported(path: Path, known: frozenset[str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}"
            if node.module == "terrafair":
                yield from ((node.lineno, alias.name) for alias in node.names if alias.name in known)
            elif node.module and node.module.startswith("terrafair."):
                base = node.module.removeprefix("terrafair.")
                for alias in node.names:
                    full = f"{base}.{alias.name}"
                    yield node.lineno, full if full in known else base
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("terrafair."):
                    yield node.lineno, alias.name.removeprefix("terrafair.")


MODULES = dict(modules())
LEVEL = {name: level for level, step in enumerate(STEPS) for name in step}


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_what_lies_below(module: str) -> None:
    home = room(module)
    assert home in LEVEL or home in OUTSIDE, f"{module} is in no declared room"
    for line, target in imported(MODULES[module], frozenset(MODULES) | {room(name) for name in MODULES}):
        other = room(target)
        place = f"{MODULES[module].relative_to(PACKAGE)}:{line} imports {target}"
        if other == home or {other, home} <= COMPOSITION:
            continue
        if home in OUTSIDE:
            assert other in OUTSIDE[home], f"{place}: {home} stands outside"
        elif other in {"client", "opening", "credentials"}:
            assert home == "cli", f"{place}: only the command line uses the client"
        elif other in OUTSIDE:
            assert other == "migrations", place
        else:
            assert LEVEL[other] < LEVEL[home], f"{place}, which lies on the same step or above"


def test_the_check_sees_a_function_level_import(tmp_path: Path) -> None:
    file = tmp_path / "room.py"
    file.write_text("def late():\n    from terrafair.api import problems\n    import terrafair.cli\n")
    assert list(imported(file, frozenset({"api.problems"}))) == [(2, "api.problems"), (3, "cli")]


def test_modules_stay_small() -> None:
    """Over 400 lines needs a reason; the reasons stand here."""
    reasons = {
        "app": "the composition root: a few lines for each service, and nowhere else",
        "execution.supervisor": "a program in one file, on the standard library, so that it starts at once",
    }
    long = {name for name, path in MODULES.items() if len(path.read_text("utf-8").splitlines()) > 400}
    assert long <= set(reasons), f"too long: {sorted(long - set(reasons))}"


def test_no_room_for_everything() -> None:
    banned = {"utils", "helpers", "common", "base", "misc", "manager"}
    assert not [name for name in MODULES if banned & set(name.lower().split("."))]
