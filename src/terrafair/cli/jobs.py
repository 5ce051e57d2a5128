"""Verbs about runs: `run`, `reproduce`, `jobs`, `job`, `log`, `cancel`, `results`."""

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from terrafair.cli.connection import connect
from terrafair.cli.follow import follow
from terrafair.cli.terminal import duration, json_option, print_json, print_problem, size, table
from terrafair.config import load
from terrafair.errors import InvalidInput, Problem, TerrafairError

if TYPE_CHECKING:
    from terrafair.client import Client

JOB = re.compile(r"\d{8}-[a-z0-9]{10}")
input_option = click.option(
    "-i", "--input", "inputs", multiple=True, metavar="NAME=VALUE",
    help="Replace one input; VALUE is JSON or text, `@FILE` brings a local file. May be given again.",
)  # fmt: skip
file_option = click.option(
    "--inputs", "sheet", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
    help="Replace the inputs that a YAML or JSON file names; `--input` goes before it.",
)  # fmt: skip
kind_option = click.option(
    "--kind", default="", type=click.Choice(("", "experiment", "workflow")), help="If both have the id."
)
timeout_option = click.option("--timeout", type=click.FloatRange(min=1), help="Seconds after which the job is ended.")
target_option = click.option(
    "--on", "target", default="", metavar="TARGET", help="Let a platform elsewhere execute it."
)
detach_option = click.option("--detach", is_flag=True, help="Come back as soon as the job is accepted.")


@click.command("run")
@click.argument("id")
@input_option
@file_option
@kind_option
@timeout_option
@target_option
@detach_option
@json_option
def run(id: str, inputs: tuple[str, ...], sheet: Path | None, *, as_json: bool, **options: Any) -> None:  # noqa: A002
    """Run a published experiment or workflow again by its ID, or a local workflow file.

    The experiment's published inputs are used unless `--input` replaces them.

    \b
    Examples:
      terrafair run demo-ndvi
      terrafair run demo-ndvi --input 'temporal_extent=["2024-06-01","2024-08-01"]'
      terrafair run ./graph.json --input data=@./cube.nc
      terrafair run dist/water-map.cwl --inputs demo/inputs.yaml
      terrafair run demo-water --on elsewhere
    """
    _start(id, inputs, sheet, as_json=as_json, reproduce=False, **options)


@click.command("reproduce")
@click.argument("id", metavar="ID|JOB")
@timeout_option
@target_option
@json_option
def reproduce(id: str, *, timeout: float | None, target: str, as_json: bool) -> None:  # noqa: A002
    """Run an experiment again and compare with the product that was published, asset by asset.

    Or a JOB of yours: once more with the same code and inputs, compared with the files that it has left.
    Ends with 0 when the result is reproduced, 1 when it differs, 2 when nothing could be compared.

    \b
    Examples:
      terrafair reproduce demo-ndvi
      terrafair reproduce 20260715-a1b2c3d4e5
    """
    kind = "job" if JOB.fullmatch(id) else "experiment"
    _start(id, (), None, kind=kind, timeout=timeout, target=target, detach=False, as_json=as_json, reproduce=True)


def _start(
    id: str,  # noqa: A002
    inputs: tuple[str, ...],
    sheet: Path | None,
    *,
    kind: str,
    timeout: float | None,
    target: str,
    detach: bool,
    as_json: bool,
    reproduce: bool,
) -> None:
    try:
        with connect(load()) as client:
            again = kind == "job"
            if again and (state := client.job(id)["status"]) != "successful":
                raise InvalidInput(f"The job {id} is {state}.", "It has left nothing to compare with.")
            file = None if again else _local_file(id)
            values = {**_values(sheet), **dict(_input(client, text) for text in inputs)}
            options: dict[str, Any] = {"reproduce": reproduce and not again, "timeout": timeout, "target": target}
            job = client.run("" if file else id, kind=kind, inputs=values, file=file, **options)
            if not detach:
                job = follow(client, job, quiet=as_json)
            document = _answer(client, job)
            if reproduce and job["status"] == "successful":
                document["reproduction"] = _compared(client, id, job) if again else client.reproduction(job["id"])
    except TerrafairError as error:
        if not as_json:
            raise
        problems = [problem.document() for problem in error.problems]
        print_json({"job": None, "status": "rejected", "results": [], "problems": problems})
        sys.exit(1 if error.code == "not-executable" else 2)
    if as_json:
        print_json(document)
    else:
        _print_answer(client.url, document)
    sys.exit(_exit_code(document, detached=detach))


def _compared(client: "Client", first: str, job: dict[str, Any]) -> dict[str, Any]:
    """How a job's files compare with those of the first one, in the shape of `Client.reproduction`."""
    found = client.compare(first, job["id"])
    return {"job": first, "verdict": found["verdict"], "summary": found["summary"], "assets": found["outputs"]}


def _local_file(text: str) -> Path | None:
    """The path of a workflow file, if that is what was meant rather than an id."""
    path = Path(text)
    if path.is_file():
        return path
    if "/" in text or path.suffix in {".json", ".cwl", ".ipynb", ".yaml", ".yml"}:
        raise InvalidInput(f"There is no file {text}.", remedy="Give the id of an experiment or a path that exists.")
    return None


