"""The verb `schemas`: the store of JSON Schemas that validation needs."""

import sys
from collections.abc import Callable
from pathlib import Path

import click

from terrafair.cli.terminal import json_option, print_json, print_problem
from terrafair.config import Config, load


@click.group("schemas")
def schemas() -> None:
    """The JSON Schemas that `validate` checks against, on this machine."""


def default_folder(config: Config) -> Path:
    """The setting `schemas`, else a folder in the home folder."""
    return config.schemas or config.home / "schemas"


@schemas.command("sync")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--rules", multiple=True, help="Also the schemas of this release, e.g. rc.14; may be given again.")
@click.option("--add", multiple=True, help="Address of one more schema, e.g. of an extension; may be given again.")
@click.option("--mirror", default="", help="Fetch from ADDRESS/HOST/PATH instead, for machines without a way out.")
@json_option
def sync(folder: Path | None, *, rules: tuple[str, ...], add: tuple[str, ...], mirror: str, as_json: bool) -> None:
    """Fill the schema store from the official places, every file pinned by its content.

    What is there already is not fetched again. FOLDER is the setting `schemas`, else `schemas` in the home folder.

    \b
    Examples:
      terrafair schemas sync
      terrafair schemas sync --add https://stac-extensions.github.io/eo/v1.1.0/schema.json
    """
    from terrafair.catalogue.rules.versions import LATEST
    from terrafair.catalogue.schema_sync import sync as fill
    from terrafair.web import SafeWeb

    config = load()
    place = folder or default_folder(config)
    web = SafeWeb(allow_private=config.allow_private_addresses)
    report = fill(place, web, rules=(LATEST, *rules), add=add, mirror=mirror, progress=_progress(as_json=as_json))
    if as_json:
        print_json(report.document())
    else:
        click.echo(f"{place}: {len(report.written)} written, {report.kept} kept, {len(report.failed)} failed.")
        for problem in report.failed:
            print_problem(problem, label="Failed")
    sys.exit(1 if report.failed else 0)


def _progress(*, as_json: bool) -> Callable[[int, int], None] | None:
    if as_json or not sys.stderr.isatty():
        return None
    return lambda done, total: click.echo(f"\r{done} of {total} schemas", nl=done >= total, err=True)


VERBS: tuple[click.Command, ...] = (schemas,)
