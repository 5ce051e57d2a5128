"""The verb `validate`: a catalogue, a folder in it or single files, on this machine and without a platform."""

import gc
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from terrafair.cli.schemas import default_folder
from terrafair.cli.terminal import Ended, json_option, print_json
from terrafair.config import load
from terrafair.errors import InvalidInput

if TYPE_CHECKING:
    from terrafair.catalogue.rules import Report
    from terrafair.catalogue.schemas import Store


@dataclass(frozen=True)
class Target:
    """What to validate."""

    root: Path
    changed: tuple[str, ...] | None
    """Documents in the catalogue; None: all."""


def find_target(paths: Iterable[Path]) -> Target:
    """The catalogue that all paths are in, and which of its documents they mean.

    Raises `InvalidInput` for paths that are nowhere, in no catalogue, or in several.
    """
    from terrafair.catalogue.rules import Folder
    from terrafair.catalogue.rules.listing import is_document

    changed: list[str] = []
    roots, whole = set(), False
    for path in paths:
        if not path.exists():
            raise InvalidInput(f"{path} does not exist.", remedy="Give a catalogue's folder, or files in it.")
        place = path.absolute()
        root = _root_of(place)
        roots.add(root)
        if place == root:
            whole = True
        elif place.is_dir():
            changed += [file for file in Folder(root).below(place.relative_to(root).as_posix()) if is_document(file)]
        else:
            changed.append(place.relative_to(root).as_posix())
    if len(roots) > 1:
        raise InvalidInput(f"The paths are in {len(roots)} catalogues.", remedy="Validate one after the other.")
    return Target(roots.pop(), None if whole else tuple(changed))


def _root_of(path: Path) -> Path:
    from terrafair.catalogue.rules.tree import ENTITY_FOLDERS

    for folder in (path, *path.parents) if path.is_dir() else path.parents:
        if (folder / "catalog.json").is_file() and any((folder / name).is_dir() for name in ENTITY_FOLDERS):
            return folder
    raise InvalidInput(
        f"{path} is in no Open Science Catalog.",
        "No folder from there upwards holds catalog.json beside products/, experiments/ ...",
        "Give the catalogue's folder, or a file in it.",
    )


def open_store(folder: Path | None, rules: str) -> "Store":
    """The schema store; raises `InvalidInput` where it lacks what the rule set needs."""
    from terrafair.catalogue.rules.versions import rule_set
    from terrafair.catalogue.schemas import Store

    store = Store(folder)
    official = rule_set(rules).schemas
    if folder is not None and not store.has_official(official):
        raise InvalidInput(
            f"The schema store {folder} has no schemas of the rule set {rules}.",
            f"There is no {official}/catalog.json in it.",
            f"Run `terrafair schemas sync {folder} --rules {rules}`.",
        )
    return store


def _configured() -> Path | None:
    """The store of the settings; the default one once it has been filled."""
    config = load()
    default = default_folder(config)
    return default if config.schemas or default.is_dir() else None


@click.command("validate")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option("--fix", is_flag=True, help="First mend what has one right answer, in the files' own formatting.")
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option("--rules", default="", help="Release of the official validator, e.g. rc.14; the newest if left out.")
@click.option("--schemas", type=click.Path(path_type=Path), help="Schema store; else the setting `schemas`.")
@json_option
@click.option("--sarif", "as_sarif", is_flag=True, help="Print SARIF 2.1.0, for code scanning.")
@click.option("--github", "as_github", is_flag=True, help="Print GitHub annotations, for a workflow.")
def verb(
    paths: tuple[Path, ...],
    *,
    fix: bool,
    strict: bool,
    rules: str,
    schemas: Path | None,
    as_json: bool,
    as_sarif: bool,
    as_github: bool,
) -> None:
    """Check a catalogue as its official validator and a careful reviewer would.

    PATH is the catalogue's folder, a folder in it, or files in it: then only what they can affect is checked. Exits
    with 1 when there are errors. docs/validation.md explains every rule.

    \b
    Examples:
      terrafair validate ./open-science-catalog-metadata
      terrafair validate --fix products/my-product/collection.json
    """
    from terrafair.catalogue.rules import LATEST, Folder, mend, validate

    if as_json + as_sarif + as_github > 1:
        raise click.UsageError("Give one of --json, --sarif and --github.")
    # Some 500,000 small objects, all alive to the end: looking for cycles in them would cost a fifth of the time.
    gc.disable()
    rules = rules or LATEST
    target = find_target(paths)
    store = open_store(schemas or _configured(), rules)
    tree = Folder(target.root)
    if fix:
        mended = mend(tree, target.changed, rules=rules, store=store)
        for path, content in mended.items():
            _write(target.root / path, content)
            click.echo(
                f"Mended {path.encode('utf-8', 'surrogateescape').decode('utf-8', 'backslashreplace')}", err=True
            )
    report = validate(tree, target.changed, rules=rules, store=store, strict=strict)
    prefix = _prefix(target.root)
    if as_json:
        print_json(report.document())
    elif as_sarif or as_github:
        from terrafair.catalogue.rules.outputs import annotations, sarif

        if as_sarif:
            print_json(sarif(report, tree, prefix))
        else:
            click.echo("\n".join([*annotations(report, tree, prefix), _summary(report)]))
    else:
        _print(report)
    raise Ended(0 if report.valid else 1)


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _prefix(root: Path) -> str:
    """The catalogue's folder as seen from where the command runs; empty when it runs there."""
    try:
        prefix = root.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return ""
    return "" if prefix == "." else f"{prefix}/"


def _print(report: "Report") -> None:
    from terrafair.catalogue.rules.report import printable

    lines, last = [], None
    for problem in report.problems:
        if problem.file != last:
            lines.append(click.style(problem.file or "the whole catalogue", bold=True))
            last = problem.file
        colour = "red" if problem.severity == "error" else "yellow"
        label = click.style(f"{problem.severity} {problem.rule}", fg=colour)
        lines.append(f"  {label}{' at ' + problem.pointer if problem.pointer else ''}")
        lines.append(f"    {problem.message}")
        lines.append(f"    {problem.fix}")
    click.echo(printable("\n".join([*lines, _summary(report)])))


def _summary(report: "Report") -> str:
    errors, warnings = len(report.errors), len(report.warnings)
    return (
        f"{report.files} file{'s' * (report.files != 1)}, {errors} error{'s' * (errors != 1)}, "
        f"{warnings} warning{'s' * (warnings != 1)}."
    )


VERBS: tuple[click.Command, ...] = (verb,)
