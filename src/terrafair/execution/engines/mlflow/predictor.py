"""Applies a model in its own environment: `python predictor.py FLAVOUR PATH`; blocks on stdin, results on stdout.

A message is a line of JSON, `{"shape": [...], "dtype": "float32", "columns": [...]}`, and the array's bytes. An answer
has the same form, or is the line `{"error": "..."}`. Imports nothing of the platform: the environment is the model's.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

Predict = Callable[[Any, list[str]], Any]


def onnx(path: str) -> Predict:
    """By onnxruntime, one thread: blocks are what runs in parallel."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # The arena keeps the most that any layer ever took, for each shape.
    options.enable_cpu_mem_arena = False
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    named = [entry.name for entry in session.get_inputs()]

    def predict(block: Any, columns: list[str]) -> Any:
        if columns:
            answer = session.run(None, {name: block[:, index : index + 1] for index, name in enumerate(named)})
        else:
            answer = session.run(None, {named[0]: block})
        # Classifiers answer labels and then probabilities; a list of mappings is neither.
        arrays = [each for each in answer if isinstance(each, np.ndarray)]
        floating = [each for each in arrays if each.dtype.kind == "f"]
        return (floating or arrays)[0]

    return predict


def sklearn(path: str) -> Predict:
    """By scikit-learn: probabilities where it knows them."""
    try:
        import cloudpickle as pickle  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        import pickle
    with Path(path).open("rb") as file:
        model = pickle.load(file)  # noqa: S301 (somebody's code, in the sandbox)

    def predict(block: Any, columns: list[str]) -> Any:
        table = _table(block, columns)
        return model.predict_proba(table) if hasattr(model, "predict_proba") else model.predict(table)

    return predict


def python_function(path: str) -> Predict:
    """By MLflow itself, whatever it can load."""
    import mlflow.pyfunc  # type: ignore[import-not-found,unused-ignore]

    model = mlflow.pyfunc.load_model(path)

    def predict(block: Any, columns: list[str]) -> Any:
        answer = model.predict(_table(block, columns))
        if isinstance(answer, dict):
            answer = next(iter(answer.values()))
        return getattr(answer, "to_numpy", lambda: answer)()

    return predict


def _table(block: Any, columns: list[str]) -> Any:
    if not columns:
        return block
    import pandas as pd

    return pd.DataFrame(block, columns=columns)


def serve(predict: Predict, source: BinaryIO, target: BinaryIO) -> None:
    """Answer until the source ends."""
    while line := source.readline():
        about = json.loads(line)
        shape, dtype = tuple(about["shape"]), np.dtype(about["dtype"])
        block = np.frombuffer(source.read(int(np.prod(shape)) * dtype.itemsize), dtype).reshape(shape)
        try:
            found = np.ascontiguousarray(predict(block, about.get("columns") or []), dtype="float32")
            answer: dict[str, Any] = {"shape": found.shape}
            content = found.tobytes()
        except Exception as fault:
            answer, content = {"error": f"{type(fault).__name__}: {str(fault)[:600]}"}, b""
        target.write(json.dumps(answer).encode() + b"\n" + content)
        target.flush()


def main(flavour: str, path: str) -> int:
    """Load, say so, serve."""
    # What a model prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        predict = {"onnx": onnx, "sklearn": sklearn, "python_function": python_function}[flavour](path)
    except Exception as fault:
        answers.write(json.dumps({"error": f"{type(fault).__name__}: {str(fault)[:600]}"}).encode() + b"\n")
        answers.flush()
        return 1
    answers.write(b'{"shape": []}\n')
    answers.flush()
    serve(predict, sys.stdin.buffer, answers)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
