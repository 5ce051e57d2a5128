"""Verbs from an idea to a release: `new`, `check`, `build`, `release`."""

import hashlib
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from terrafair.cli.connection import connect
from terrafair.cli.terminal import json_option, print_json, table
from terrafair.config import load
from terrafair.errors import InvalidInput

if TYPE_CHECKING:
    from terrafair.development.findings import Report

COLOURS = {"error": "red", "change": "yellow", "warning": "blue"}
LICENCES = ("MIT", "Apache-2.0", "BSD-3-Clause")
TYPES = ("cwl", "openeo", "notebook", "mlflow", "python")


@click.command("new")
@click.argument("type", type=click.Choice(TYPES))
@click.argument("name")
@click.option(
    "--into", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="Parent of the new folder."
)
@click.option("--author", default="", help="Name in licence and citation; else git's user.name.")
@click.option("--license", "licence", type=click.Choice(LICENCES), default="MIT", help="Whose text goes along.")
@json_option
def new(type: str, name: str, into: Path, author: str, licence: str, *, as_json: bool) -> None:  # noqa: A002
    """Make the repository of a new workflow: it passes its own checks and runs on the demo data at once.

    \b
    Example:
      terrafair new cwl water-map && terrafair build water-map
    """
    from terrafair.development.new import create

    folder = create(type, name, into, author, licence)
    if as_json:
        print_json({"folder": str(folder), "type": type})
    else:
        click.echo(f"Made {folder}. Next: terrafair check {folder}; terrafair build {folder}")


@click.command("check")
@click.argument("what", metavar="PATH|ID", default=".")
@click.option("--target", default="", metavar="NAME|URL", help="Judge for this platform instead of the one here.")
@click.option("--offline", is_flag=True, help="Ask no package index, and follow no reference.")
@json_option
def check(what: str, *, target: str, offline: bool, as_json: bool) -> None:
    """What is wrong with a workflow, line by line, and how to mend it; ends with 1 when it cannot run.

    PATH is the repository of a workflow, or a single CWL document, process graph or notebook; ID a published workflow
    or experiment, checked out from its repository.

    \b
    Examples:
      terrafair check .
      terrafair check water-bodies.cwl
      terrafair check . --target https://processes.example.org
    """
    from terrafair.app import Parts
    from terrafair.development_parts import checks

    parts = Parts(load())
    judge = checks(parts, solve=not offline, reach=not offline, second_opinion=not offline)
    path = Path(what)
    if path.is_dir():
        report = judge.check(path.absolute(), target)
    elif path.is_file():
        report = judge.document(path.absolute(), target)
    elif path.exists() or "/" in what:
        remedy = "Give a repository's folder, a document, or the id of a workflow."
        raise InvalidInput(f"There is neither a folder nor a file {what}.", remedy=remedy)
    else:
        with tempfile.TemporaryDirectory() as folder:
            _checked_out(parts, what, Path(folder))
            report = judge.check(Path(folder), target)
    if as_json:
        print_json(report.document())
    else:
        _print(report)
    sys.exit(1 if report.verdict.value == "cannot run" else 0)


def _checked_out(parts: object, id: str, folder: Path) -> None:  # noqa: A002
    from terrafair.development.published import check_out

    check_out(parts.resolver, parts.repositories, id, folder)  # type: ignore[attr-defined]


def _print(report: "Report") -> None:
    for finding in report.findings:
        place = f"{finding.file}:{finding.line}" if finding.line else finding.file
        label = click.style(f"{finding.severity.value} {finding.rule}", fg=COLOURS[finding.severity.value])
        click.echo(" ".join(part for part in (place, label, finding.place) if part))
        for text in (finding.what, finding.why, finding.remedy):
            if text:
                click.echo(f"  {text}")
    where = f" on {report.target}" if report.target else ""
    colour = {"runs": "green", "runs with changes": "yellow"}.get(report.verdict.value, "red")
    click.echo(f"{report.subject}: {click.style(report.verdict.value, fg=colour, bold=True)}{where}.")


