"""What a workflow's repository says of itself: `workflow.toml`."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from terrafair.errors import InvalidInput, InvalidInputs, NotFound, Problem

FILE = "workflow.toml"
TYPES = ("cwl", "openeo", "notebook", "mlflow", "python")
NAME = re.compile(r"[a-z][a-z0-9-]{1,60}[a-z0-9]")
VERSION = re.compile(r"\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?")
REMEDY = "`terrafair new TYPE NAME` shows a whole one."
_TABLES: Mapping[str, Mapping[str, type]] = {
    "workflow": dict.fromkeys(
        ("name", "type", "title", "version", "license", "application", "package", "description"), str
    ),
    "environment": {"python": str, "requirements": str, "lock": str, "modules": str},
    "test": {"command": list, "inputs": str},
    "data": {"demo": str, "inputs": str, "outputs": str},
}


@dataclass(frozen=True, slots=True)
class Manifest:
    """The parts of a workflow's repository; paths are relative to its root, empty: there is none."""

    name: str
    type: str
    """One of `TYPES`."""
    application: str
    """The document that runs: CWL, process graph, notebook, MLmodel."""
    title: str = ""
    version: str = "0.1.0"
    license: str = ""
    """SPDX expression."""
    description: str = ""
    package: str = ""
    """CWL application package around the application, for types whose programs run in an image."""
    python: str = ""
    requirements: str = ""
    lock: str = ""
    modules: str = ""
    """Folder whose packages are importable in the environment and go into the image."""
    test: tuple[str, ...] = ()
    """Command line of the tests."""
    values: str = ""
    """Input values for a run on tiny data."""
    demo: str = ""
    """Input values for a run on a platform's demo data."""
    definitions: Mapping[str, str] = field(default_factory=dict)
    """`inputs` and `outputs` -> STAC collection that defines them."""

    @property
    def runs(self) -> str:
        """The document that a platform executes."""
        return self.package or self.application

    @property
    def imaged(self) -> bool:
        """Whether its programs go into a container image."""
        return bool(self.package)


def read(folder: Path) -> Manifest:
    """The manifest of a folder.

    Raises `NotFound` where there is none, `InvalidInput` with the line where it does not parse, `InvalidInputs` with
    everything else that is wrong.
    """
    try:
        text = (folder / FILE).read_text("utf-8")
    except FileNotFoundError:
        raise NotFound(
            f"{folder} has no {FILE}.", "It says what the repository is.", REMEDY, FILE, "manifest-missing"
        ) from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{FILE} is not UTF-8 text.", "", REMEDY, FILE, "manifest-syntax") from None
    return parse(text)


def parse(text: str) -> Manifest:
    """The manifest in a text; raises as `read` does."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        line = re.search(r"line (\d+)", str(fault))
        where = f"{FILE}:{line[1]}" if line else FILE
        raise InvalidInput(
            f"{FILE} does not parse: {fault}.", "", "Mend the TOML there.", where, "manifest-syntax"
        ) from None
    problems = list(_problems(document, text))
    if problems:
        raise InvalidInputs(problems)
    about, environment = document["workflow"], document.get("environment", {})
    test, data = document.get("test", {}), document.get("data", {})
    return Manifest(
        name=about["name"],
        type=about["type"],
        application=about["application"],
        title=about.get("title", about["name"]),
        version=about.get("version", "0.1.0"),
        license=about.get("license", ""),
        description=about.get("description", ""),
        package=about.get("package", ""),
        **{name: environment.get(name, "") for name in ("python", "requirements", "lock", "modules")},
        test=tuple(test.get("command", ())),
        values=test.get("inputs", ""),
        demo=data.get("demo", ""),
        definitions={name: data[name] for name in ("inputs", "outputs") if name in data},
    )


def line_of(text: str, key: str) -> str:
    """Where a key stands: `workflow.toml:3`; the file alone where it does not."""
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(rf"\s*\[?{re.escape(key)}\b", line):
            return f"{FILE}:{number}"
    return FILE


def _problems(document: Mapping[str, Any], text: str) -> Iterator[Problem]:
    for table, entries in document.items():
        if table not in _TABLES or not isinstance(entries, Mapping):
            what = f"{FILE} has the unknown table [{table}]."
            yield Problem(what, "", f"Known: {', '.join(_TABLES)}.", line_of(text, table), "manifest-unknown")
            continue
        for key, value in entries.items():
            if (problem := _value_problem(table, key, value, line_of(text, key))) is not None:
                yield problem
    yield from _needed(document.get("workflow"), text)


def _value_problem(table: str, key: str, value: Any, where: str) -> Problem | None:
    wanted = _TABLES[table].get(key)
    if wanted is None:
        remedy = f"Known: {', '.join(_TABLES[table])}."
        return Problem(f"{FILE} has the unknown key {table}.{key}.", "", remedy, where, "manifest-unknown")
    if wanted is list:
        good = isinstance(value, list) and all(isinstance(part, str) for part in value)
    else:
        good = isinstance(value, str)
    if not good:
        kind = "a text" if wanted is str else "a list of texts"
        return Problem(f"{table}.{key} is {value!r}.", f"It takes {kind}.", "", where, "manifest-value")
    if wanted is str and _is_path(table, key) and _leaves(value):
        what = f"{table}.{key} is {value!r}, which is not below the repository."
        return Problem(what, "", "Give a relative path.", where, "manifest-value")
    return None


def _needed(about: Any, text: str) -> Iterator[Problem]:
    about = about if isinstance(about, Mapping) else {}
    for key in ("name", "type", "application"):
        if not about.get(key):
            yield Problem(f"{FILE} lacks workflow.{key}.", "", REMEDY, line_of(text, "workflow"), "manifest-incomplete")
    name, kind, version = (about.get(key) for key in ("name", "type", "version"))
    if isinstance(name, str) and name and not NAME.fullmatch(name):
        why = "A name has lower-case letters, digits and `-`, and begins with a letter: it names the image too."
        yield Problem(f"workflow.name is {name!r}.", why, "", line_of(text, "name"), "manifest-value")
    if isinstance(kind, str) and kind and kind not in TYPES:
        yield Problem(
            f"workflow.type is {kind!r}.", f"Known: {', '.join(TYPES)}.", "", line_of(text, "type"), "manifest-value"
        )
    if isinstance(version, str) and not VERSION.fullmatch(version):
        why = "Versions are like 1.0.0."
        yield Problem(f"workflow.version is {version!r}.", why, "", line_of(text, "version"), "manifest-value")


def _is_path(table: str, key: str) -> bool:
    return key in {"application", "package", "requirements", "lock", "modules", "inputs", "outputs", "demo"} or (
        table == "data"
    )


def _leaves(path: str) -> bool:
    parts = PurePosixPath(path)
    return parts.is_absolute() or ".." in parts.parts or "\\" in path
