"""Verbs that run the platform itself: `serve`, `worker`, `doctor`, and the hidden `web-worker`."""

import sys

import click

from terrafair.cli.connection import connect, running_url
from terrafair.cli.terminal import json_option, print_json, table
from terrafair.config import load


@click.command("serve")
@click.option("--host", default=None, help="Address to listen on; default 127.0.0.1.")
@click.option("--port", default=None, type=click.IntRange(0, 65535), help="Port; default 8080, 0 takes a free one.")
@click.option("--no-demo", is_flag=True, help="Do not seed the demo.")
def serve(host: str | None, port: int | None, *, no_demo: bool) -> None:
    """Start the platform: web server, object store, workers, and at first start the demo.

    \b
    Examples:
      terrafair serve
      TERRAFAIR_HOME=/srv/terrafair terrafair serve --port 8000 --no-demo
    """
    from dataclasses import replace

    from terrafair.local_parts import serve as start

    config = load()
    config = replace(config, host=host or config.host, port=config.port if port is None else port)
    start(replace(config, demo=config.demo and not no_demo), say=click.echo)


@click.command("worker")
@click.option("--slot", default="", help="Name of this worker over restarts, unique among all; default: the host's.")
@click.option("--parent", default=None, type=int, hidden=True, help="Process whose end ends this one.")
def worker(slot: str, parent: int | None) -> None:
    """Execute jobs on this host, for a platform that runs on another one.

    Both have the same settings `database`, `items_database` and `store_url`; TERRAFAIR_HOME is this host's own folder.

    \b
    Examples:
      terrafair worker
      TERRAFAIR_HOME=/scratch/terrafair terrafair worker --slot node-7
    """
    from terrafair.local_parts import work, work_elsewhere

    if parent is None:
        work_elsewhere(load(), slot, click.echo)
    else:
        work(load(), parent=parent)


@click.command("web-worker", hidden=True)
def web_worker() -> None:
    """Answer web requests beside the platform's first process until that ends."""
    from terrafair.local_parts import serve_beside

    serve_beside(load())


@click.command("doctor")
@json_option
def doctor(*, as_json: bool) -> None:
    """What works on this machine and what is missing, with the way to mend it."""
    from terrafair.local_parts import examine

    config = load()
    findings = examine(config)
    if running_url(config):
        with connect(config) as client:
            findings.append({"part": "platform", "works": True, "says": f"runs at {client.url}"})
    if as_json:
        print_json(findings)
    else:
        rows = [(row["part"], "yes" if row["works"] else "no", row["says"]) for row in findings]
        table(("part", "works", "what"), rows)
    sys.exit(0 if all(row["works"] for row in findings) else 1)


VERBS: tuple[click.Command, ...] = (serve, worker, web_worker, doctor)
