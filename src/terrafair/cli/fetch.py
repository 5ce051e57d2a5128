"""The verb `data`: the files of a product or a job, on this machine."""

from pathlib import Path

import click

from terrafair.cli.connection import connect
from terrafair.cli.terminal import json_option, print_json, table
from terrafair.config import load


@click.group("data")
def data() -> None:
    """Bring data of the platform to this machine."""


@data.command("get")
@click.argument("id")
@click.option("--to", "folder", type=click.Path(path_type=Path), help="A folder; default: the id, here.")
@click.option("--files", default="", help="Pattern of file names, such as '*.tif'.")
@click.option("--list", "only_list", is_flag=True, help="Say what there is, and bring nothing.")
@json_option
def get(id: str, folder: Path | None, files: str, *, only_list: bool, as_json: bool) -> None:  # noqa: A002
    """The files of a published product, or of one of your jobs, by its id.

    In Python: `terrafair.open("ID")` gives them as xarray or geopandas.

    \b
    Examples:
      terrafair data get demo-ndvi-composite
      terrafair data get demo-s2-l2a --files '*B04*' --to scenes
    """
    from terrafair.opening import data as listed
    from terrafair.opening import get as bring

    with connect(load()) as platform:
        if only_list:
            rows = listed(id, platform)["files"]
            print_json(rows) if as_json else table(
                ("file", "type"), [(each["name"], each.get("type")) for each in rows]
            )
            return
        target, found = bring(id, platform, folder or Path(id), files=files)
    if as_json:
        print_json({"folder": str(target), "files": [file["name"] for file in found]})
        return
    for file in found:
        click.echo(target / file["name"])


VERBS: tuple[click.Command, ...] = (data,)
