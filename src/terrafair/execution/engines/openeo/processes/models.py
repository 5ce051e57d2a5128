"""Machine learning: models are loaded, trained, saved, and applied to every pixel."""

# ruff: noqa: A002, D103 -- processes and their parameters are named by the specification

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import dimensions
from terrafair.execution.engines.openeo.evaluate import Environment
from terrafair.execution.engines.openeo.values import Block, Stack, as_array, describe, items_of, number_block

_ONNX = ("tensor(float)", "tensor(double)")
_MODEL_ROLES = frozenset({"ml-model:checkpoint", "mlm:model", "mlm:weights", "model"})
_PACKAGES = "Install terrafair with the extra `ml`."


@dataclass(frozen=True, slots=True)
class Model:
    """Something that predicts from rows of features."""

    name: str
    predict: Callable[[Block], Block]
    """(samples, features) -> (samples,)."""
    probabilities: Callable[[Block], Block] | None = None
    """(samples, features) -> (samples, classes), for classifiers."""
    estimator: Any = None
    """What scikit-learn trained; None for ONNX."""


def load_ml_model(environment: Environment, id: Any) -> Model:
    """ONNX, or what joblib or pickle wrote of scikit-learn; also a STAC item with such an asset."""
    path = environment.sources.get(str(id))
    if path is None:
        raise InvalidInput(f"The model {id!r} has not been staged.", code="source-missing")
    return model_of(_file(Path(path), str(id)), str(id))


def _file(path: Path, reference: str) -> Path:
    if path.suffix.lower() != ".json":
        return path
    try:
        document = json.loads(path.read_bytes())
        items = document.get("features", [document])
        assets = [asset for item in items for asset in item.get("assets", {}).values()]
    except (OSError, ValueError, AttributeError) as fault:
        raise InvalidInput(f"{reference} is no readable STAC item: {fault}.", code="asset-unreadable") from None
    wanted = [asset for asset in assets if _MODEL_ROLES & set(asset.get("roles") or ())] or assets
    for asset in wanted:
        found = path.parent / str(asset.get("href", ""))
        if found.is_file():
            return found
    raise InvalidInput(f"{reference} has no asset with a model.", code="asset-missing")


def model_of(path: Path, reference: str) -> Model:
    """Read a model file, by its content; raises `InvalidInput` for other formats."""
    start = path.read_bytes()[:4]
    try:
        if path.suffix.lower() == ".onnx" or start[:1] == b"\x08":
            return _onnx(path)
        if start[:1] in {b"\x80", b"x", b"\x1f"} or path.suffix.lower() in {".pkl", ".pickle", ".joblib", ".sav"}:
            import joblib

            # Pickles run code; this process is the job's sandbox.
            return estimator_model(joblib.load(path), reference)
    except ImportError as fault:
        what = f"{reference} needs {fault.name}, which is not installed here."
        raise InvalidInput(what, remedy=_PACKAGES, code="model-unreadable") from None
    except InvalidInput:
        raise
    except Exception as fault:
        text = " ".join(str(fault).split())[:300]
        raise InvalidInput(f"{reference} cannot be read as a model.", text, code="model-unreadable") from fault
    what = f"{reference} is neither ONNX nor a scikit-learn model."
    raise InvalidInput(what, "Only these are read here.", "Export it to ONNX.", code="model-unreadable")


def _onnx(path: Path) -> Model:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Blocks run side by side already.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    kind = np.float64 if entry.type == "tensor(double)" else np.float32
    if entry.type not in _ONNX:
        raise InvalidInput(f"The model takes {entry.type}.", "Pixels are floats.", code="model-unreadable")
    outputs = [each.name for each in session.get_outputs()]

    def run(features: Block, number: int) -> Block:
        return np.asarray(session.run([outputs[number]], {entry.name: features.astype(kind)})[0])

    def predict(features: Block) -> Block:
        found = run(features, 0)
        return found if found.ndim == 1 or found.shape[1] > 1 else found[:, 0]

    second = session.get_outputs()[1].type if len(outputs) > 1 else ""
    return Model(path.name, predict, (lambda features: run(features, 1)) if second.startswith("tensor") else None)


