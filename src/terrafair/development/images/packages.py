"""An installed environment as layers: each large package one of its own, everything else together.

A package that many workflows have is compressed, kept and pushed once, and a requirement that is added costs no more
than itself.
"""

import csv
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from terrafair.development.images import foundation
from terrafair.development.images.layer import Entry, Wanted
from terrafair.execution.environments import Built
from terrafair.execution.interpreters import Interpreter

LARGE, MOST = 4 * 2**20, 16
"""Bytes from which a package has a layer of its own; and of how many: engines stop at 127 layers."""
_LEFT_OUT = frozenset({"__pycache__", "uv_cache.json", "direct_url.json", "REQUESTED"})


@dataclass(frozen=True, slots=True)
class Package:
    """One that is installed."""

    name: str
    """As its folder of metadata says: `numpy-2.1.0`."""
    size: int
    paths: frozenset[str]
    """Its files, relative to the site-packages."""


def layers(environment: Built, interpreter: Interpreter, place: str) -> list[Wanted]:
    """The large packages by name, then the rest, below the image's folder `place`."""
    site = f"lib/python{interpreter.minor}/site-packages"
    hashes = _hashes(environment.lock)
    found = large(environment.prefix / site)
    own = frozenset(path for package in found for path in package.paths)
    made = []
    for package in found:
        listed = hashlib.sha256("\n".join(sorted(package.paths)).encode()).hexdigest()
        key = f"package-1|{place}/{site}|{package.name}|{hashes.get(_plain(package.name), '')}|{listed}"
        entries = partial(_of_package, environment.prefix / site, f"{place}/{site}", package)
        made.append(Wanted(package.name, key, entries))
    key = f"environment-3|{environment.digest}|{interpreter.version}"
    rest = partial(_rest, environment.prefix, interpreter, place, frozenset(f"{site}/{path}" for path in own))
    return [*made, Wanted("environment", key, rest)]


def large(site: Path) -> list[Package]:
    """The packages that get a layer of their own, by name; a file that two of them claim is neither's."""
    known = [_package(record) for record in sorted(site.glob("*.dist-info/RECORD"))]
    claims = Counter(path for package in known for path in package.paths)
    chosen = sorted((each for each in known if each.size >= LARGE), key=lambda each: (-each.size, each.name))[:MOST]
    kept = [Package(each.name, each.size, frozenset(p for p in each.paths if claims[p] == 1)) for each in chosen]
    return sorted(kept, key=lambda each: each.name)


def _package(record: Path) -> Package:
    size, paths = 0, set()
    for row in csv.reader(record.read_text("utf-8").splitlines()):
        path = PurePosixPath(row[0]) if row else PurePosixPath()
        if path.is_absolute() or ".." in path.parts or not _kept(path.name) or "__pycache__" in path.parts:
            continue
        paths.add(path.as_posix())
        size += int(row[2]) if len(row) > 2 and row[2].isdecimal() else 0
    return Package(record.parent.name.removesuffix(".dist-info"), size, frozenset(paths))


def _of_package(folder: Path, place: str, package: Package) -> Iterator[Entry]:
    for path in sorted(package.paths):
        if (file := folder / path).is_file() and not file.is_symlink():
            yield _entry(file, f"{place}/{path}")


def _rest(prefix: Path, interpreter: Interpreter, place: str, without: frozenset[str]) -> Iterator[Entry]:
    """What is no large package's, as it is wherever it is installed."""
    yield Entry(f"{place}/bin/python", link=f"/{foundation.PREFIX}/bin/python{interpreter.minor}")
    for name in ("python3", f"python{interpreter.minor}"):
        yield Entry(f"{place}/bin/{name}", link="python")
    settings = (
        f"home = /{foundation.PREFIX}/bin\ninclude-system-site-packages = false\nversion = {interpreter.version}\n"
    )
    yield Entry(f"{place}/pyvenv.cfg", content=settings.encode())
    for top in ("bin", "lib", "share", "etc"):
        for root, folders, names in os.walk(prefix / top):
            folders[:] = sorted(name for name in folders if name not in _LEFT_OUT)
            for name in sorted(names):
                path = Path(root, name)
                script = top == "bin" and (
                    name.startswith(("python", "activate")) or name in {"pydoc.bat", "deactivate.bat"}
                )
                relative = path.relative_to(prefix).as_posix()
                if path.is_symlink() or script or not _kept(name) or relative in without:
                    continue
                yield _entry(path, f"{place}/{relative}")


def _kept(name: str) -> bool:
    return name not in _LEFT_OUT and not name.endswith(".pyc")


def _entry(path: Path, place: str) -> Entry:
    if path.name == "RECORD":
        return Entry(place, content=_record(path))
    return Entry(place, source=path, mode=0o755 if os.access(path, os.X_OK) else 0o644)


def _record(path: Path) -> bytes:
    """A package's list of files without those that say where and when it was installed."""
    lines = path.read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if line.split(",")[0].rpartition("/")[2] not in _LEFT_OUT and ".pyc," not in line]
    return "".join(sorted(kept)).encode()


def _hashes(lock: str) -> Mapping[str, str]:
    """Name and version -> a digest of the hashes that the lock has for it."""
    found = {}
    for line in re.sub(r"\\\r?\n", " ", lock).splitlines():
        name, _, rest = line.partition("==")
        if rest:
            sums = " ".join(sorted(re.findall(r"--hash=(\S+)", rest)))
            found[_plain(f"{name}-{rest.split()[0]}")] = hashlib.sha256(sums.encode()).hexdigest()
    return found


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
