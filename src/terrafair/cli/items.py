"""Verbs about STAC items on this machine: `items load`, `items export`, `items list` ..."""

import sys
from collections.abc import Callable
from pathlib import Path

import click
import orjson

from terrafair.cli.terminal import json_option, print_json, table
from terrafair.config import load
from terrafair.errors import NotFound


@click.group("items")
def items() -> None:
    """STAC items of this platform: load archives, export them, see what is there."""


@items.command("load")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--collection", default="", help="Collection of all items, whatever they say themselves.")
@json_option
def load_items(file: Path, *, collection: str, as_json: bool) -> None:
    """Load collections and items from STAC JSON, .ndjson, stac-geoparquet, or a folder of JSON files.

    A load that was stopped goes on where it was. An item that is there already is replaced.

    \b
    Examples:
      terrafair items load sentinel-2.parquet
      terrafair items load items.ndjson --collection my-scenes
    """
    from terrafair.app import Parts
    from terrafair.catalogue.items.load import Loader

    config = load()
    store = Parts(config).items
    try:
        report = Loader(store, config.home / "catalogue/loads").load(file, collection, _progress(as_json=as_json))
    finally:
        store.close()
    if as_json:
        print_json(report.document())
    else:
        resumed = f" ({report.skipped} were there from a load that was stopped)" if report.skipped else ""
        click.echo(f"{report.items} items loaded{resumed}, {report.refused} refused.")
        for fault in report.faults:
            click.echo(f"Refused: {fault}", err=True)
    sys.exit(1 if report.refused else 0)


def _progress(*, as_json: bool) -> Callable[[int], None] | None:
    if as_json or not sys.stderr.isatty():
        return None
    return lambda done: click.echo(f"\r{done} documents", nl=False, err=True)


@items.command("export")
@click.argument("collection")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def export(collection: str, file: Path, *, as_json: bool) -> None:
    """Write a collection's items as stac-geoparquet (.parquet) or newline-delimited JSON (.ndjson).

    \b
    Example:
      terrafair items export my-scenes my-scenes.parquet
    """
    from terrafair.app import Parts
    from terrafair.catalogue.items import files

    store = Parts(load()).items
    try:
        if store.collection(collection) is None:
            raise NotFound(f"There is no collection {collection!r}.", remedy="See `terrafair items list`.")
        write = files.write_parquet if file.suffix in {".parquet", ".geoparquet"} else files.write_lines
        count = write(file, store.all_items(collection))
    finally:
        store.close()
    if as_json:
        print_json({"items": count, "file": str(file), "bytes": file.stat().st_size})
    else:
        click.echo(f"{count} items in {file}, {file.stat().st_size} bytes.")


@items.command("list")
@json_option
def list_collections(*, as_json: bool) -> None:
    """Every collection with its number of items."""
    from terrafair.app import Parts
    from terrafair.catalogue.items.search import Search

    store = Parts(load()).items
    try:
        rows = [
            {
                "id": entry.id,
                "title": orjson.loads(entry.head).get("title", ""),
                "items": store.search(Search(collections=(entry.id,), limit=1)).matched,
            }
            for entry in store.collections()
        ]
    finally:
        store.close()
    if as_json:
        print_json(rows)
    else:
        table(("id", "title", "items"), [(row["id"], row["title"], str(row["items"])) for row in rows])


@items.command("delete")
@click.argument("collection")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(collection: str, *, yes: bool) -> None:
    """Remove a collection and all its items."""
    from terrafair.app import Parts

    if not yes:
        click.confirm(f"Remove {collection} and all its items?", abort=True)
    store = Parts(load()).items
    try:
        store.delete_collection(collection)
    finally:
        store.close()
    click.echo(f"{collection} is removed.")


@items.command("index")
@click.argument("name")
@click.option("--text", is_flag=True, help="The property holds texts; numbers, if left out.")
def index(name: str, *, text: bool) -> None:
    """Make filters and orders by a property fast, in the embedded store.

    \b
    Example:
      terrafair items index view:off_nadir
    """
    from terrafair.app import Parts
    from terrafair.catalogue.items.expressions import Kind
    from terrafair.catalogue.items.sqlite.store import SqliteItems

    store = Parts(load()).items
    try:
        if not isinstance(store, SqliteItems):
            raise NotFound("Only the embedded store takes indexes here.", remedy="Use CREATE INDEX in PostgreSQL.")
        store.index_property(name, Kind.TEXT if text else Kind.NUMBER)
    finally:
        store.close()
    click.echo(f"{name} is indexed.")


@items.command("prepare")
@click.option("--grant", default="", metavar="ROLE", help="Let this role keep items there; for a superuser's call.")
def prepare(grant: str) -> None:
    """Install or update pgSTAC in the PostgreSQL database that the setting `items_database` names.

    pgSTAC's own installation asks for a superuser of the database, once and at each update.
    """
    from terrafair.catalogue.items.pgstac.connections import prepare as make_ready

    url = load().items_database
    if not url:
        raise NotFound("No database is set.", remedy="Set TERRAFAIR_ITEMS_DATABASE to a PostgreSQL URL.")
    make_ready(url, grant)
    click.echo("The database is ready for STAC items.")


VERBS: tuple[click.Command, ...] = (items,)