def estimator_model(estimator: Any, name: str) -> Model:
    """A model around a trained estimator of scikit-learn's interface."""
    if not hasattr(estimator, "predict"):
        what = f"{name} holds {describe(estimator)}, which cannot predict."
        raise InvalidInput(what, code="model-unreadable")
    if hasattr(estimator, "n_jobs"):
        estimator.n_jobs = 1
    sure = estimator.predict_proba if hasattr(estimator, "predict_proba") else None
    return Model(name, estimator.predict, sure, estimator)


# Predicting


def predict_random_forest(data: Any, model: Any) -> Any:
    return _predicted(data, _as_model(model).predict)


def predict_class(data: Any, model: Any) -> Any:
    return _predicted(data, _as_model(model).predict)


def predict_probabilities(data: Any, model: Any) -> Any:
    own = _as_model(model)
    if own.probabilities is None:
        raise InvalidInput(f"The model {own.name} gives no probabilities.", code="argument-value")
    return _predicted(data, own.probabilities)


def predict_onnx(data: Any, model: Any) -> Any:
    return _predicted(data, _as_model(model).predict)


def ml_predict(data: Any, model: Any) -> xr.DataArray:
    """The bands are the features; the result has one band for each value that the model gives."""
    cube, own = dimensions.as_cube(data), _as_model(model)
    name = dimensions.bands(cube)
    rest = [str(each) for each in cube.dims if each != name]
    moved = cube.transpose(*rest, name)

    def work(block: Block) -> Block:
        found = _rows(block.reshape(-1, block.shape[-1]), own.predict)
        return found.reshape(*block.shape[:-1], found.shape[1])

    size = work(np.zeros((1,) * len(rest) + (cube.sizes[name],), np.float32)).shape[-1]
    whole = moved.chunk({name: -1}) if moved.chunks else moved
    result = xr.apply_ufunc(
        work, whole.drop_vars(name), input_core_dims=[[name]], output_core_dims=[[name]], exclude_dims={name},
        dask="parallelized", output_dtypes=[np.float32], dask_gufunc_kwargs={"output_sizes": {name: size}},
    )  # fmt: skip
    labels = [f"value{number}" for number in range(size)] if size > 1 else ["value"]
    extra = {name: dimensions.coordinate(name, labels, {"type": "bands"})}
    return dimensions.rebuilt(cube, result.transpose(*rest, name).data, [*rest, name], extra).transpose(*cube.dims)


def _as_model(value: Any) -> Model:
    if isinstance(value, Model):
        return value
    # Clients hand the model to callbacks as their context.
    if isinstance(value, dict) and len(value) == 1:
        return _as_model(next(iter(value.values())))
    what = f"`model` is {describe(value)}, not a model."
    raise InvalidInput(what, remedy="Load it with load_ml_model.", code="argument-type")


def _predicted(data: Any, predict: Callable[[Block], Block]) -> Any:
    array = as_array(data)
    if not isinstance(array, Stack):
        features = np.array([number_block(item) for item in items_of(array)], np.float32)[None]
        found = _rows(features, predict)[0].tolist()
        return found[0] if len(found) == 1 else found
    values = np.moveaxis(array.values, 0, -1)
    found = _rows(values.reshape(-1, values.shape[-1]), predict)
    shaped = np.moveaxis(found.reshape(*values.shape[:-1], found.shape[1]), -1, 0)
    return shaped[0] if len(shaped) == 1 else Stack(shaped)


