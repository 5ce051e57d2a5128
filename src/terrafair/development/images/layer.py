"""One layer of an image: a tar that is the same bytes whoever makes it, whenever, wherever."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

COMPRESSION = 3
"""Of gzip: half the time of the usual 6, a tenth more bytes."""
BLOCK = 2**20


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, link or folder of a layer."""

    path: str
    """In the image, without a leading slash."""
    source: Path | None = None
    """The file whose bytes it has."""
    content: bytes | None = None
    """Its bytes, where there is no file."""
    link: str = ""
    """Where a symbolic link leads to."""
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as manifests name it."""

    digest: str
    """`sha256:...` of the compressed tar."""
    diff: str
    """`sha256:...` of the tar itself."""
    size: int
    """Bytes, compressed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A layer that an image is to have."""

    name: str
    key: str
    """What it is made from: the same key gives the same bytes."""
    entries: Callable[[], Iterable[Entry]]


class _Digesting(io.RawIOBase):
    """Passes bytes on and digests them."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self.digest = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any) -> int:
        """Pass on."""
        self.digest.update(data)
        self.size += len(data)
        self._out.write(data)
        return len(data)


def write(entries: Iterable[Entry], target: Path) -> Layer:
    """Write `target`: entries sorted, folders added, owner root, times 0, no name of the machine."""
    known = {entry.path: entry for entry in entries}
    folders = {str(parent) for path in known for parent in Path(path).parents if str(parent) != "."} - set(known)
    ordered = sorted(
        [*known.values(), *(Entry(folder, mode=0o755) for folder in folders)], key=lambda entry: entry.path
    )
    with target.open("wb") as out:
        packed = _Digesting(out)
        with gzip.GzipFile(filename="", mode="wb", compresslevel=COMPRESSION, fileobj=packed, mtime=0) as compressed:
            plain = _Digesting(compressed)  # type: ignore[arg-type]
            with tarfile.open(fileobj=plain, mode="w|", format=tarfile.PAX_FORMAT, bufsize=BLOCK) as archive:
                for entry in ordered:
                    _add(archive, entry)
    return Layer(f"sha256:{packed.digest.hexdigest()}", f"sha256:{plain.digest.hexdigest()}", packed.size)


def _add(archive: tarfile.TarFile, entry: Entry) -> None:
    about = tarfile.TarInfo(entry.path)
    about.mode, about.mtime, about.uid, about.gid = entry.mode, 0, 0, 0
    about.uname = about.gname = ""
    if entry.link:
        about.type, about.linkname, about.mode = tarfile.SYMTYPE, entry.link, 0o777
        archive.addfile(about)
    elif entry.source is not None:
        about.size = entry.source.stat().st_size
        with entry.source.open("rb") as file:
            archive.addfile(about, file)
    elif entry.content is not None:
        about.size = len(entry.content)
        archive.addfile(about, io.BytesIO(entry.content))
    else:
        about.type = tarfile.DIRTYPE
        archive.addfile(about)
