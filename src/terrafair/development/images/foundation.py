"""The bottom of every image: this machine's Python and the system libraries that it and wheels need.

No registry is asked. What the wheels of the index (manylinux) may expect of a system is the GNU C library's family;
that, a shell and a handful of programs are taken from here. Everything else a workflow has comes from its lock.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from terrafair.development.images.layer import Entry
from terrafair.errors import NotExecutable, Problem
from terrafair.execution.interpreters import Interpreter

PREFIX = "usr/local"
PROGRAMS = (
    "sh",
    "env",
    "cat",
    "ls",
    "cp",
    "mv",
    "rm",
    "mkdir",
    "chmod",
    "touch",
    "dirname",
    "realpath",
    "basename",
    "ln",
)
LIBRARIES = (
    *("libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libresolv.so.2"),
    *("libstdc++.so.6", "libgcc_s.so.1", "libz.so.1", "libexpat.so.1", "libnss_dns.so.2", "libnss_files.so.2"),
)
"""What wheels may need beyond what Python itself needs."""
_LEFT_OUT = frozenset(
    {"__pycache__", "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "site-packages"}
)
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_LINKED = re.compile(r"(?:=>\s*)?(/\S+)\s+\(0x")


def entries(interpreter: Interpreter) -> Iterator[Entry]:
    """Interpreter, standard library, shared libraries, programs, accounts, certificates."""
    prefix, minor = interpreter.prefix, interpreter.minor
    standard = prefix / f"lib/python{minor}"
    binary = (prefix / f"bin/python{minor}").resolve()
    if not standard.is_dir() or not binary.is_file():
        what = f"Python {interpreter.version} does not lie in one folder that an image could be made from."
        raise NotExecutable(
            [Problem(what, f"{prefix} has no lib/python{minor}.", "Use another Python.", code="base-missing")]
        )
    yield Entry(f"{PREFIX}/bin/python{minor}", source=binary, mode=0o755)
    for name in ("python3", "python"):
        yield Entry(f"{PREFIX}/bin/{name}", link=f"python{minor}")
    native = [binary]
    for path in _files(standard):
        yield Entry(f"{PREFIX}/lib/python{minor}/{path.relative_to(standard).as_posix()}", source=path)
        if path.suffix == ".so":
            native.append(path)
    programs = [Path(found) for name in PROGRAMS if (found := shutil.which(name, path="/usr/bin:/bin"))]
    for program in programs:
        yield Entry(f"usr/bin/{program.name}", source=program.resolve(), mode=0o755)
    yield Entry("bin", link="usr/bin")
    yield from _libraries([*native, *(program.resolve() for program in programs)])
    yield Entry("etc/passwd", content=b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
    yield Entry("etc/group", content=b"root:x:0:\nnogroup:x:65534:\n")
    yield Entry("etc/nsswitch.conf", content=b"hosts: files dns\n")
    if _CERTIFICATES.is_file():
        yield Entry(str(_CERTIFICATES).lstrip("/"), source=_CERTIFICATES)
    yield Entry("tmp", mode=0o1777)
    yield Entry("root", mode=0o700)


def key(interpreter: Interpreter) -> str:
    """What a stored base of this machine is found by again."""
    binary = (interpreter.prefix / f"bin/python{interpreter.minor}").resolve()
    libc = next(
        (
            path
            for path in (Path("/lib/x86_64-linux-gnu/libc.so.6"), Path("/lib/aarch64-linux-gnu/libc.so.6"))
            if path.exists()
        ),
        binary,
    )
    stamps = [f"{path}:{path.stat().st_size}:{path.stat().st_mtime_ns}" for path in (binary, libc)]
    return "|".join(["base-2", interpreter.version, *stamps])


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT and not name.startswith("config-"))
        for name in sorted(names):
            path = Path(root, name)
            if path.is_file() and path.suffix not in {".pyc", ".a"}:
                yield path


def _libraries(programs: list[Path]) -> Iterator[Entry]:
    """The closure of shared libraries, each where the loader looks by default.

    `ldd` runs the loader on the file: it is asked about this machine's own programs only, never about a wheel's.
    """
    found: dict[str, Path] = {}
    waiting = [*programs, *(path for name in LIBRARIES if (path := _known(name)))]
    for library in waiting[len(programs) :]:
        found[library.name] = library
    for start in range(0, len(waiting), 50):
        line = ["ldd", *map(str, waiting[start : start + 50])]
        said = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False).stdout
        for path in map(Path, _LINKED.findall(said)):
            found.setdefault(path.name, path)
    for name, path in found.items():
        if name.startswith("ld-linux"):
            # Programs name their loader by its whole path.
            folder = "lib64" if "x86-64" in name else "lib"
            yield Entry(f"{folder}/{name}", source=path.resolve(), mode=0o755)
        else:
            yield Entry(f"usr/lib/{_triplet()}/{name}", source=path.resolve(), mode=0o755)
    yield Entry(f"lib/{_triplet()}", link=f"../usr/lib/{_triplet()}")


def _known(name: str) -> Path | None:
    for folder in (f"/lib/{_triplet()}", f"/usr/lib/{_triplet()}", "/lib64", "/usr/lib64", "/usr/lib"):
        if (path := Path(folder, name)).is_file():
            return path
    return None


def _triplet() -> str:
    return f"{os.uname().machine}-linux-gnu"
