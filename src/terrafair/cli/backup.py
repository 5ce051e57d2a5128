"""Copies of the platform: `backup create`, `backup verify` and `backup restore`."""

import sys
from collections.abc import Callable
from pathlib import Path

import click

from terrafair.cli.terminal import json_option, print_json, size
from terrafair.config import load

FOLDER = click.argument("folder", type=click.Path(file_okay=False, path_type=Path))


@click.group("backup")
def backup() -> None:
    """Copy everything that the platform keeps, and bring it back."""


@backup.command("create")
@FOLDER
@json_option
def create(folder: Path, *, as_json: bool) -> None:
    """Copy databases, files and objects into FOLDER, while the platform runs or rests.

    Into an earlier copy only what is new is written. Environments are left out: they are built again when needed.

    \b
    Examples:
      terrafair backup create /mnt/backup/terrafair
    """
    from terrafair.local_parts import back_up

    made = back_up(load(), folder, _say(as_json))
    if as_json:
        print_json(made)
    else:
        click.echo(f"Copied {made['files']} files and {made['objects']} objects, {size(made['bytes'])}, to {folder}.")


@backup.command("verify")
@FOLDER
@json_option
def verify(folder: Path, *, as_json: bool) -> None:
    """Check every file of a copy by its checksum; exit code 1 when one is damaged or missing."""
    from terrafair.local_parts import verify_backup

    wrong = verify_backup(folder)
    if as_json:
        print_json({"folder": str(folder), "damaged": wrong})
    else:
        click.echo("\n".join(wrong) if wrong else "Every file is as it was copied.")
    sys.exit(1 if wrong else 0)


@backup.command("restore")
@FOLDER
@json_option
def restore(folder: Path, *, as_json: bool) -> None:
    """Bring a copy into TERRAFAIR_HOME, which must be empty; then start the platform with `terrafair serve`.

    \b
    Examples:
      TERRAFAIR_HOME=/srv/terrafair terrafair backup restore /mnt/backup/terrafair
    """
    from terrafair.local_parts import restore as bring_back

    made = bring_back(load(), folder, _say(as_json))
    if as_json:
        print_json(made)
    else:
        click.echo(f"{made['home']} is as it was on {made['created']}, with {made['objects']} objects.")


def _say(as_json: bool) -> Callable[[str], None]:
    return (lambda _: None) if as_json else click.echo


VERBS: tuple[click.Command, ...] = (backup,)