@click.command("build")
@click.argument("path", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path())
@click.option("--version", default="", help="Version to build as; else the manifest's.")
@json_option
def build(path: Path, version: str, *, as_json: bool) -> None:
    """Check, lock, make the image, run the tests and the workflow on tiny data; PATH/dist holds what came of it.

    \b
    Example:
      terrafair build . && terrafair run dist/water-map.cwl --input stac=s3://bucket/collection.json
    """
    document = _build_here(path.absolute(), quiet=as_json, version=version)
    if as_json:
        print_json(document)
    else:
        _print_build(document)
    sys.exit(0 if document["successful"] else 1)


def _build_here(folder: Path, *, quiet: bool, version: str = "") -> dict[str, Any]:
    from terrafair.app import Parts
    from terrafair.development_parts import pipeline

    def say(message: str, level: str) -> None:
        if not quiet:
            click.echo(click.style(message, fg={"error": "red", "warning": "yellow"}.get(level)))

    config = load()
    work = config.home / "builds" / hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    work.mkdir(parents=True, exist_ok=True)
    made = pipeline(Parts(config), say).run(folder, work, version=version)
    target = folder / "dist"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(work / "dist", target)
    return made.document()


def _print_build(document: dict[str, Any]) -> None:
    click.echo("")
    for stage in document["stages"]:
        colour = {"passed": "green", "failed": "red"}.get(stage["state"])
        click.echo(
            f"{stage['name']:8} {click.style(stage['state'], fg=colour):8} {stage['seconds']:8.1f} s  {stage['says']}"
        )
    if document["successful"]:
        click.echo(f"{document['name']} {document['version']}: {document['image'] or document['digest']}")


@click.command("release")
@click.argument("path", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path())
@click.option("--version", required=True, help="The new version, like 1.0.0; it never changes.")
@json_option
def release(path: Path, version: str, *, as_json: bool) -> None:
    """Build on the running platform and release: a version with its digest, executed by its id.

    \b
    Example:
      terrafair release . --version 1.0.0 && terrafair run water-map-1.0.0 --input stac=s3://bucket/collection.json
    """
    from terrafair.cli.follow import follow
    from terrafair.development.builder import pack
    from terrafair.development.checks.sources import Sources
    from terrafair.development.manifest import read
    from terrafair.development.pipeline import commit_of

    folder = path.absolute()
    manifest = read(folder)
    with connect(load()) as client, tempfile.TemporaryDirectory() as place:
        archive = Path(place) / f"{manifest.name}.tar.gz"
        pack(folder, Sources(folder, manifest).files, archive)
        job = client.build(manifest.name, archive, version=version, release=True, revision=commit_of(folder))
        job = follow(client, job, quiet=as_json)
        found = [each for each in client.releases(manifest.name) if each["version"] == version]
    if as_json:
        print_json({"job": job["id"], "status": job["status"], "problems": job["problems"], "release": found[:1]})
    for problem in () if as_json else job["problems"]:
        click.echo(problem["what"], err=True)
    if not as_json and job["status"] == "successful" and found:
        click.echo(f"Released {manifest.name} {version}: {found[0]['digest']}")
        click.echo(f"Run it: terrafair run {found[0]['process']}")
    sys.exit(0 if job["status"] == "successful" else 1)


@click.command("releases")
@click.argument("name", default="")
@json_option
def releases(name: str, *, as_json: bool) -> None:
    """Released versions of workflows on the platform, newest first."""
    with connect(load()) as client:
        rows = client.releases(name)
    if as_json:
        print_json(rows)
        return
    table(
        ("workflow", "version", "digest", "commit", "process"),
        [(row["name"], row["version"], row["digest"][7:19], row["revision"][:12], row["process"]) for row in rows],
    )


VERBS: tuple[click.Command, ...] = (new, check, build, release, releases)