def _values(sheet: Path | None) -> dict[str, Any]:
    if sheet is None:
        return {}
    from terrafair.workflows.published import values_of

    return dict(values_of(sheet.read_bytes(), sheet.name))


def _input(client: "Client", text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise InvalidInput(f"--input {text!r} is not NAME=VALUE.", remedy="Write e.g. --input threshold=0.4")
    if value.startswith("@"):
        return name, client.upload(Path(value[1:]))
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _answer(client: "Client", job: dict[str, Any]) -> dict[str, Any]:
    """The stable shape of `run --json`."""
    results: list[dict[str, Any]] = []
    if job["status"] == "successful":
        results = client.results(job["id"])["assets"]
    return {
        "job": job["id"],
        "status": job["status"],
        "results": results,
        "problems": job["problems"],
        "seconds": job["seconds"],
        "collection": job["collection"],
    }


def _print_answer(url: str, document: dict[str, Any]) -> None:
    for problem in document["problems"]:
        print_problem(Problem(**problem))
    colour = {"successful": "green", "accepted": "yellow"}.get(document["status"], "red")
    took = f" in {duration(document['seconds'])}" if document["seconds"] else ""
    click.echo(f"{click.style(document['status'], fg=colour, bold=True)}{took}: job {document['job']}")
    for asset in document["results"]:
        click.echo(f"  {asset['name']}  {size(asset['size'])}  {asset['href']}")
    if document["collection"]:
        click.echo(f"  STAC   {document['collection']}")
    click.echo(f"  Page   {url}/results/{document['job']}")
    if report := document.get("reproduction"):
        _print_reproduction(report)


def _print_reproduction(report: dict[str, Any]) -> None:
    colour = "green" if report["verdict"].startswith("reproduced") else "red"
    click.echo(f"{click.style(report['verdict'], fg=colour, bold=True)}: {report.get('summary', '')}")
    for asset in report.get("assets", ()):
        click.echo(f"  {asset['name']}: {asset['verdict']}{' - ' + asset['where'] if asset.get('where') else ''}")


def _exit_code(document: dict[str, Any], *, detached: bool) -> int:
    if document["status"] != "successful":
        return 0 if detached else 1
    verdict = document.get("reproduction", {}).get("verdict", "reproduced")
    if verdict.startswith("reproduced"):
        return 0
    return 1 if verdict == "differs" else 2


@click.command("jobs")
@click.option(
    "--status", default="", type=click.Choice(("", "accepted", "running", "successful", "failed", "dismissed"))
)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@json_option
def jobs(*, as_json: bool, **filters: Any) -> None:
    """Jobs of the platform, newest first."""
    with connect(load()) as client:
        rows = client.jobs(**{name: value for name, value in filters.items() if value})
    if as_json:
        print_json(rows)
        return
    lines = [(row["id"], row["subject"], row["status"], row["created"], duration(row["seconds"])) for row in rows]
    table(("job", "of", "status", "accepted", "took"), lines)
    if not lines:
        click.echo("No job yet. Try: terrafair run demo-ndvi", err=True)


@click.command("job")
@click.argument("job")
@json_option
def job(job: str, *, as_json: bool) -> None:
    """One job: status, progress, problems, results."""
    with connect(load()) as client:
        found = client.job(job)
        document = found if as_json else _answer(client, found)
    if as_json:
        print_json(document)
    else:
        _print_answer(client.url, document)
    sys.exit(1 if found["status"] in {"failed", "dismissed"} else 0)


@click.command("log")
@click.argument("job")
@click.option("--since", default=0, type=click.IntRange(0), help="First line number.")
@click.option("-f", "--follow", "live", is_flag=True, help="Go on until the job has ended.")
@json_option
def log(job: str, *, since: int, live: bool, as_json: bool) -> None:
    """A job's log by line number; `--follow` shows it live. With `--json`, one document a line."""
    with connect(load()) as client:
        lines = client.follow(job, since, progress=as_json) if live else client.log(job, since, limit=100_000)["lines"]
        for line in lines:
            text = f"{line['line']:>5}  {line['time'][11:19]}  {line['level']:7}  {line['message']}"
            if as_json or line["message"]:
                click.echo(json.dumps(line) if as_json else text)


@click.command("cancel")
@click.argument("job")
@json_option
def cancel(job: str, *, as_json: bool) -> None:
    """End a job and all its processes."""
    with connect(load()) as client:
        document = client.cancel(job)
    if as_json:
        print_json(document)
    else:
        click.echo(f"{document['status']}: job {document['id']}")


@click.command("results")
@click.argument("job")
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), help="Download all files into it.")
@json_option
def results(job: str, *, folder: Path | None, as_json: bool) -> None:
    """What a job made: files with sizes and checksums, STAC and provenance; `--to` downloads all."""
    with connect(load()) as client:
        document = client.results(job)
        written = client.download(job, folder) if folder else []
    if as_json:
        print_json({**document, "downloaded": [str(path) for path in written]})
        return
    table(
        ("file", "size", "type", "href"),
        [(asset["name"], size(asset["size"]), asset["type"], asset["href"]) for asset in document["assets"]],
    )
    click.echo(f"STAC        {document['collection']}\nProvenance  {document['crate']}")
    if written:
        click.echo(f"{len(written)} files in {folder}")


VERBS: tuple[click.Command, ...] = (run, reproduce, jobs, job, log, cancel, results)
