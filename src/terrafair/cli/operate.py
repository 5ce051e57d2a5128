"""Verbs of operators: `scrub` and `read-only`."""

import sys

import click

from terrafair.cli.connection import connect
from terrafair.cli.terminal import json_option, print_json, size, table
from terrafair.config import load


@click.command("scrub")
@click.option("--rate", default=0, type=click.IntRange(0), help="Bytes a second at the most; default: no limit.")
@click.option("--anew", is_flag=True, help="Begin again, where an earlier look was interrupted.")
@json_option
def scrub(rate: int, *, anew: bool, as_json: bool) -> None:
    """Look at all stored results: is each object there, and as its checksum says? Exit code 1 when one is not.

    The platform may run meanwhile; by itself it does so every `scrub_days`.

    \b
    Examples:
      terrafair scrub
      terrafair scrub --rate 5000000 --json
    """
    from terrafair.local_parts import scrub as look

    say = (lambda _: None) if as_json else click.echo
    report = look(load(), say, rate=rate, anew=anew)
    if as_json:
        print_json(report)
    else:
        if report["damaged"]:
            table(("object", "state", "what"), [(row["key"], row["kind"], row["says"]) for row in report["damaged"]])
        seen = report["look"]
        click.echo(f"{seen['objects']} objects of {seen['jobs']} jobs, {size(seen['bytes'])}.", err=as_json)
    sys.exit(1 if report["damaged"] else 0)


@click.command("read-only")
@click.argument("wish", type=click.Choice(["on", "off", "status"]), default="status")
@click.option("--reason", default="", help="What people are told.")
@json_option
def read_only(wish: str, reason: str, *, as_json: bool) -> None:
    """Refuse all changes on the running platform, or take them again; reads and running jobs go on.

    \b
    Examples:
      terrafair read-only on --reason "The database moves until 14:00 UTC."
      terrafair read-only off
    """
    with connect(load()) as client:
        state = client.read_only() if wish == "status" else client.set_read_only(on=wish == "on", reason=reason)
    if as_json:
        print_json(state)
    elif state["on"]:
        click.echo(f"Read-only since {state['since'] or 'the start'}, by {state['by']}. {state['reason']}".strip())
    else:
        click.echo("Changes are taken.")


VERBS: tuple[click.Command, ...] = (scrub, read_only)
