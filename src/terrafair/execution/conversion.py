"""Results become cloud-optimised and described, with every file of theirs opened in the sandbox only."""

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from terrafair.data import conversion
from terrafair.data.conversion import Conversion
from terrafair.data.description import Description, Order
from terrafair.errors import Damaged, InvalidInput, NotFound, WorkflowFailed
from terrafair.execution.command import Limits
from terrafair.execution.logs import last
from terrafair.execution.program import Program
from terrafair.execution.sandbox import Sandbox, safe_files
from terrafair.execution.trees import wipe

LIMITS = Limits(seconds=6 * 3600, memory=8 * 1024**3, processes=128)


@dataclass(frozen=True, slots=True)
class Converter:
    """Runs conversion and description as programs of their own."""

    sandbox: Sandbox
    limits: Limits = LIMITS
    memory: "Memory | None" = None
    """Where it is kept what files held, so that unchanged ones are not opened again."""

    def convert(self, order: conversion.Order) -> Conversion:
        """Convert all files of `order.folder` into `order.target`.

        Raises `NotFound` and `InvalidInput` for an order that cannot be carried out, `WorkflowFailed` when a file
        brings the program down, `TimedOut`.
        """
        conversion.check(order)
        target = Path(order.target).absolute()
        target.parent.mkdir(parents=True, exist_ok=True)
        # Beside the target, so that what is made moves there without being copied.
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        made = work / "program" / "place" / "results"
        program = Program("terrafair.data.convert_child", "the conversion", self.sandbox, self.limits)
        try:
            work.chmod(0o755)
            with self._readable(Path(order.folder).absolute(), work / "source") as source:
                asked = replace(order, folder=str(source), target=str(made), base=order.base or f"{target}/outputs")
                answer = program.run(work / "program", asked.document(), (source, *_beside(source)))
            found = _read(answer)
            for path in safe_files(made):
                place = target / path.relative_to(made)
                place.parent.mkdir(parents=True, exist_ok=True)
                path.replace(place)
                place.chmod(0o644)
                if self.sandbox.drops_user:
                    os.chown(place, os.geteuid(), os.getegid())
        except WorkflowFailed as error:
            at = last(work / "program" / "log.jsonl", frozenset({"info"}), 1)
            why = " ".join([error.problem.why, *(f"It was {text[:1].lower()}{text[1:]}." for text in at)])
            raise WorkflowFailed(error.problem.what, why, "Convert the other files without this one.") from error
        finally:
            wipe(work)
        return found

    def describe(self, source: Path, order: Order) -> Description:
        """Describe a folder, or one file, as STAC; raises `NotFound`, `WorkflowFailed`, `TimedOut`."""
        source = source.absolute()
        if not source.exists():
            raise NotFound(f"There is no {source}.", "", "Name a folder of results, or one file.", str(source))
        program = Program("terrafair.data.describe_child", "the description", self.sandbox, self.limits)
        with tempfile.TemporaryDirectory(prefix="terrafair-describe-") as scratch:
            work = Path(scratch)
            work.chmod(0o755)
            with self._readable(source, work / "source") as readable:
                folder, only = (readable, "") if _is_folder(readable) else (readable.parent, readable.name)
                keys = _keys(source)
                known = {name: self.memory.get(key) for name, key in keys.items()} if self.memory else {}
                kept = {name: each for name, each in known.items() if each} if self.memory else None
                asked = replace(order, folder=str(folder), only=only, remembered=kept)
                answer = program.run(work / "program", asked.document(), (readable, *_beside(readable)))
            try:
                found = Description.read(json.loads(answer.read_bytes()))
            except (ValueError, KeyError, TypeError) as fault:
                raise Damaged(f"The description's answer cannot be read: {fault}.") from fault
        if self.memory:
            self.memory.put({keys[name]: each for name, each in found.seen.items() if name in keys})
        return found

    @contextmanager
    def _readable(self, source: Path, copy: Path) -> Iterator[Path]:
        """The source, or a copy of it where the sandbox's user may not read it."""
        paths = (source, *_beside(source), *(source.rglob("*") if source.is_dir() else ()))
        if not self.sandbox.drops_user or all(_is_open(path) for path in paths):
            yield source
            return
        copy.mkdir()
        place = copy / source.name
        try:
            if source.is_dir():
                shutil.copytree(source, place, symlinks=True)
            else:
                for path in (source, *_beside(source)):
                    shutil.copyfile(path, copy / path.name)
            for path in (copy, *copy.rglob("*")):
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() else 0o644)
            yield place
        except OSError as fault:
            raise InvalidInput(f"{source} cannot be read: {fault.strerror}.", where=str(source)) from fault
        finally:
            shutil.rmtree(copy, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Memory:
    """One JSON file for each file that was described, in a folder of the platform's own.

    The sandbox gives the contents and never the names: a file can spoil what is known of itself only.
    """

    folder: Path

    def get(self, key: str) -> dict[str, Any] | None:
        """What was kept; None for nothing, or for what does not parse."""
        try:
            found = json.loads((self.folder / key[:2] / f"{key}.json").read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def put(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep; each entry whole or not at all."""
        for key, entry in entries.items():
            place = self.folder / key[:2] / f"{key}.json"
            place.parent.mkdir(parents=True, exist_ok=True)
            partial = place.with_suffix(f".{os.getpid()}.partial")
            partial.write_text(json.dumps(entry), "utf-8")
            partial.replace(place)


def _keys(source: Path) -> dict[str, str]:
    """Relative path of each plain file -> what changes whenever its content may have."""
    root = source if _is_folder(source) else source.parent
    paths = [path for path in (source.rglob("*") if _is_folder(source) else [source]) if path.is_file()]
    found = {}
    for path in paths:
        state = path.stat()
        # A table beside a shapefile belongs to its content; so do all that share a name.
        beside = sorted((each.name, each.stat().st_mtime_ns, each.stat().st_size) for each in _beside(path))
        text = repr((str(path.resolve()), state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns, beside))
        found[path.relative_to(root).as_posix()] = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    return found


def _is_open(path: Path) -> bool:
    """Whether everybody may read it; a link that leads nowhere is nobody's concern here."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return True
    return bool(mode & stat.S_IROTH) and (not stat.S_ISDIR(mode) or bool(mode & stat.S_IXOTH))


def _is_folder(source: Path) -> bool:
    return source.is_dir() and not any((source / name).exists() for name in ("zarr.json", ".zgroup", ".zarray"))


def _beside(source: Path) -> tuple[Path, ...]:
    """Of one file those that share its name: a shapefile's parts, a world file."""
    if not source.is_file():
        return ()
    stem = source.name.partition(".")[0]
    return tuple(
        sorted(
            path
            for path in source.parent.iterdir()
            if path != source and path.is_file() and path.name.partition(".")[0] == stem
        )
    )


def _read(answer: Path) -> Conversion:
    try:
        return Conversion.read(json.loads(answer.read_bytes()))
    except (ValueError, KeyError, TypeError) as fault:
        raise Damaged(f"The conversion's answer cannot be read: {fault}.") from fault
