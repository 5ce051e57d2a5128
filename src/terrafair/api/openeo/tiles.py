"""Computes the tiles of services: a block at a time as a job like any other, kept in the object store."""

import asyncio
import base64
import hashlib
import json
import shutil
import struct
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool

from terrafair.api.openeo.batch import BatchJobs
from terrafair.api.openeo.delivery import data_of
from terrafair.api.openeo.faults import OpenEOFault
from terrafair.api.openeo.shelf import Kept
from terrafair.api.openeo.xyz import SIZE, Block, Look, block_process
from terrafair.errors import NotFound
from terrafair.execution.command import Limits
from terrafair.execution.job import ENDED, Job, State
from terrafair.execution.program import Program
from terrafair.execution.sandbox import Sandbox
from terrafair.identity.person import Person

MOST = 64
"""Blocks that are waited for at the same time."""
MOST_OF_ONE = 16
"""Those of one service."""
FILE_BYTES = 512 * 2**20
NOTHING = "nothing"
"""The object that says: this tile is empty."""
_EMPTY_CODES = frozenset({"result-empty", "extent-empty", "DataCubeEmpty", "no-data-available", "data-cube-empty"})


@dataclass(slots=True)
class Tiles:
    """Asks each block once, however many tiles of it are asked for."""

    batch: BatchJobs
    sandbox: Sandbox
    folder: Path
    seconds: float
    """Wall-clock limit of one block."""
    runs: dict[str, str] = field(default_factory=dict)
    """Service -> the last job that computed a block of it, for its log."""
    _pending: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def tile(self, service: Kept, owner: Person, z: int, x: int, y: int, base: str) -> bytes:
        """One PNG; raises `OpenEOFault` where it cannot be computed."""
        block = Block.around(z, x, y)
        place = self._place(service)
        found = await run_in_threadpool(self._kept, f"{place}/{z}/{x}/{y}.png")
        if found is None:
            await self._computed(service, owner, block, place, base)
            found = await run_in_threadpool(self._kept, f"{place}/{z}/{x}/{y}.png")
        return found if found is not None else transparent()

    def forget(self, service: Kept) -> None:
        """Drop all tiles of a service."""
        self.batch.objects.delete(f"tiles/{service.id}/")

    async def _computed(self, service: Kept, owner: Person, block: Block, place: str, base: str) -> None:
        key = f"{place}/{block.z}/{block.x}/{block.y}"
        task = self._pending.get(key)
        if task is None:
            mine = sum(each.startswith(f"tiles/{service.id}/") for each in self._pending)
            if len(self._pending) >= MOST or mine >= MOST_OF_ONE:
                raise OpenEOFault("InfrastructureBusy", "Other tiles are being computed.")
            task = asyncio.create_task(self._compute(service, owner, block, place, base))
            self._pending[key] = task
            task.add_done_callback(lambda _: self._pending.pop(key, None))
        # Shielded: others wait for it too, when this caller has gone.
        await asyncio.shield(task)

    async def _compute(self, service: Kept, owner: Person, block: Block, place: str, base: str) -> None:
        look = Look.read(service.document.get("configuration"))
        process = block_process(service.document["process"], block, look)
        job = None
        if process is not None:
            name = await run_in_threadpool(
                self.batch.submit, owner, process, base, name=f"tiles-{service.id}", timeout=self.seconds
            )
            self.runs[service.id] = name
            job = await self._ended(name)
        await run_in_threadpool(self._cut, job, block, look, place)

    async def _ended(self, id: str) -> Job | None:  # noqa: A002 - the field's word
        """The job when it has ended well, None when there was nothing to compute."""
        pause, waited = 0.05, 0.0
        while (job := await run_in_threadpool(self.batch.jobs.get, id)).state not in ENDED:
            await asyncio.sleep(pause)
            waited += pause
            pause = min(pause * 1.2, 0.5)
            if waited > self.seconds * 4:
                await run_in_threadpool(self.batch.jobs.cancel, id)
                raise OpenEOFault("RequestTimeout", "The tile takes too long.")
        if job.state is State.SUCCESSFUL:
            return job
        if any(problem.code in _EMPTY_CODES or _is_outside(problem.what) for problem in job.problems):
            return None
        message = "; ".join(str(problem) for problem in job.problems) or "the run was cancelled"
        raise OpenEOFault("Internal", message=message[:1000])

    def _cut(self, job: Job | None, block: Block, look: Look, place: str) -> None:
        """Keep every tile of the block, so that none of it is computed again."""
        tiles = self._pictures(job, block, look) if job else {}
        for x, y in block.tiles():
            content = base64.b64decode(tiles[f"{x}/{y}"]) if f"{x}/{y}" in tiles else NOTHING.encode()
            self.batch.objects.put(f"{place}/{block.z}/{x}/{y}.png", content, "image/png")

    def _pictures(self, job: Job, block: Block, look: Look) -> Mapping[str, str]:
        images = sorted((asset for asset in data_of(job) if asset.name.endswith(".tif")), key=lambda each: each.name)
        if not images or images[-1].size > FILE_BYTES:
            raise OpenEOFault("Internal", message="the process gives no image that tiles could be cut from.")
        self.folder.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            # Named by us: the sandbox's user must be able to reach it.
            work.chmod(0o755)
            local = work / "block.tif"
            self.batch.objects.get_file(images[-1].key, local)
            local.chmod(0o644)
            order: dict[str, Any] = {
                "file": str(local),
                "bounds": block.bounds,
                "x": block.x,
                "y": block.y,
                "count": block.count,
                "minimum": look.minimum,
                "maximum": look.maximum,
                "resampling": look.resampling,
            }
            limits = Limits(seconds=60, memory=2 * 2**30, processes=64)
            program = Program("terrafair.api.openeo.tile_child", "the cutting of tiles", self.sandbox, limits)
            answer = program.run(work / "cut", order, (local,))
            found: Mapping[str, str] = json.loads(answer.read_text("utf-8"))
            return found
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _kept(self, key: str) -> bytes | None:
        try:
            content = self.batch.objects.get(key)
        except NotFound:
            return None
        return transparent() if content == NOTHING.encode() else content

    def _place(self, service: Kept) -> str:
        """Below the service's own folder, by what its tiles depend on."""
        shown = {name: service.document.get(name) for name in ("process", "configuration")}
        digest = hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:16]
        return f"tiles/{service.id}/{digest}"


def _is_outside(message: str) -> bool:
    """What staging says of an area in which a collection has nothing."""
    return message.startswith("Nothing of ") and "lies in the wanted area" in message


def transparent() -> bytes:
    """A tile that shows nothing, put together by hand: a PNG of zeros."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 4, 0, 0, 0)
    rows = zlib.compress(bytes((1 + 2 * SIZE) * SIZE), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