def _rows(features: Block, predict: Callable[[Block], Block]) -> Block:
    """(samples, values); samples with no-data among their features give no-data."""
    known = np.isfinite(features).all(1)
    if not known.any():
        # One made-up row tells how many values there are.
        width = np.atleast_2d(np.asarray(predict(np.zeros((1, features.shape[1]), np.float32)))).shape[-1]
        return np.full((len(features), width), np.nan, np.float32)
    found = np.asarray(predict(np.ascontiguousarray(features[known], np.float32)))
    found = found.reshape(len(found), -1)
    result = np.full((len(features), found.shape[1]), np.nan, np.float32)
    try:
        result[known] = found
    except ValueError:
        what = f"The model gives {found.dtype} values."
        raise InvalidInput(what, "Pixels hold numbers.", "Encode the classes as numbers.", code="result-type") from None
    return result


# Training


def fit_class_random_forest(
    predictors: Any, target: Any, max_variables: Any = None, num_trees: int = 100, seed: int | None = None
) -> Model:
    return _forest("RandomForestClassifier", predictors, target, max_variables, num_trees, seed)


def fit_regr_random_forest(
    predictors: Any, target: Any, max_variables: Any = None, num_trees: int = 100, seed: int | None = None
) -> Model:
    return _forest("RandomForestRegressor", predictors, target, max_variables, num_trees, seed)


def _forest(kind: str, predictors: Any, target: Any, variables: Any, trees: int, seed: int | None) -> Model:
    try:
        from sklearn import ensemble
    except ImportError:
        raise InvalidInput("scikit-learn is not installed here.", remedy=_PACKAGES, code="model-unreadable") from None
    features, wanted = _table(predictors, "predictors"), _wanted(target)
    if len(features) != len(wanted):
        what = f"There are {len(features)} rows of predictors for {len(wanted)} of the target."
        raise InvalidInput(what, code="argument-value")
    known = np.isfinite(features).all(1) & np.isfinite(wanted)
    if known.sum() < 2:
        raise InvalidInput("Fewer than two samples are complete.", "No-data cannot be learned.", code="argument-value")
    most = {"onethird": max(1, features.shape[1] // 3), "all": None}.get(str(variables), variables or "sqrt")
    model = getattr(ensemble, kind)(n_estimators=trees, max_features=most, random_state=seed)
    rows = wanted[known].astype(np.int64) if kind.endswith("Classifier") else wanted[known]
    return estimator_model(model.fit(features[known], rows), kind)


def _table(value: Any, argument: str) -> Block:
    """(samples, features) of a vector cube, or of a raster whose pixels are the samples."""
    cube = dimensions.as_cube(value, argument)
    names = dimensions.of_kind(cube, "geometry") or list(dimensions.horizontal(cube))
    rest = [str(each) for each in cube.dims if each not in names]
    size = int(np.prod([cube.sizes[name] for name in names]))
    return np.asarray(cube.transpose(*names, *rest).values, np.float64).reshape(size, -1)


def _wanted(target: Any) -> Block:
    if isinstance(target, xr.DataArray):
        found = _table(target, "target")
        return found[:, 0]
    from terrafair.execution.engines.openeo.area import Geometries

    shapes = Geometries.of(target, "target")
    for name in ("target", "class", "label", "value"):
        if all(name in about for about in shapes.properties):
            return np.array([float(about[name]) for about in shapes.properties])
    what = "The features of `target` have no property with what to learn."
    raise InvalidInput(what, remedy="Name it target, class, label or value.", code="argument-value")


def save_ml_model(environment: Environment, data: Any, options: Any = None) -> bool:  # noqa: ARG001
    """As joblib writes it; models that were loaded as ONNX are where they came from."""
    model = _as_model(data)
    if model.estimator is None:
        raise InvalidInput(
            f"The model {model.name} was not trained here.", "It needs no saving.", code="argument-value"
        )
    if environment.results is None:
        raise InvalidInput("Nothing can be saved here.")
    import joblib

    name = f"{environment.node}.joblib"
    joblib.dump(model.estimator, environment.results.folder / name)
    environment.results.outputs[environment.node] = name
    return True
