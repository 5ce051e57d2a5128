"""Applies a model inside the sandbox: `python -m terrafair.execution.engines.mlflow.child TASK.json`.

Each worker has a process of its own with the model, in the model's environment, and its own open files. Memory is
bounded by blocks and workers, whatever the size of the images.
"""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.windows import Window

from terrafair.errors import InvalidInput, TerrafairError, WorkflowFailed
from terrafair.execution.engines.mlflow import images, predictor
from terrafair.execution.engines.report import Report
from terrafair.execution.engines.working import work_off
from terrafair.execution.task import JobFolder, Outcome, Task
from terrafair.workflows.content import decode, load
from terrafair.workflows.mlflow import Model, read

PIXEL_BLOCK = 512
NO_CLASS = 255
THRESHOLD = 0.5
"""Of one probability: class 1 above it."""
Array = np.ndarray[Any, Any]


def main(path: str) -> int:
    """Work off the task and write the outcome."""
    return work_off(path, run)


def run(task: Task, folder: JobFolder, report: Report) -> Outcome:
    """Apply the model to each item, one result file for each."""
    started = time.monotonic()
    try:
        model = read(load(decode(Path(task.application).read_bytes())))
        outputs = _apply(task, model, folder, report)
    except TerrafairError as fault:
        return Outcome(False, tuple(fault.problems))
    details = {
        "seconds": round(time.monotonic() - started, 3),
        "model": {"flavour": model.flavour, "sha256": _digest(Path(task.options["model"]))},
        "bands": task.values["bands"],
        "lock": task.options.get("lock", ""),
        "environment": task.options.get("environment", ""),
    }
    return Outcome(True, (), outputs, details)


def _apply(task: Task, model: Model, folder: JobFolder, report: Report) -> dict[str, str]:
    found, outputs = images.items(Path(task.values["stac"])), {}
    output = task.values["output"]
    resampling = "NEAREST" if output == "class" else "AVERAGE"
    with ThreadPoolExecutor(task.values["workers"]) as pool:
        inference = Inference(task, model, pool)
        try:
            for number, item in enumerate(found):
                name = str(item.get("id") or number).replace("/", "_").lstrip(".")
                target, scratch = folder.outputs / name / f"{name}-{output}.tif", folder.work / f"{number}.tif"
                target.parent.mkdir(parents=True, exist_ok=True)
                inference.apply(item, scratch, lambda share, done=number: report.progress((done + share) / len(found)))  # type: ignore[misc]
                options = {"compress": "deflate", "overview_resampling": resampling, "bigtiff": "if_safer"}
                rasterio.shutil.copy(scratch, target, driver="COG", **options)
                scratch.unlink()
                report.say(f"{name}: done ({number + 1} of {len(found)}).")
                outputs[name if len(found) > 1 else "result"] = str(target.relative_to(folder.outputs))
        finally:
            inference.close()
    return outputs


