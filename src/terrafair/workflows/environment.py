"""Reads the software that code needs, from the many files that records point to."""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from terrafair.errors import InvalidInput, Problem
from terrafair.workflows import conda
from terrafair.workflows.content import Format, decode, load, sniff
from terrafair.workflows.workflow import EnvironmentSpec

FILES = ("environment.yml", "environment.yaml", "requirements.txt", "pyproject.toml", "conda.yml", "conda.yaml")
"""Names of environment files that are looked for beside code, in this order."""
REMEDY = "Publish the environment: a conda environment file, or a requirements.txt."


def read_environment(content: bytes, source: str = "") -> tuple[EnvironmentSpec, tuple[Problem, ...]]:
    """The environment that a file describes, and what is wrong with the file; with problems its kind is `unknown`."""
    digest = hashlib.sha256(content).hexdigest()
    unknown = EnvironmentSpec("unknown", source=source, digest=digest)
    text = decode(content)
    if source.split("?", maxsplit=1)[0].endswith("pyproject.toml"):
        return _pyproject(text, unknown)
    match sniff(content):
        case Format.EMPTY:
            return unknown, (Problem("The environment file is empty.", "", REMEDY, source, "environment-empty"),)
        case Format.CONDA:
            return _conda(load(text), unknown), ()
        case Format.REQUIREMENTS:
            return _requirements(text, unknown), ()
        case Format.PARAMETERS:
            document = load(text)
            found = _mapping(document, unknown) if isinstance(document, Mapping) else None
            return (found, ()) if found else (unknown, (_prose(source),))
        case Format.MLFLOW | Format.HTML | Format.BINARY | Format.STAC | Format.NOTEBOOK as form:
            what = f"The environment file is a {form.value}."
            return unknown, (Problem(what, "It names no packages.", REMEDY, source, "environment-unreadable"),)
        case _:
            return unknown, (_unreadable(text, source),)


def _prose(source: str) -> Problem:
    what = "The environment file names no package, image or version."
    return Problem(what, "It holds text for people only.", REMEDY, source, "environment-prose")


def _unreadable(text: str, source: str) -> Problem:
    try:
        load(text)
    except InvalidInput as fault:
        if re.search(r"^\s*(dependencies|name|channels)\s*:", text, re.MULTILINE):
            return Problem(
                f"The environment file does not parse. {fault}", "", REMEDY, source, "environment-unreadable"
            )
    return _prose(source)


def _conda(document: Mapping[str, Any], blank: EnvironmentSpec) -> EnvironmentSpec:
    mapped = conda.convert(document["dependencies"])
    return EnvironmentSpec(
        "python", mapped.python, mapped.requirements, mapped.unmapped, _image(document), blank.source, blank.digest
    )


def _requirements(text: str, blank: EnvironmentSpec) -> EnvironmentSpec:
    kept, unmapped = [], []
    for line in _lines(text):
        if found := re.match(r"^([\w.-]+(?:\[[\w,\s-]+\])?)\s*@\s*file:", line):
            # `pip freeze` on a conda installation names the folder that a package was built in.
            kept.append(found[1])
        elif conda.is_requirement(line):
            kept.append(line)
        elif not line.startswith(("-i ", "--index-url", "--extra-index-url", "--find-links", "-f ", "--hash")):
            unmapped.append(line)
    return EnvironmentSpec("python", "", tuple(kept), tuple(unmapped), "", blank.source, blank.digest)


def _lines(text: str) -> Iterator[str]:
    joined = re.sub(r"\\\r?\n", " ", text)
    for raw in joined.splitlines():
        line = re.sub(r"(^|\s)#.*$", "", raw)
        line = re.sub(r"\s--hash=\S+", "", line).strip()
        if line:
            yield line


def _pyproject(text: str, blank: EnvironmentSpec) -> tuple[EnvironmentSpec, tuple[Problem, ...]]:
    try:
        project = tomllib.loads(text).get("project")
    except tomllib.TOMLDecodeError as fault:
        what = f"The pyproject.toml does not parse: {fault}."
        return blank, (Problem(what, "", REMEDY, blank.source, "environment-unreadable"),)
    if not isinstance(project, Mapping) or not isinstance(project.get("dependencies", []), list):
        return blank, (_prose(blank.source),)
    lines = [str(line) for line in project.get("dependencies", [])]
    good = tuple(line for line in lines if conda.is_requirement(line))
    rest = tuple(line for line in lines if line not in good)
    python = str(project.get("requires-python", ""))
    return EnvironmentSpec("python", python, good, rest, "", blank.source, blank.digest), ()


def _mapping(document: Mapping[str, Any], blank: EnvironmentSpec) -> EnvironmentSpec | None:
    """Forms without `dependencies`: an image, an openEO back-end's process list, a Python version, package lists."""
    if image := _image(document):
        return EnvironmentSpec("container", image=image, source=blank.source, digest=blank.digest)
    if isinstance(document.get("openeo"), Mapping) or "openeo_version" in document or "backend" in document:
        return EnvironmentSpec("platform", source=blank.source, digest=blank.digest)
    python = python_version(document.get("python") or document.get("python_version"))
    for name in ("requirements", "packages", "pip"):
        lines = document.get(name)
        if isinstance(lines, list) and all(isinstance(line, str) for line in lines):
            mapped = conda.convert([{"pip": lines}])
            return EnvironmentSpec(
                "python", python, mapped.requirements, mapped.unmapped, "", blank.source, blank.digest
            )
    return EnvironmentSpec("python", python, source=blank.source, digest=blank.digest) if python else None


def _image(document: Mapping[str, Any]) -> str:
    """The image, by its digest where the file says one, in the name or beside it."""
    container = document.get("container") or document.get("docker") or document.get("image")
    beside = container if isinstance(container, Mapping) else document
    digest = beside.get("digest")
    if isinstance(container, Mapping):
        container = container.get("image")
    if not isinstance(container, str) or not (image := container.strip()):
        return ""
    return f"{image}@{digest.strip()}" if isinstance(digest, str) and digest.strip() and "@" not in image else image


def python_version(value: Any) -> str:
    """A Python version that YAML or JSON may have turned into a number: 3.1 was 3.10 once, 3.9 is 3.9."""
    if isinstance(value, bool) or value is None:
        return ""
    text = str(value).strip().lower().removeprefix("python").strip(" =")
    if found := re.fullmatch(r"3\.([12])", text):
        return f"3.{found[1]}0"
    return text if re.fullmatch(r"[<>=!~0-9., *]+", text) and text != "3" else ""


def kernel_python(*sources: Mapping[str, Any]) -> tuple[str, str]:
    """(Python version, URL of an environment file) by what records, links and notebooks say of the kernel.

    Three spellings are in use: `jupyter_kernel_info` on the record or on the link, and the notebook's own metadata.
    """
    version = file = ""
    for source in sources:
        info = source.get("jupyter_kernel_info") or source.get("kernel_info") or source.get("jupyter:kernel")
        if isinstance(info, Mapping):
            version = version or python_version(info.get("python_version") or info.get("version"))
            said = info.get("env_file") or info.get("environment") or info.get("env")
            file = file or (said if isinstance(said, str) else "")
        language = source.get("language_info")
        if isinstance(language, Mapping) and str(language.get("name", "")).lower() in {"", "python"}:
            version = version or conda.python_of(python_version(language.get("version")))
    return version, file
