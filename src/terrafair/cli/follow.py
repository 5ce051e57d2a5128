"""Waits for a job: a progress bar with the last line on a terminal, plain lines in a pipe."""

import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from terrafair.client import Client

ENDED = frozenset({"successful", "failed", "dismissed"})
WAIT_SECONDS = 10.0


def follow(client: "Client", job: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """The job once it has ended; leaving with Ctrl-C leaves the job running and says how to come back."""
    try:
        if quiet:
            return _wait(client, job["id"])
        if sys.stderr.isatty():
            return _bar(client, job["id"])
        return _lines(client, job["id"])
    except KeyboardInterrupt:
        click.echo(f"\nThe job goes on. Watch it: terrafair log -f {job['id']}; end it: terrafair cancel {job['id']}")
        sys.exit(130)


def _wait(client: "Client", id: str) -> dict[str, Any]:  # noqa: A002
    since = 0
    while True:
        page = client.log(id, since, wait=WAIT_SECONDS)
        since = page["next"]
        if page["job"]["status"] in ENDED:
            return client.job(id)


def _lines(client: "Client", id: str) -> dict[str, Any]:  # noqa: A002
    for line in client.follow(id):
        click.echo(f"{line['time'][11:19]}  {line['level']:7}  {line['message']}", err=True)
    return client.job(id)


def _bar(client: "Client", id: str) -> dict[str, Any]:  # noqa: A002
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.fields[status]:10}"),
        BarColumn(30),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        shown = progress.add_task("", total=1.0, status="accepted")
        since = 0
        while True:
            page = client.log(id, since, wait=2.0)
            since = page["next"]
            state = page["job"]
            for line in page["lines"]:
                if line["level"] in {"warning", "error"}:
                    progress.console.print(f"{line['time'][11:19]}  {line['message']}", markup=False, highlight=False)
            said = [line["message"] for line in page["lines"] if line["message"]]
            message = said[-1] if said else state["message"]
            progress.update(shown, completed=state["progress"], status=state["status"], description=message[:80])
            if state["status"] in ENDED and not page["lines"]:
                progress.update(shown, completed=1.0 if state["status"] == "successful" else state["progress"])
                return client.job(id)
