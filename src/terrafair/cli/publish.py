"""Verbs about publishing: `publish`, `publications`."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from terrafair.cli.connection import connect
from terrafair.cli.terminal import json_option, print_json, print_problem, table
from terrafair.config import load
from terrafair.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from terrafair.client import Client

DONE = {
    "draft": "drafted",
    "checked": "entries complete and valid",
    "archived": "data archived",
    "testing": "pull request at the testing repository",
    "tested": "its check is green",
    "proposed": "pull request at the catalogue",
    "declined": "declined by the reviewers",
    "merged": "merged by the reviewers",
    "published": "published: the catalogue has it",
}
NEXT = {
    "check": "draft the entries and apply the catalogue's rules",
    "deliver": "bring the data into the archive",
    "test": "open a pull request at the testing repository",
    "follow-test": "wait for its check",
    "propose": "open the pull request at the catalogue",
    "follow": "wait for the reviewers",
    "sync": "run `terrafair catalogue sync`",
    "none": "nothing",
}
CHECK_SECONDS = 120.0
"""How long the testing repository's check is waited for before the person may come back."""


@click.command("publish")
@click.argument("job")
@click.option(
    "--set", "settings", multiple=True, metavar="FIELD=VALUE", help="Answer one question; may be given again."
)
@click.option(
    "--answers", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="JSON or YAML of answers."
)
@click.option("--dry-run", is_flag=True, help="Show what would change in the catalogue, and keep nothing.")
@click.option("--step", "single", is_flag=True, help="Do one step only.")
@click.option(
    "--resume", is_flag=True, help="Go on with what was begun; the same as without, and fails if nothing was."
)
@json_option
def publish(
    job: str,
    settings: tuple[str, ...],
    *,
    answers: Path | None,
    dry_run: bool,
    single: bool,
    resume: bool,
    as_json: bool,
) -> None:
    """Publish a finished JOB: product, experiment and workflow, valid and archived, as a pull request.

    Everything that the job or the catalogue tells is filled in; what is missing is asked for by name. It goes step by
    step, draft, rules, archive, testing repository, catalogue, and goes on wherever it was left when it is called
    again. Ends with 0 when the pull request is open (or the entry published), 1 when something is to be answered.

    \b
    Examples:
      terrafair publish 20260715-abcdefghjk --dry-run
      terrafair publish 20260715-abcdefghjk --set product=lake-water-2024 --set "region=Upper Bavaria"
      terrafair publish 20260715-abcdefghjk --answers answers.yaml --step
    """
    given = {**_file(answers), **dict(_setting(text) for text in settings)}
    with connect(load()) as client:
        if dry_run:
            document = client.publish(job, given, dry_run=True)
        else:
            if resume:
                client.publication(job)
            document = _walk(client, client.publish(job, given), single=single, quiet=as_json)
    if as_json:
        print_json(document)
    elif dry_run:
        _print_preview(document)
    else:
        _print(document)
    sys.exit(1 if document["problems"] or document["state"] == "declined" else 0)


def _walk(client: "Client", document: dict[str, Any], *, single: bool, quiet: bool) -> dict[str, Any]:
    """Step after step until somebody else is asked, or something is wrong."""
    deadline = time.monotonic() + CHECK_SECONDS
    while document["next"] != "none":
        before = document["state"]
        document = client.advance(document["id"])
        if document["state"] != before and not quiet:
            click.echo(f"  {document['state']:10} {DONE[document['state']]}", err=True)
        if single or document["problems"]:
            break
        if document["state"] == before and document["state"] in {"proposed", "merged"}:
            break
        if document["state"] == before == "testing":
            if time.monotonic() > deadline:
                break
            time.sleep(0.5)
    return document


def _print(document: dict[str, Any]) -> None:
    click.echo(f"Publication {document['id']} of job {document['job']}: {DONE[document['state']]}.")
    for entry in document["entries"]:
        click.echo(f"  {entry}")
    for name, word in (("testing", "Testing"), ("production", "Catalogue")):
        if pull := document[name]:
            click.echo(f"  {word}: {pull['url']} ({pull['state']}, check {pull['verdict']})")
            for remark in pull["remarks"]:
                click.echo(f"    {remark}")
    for label, name in (("Warning", "warnings"), ("Problem", "problems")):
        for problem in document[name]:
            print_problem(Problem(**problem), label=label)
    if document["next"] != "none":
        click.echo(f"Next: {NEXT[document['next']]}.  terrafair publish {document['job']}")


def _print_preview(document: dict[str, Any]) -> None:
    for label, name in (("Warning", "warnings"), ("Problem", "problems")):
        for problem in document[name]:
            print_problem(Problem(**problem), label=label)
    for line in document["diff"].splitlines():
        colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
        click.echo(click.style(line, fg=colour) if sys.stdout.isatty() and colour else line)


def _setting(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark or not name:
        raise InvalidInput(
            f"--set {text!r} is not FIELD=VALUE.", remedy="Write, for example, --set product=my-product."
        )
    return name.strip(), value


def _file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    import yaml

    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        raise InvalidInput(f"{path} does not parse: {fault}.", where=str(path)) from None
    if not isinstance(document, dict):
        raise InvalidInput(f"{path} holds no fields.", remedy="Write FIELD: VALUE lines.", where=str(path))
    return json.loads(json.dumps(document, default=str)) or {}


@click.command("publications")
@click.argument("id", required=False, default="")
@click.option("--state", default="", type=click.Choice(("", *DONE)), help="Only those in this state.")
@click.option("--merge", is_flag=True, help="Play the reviewer of ID, where the embedded forge stands in for GitHub.")
@json_option
def publications(id: str, *, state: str, merge: bool, as_json: bool) -> None:  # noqa: A002
    """What is being published and how far it is; with an ID (or its job's) that one alone.

    \b
    Examples:
      terrafair publications
      terrafair publications 20260715-abcdefghjk --merge
    """
    if merge and not id:
        raise InvalidInput("--merge needs the id of a publication.", remedy="`terrafair publications` lists them.")
    with connect(load()) as client:
        if id:
            document = client.merge(id) if merge else client.publication(id)
            print_json(document) if as_json else _print(document)
            return
        rows = client.publications(**({"state": state} if state else {}))
    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo("Nothing has been published yet. Publish a finished job: terrafair publish JOB")
    cells = [
        (row["id"], row["job"], row["state"], str(row["answers"].get("product", "")), NEXT[row["next"]]) for row in rows
    ]
    table(("id", "job", "state", "product", "next"), cells)


VERBS: tuple[click.Command, ...] = (publish, publications)
