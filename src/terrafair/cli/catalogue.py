"""Verbs about what is published: `catalogue sync`, `find`, `experiments`, `explain`."""

import sys
from collections.abc import Callable
from typing import Any

import click

from terrafair.cli.connection import connect, running_url
from terrafair.cli.terminal import json_option, print_json, print_problem, table
from terrafair.config import Config, load
from terrafair.errors import Problem, TerrafairError

KINDS = ("product", "project", "workflow", "experiment", "variable", "mission", "theme")


@click.group("catalogue")
def catalogue() -> None:
    """The mirror of the Open Science Catalog on this machine."""


@catalogue.command("sync")
@click.argument("source", required=False, default="")
@click.option("--branch", default="", help="Branch of the repository; its default branch if left out.")
@click.option("--meanings", is_flag=True, help="Also prepare search by meaning (`find --semantic`); a minute or two.")
@json_option
def sync(source: str, branch: str, *, meanings: bool, as_json: bool) -> None:
    """Bring the index up to date with a catalogue's git repository or folder.

    SOURCE is a git URL, a repository or a plain folder; left out, the source of the last sync is used. `demo` is the
    demo's own catalogue. Only what changed is read. A document that cannot be read is reported and skipped.

    \b
    Examples:
      terrafair catalogue sync https://github.com/ESA-EarthCODE/open-science-catalog-metadata
      terrafair catalogue sync ./open-science-catalog --json
    """
    from terrafair.catalogue.catalogue import Catalogue

    config = load()
    with Catalogue(config.home) as index:
        chosen = source or config.catalogue or index.source or "demo"
        if chosen == "demo":
            chosen = str(config.home / "demo/catalogue.git")
        report = index.sync(chosen, branch or (config.branch if not source else ""), _progress(as_json=as_json))
        if meanings:
            index.embed(_progress(as_json=as_json))
    published = 0
    if report.changed or report.removed:
        # Later than the rest: an unchanged sync does not pay for these imports.
        from terrafair.local_parts import mark_published

        published = mark_published(config)
    if as_json:
        print_json(report.document() | {"published": published})
    else:
        click.echo(
            f"{report.documents} documents at {report.commit[:12]}, {report.changed} read, {report.removed} gone."
        )
        if published:
            click.echo(f"{published} publication{'s' * (published > 1)} arrived: see `terrafair publications`.")
        for broken in report.broken:
            print_problem(Problem(broken.reason, "", broken.remedy, broken.path), label="Skipped")
    sys.exit(1 if report.broken else 0)


def _progress(*, as_json: bool) -> Callable[[int, int], None] | None:
    if as_json or not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        click.echo(f"\r{done} of {total} documents", nl=done >= total, err=True)

    return show


@click.command("find")
@click.argument("text", nargs=-1)
@click.option("--kind", multiple=True, type=click.Choice(KINDS), help="Only this kind; may be given again.")
@click.option("--theme", default="", help="Id or title of a theme.")
@click.option("--variable", default="", help="Id or title of a variable.")
@click.option("--mission", default="", help="Id or title of an EO mission.")
@click.option("--project", default="", help="Id or title of a project.")
@click.option("--bbox", default="", help="west,south,east,north in degrees; west > east crosses the antimeridian.")
@click.option("--time", default="", help="start/end, an open side as `..`; a day, month or year.")
@click.option("--semantic", is_flag=True, help="Rank by meaning, too (after `catalogue sync --meanings`).")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@click.option("--offset", default=0, type=click.IntRange(0))
@json_option
def find(text: tuple[str, ...], *, as_json: bool, kind: tuple[str, ...], **filters: Any) -> None:
    """Search the catalogue: best matches first, small typing errors forgiven.

    \b
    Examples:
      terrafair find permafrost temperature
      terrafair find --kind product --mission sentinel-1 --bbox 5,45,17,55 "soil moisture"
    """
    config = load()
    wanted = {name: value for name, value in filters.items() if value not in ("", None)}
    if running_url(config):
        with connect(config) as client:
            found = client.find(" ".join(text), kind=list(kind), **wanted)
    else:
        found = _find_here(config, " ".join(text), kind, wanted)
    if as_json:
        print_json(found)
        return
    rows = [(item["kind"], item["id"], item["title"]) for item in found["items"]]
    table(("kind", "id", "title"), rows)
    shown = f", {len(rows)} shown" if len(rows) < found["total"] else ""
    click.echo(f"{found['total']} found{shown}.", err=True)


