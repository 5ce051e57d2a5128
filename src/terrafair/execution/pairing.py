"""Two runs side by side: inputs, software, what they took, and their files, compared by value in the sandbox."""

import contextlib
import fcntl
import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from terrafair.data.objects import ObjectStore
from terrafair.errors import InvalidInput, NotFound, TerrafairError, TimedOut
from terrafair.execution import tracked
from terrafair.execution.command import Limits
from terrafair.execution.comparison.child import order, read_answer
from terrafair.execution.comparison.findings import Compared, LocalAsset, Match
from terrafair.execution.job import ENDED, Asset, Job
from terrafair.execution.program import LIMITS, Program
from terrafair.execution.reproduction import TOLERANCE, judge
from terrafair.execution.sandbox import Sandbox

LARGEST = 2 * 10**9
"""Bytes of files that differ and are brought here to be compared; what is beyond is told by its checksum alone."""
SECONDS = 300.0
PATIENCE = 60.0
LOCK = "environment.txt"
TRACKED = "tracked.json"
CRATE = "ro-crate-metadata.json"
DOCUMENT = 16 * 2**20
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One fact of both runs."""

    name: str
    first: str
    """Empty: the run has no such thing."""
    second: str

    @property
    def same(self) -> bool:
        """Whether both say the same."""
        return self.first == self.second

    def document(self) -> Document:
        """The JSON form."""
        return {"name": self.name, "first": self.first, "second": self.second, "same": self.same}


@dataclass(frozen=True, slots=True)
class Pairing:
    """Compares runs of one platform; what it found of two ended runs is kept, since neither changes any more."""

    objects: ObjectStore
    sandbox: Sandbox
    folder: Path
    limits: Limits = LIMITS

    def compare(self, first: Job, second: Job, *, values: bool = True) -> Document:
        """`{verdict, summary, inputs, environment, metrics, outputs}`; raises `InvalidInput` for runs that go on.

        `values` False: files are told apart by their checksums alone, which takes no time.
        """
        if first.id == second.id:
            raise InvalidInput("A run is always like itself.", "Two different ones are compared.", where="b")
        for job in (first, second):
            if job.state not in ENDED:
                raise InvalidInput(f"The run {job.id} is {job.state.value}.", "It can be compared once it has ended.")
        outputs = self._outputs(first, second, values=values)
        verdict, summary = judge(outputs, "file", "as before")
        return {
            "first": first.id,
            "second": second.id,
            "verdict": verdict,
            "summary": summary,
            "inputs": _documents(rows(self._inputs(first), self._inputs(second))),
            "environment": _documents(rows(self._software(first), self._software(second))),
            "metrics": _documents(rows(self._metrics(first), self._metrics(second))),
            "outputs": [each.document() for each in outputs],
        }

    def _inputs(self, job: Job) -> dict[str, str]:
        """By the run's own crate; what was asked for, where there is none."""
        try:
            found = dict(_used(orjson.loads(self._small(job, CRATE))))
        except (TerrafairError, ValueError, KeyError, TypeError, AttributeError):
            found = {}
        return found or {name: _text(value) for name, value in job.request.inputs.items()}

    def _metrics(self, job: Job) -> dict[str, str]:
        """What the run took, and the last values of what it tracked."""
        found = _metrics(job)
        try:
            runs = tracked.read(orjson.loads(self._small(job, TRACKED)))
        except (TerrafairError, ValueError):
            return found
        for run in runs:
            prefix = f"{run.name}: " if len(runs) > 1 else ""
            found |= {f"{prefix}{name}": f"{points[-1][1]:.6g}" for name, points in run.metrics.items() if points}
        return found

    def _software(self, job: Job) -> dict[str, str]:
        """Package -> version, by the lock that the run has stored; with how it was started."""
        found = {"subject": job.request.subject, "type": job.type, "target": job.request.target}
        try:
            lock = self._small(job, LOCK).decode("utf-8", "replace")
        except TerrafairError:
            return found
        for line in lock.splitlines()[:5000]:
            plain = line.partition("#")[0].strip()
            name, _, version = plain.partition("==") if "==" in plain else plain.partition("=")
            if name:
                found[name.strip()] = version.strip() or "present"
        return found

    def _small(self, job: Job, name: str) -> bytes:
        if not job.results.prefix:
            raise NotFound(f"The run {job.id} has left nothing.")
        content = b""
        for chunk in self.objects.open(f"{job.results.prefix}/{name}").chunks:
            content += chunk
            if len(content) > DOCUMENT:
                raise InvalidInput(f"{name} of {job.id} is too large.")
        return content

    def _outputs(self, first: Job, second: Job, *, values: bool) -> list[Compared]:
        same, old, new = told_apart(first.results.assets, second.results.assets)
        found = [
            Compared(each.name, Match.IDENTICAL, each.name, each.name, sizes=(each.size, each.size)) for each in same
        ]
        kept = self.folder / f"{first.id}-{second.id}-{_mark(old, new)}.json"
        if not old and not new:
            compared: tuple[Compared, ...] = ()
        elif kept.exists():
            compared = read_answer(kept)
        elif not values or sum(each.size for each in (*old, *new)) > LARGEST:
            compared = tuple(_by_checksum(old, new, values=values))
        else:
            with self._turn():
                known = kept.exists()
                compared = read_answer(kept) if known else self._in_the_sandbox(first, second, old, new, kept)
        return [*compared, *found]

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """One comparison at a time on this home, whichever process was asked; raises `TimedOut`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + PATIENCE
        with (self.folder / ".turn").open("a") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise TimedOut("Other runs are being compared.", remedy="Try again in a minute.") from None
                    time.sleep(0.1)
            yield

    def _in_the_sandbox(
        self, first: Job, second: Job, old: list[Asset], new: list[Asset], kept: Path
    ) -> tuple[Compared, ...]:
        place = self.folder / f".{first.id}-{second.id}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        try:
            expected = list(self._brought(first, old, place / "first"))
            found = list(self._brought(second, new, place / "second"))
            limits = Limits(seconds=SECONDS, memory=self.limits.memory, processes=self.limits.processes)
            program = Program("terrafair.execution.comparison.child", "the comparison", self.sandbox, limits)
            answer = program.run(place / "program", order(expected, found, TOLERANCE), (place,))
            compared = read_answer(answer)
            partial = kept.with_suffix(".partial")
            partial.write_bytes(answer.read_bytes())
            partial.replace(kept)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        return compared

    def _brought(self, job: Job, assets: list[Asset], folder: Path) -> Iterator[LocalAsset]:
        folder.mkdir(parents=True)
        outputs = f"{job.results.prefix}/outputs/"
        for asset in assets:
            below = [stored.key for stored in self.objects.list(asset.key)]
            for key in below or [asset.key]:
                part = folder / key.removeprefix(outputs)
                part.parent.mkdir(parents=True, exist_ok=True)
                self.objects.get_file(key, part)
            yield LocalAsset(asset.name, folder / asset.name)


def rows(first: Mapping[str, str], second: Mapping[str, str]) -> list[Row]:
    """What both say under each name, what differs first."""
    names = list(dict.fromkeys((*first, *second)))
    found = [Row(name, first.get(name, ""), second.get(name, "")) for name in names]
    return sorted(found, key=lambda row: row.same)


def told_apart(first: tuple[Asset, ...], second: tuple[Asset, ...]) -> tuple[list[Asset], list[Asset], list[Asset]]:
    """(files of one name and one checksum, the first run's others, the second run's others)."""
    known = {(asset.name, asset.sha256): asset for asset in first if asset.sha256}
    same = [asset for asset in second if (asset.name, asset.sha256) in known]
    names = {asset.name for asset in same}
    old, new = ([asset for asset in side if asset.name not in names] for side in (first, second))
    return same, old, new


def _mark(*sides: list[Asset]) -> str:
    """Changes when the files of either run do: results can be thrown away."""
    text = json.dumps([[(asset.name, asset.sha256) for asset in side] for side in sides])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _by_checksum(old: list[Asset], new: list[Asset], *, values: bool) -> Iterator[Compared]:
    reason = "they are too large to be opened here" if values else "the bytes differ; the values were not looked at"
    there = {asset.name: asset for asset in new}
    for asset in old:
        other = there.pop(asset.name, None)
        if other is None:
            yield Compared(asset.name, Match.MISSING, expected=asset.name, reason="the second run did not make it")
        else:
            sizes, digests = (asset.size, other.size), (asset.sha256, other.sha256)
            yield Compared(asset.name, Match.NOT_COMPARABLE, asset.name, asset.name, "", reason, (), (), sizes, digests)
    for asset in there.values():
        yield Compared(asset.name, Match.ADDITIONAL, found=asset.name, reason="the first run did not make it")


def _used(crate: Any) -> Iterator[tuple[str, str]]:
    """Name and value of each thing that the crate's run was given."""
    parts: dict[str, Document] = {str(part["@id"]): part for part in crate["@graph"]}
    run = next(each for name, each in parts.items() if name.startswith("#run-") and "/" not in name)
    given = run.get("object", [])
    for reference in given if isinstance(given, list) else [given]:
        part: Any = parts.get(reference["@id"], reference)
        name = str(part.get("name") or part["@id"])
        if "value" in part:
            yield name, _text(part["value"])
        else:
            digest = str(part.get("sha256", ""))
            yield name, f"sha256 {digest}" if digest else str(part["@id"])


def _metrics(job: Job) -> dict[str, str]:
    usage = job.usage
    found = {"status": job.state.value, "wall time": f"{usage.wall_seconds:.2f} s"}
    found |= {"CPU time": f"{usage.cpu_seconds:.2f} s", "peak memory": f"{usage.peak_memory / 1e6:.1f} MB"}
    size = sum(asset.size for asset in job.results.assets)
    return found | {"files": str(len(job.results.assets)), "bytes of files": str(size), "restarts": str(job.restarts)}


def _text(value: Any) -> str:
    plain = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return plain if len(plain) <= 500 else f"{plain[:500]}…"


def _documents(found: list[Row]) -> list[Document]:
    return [row.document() for row in found]
