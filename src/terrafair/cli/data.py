"""Verbs about data files on this machine: `convert`, `describe`; files are opened in the sandbox only."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from terrafair.cli.terminal import json_option, print_json, print_problem, table
from terrafair.config import load

if TYPE_CHECKING:
    from terrafair.data.conversion import Conversion


@click.command("convert")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--to", "target", type=click.Path(path_type=Path), help="A new folder; default: PATH-published.")
@click.option("--zarr", default="", type=click.Choice(("", "v2", "v3")), help="Make every data cube Zarr.")
@click.option("--base", default="", help="Address that the made files will have, for references into NetCDF.")
@click.option("--verify", is_flag=True, help="Read every made raster back and compare it pixel by pixel.")
@json_option
def convert(path: Path, target: Path | None, zarr: str, base: str, *, verify: bool, as_json: bool) -> None:
    """Make results cloud-optimised, checked and described: a folder of files, or one file.

    Rasters become COG, vectors GeoParquet, GRIB Zarr 3; NetCDF is kept, with references that read it like Zarr. With
    --zarr v3 every cube becomes Zarr 3, with --zarr v2 Zarr 2 in one zip, as the PRR takes it. What a file is its
    bytes say. The new folder holds outputs/, items/ and collection.json (STAC).

    \b
    Examples:
      terrafair convert results --to published
      terrafair convert scene.nc --zarr v2 --json
    """
    from terrafair.data.conversion import Order
    from terrafair.data.description import Order as Description
    from terrafair.local_parts import converter_here

    chosen = target or path.with_name(f"{path.name}-published")
    described = Description("", id=_identifier(path), title=path.name)
    order = Order(str(path.absolute()), str(chosen.absolute()), described, zarr, base, verify)
    found = converter_here(load()).convert(order)
    if as_json:
        print_json({"target": str(chosen), **found.document()})
    else:
        _print(found, chosen)
    sys.exit(0 if found.sound else 1)


@click.command("describe")
@click.argument("path", type=click.Path(path_type=Path))
@json_option
def describe(path: Path, *, as_json: bool) -> None:
    """STAC of result files, from the files themselves: one item for each that lies somewhere.

    With --json all that is known, files and remarks included; without it the STAC items, or the collection where no
    file lies anywhere, one JSON document a line.

    \b
    Examples:
      terrafair describe scene.tif
      terrafair describe results --json | jq .collection.extent
    """
    from terrafair.data.description import Order as Description
    from terrafair.local_parts import converter_here

    found = converter_here(load()).describe(path, Description("", id=_identifier(path), title=path.name))
    if as_json:
        print_json(found.document())
        return
    import json

    for document in found.items or (found.collection,):
        click.echo(json.dumps(document, ensure_ascii=False))
    for remark in found.remarks:
        print_problem(remark, label="Remark")


def _identifier(path: Path) -> str:
    name = path.absolute().name.partition(".")[0]
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name).strip("-") or "results"


def _print(found: "Conversion", target: Path) -> None:
    from terrafair.data.conversion import Status

    rows = [(each.source, str(each.status), each.form, ", ".join(each.outputs)) for each in found.files]
    table(("file", "", "form", "made"), rows)
    for each in found.files:
        for problem in each.problems:
            print_problem(problem, label="Refused" if each.status is Status.REFUSED else "Problem")
        for remark in each.remarks:
            print_problem(remark, label="Remark")
    count = sum(each.status is not Status.REFUSED for each in found.files)
    click.echo(f"{count} of {len(found.files)} files, {len(found.description.items)} STAC items in {target}.", err=True)


VERBS: tuple[click.Command, ...] = (convert, describe)
