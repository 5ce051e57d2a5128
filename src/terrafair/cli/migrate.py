"""`migrate`: an embedded installation becomes one on PostgreSQL and S3."""

import click

from terrafair.cli.terminal import json_option, print_json, size
from terrafair.config import load


@click.command("migrate")
@json_option
def migrate(*, as_json: bool) -> None:
    """Move what the embedded default keeps in TERRAFAIR_HOME to where the settings lead: PostgreSQL, pgSTAC, S3.

    The platform must have been ended. Everything is checked at its new place; nothing is removed from the old one.
    After an interruption, call it again: it goes on. Then start the platform with the same settings.

    \b
    Examples:
      TERRAFAIR_CONFIG=/etc/terrafair/terrafair.toml terrafair migrate
    """
    from terrafair.local_parts import move

    moved = move(load(), (lambda _: None) if as_json else click.echo)
    if as_json:
        print_json(moved)
        return
    click.echo(f"{sum(moved['rows'].values())} rows of {len(moved['rows'])} tables, {moved['items']} items and")
    click.echo(f"{moved['objects']} objects ({size(moved['bytes'])}) are at their new place.")
    click.echo(f"{moved['queued']} jobs wait there.")


VERBS: tuple[click.Command, ...] = (migrate,)
