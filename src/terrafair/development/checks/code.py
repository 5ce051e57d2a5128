"""Reads Python sources for what breaks elsewhere: syntax, absolute paths, secrets, imports that nothing brings."""

import ast
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from terrafair.development.checks.environment import lines_of, packages
from terrafair.development.checks.sources import Sources
from terrafair.development.findings import Finding, Severity

_HOME = re.compile(r"^(?:/(?:home|Users|root|mnt|media|scratch|data|opt|usr|var|tmp)/|[A-Za-z]:[\\/]|~/|file:///)")
_SECRET_NAME = re.compile(r"(?i)(?:pass(?:word|wd)?|secret|token|api_?key|access_?key|private_?key|credential)s?$")
_SECRETS = (
    (re.compile(r"\bAKIA[0-9A-Z]{16}\b"), "an AWS access key"),
    (re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}\b"), "a GitHub token"),
    (re.compile(r"\bgithub_pat_[A-Za-z0-9_]{40,}\b"), "a GitHub token"),
    (re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}\b"), "a GitLab token"),
    (re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"), "a private key"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"), "a signed token (JWT)"),
    (re.compile(r"://[^/\s:@]+:[^/\s:@{]+@"), "a password in an address"),
)
_EMPTY = frozenset({"", "none", "null", "xxx", "changeme", "your-token", "<token>", "..."})
_OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "PIL": ("pillow",),
    "cv2": ("opencv-python", "opencv-python-headless"),
    "skimage": ("scikit-image",),
    "sklearn": ("scikit-learn",),
    "yaml": ("pyyaml",),
    "osgeo": ("gdal",),
    "dateutil": ("python-dateutil",),
    "netCDF4": ("netcdf4",),
    "rioxarray": ("rioxarray",),
    "bs4": ("beautifulsoup4",),
    "dotenv": ("python-dotenv",),
    "attr": ("attrs",),
    "IPython": ("ipython", "ipykernel", "notebook", "jupyterlab"),
    "odc": ("odc-stac", "odc-geo"),
    "google": ("protobuf", "google-api-core"),
    "mpl_toolkits": ("matplotlib",),
    "pkg_resources": ("setuptools",),
    "mlflow": ("mlflow", "mlflow-skinny"),
}


@dataclass(frozen=True, slots=True)
class Piece:
    """Python text with its place in a file."""

    file: str
    text: str
    offset: int = 0
    """Lines before it in the file."""
    place: str = ""
    """Cell, where it is one."""


def check(sources: Sources) -> Iterator[Finding]:
    """All Python files of the repository."""
    for file in (path for path in sources.files if path.endswith(".py")):
        piece = Piece(file, sources.text(file))
        tree = parse(piece)
        if isinstance(tree, Finding):
            yield tree
            continue
        yield from paths(piece, tree)
        yield from secrets(piece, tree)
        if file in sources.python:
            yield from imports(piece, tree, sources)


def parse(piece: Piece) -> ast.Module | Finding:
    """The syntax tree, or what keeps it from being one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(piece.text)
    except SyntaxError as fault:
        what = f"It is no valid Python: {fault.msg}."
        line = piece.offset + (fault.lineno or 0)
        remedy = "Mend the syntax there."
        return Finding("python-syntax", what, piece.file, line, Severity.ERROR, "", remedy, piece.place)
    except ValueError as fault:
        return Finding("python-syntax", f"It is no valid Python: {fault}.", piece.file, piece.offset, place=piece.place)


def paths(piece: Piece, tree: ast.Module) -> Iterator[Finding]:
    """Absolute paths of somebody's machine."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _HOME.match(node.value):
            if "\n" in node.value:
                continue
            what = f"The path {node.value[:80]!r} lies on one machine."
            why = "It is on no other."
            remedy = "Make it an input, or relative to the working directory."
            line = piece.offset + node.lineno
            yield Finding("path-absolute", what, piece.file, line, Severity.CHANGE, why, remedy, piece.place)


def secrets(piece: Piece, tree: ast.Module) -> Iterator[Finding]:
    """Passwords, keys and tokens; their values are never repeated."""
    seen: set[int] = set()
    why = "Everybody who can read the repository, now or later, can use it."
    remedy = "Revoke it, take it out of the history, and read it from the environment."
    for node in ast.walk(tree):
        for name, value in _assigned(node):
            text = value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""
            if _SECRET_NAME.search(name) and len(text) >= 8 and text.lower() not in _EMPTY and " " not in text:
                seen.add(value.lineno)
                what = f"{name} is set to a secret."
                line = piece.offset + value.lineno
                yield Finding("secret", what, piece.file, line, Severity.ERROR, why, remedy, piece.place)
    for number, line_text in enumerate(piece.text.splitlines(), 1):
        for pattern, kind in _SECRETS:
            if number not in seen and pattern.search(line_text):
                line = piece.offset + number
                yield Finding("secret", f"There is {kind}.", piece.file, line, Severity.ERROR, why, remedy, piece.place)
                seen.add(number)


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Name | ast.Attribute):
                yield target.id if isinstance(target, ast.Name) else target.attr, node.value
            elif isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
                yield str(target.slice.value), node.value
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        yield node.target.id, node.value
    elif isinstance(node, ast.keyword) and node.arg:
        yield node.arg, node.value
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, value


def imports(piece: Piece, tree: ast.Module, sources: Sources) -> Iterator[Finding]:
    """Modules that neither Python, the repository nor its requirements bring."""
    known = provided(sources)
    for name, line in imported(tree):
        if name in sys.stdlib_module_names or name in sources.modules or brings(name, known):
            continue
        file = sources.manifest.requirements or "the environment"
        what = f"{name} is imported, and {file} does not name it."
        why = "It is there on your machine, and nowhere else."
        remedy = f"Add {_OTHER_NAMES.get(name, (name,))[0]} with a version."
        place = piece.offset + line
        yield Finding("import-unpinned", what, piece.file, place, Severity.ERROR, why, remedy, piece.place)


def provided(sources: Sources) -> frozenset[str]:
    """Canonical names of all packages that are asked for or locked."""
    manifest = sources.manifest
    named = [line for _, line in lines_of(sources.text(manifest.requirements))] if manifest.requirements else []
    names = {canonicalize_name(match[0]) for line in named if (match := re.match(r"[A-Za-z0-9][\w.-]*", line))}
    locked = packages(sources.text(manifest.lock)) if manifest.lock else {}
    return frozenset(names | set(locked))


def brings(module: str, packages_: frozenset[str]) -> bool:
    """Whether one of the packages has that module, as far as names tell."""
    return bool(packages_ & {canonicalize_name(name) for name in (*_OTHER_NAMES.get(module, ()), module)})


def imported(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Top-level names that are imported, each once; those in a `try` that copes with their absence are left out."""
    seen: set[str] = set()
    optional = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.Try) and any(_copes(handler) for handler in node.handlers)
        for part in node.body
        for inner in ast.walk(part)
    }
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
        for name in (full.split(".")[0] for full in names):
            if name not in seen and id(node) not in optional:
                seen.add(name)
                yield name, getattr(node, "lineno", 0)


def _copes(handler: ast.ExceptHandler) -> bool:
    return handler.type is not None and any(
        word in ast.unparse(handler.type) for word in ("ImportError", "ModuleNotFound")
    )
