"""Sends results as files: one as it is, several as a tar archive with their STAC."""

import io
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO
from urllib.parse import quote

from terrafair.api.openeo.faults import OpenEOFault
from terrafair.data.objects import Content, ObjectStore
from terrafair.execution.job import Asset, Job

TAR = "application/x-tar"
MEMORY = 32 * 2**20
"""Larger archives are put together on disk."""
CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class Delivered:
    """What is sent."""

    name: str
    content: Content


def deliver(objects: ObjectStore, job: Job) -> Delivered:
    """The files of a run that has ended well; raises `OpenEOFault` when it left none."""
    data = data_of(job)
    if not data:
        raise OpenEOFault("Internal", message="the process has left no file; end it with save_result.")
    if len(data) == 1:
        [asset] = data
        stored = list(objects.list(asset.key))
        if not stored:
            content = objects.open(asset.key)
            return Delivered(asset.name, Content(content.size, asset.media_type, content.chunks))
    return Delivered(f"{job.id}.tar", _archive(objects, job.results.prefix.rstrip("/")))


def data_of(job: Job) -> list[Asset]:
    """The files of a run that hold data, not descriptions of it."""
    return [asset for asset in job.results.assets if asset.role != "metadata"]


def streamed(name: str) -> dict[str, str]:
    """The headers of a file that people made."""
    return {
        "X-Content-Type-Options": "nosniff",
        # User content must not run as a page of this origin.
        "Content-Security-Policy": "sandbox; default-src 'none'; img-src 'self'; style-src 'unsafe-inline'",
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(PurePosixPath(name).name)}",
    }


def _archive(objects: ObjectStore, prefix: str) -> Content:
    # Given to the answer, which closes it when all has been sent.
    file: IO[bytes] = tempfile.SpooledTemporaryFile(MEMORY)  # noqa: SIM115
    with tarfile.open(fileobj=file, mode="w") as archive:
        for stored in objects.list(prefix):
            name = stored.key.removeprefix(f"{prefix}/")
            if name != "collection.json" and not name.startswith(("outputs/", "items/")):
                continue
            about = tarfile.TarInfo(name)
            about.size, about.mtime = stored.size, int(stored.modified.timestamp())
            archive.addfile(about, _Chunks(objects.open(stored.key).chunks))
    size = file.tell()
    file.seek(0)
    return Content(size, TAR, _read(file))


def _read(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk


class _Chunks(io.RawIOBase):
    """Chunks as a file that can be read once."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """As many bytes as asked for, fewer only at the end."""
        while size < 0 or len(self._rest) < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self._rest += bytes(chunk)
        found, self._rest = (self._rest, b"") if size < 0 else (self._rest[:size], self._rest[size:])
        return found