@dataclass(slots=True)
class Inference:
    """One model, some workers."""

    task: Task
    model: Model
    pool: ThreadPoolExecutor
    _local: threading.local = field(default_factory=threading.local)
    _started: list["Predictor"] = field(default_factory=list)

    def apply(self, item: Mapping[str, Any], scratch: Path, tell: Callable[[float], None]) -> None:
        """Write the results of one item as a plain tiled GeoTIFF."""
        values, opened = self.task.values, []

        def image() -> images.Image:
            # A GDAL dataset belongs to one thread.
            if getattr(self._local, "item", None) is not item:
                self._local.item = item
                self._local.image = images.Image.open(item, values["bands"], scale=values["scale"])
                opened.append(self._local.image)
            found: images.Image = self._local.image
            return found

        overlap = 0 if self.model.by_pixel else int(values["overlap"])
        side = PIXEL_BLOCK if self.model.by_pixel else self.model.tile - 2 * overlap

        def compute(block: images.Block) -> tuple[images.Block, Array]:
            made = self._predict(image().read(block, side, overlap))
            return block, made[:, overlap : overlap + block.height, overlap : overlap + block.width]

        try:
            grid = image().grid
            every = list(images.blocks(grid.height, grid.width, side))
            result = None
            with closing(self._in_order(compute, every)) as results:
                for number, (block, made) in enumerate(results):
                    result = result or rasterio.open(scratch, "w", **_profile(grid, made))
                    result.write(made, window=Window(block.column, block.row, block.width, block.height))
                    tell((number + 1) / len(every))
            if result:
                result.close()
        finally:
            for each in opened:
                each.close()

    def _in_order(
        self, compute: Callable[[images.Block], tuple[images.Block, Array]], every: Sequence[images.Block]
    ) -> Generator[tuple[images.Block, Array]]:
        """The results in the order of the blocks; never more blocks in memory than a few for each worker."""
        waiting: deque[Future[tuple[images.Block, Array]]] = deque()
        try:
            for block in every:
                waiting.append(self.pool.submit(compute, block))
                if len(waiting) >= 2 * int(self.task.values["workers"]):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            # What runs still reads from datasets that are closed next, and GDAL crashes on a closed one.
            wait(waiting)

    def _predict(self, block: Array) -> Array:
        """(bands, y, x) -> (results, y, x); NaN or `NO_CLASS` where a band has no data."""
        if not hasattr(self._local, "predictor"):
            self._local.predictor = Predictor(self.task, self.model)
            self._started.append(self._local.predictor)
        known = np.asarray(np.isfinite(block).all(axis=0))
        found = self._pixels(block, known) if self.model.by_pixel else self._patch(block)
        if self.task.values["output"] == "class":
            chosen = found.argmax(axis=0) if len(found) > 1 else found[0] > THRESHOLD
            return np.where(known, chosen, NO_CLASS).astype("uint8")[None]
        return np.where(known, found, np.nan).astype("float32")

    def _pixels(self, block: Array, known: Array) -> Array:
        # A block without data still tells, by one row of zeros, how many results there are.
        rows = block[:, known].T if known.any() else np.zeros((1, len(block)), "float32")
        answer = self._local.predictor.predict(np.ascontiguousarray(rows.astype(self.model.dtype)))
        answer = answer.reshape(len(rows), -1) if answer.size % len(rows) == 0 else answer
        if answer.ndim != 2 or len(answer) != len(rows):
            raise _misshaped(answer.shape, f"one row for each of {len(rows)} pixels")
        found = np.full((answer.shape[1], *known.shape), np.nan, "float32")
        if known.any():
            found[:, known] = answer.T
        return found

    def _patch(self, block: Array) -> Array:
        given = np.nan_to_num(block).astype(self.model.dtype)[None]
        last = self.model.layout == "interleaved"
        answer = self._local.predictor.predict(np.moveaxis(given, 1, -1) if last else given)
        if answer.ndim == 3:
            answer = answer[..., None] if last else answer[:, None]
        if answer.ndim == 4 and last:
            answer = np.moveaxis(answer, -1, 1)
        if answer.ndim != 4 or answer.shape[2:] != block.shape[1:]:
            raise _misshaped(answer.shape, f"{block.shape[1]} by {block.shape[2]} pixels")
        found: Array = answer[0]
        return found

    def close(self) -> None:
        """End the workers' processes."""
        for each in self._started:
            each.close()


class Predictor:
    """A process with the model; belongs to one thread."""

    def __init__(self, task: Task, model: Model) -> None:
        arguments = [task.options["python"], "-P", predictor.__file__, model.flavour, task.options["model"]]
        surroundings = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=surroundings)
        self._columns = list(model.bands) if model.layout == "columns" else []
        self._answer("The model cannot be loaded.")

    def predict(self, block: Array) -> Array:
        """One block; raises `WorkflowFailed` with what the model raised."""
        about = {"shape": block.shape, "dtype": str(block.dtype), "columns": self._columns}
        assert self._process.stdin  # noqa: S101 (a pipe)
        try:
            self._process.stdin.write(json.dumps(about).encode() + b"\n" + np.ascontiguousarray(block).tobytes())
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._dead() from None
        return self._answer("The model failed on a block.")

    def _answer(self, what: str) -> Array:
        assert self._process.stdout  # noqa: S101 (a pipe)
        line = self._process.stdout.readline()
        if not line:
            raise self._dead()
        about = json.loads(line)
        if "error" in about:
            raise WorkflowFailed(what, about["error"], "Apply the model to one block by hand.", code="model-raised")
        shape = tuple(about["shape"])
        content = self._process.stdout.read(int(np.prod(shape)) * 4) if shape else b""
        return np.frombuffer(content, "float32").reshape(shape) if shape else np.empty(0, "float32")

    def _dead(self) -> WorkflowFailed:
        status = self._process.wait()
        why = "It was out of memory, or crashed in compiled code." if status < 0 else f"Exit status {status}."
        return WorkflowFailed(
            "The model's process died.", why, "Use fewer workers, or smaller blocks.", code="model-died"
        )

    def close(self) -> None:
        """End it."""
        if self._process.stdin:
            self._process.stdin.close()
        if self._process.stdout:
            self._process.stdout.close()
        self._process.wait()


def _profile(grid: Any, made: Array) -> dict[str, Any]:
    return {
        "driver": "GTiff",
        "width": grid.width,
        "height": grid.height,
        "count": len(made),
        "dtype": made.dtype,
        "crs": grid.crs,
        "transform": grid.transform,
        "nodata": NO_CLASS if made.dtype == np.uint8 else np.nan,
        "tiled": True,
        "bigtiff": "if_safer",
    }


def _misshaped(shape: tuple[int, ...], wanted: str) -> InvalidInput:
    what = f"The model answered an array of shape {list(shape)}."
    return InvalidInput(what, f"Wanted: {wanted}.", "Correct its signature.", "signature", "model-signature")


def _digest(path: Path) -> str:
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    total = hashlib.sha256()
    for each in sorted(path.rglob("*")):
        if each.is_file():
            total.update(each.relative_to(path).as_posix().encode() + b"\0" + each.read_bytes())
    return total.hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
