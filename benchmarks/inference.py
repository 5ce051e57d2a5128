"""A U-Net over a whole Sentinel-2 tile on the job engine: memory and time for one worker and for two.

    python benchmarks/inference.py [SIDE]

The network has an encoder of three levels with skips, in ONNX; the image two bands of 10980 by 10980 pixels. The floor
is onnxruntime alone on blocks of the same size that lie in memory already, one thread: neither reading, nor overlap,
nor the result's file. Memory is the most that the job and its workers held together.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import psutil
import rasterio
from affine import Affine
from onnx import TensorProto, helper

from terrafair.execution.command import Limits
from terrafair.execution.containers import Containers
from terrafair.execution.engines.mlflow.engine import MlflowEngine
from terrafair.execution.engines.software import Software
from terrafair.execution.environments import Environments
from terrafair.execution.task import JobFolder, Outcome
from terrafair.workflows.mlflow import inputs
from terrafair.workflows.workflow import Application, CodeLocation, Resolution, WorkflowType

SIDE, TILE, OVERLAP, WIDTH = 10980, 256, 32, 8
MLMODEL = {
    "flavors": {"onnx": {"data": "model.onnx"}},
    "signature": {
        "inputs": json.dumps(
            [{"name": "x", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2, TILE, TILE]}}]
        )
    },
    "metadata": {"bands": ["red", "nir"]},
}


def network() -> bytes:
    """Encoder and decoder of three levels, the skips joined, one probability for each pixel."""
    random, weights, nodes = np.random.default_rng(1), [], []

    def convolve(given: str, name: str, taken: int, made: int, size: int = 3) -> str:
        values = random.normal(0, 1 / (size * taken**0.5), (made, taken, size, size)).astype("float32")
        weights.append(helper.make_tensor(f"{name}-w", TensorProto.FLOAT, values.shape, values.ravel()))
        nodes.append(helper.make_node("Conv", [given, f"{name}-w"], [name], pads=[size // 2] * 4))
        nodes.append(helper.make_node("Relu" if size > 1 else "Sigmoid", [name], [f"{name}-a"]))
        return f"{name}-a"

    weights.append(helper.make_tensor("twice", TensorProto.FLOAT, [4], [1.0, 1.0, 2.0, 2.0]))
    skips, current, taken = [], "x", 2
    for level in range(3):
        current = convolve(current, f"down{level}", taken, WIDTH << level)
        taken = WIDTH << level
        if level < 2:
            skips.append((current, taken))
            nodes.append(helper.make_node("MaxPool", [current], [f"half{level}"], kernel_shape=[2, 2], strides=[2, 2]))
            current = f"half{level}"
    for level, (skip, width) in reversed(list(enumerate(skips))):
        nodes.append(helper.make_node("Resize", [current, "", "twice"], [f"large{level}"], mode="nearest"))
        nodes.append(helper.make_node("Concat", [f"large{level}", skip], [f"both{level}"], axis=1))
        current, taken = convolve(f"both{level}", f"up{level}", taken + width, width), width
    answer = convolve(current, "last", taken, 1, 1)
    shape = [None, 2, TILE, TILE]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    result = helper.make_tensor_value_info(answer, TensorProto.FLOAT, [None, 1, TILE, TILE])
    graph = helper.make_graph(nodes, "unet", [given], [result], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


class Folder:
    """Serves the model and the image where they lie."""

    def file(self, reference: str, into: Path) -> Path:  # noqa: ARG002
        return Path(reference.removeprefix("file://"))

    def stac(self, reference: str, into: Path) -> Path:
        return self.file(reference, into)


def image(folder: Path, side: int) -> Path:
    """An item with two bands of noise."""
    block = np.random.default_rng(2).integers(1, 10_000, (512, 512)).astype("uint16")
    assets = {}
    for name in ("red", "nir"):
        path = folder / f"{name}.tif"
        profile = {"driver": "GTiff", "width": side, "height": side, "count": 1, "dtype": "uint16", "nodata": 0}
        profile |= {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_000_000), "tiled": True}
        with rasterio.open(path, "w", blockxsize=512, blockysize=512, compress="deflate", zlevel=1, **profile) as file:
            for row in range(0, side, 512):
                height = min(512, side - row)
                values = np.tile(block, (1, side // 512 + 1))[:height, :side]
                file.write(values, 1, window=rasterio.windows.Window(0, row, side, height))
        assets[name] = {"href": str(path)}
    item = folder / "item.json"
    item.write_text(json.dumps({"type": "Feature", "id": "tile", "assets": assets}))
    return item


def watched(process: psutil.Popen) -> int:
    """The most that a process and its children held at once, in bytes (shared pages counted once: PSS)."""
    most = 0
    while process.poll() is None:
        total = 0
        for each in [process, *process.children(recursive=True)]:
            try:
                total += each.memory_full_info().pss
            except psutil.Error:
                continue
        most = max(most, total)
        time.sleep(0.5)
    return most


def run(folder: Path, item: Path, workers: int) -> tuple[float, int]:
    """(seconds, bytes) of one job."""
    software = Software(Environments(folder / "environments"), Containers())
    engine = MlflowEngine({}, Folder(), software)  # type: ignore[arg-type]
    content = json.dumps(MLMODEL).encode()
    location = CodeLocation(f"file://{folder}/MLmodel")
    application = Application(WorkflowType.MLFLOW, location, content)
    resolution = Resolution("u", "workflow", type=engine.type, application=application, inputs=inputs(MLMODEL))
    job = JobFolder(folder / f"job-{workers}").create()
    values = {"stac": str(item), "overlap": OVERLAP, "workers": workers}
    command = engine.prepare(resolution, values, job, Limits(), lambda _: None)
    started = time.perf_counter()
    process = psutil.Popen(
        command.arguments,
        cwd=command.directory,
        env=dict(command.environment),
        stdout=open("/dev/null", "w"),  # noqa: SIM115, PTH123
    )
    most = watched(process)
    outcome = Outcome.read(job.outcome)
    assert outcome.successful, outcome.problems
    return time.perf_counter() - started, most


def floor(content: bytes, count: int) -> float:
    """Seconds of onnxruntime alone for so many blocks, one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    block = np.random.default_rng(3).random((1, 2, TILE, TILE), "float32")
    tried = min(count, 60)
    session.run(None, {"x": block})
    started = time.perf_counter()
    for _ in range(tried):
        session.run(None, {"x": block})
    return (time.perf_counter() - started) / tried * count


def main() -> None:
    """Print the figures."""
    side = int(sys.argv[1]) if len(sys.argv) > 1 else SIDE
    content: Any = network()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.onnx").write_bytes(content)
        item = image(folder, side)
        steps = -(-side // (TILE - 2 * OVERLAP))
        print(f"U-Net over {side} x {side} pixels, 2 bands, blocks of {TILE} with {OVERLAP} around:")
        alone = floor(content, steps**2)
        print(f"  {'onnxruntime alone, 1 thread':34} {alone:7.1f} s")
        for workers in (1, 2):
            seconds, most = run(folder, item, workers)
            print(f"  {f'job, {workers} worker(s)':34} {seconds:7.1f} s   {most / 2**30:.2f} GiB")


if __name__ == "__main__":
    main()