def _find_here(config: Config, text: str, kinds: tuple[str, ...], filters: dict[str, Any]) -> dict[str, Any]:
    """Search this machine's own index, for when no platform runs on it."""
    from terrafair.catalogue.catalogue import Catalogue
    from terrafair.catalogue.query import Query

    with Catalogue(config.home) as index:
        return index.search(Query.parse(text=text, kinds=kinds, **filters)).document()


@click.command("experiments")
@click.option("--runnable", is_flag=True, help="Only those that run here.")
@json_option
def experiments(*, runnable: bool, as_json: bool) -> None:
    """Every experiment and workflow of the catalogue, whether it runs here, and if not, why.

    \b
    Examples:
      terrafair experiments
      terrafair experiments --json | jq '.[] | select(.executable | not) | .reasons'
    """
    config = load()
    if running_url(config):
        with connect(config) as client:
            rows = client.experiments()
    else:
        from terrafair.local_parts import table_here

        rows = table_here(config)
    rows = [row for row in rows if row["executable"] or not runnable]
    if as_json:
        print_json(rows)
        return
    lines: list[tuple[str, str, str, str, str]] = []
    for row in rows:
        reasons = [str(Problem(**reason)) for reason in row["reasons"]] or [""]
        verdict = "runs here" if row["executable"] else "not here"
        lines.append((row["kind"], row["id"], row["type"], verdict, reasons[0]))
        lines.extend(("", "", "", "", reason) for reason in reasons[1:])
    table(("kind", "id", "type", "verdict", "because"), lines)


@click.command("explain")
@click.argument("id")
@click.option("--kind", default="", type=click.Choice(("", "experiment", "workflow")), help="If both have the id.")
@json_option
def explain(id: str, kind: str, *, as_json: bool) -> None:  # noqa: A002 - the field's word
    """What an experiment comes down to: code, inputs, environment, products, and whether it runs here.

    \b
    Example:
      terrafair explain demo-ndvi
    """
    config = load()
    if running_url(config):
        with connect(config) as client:
            document = client.explain(id, kind)
    else:
        from terrafair.local_parts import explain_here

        document = explain_here(config, id, kind)
    if as_json:
        print_json(document)
    else:
        _print_resolution(document)
    sys.exit(0 if document["executable"] else 1)


def _print_resolution(document: dict[str, Any]) -> None:
    click.echo(f"{click.style(document['title'] or document['id'], bold=True)}  ({document['kind']} {document['id']})")
    code = document["application"] or {}
    facts = {
        "workflow": document["workflow"],
        "type": document["type"],
        "code": code.get("url", ""),
        "commit": code.get("commit", ""),
        "environment": document["environment"]["kind"],
        "products": ", ".join(document["products"]),
    }
    for name, text in facts.items():
        if text:
            click.echo(f"  {name:12} {text}")
    for entry in document["inputs"]:
        value = document["values"].get(entry["name"], entry["default"])
        need = "required" if entry["required"] and value is None else value
        click.echo(f"  input        {entry['name']} = {need}")
    for remark in document["remarks"]:
        print_problem(Problem(**remark), label="Remark")
    for reason in document["reasons"]:
        print_problem(Problem(**reason), label="Not executable here")


def problems_of(error: TerrafairError) -> list[dict[str, str]]:
    """An error's problems as JSON."""
    return [problem.document() for problem in error.problems]


VERBS: tuple[click.Command, ...] = (catalogue, find, experiments, explain)
