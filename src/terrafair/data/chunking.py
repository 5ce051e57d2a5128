"""How an array is cut: chunks are what a reader fetches and decodes, shards are the files or objects that hold many."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

CHUNK = 2 * 2**20
"""Bytes of one chunk, unpacked, that a plan aims at."""
SHARD = 64 * 2**20
"""Bytes of one shard, unpacked, at most."""
SMALLEST, LARGEST = 2**17, 16 * 2**20
"""Bytes of a chunk between which the source's own cut is kept."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A plan for one array."""

    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None
    """Multiples of the chunks; None where each chunk is a file of its own."""

    @property
    def block(self) -> tuple[int, ...]:
        """What is written at once: whole files only."""
        return self.shards or self.chunks


def plan(shape: Sequence[int], itemsize: int, preferred: Sequence[int] | None = None, *, sharded: bool = True) -> Cut:
    """Cut an array of that shape; `preferred` are the chunks that its source has."""
    chunks = _kept(shape, itemsize, preferred) or _balanced(shape, itemsize)
    if not sharded or all(chunk >= size for chunk, size in zip(chunks, shape, strict=True)):
        return Cut(chunks, None)
    shards = _grown(chunks, shape, itemsize)
    return Cut(chunks, shards if shards != chunks else None)


def _kept(shape: Sequence[int], itemsize: int, preferred: Sequence[int] | None) -> tuple[int, ...] | None:
    if preferred is None or len(preferred) != len(shape):
        return None
    chunks = tuple(max(1, min(chunk, size)) for chunk, size in zip(preferred, shape, strict=True))
    return chunks if SMALLEST <= math.prod(chunks) * itemsize <= LARGEST else None


def _balanced(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Images by area first (the last two axes), then as much of the others as fits: maps and series both stay cheap."""
    chunks = [max(1, size) for size in shape]
    images = range(max(len(shape) - 2, 0), len(shape))
    while math.prod(chunks) * itemsize > CHUNK:
        axis = max(range(len(chunks)), key=lambda each: chunks[each] * (1 if each in images else 16))
        if chunks[axis] == 1:
            break
        # Halves of what there is, so that the last chunk is not a sliver.
        parts = -(-shape[axis] // chunks[axis]) * 2
        chunks[axis] = -(-shape[axis] // min(parts, shape[axis]))
    return tuple(chunks)


def _grown(chunks: Sequence[int], shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Whole numbers of chunks, along the fastest axis first, as far as a shard's size goes."""
    shards = list(chunks)
    for axis in reversed(range(len(shards))):
        room = SHARD // max(math.prod(shards) * itemsize, 1)
        needed = -(-shape[axis] // chunks[axis])
        shards[axis] = chunks[axis] * max(1, min(needed, room))
    return tuple(shards)
