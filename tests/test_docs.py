"""The documents say what the code does: generated pages are current, everything has its line, links lead somewhere."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from terrafair import errors
from terrafair.cli import main

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md"])


def test_generated_pages_are_current() -> None:
    script = (
        "import sys; sys.path.insert(0, 'tools'); import generated_docs as g\n"
        "for path, page in g.PAGES.items():\n"
        "    assert open(path, encoding='utf-8').read() == page(), f'{path} is old: run make docs'\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_direct_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [name for extra in project["optional-dependencies"].values() for name in extra]
    text = (ROOT / "docs/dependencies.md").read_text()
    assert [name for name in wanted if f"`{name}`" not in text] == []


def test_locks_name_no_place() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        assert not re.search(r"https?://|--index-url|--find-links", lock.read_text()), lock.name


def test_every_error_code_is_explained() -> None:
    text = (ROOT / "docs/errors.md").read_text()
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert [kind.code for kind in kinds if f'id="{kind.code}"' not in text] == []


def test_every_command_has_help_and_an_example() -> None:
    context = click.Context(main)

    def walk(command: click.Command | None, path: str) -> None:
        assert command is not None, path
        assert command.help, path
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                walk(command.get_command(context, name), f"{path} {name}")

    walk(main, "terrafair")
    for name in ("find", "experiments", "explain", "run", "reproduce", "publish", "publications", "serve"):
        command = main.get_command(context, name)
        assert command is not None
        assert "Example" in (command.help or ""), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_documents_exist(page: Path) -> None:
    """Each `terrafair ...` line in a shell block parses: verb and options are real."""
    blocks = re.findall(r"```(?:sh|bash|console)\n(.*?)```", page.read_text("utf-8"), re.S)
    for line in "\n".join(blocks).splitlines():
        words = line.removeprefix("$ ").split()
        if words and words[0].endswith("terrafair"):
            command: click.Command = main
            rest = words[1:]
            while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
                found = command.get_command(click.Context(command), rest[0])
                assert found is not None, f"{page.name}: {line}"
                command, rest = found, rest[1:]
            options = {name for option in command.params for name in option.opts} | {"--help", "-h", "--version"}
            used = [word.split("=")[0] for word in rest if re.match(r"--?[a-zA-Z]", word)]
            assert [word for word in used if word not in options] == [], f"{page.name}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks_compile(page: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.S):
        compile(block, str(page), "exec")
