"""Verbs about what can be executed: `processes`, `deploy`, `undeploy`, `capabilities`, `targets`."""

from pathlib import Path

import click

from terrafair.cli.connection import connect
from terrafair.cli.terminal import json_option, print_json, table
from terrafair.config import load

MEDIA_TYPES = {".cwl": "application/cwl+yaml", ".yaml": "application/cwl+yaml", ".yml": "application/cwl+yaml"}


@click.command("processes")
@json_option
def processes(*, as_json: bool) -> None:
    """Everything that can be executed on the platform through OGC API - Processes."""
    with connect(load()) as client:
        rows = client.processes()
    if as_json:
        print_json(rows)
    else:
        table(("process", "version", "what"), [(row["id"], row["version"], row["title"]) for row in rows])


@click.command("deploy")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--replace", "taken", default="", metavar="ID", help="Take the place of a deployed process.")
@click.option("--workflow", "entry", default="", metavar="NAME", help="Which process of the file's `$graph` runs.")
@json_option
def deploy(file: Path, *, taken: str, entry: str, as_json: bool) -> None:
    """Deploy a CWL document or an OGC application package as a process.

    \b
    Example:
      terrafair deploy app.cwl && terrafair run my-process --input source=@./scene.tif
    """
    content = file.read_bytes()
    package = b'"executionUnit"' in content
    kind = "application/ogcapppkg+json" if package else MEDIA_TYPES.get(file.suffix, "application/cwl+json")
    with connect(load()) as client:
        document = client.deploy(content, kind, replace=taken, entry=entry)
    if as_json:
        print_json(document)
    else:
        click.echo(f"Deployed {document['id']} (version {document['version']}). Run it: terrafair run {document['id']}")


@click.command("undeploy")
@click.argument("id")
def undeploy(id: str) -> None:  # noqa: A002
    """Take a deployed process away; its jobs and their results stay."""
    with connect(load()) as client:
        client.undeploy(id)
    click.echo(f"Undeployed {id}.")


@click.command("capabilities")
@click.argument("url", default="")
@json_option
def capabilities(url: str, *, as_json: bool) -> None:
    """Which workflows and data a platform supports: the running one, or the one at URL."""
    if url:
        from terrafair.client import Client

        with Client(url) as client:
            document = client.capabilities()
    else:
        with connect(load()) as client:
            document = client.capabilities()
    if as_json:
        print_json(document)
        return
    kinds = document.get("workflowTypes", ())
    table(
        ("workflow", "what", "engine"),
        [(row["type"], row["title"], " ".join(f"{k} {v}" for k, v in row["engine"].items())) for row in kinds],
    )
    for name, value in document.get("limits", {}).items():
        click.echo(f"{name}: {value}")
    click.echo(f"targets: {', '.join(document.get('targets', ())) or 'none'}")


@click.command("targets")
@json_option
def targets(*, as_json: bool) -> None:
    """Platforms elsewhere that jobs can be handed on to (`terrafair run ID --on TARGET`)."""
    with connect(load()) as client:
        rows = client.targets()
    if as_json:
        print_json(rows)
        return
    table(
        ("target", "address", "answers", "kind"),
        [(row["name"], row["url"], "yes" if row["reachable"] else "no", row.get("kind", "")) for row in rows],
    )
    if not rows:
        click.echo('None. Name them in the settings: targets = { elsewhere = "https://..." }', err=True)


VERBS: tuple[click.Command, ...] = (processes, deploy, undeploy, capabilities, targets)
