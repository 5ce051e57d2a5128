"""The group `s3`: keys to a project's bucket, and links to one object of it."""

import shlex

import click

from terrafair.cli.connection import connect
from terrafair.cli.terminal import json_option, print_json, table
from terrafair.config import load

project_option = click.option("--project", default="", help="Whose bucket; default: your own project's.")


@click.group("s3")
def s3() -> None:
    """Get at the object store: each project has a bucket there.

    \b
    Examples:
      eval "$(terrafair s3 keys)"            for aws s3, boto3, obstore, GDAL (/vsis3/)
      terrafair s3 share maps/extent.tif     a link that everybody can read for an hour
    """


@s3.command("keys")
@project_option
@click.option("--read-only", is_flag=True, help="Keys that cannot write.")
@click.option("--hours", default=1.0, show_default=True, help="How long they hold; at most 12.")
@json_option
def keys(project: str, *, read_only: bool, hours: float, as_json: bool) -> None:
    """Make keys to a bucket; they are printed as lines for a shell, and end by themselves.

    Example: eval "$(terrafair s3 keys --project glaciers)" && aws s3 ls s3://$TERRAFAIR_BUCKET
    """
    with connect(load()) as client:
        made = client.bucket_keys(project, write=not read_only, seconds=round(hours * 3600))
    if as_json:
        print_json(made)
        return
    for name, value in {**made["environment"], "TERRAFAIR_BUCKET": made["bucket"]}.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    click.echo(f"# {'read only' if read_only else 'read and write'} until {made['expires'][:16]} UTC; {made['id']}")


@s3.command("list")
@json_option
def listing(*, as_json: bool) -> None:
    """List your keys that hold."""
    with connect(load()) as client:
        rows = client.held_keys()
    if as_json:
        print_json(rows)
        return
    shown = [(row["id"], row["bucket"], "write" if row["write"] else "read", row["expires"][:16]) for row in rows]
    table(("ID", "BUCKET", "ALLOWS", "ENDS (UTC)"), shown)


@s3.command("end")
@click.argument("id")
def end(id: str) -> None:  # noqa: A002 - the field's word
    """End keys before their time."""
    with connect(load()) as client:
        client.end_keys(id)
    click.echo("Ended.")


@s3.command("share")
@click.argument("key")
@project_option
@click.option("--hours", default=1.0, show_default=True, help="How long the link holds; at most 168.")
def share(key: str, project: str, hours: float) -> None:
    """Print a link at which everybody can read one object of a bucket, and nothing else."""
    with connect(load()) as client:
        click.echo(client.share(key, project, round(hours * 3600)))


VERBS = (s3,)
