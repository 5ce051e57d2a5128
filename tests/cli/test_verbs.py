"""The command line's table of verbs, which spares loading all modules for one verb."""

import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

import terrafair.cli
from terrafair.cli import VERBS, main, run


@pytest.mark.parametrize("module", VERBS)
def test_the_table_names_every_verb_of_a_module(module: str) -> None:
    assert tuple(verb.name for verb in import_module(f"terrafair.cli.{module}").VERBS) == VERBS[module]


def test_the_table_names_every_module_with_verbs() -> None:
    folder = Path(str(terrafair.cli.__file__)).parent
    modules = {path.stem for path in folder.glob("*.py") if path.stem != "__init__"}
    assert {name for name in modules if "\nVERBS" in (folder / f"{name}.py").read_text("utf-8")} == set(VERBS)


def test_each_verb_is_found_and_no_other() -> None:
    context = click.Context(main)
    names = main.list_commands(context)
    assert len(names) == len(set(names)) == sum(map(len, VERBS.values()))
    for name in names:
        command = main.get_command(context, name)
        assert command is not None
        assert command.name == name
    assert main.get_command(context, "fnd") is None


def test_a_place_that_cannot_be_made_is_named_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("TERRAFAIR_HOME", str(home))
    monkeypatch.setattr(sys, "argv", ["terrafair", "backup", "create", str(tmp_path / "file/copy")])
    with pytest.raises(SystemExit) as end:
        run()
    assert end.value.code == 2
    assert "Not a directory" in capsys.readouterr().err
