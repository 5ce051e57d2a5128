"""Makes the repository of a new workflow from templates; what it makes passes its own checks and runs at once."""

import io
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from terrafair.development import tiny
from terrafair.development.manifest import NAME, TYPES
from terrafair.errors import Conflict, InvalidInput

TEMPLATES = Path(__file__).with_name("templates")
LICENCES = ("MIT", "Apache-2.0", "BSD-3-Clause")


@dataclass(frozen=True, slots=True)
class Kind:
    """What is peculiar to a type."""

    application: str
    """Path of the document that runs; `{package}` is the Python package's name."""
    summary: str
    product: str = "Water masks: 1 water, 0 land, 255 unknown"
    folders: tuple[str, ...] = ("code",)
    """Folders of templates beside `all` and the type's own, in that order."""
    requirements: tuple[str, ...] = ()
    threshold: float = 0.0
    threshold_doc: str = "A pixel whose index lies above it is water, -1 to 1."
    output: str = "water"


KINDS: Mapping[str, Kind] = {
    "cwl": Kind("workflow.cwl", "Maps the water of each image in steps: choose, mask, gather."),
    "python": Kind("workflow.cwl", "Maps the water of each image by one Python program."),
    "notebook": Kind(
        "src/{package}/notebook.ipynb",
        "Maps the water of each image in a notebook.",
        requirements=("ipykernel>=6.29", "nbclient>=0.10", "nbformat>=5.10"),
    ),
    "mlflow": Kind(
        "src/{package}/model/MLmodel",
        "Maps the water of each image by a trained model, block by block.",
        requirements=("onnxruntime>=1.18",),
        threshold=0.5,
        threshold_doc="A pixel whose probability lies above it is water, 0 to 1.",
    ),
    "openeo": Kind(
        "graph.json",
        "Takes the median water index (NDWI) of all images.",
        "Median water index, -1 to 1",
        folders=(),
        output="index",
    ),
}


def create(kind: str, name: str, into: Path, author: str = "", licence: str = LICENCES[0]) -> Path:
    """Write the repository `into/NAME`, as a git repository where git is installed.

    Raises `InvalidInput` for a type, name or licence that cannot be, `Conflict` for a folder that holds something.
    """
    check(kind, name, licence)
    folder = into / name
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} holds something already.", remedy="Choose another name, or --into another folder.")
    for relative, content in files(kind, name, author or _author(), licence).items():
        target = folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    _commit(folder)
    return folder


def check(kind: str, name: str, licence: str = LICENCES[0]) -> None:
    """Raise `InvalidInput` for what no repository can be made of."""
    if kind not in TYPES:
        raise InvalidInput(f"There is no template {kind[:40]!r}.", remedy=f"Known: {', '.join(TYPES)}.", where="type")
    if not NAME.fullmatch(name):
        why = "A name has lower-case letters, digits and `-`, and begins with a letter: it names the image too."
        raise InvalidInput(f"{name[:80]!r} cannot be the name of a workflow.", why, where="name")
    if licence not in LICENCES:
        what = f"There is no text of the licence {licence[:40]!r} here."
        raise InvalidInput(what, remedy=f"Known: {', '.join(LICENCES)}; write another one yourself.", where="license")


def files(kind: str, name: str, author: str, licence: str = LICENCES[0]) -> dict[str, bytes]:
    """All files of the repository, path -> content; raises as `check` does."""
    check(kind, name, licence)
    found = dict(_files(kind, _values(kind, name, author, licence)))
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        tiny.write(data)
        for path in sorted(each for each in data.rglob("*") if each.is_file()):
            found[f"tests/data/{path.relative_to(data).as_posix()}"] = path.read_bytes()
    return found


def zipped(name: str, contents: Mapping[str, bytes]) -> bytes:
    """The repository as an archive with one folder; the same bytes for the same contents."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in sorted(contents.items()):
            about = zipfile.ZipInfo(f"{name}/{path}", (2020, 1, 1, 0, 0, 0))
            about.external_attr = 0o644 << 16
            about.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(about, content)
    return out.getvalue()


def _values(kind: str, name: str, author: str, licence: str) -> dict[str, Any]:
    about, package = KINDS[kind], name.replace("-", "_")
    title = name.replace("-", " ").capitalize()
    today = datetime.now(UTC)
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {
        "name": name,
        "id": package,
        "type": kind,
        "title": title,
        "summary": about.summary,
        "product": about.product,
        "package": package,
        "application": about.application.format(package=package),
        "code": "code" in about.folders,
        "requirements": about.requirements,
        "python": minor,
        "minor": minor,
        "author": " ".join(author.replace('"', "'").replace("\\", "/").split())[:200] or "The authors",
        "license": licence,
        "year": today.year,
        "date": today.date().isoformat(),
        "bands": (("B03", "green"), ("B08", "nir")),
        "threshold": about.threshold,
        "threshold_doc": about.threshold_doc,
        "output": about.output,
    }


def _files(kind: str, values: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Path and content; a type's own file stands before the shared one of the same path."""
    from jinja2 import Environment, StrictUndefined

    # Marks that neither Python, CWL, JSON nor GitHub's expressions use.
    environment = Environment(
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - texts, no pages
    )
    found: dict[str, Path] = {}
    for name in ("all", *KINDS[kind].folders, kind):
        root = TEMPLATES / name
        for path in sorted(each for each in root.rglob("*") if each.is_file()):
            found[path.relative_to(root).as_posix().replace("__package__", values["package"])] = path
    found["LICENSE.j2"] = TEMPLATES / f"licences/{values['license']}.j2"
    for relative, path in sorted(found.items()):
        if path.suffix == ".j2":
            text = environment.from_string(path.read_text("utf-8")).render(values)
            yield relative.removesuffix(".j2"), text.encode()
        else:
            yield relative, path.read_bytes()


def _author() -> str:
    return _git(Path.cwd(), "config", "--get", "user.name") or "The authors"


def _commit(folder: Path) -> None:
    """A first commit, where git knows who makes it."""
    if not shutil.which("git") or _git(folder, "rev-parse", "--show-toplevel"):
        # Inside another repository it is that one's.
        return
    _git(folder, "init", "--quiet", "--initial-branch=main")
    if _git(folder, "config", "--get", "user.email"):
        _git(folder, "add", ".")
        _git(folder, "commit", "--quiet", "-m", "A new workflow")


def _git(folder: Path, *arguments: str) -> str:
    if not shutil.which("git"):
        return ""
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
