"""The engine for models: every layout, flavour and order of blocks against plain numpy, and what is wrong."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine

from terrafair.errors import InvalidInput
from terrafair.execution.engines.mlflow.engine import MlflowEngine
from terrafair.workflows.mlflow import inputs, read
from terrafair.workflows.workflow import Application, CodeLocation, Resolution, WorkflowType

from .contract import Done, EngineContract, FolderStager, MemoryCheckout, MemoryRepositories, execute, software

pytest.importorskip("onnxruntime", reason="the extra `ml` is not installed")
onnx = pytest.importorskip("onnx", reason="the extra `ml` is not installed")

URL = "https://git.example/owner/model"
HEIGHT, WIDTH = 70, 83


def mlmodel(shape: list[int] | None = None, **changes: Any) -> bytes:
    """An MLmodel with a tensor signature."""
    spec = [{"name": "x", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": shape or [-1, 2]}}]
    document = {
        "flavors": {"onnx": {"data": "model.onnx"}, "python_function": {"loader_module": "mlflow.onnx"}},
        "signature": {"inputs": json.dumps(spec), "outputs": "[]"},
        "metadata": {"bands": ["red", "nir"]},
        **changes,
    }
    return yaml.safe_dump(document).encode()


def network(shape: list[int | None], weights: np.ndarray[Any, Any], kind: str) -> bytes:
    """A linear model by pixel, or a convolution that keeps the size."""
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    tensor = helper.make_tensor("w", number, weights.shape, weights.ravel().astype("float32"))
    pads = {"pads": [weights.shape[-1] // 2] * 4} if kind == "Conv" else {}
    node = helper.make_node(kind, ["x", "w"], ["y"], **pads)
    given = helper.make_tensor_value_info("x", number, shape)
    answer = helper.make_tensor_value_info("y", number, None)
    graph = helper.make_graph([node], "m", [given], [answer], [tensor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def engine(path: Path, **files: bytes) -> MlflowEngine:
    checkout = MemoryCheckout({f"m/{name.replace('__', '.')}": content for name, content in files.items()})
    return MlflowEngine(MemoryRepositories({URL: checkout}), FolderStager(), software(path))


def resolution(content: bytes) -> Resolution:
    application = Application(WorkflowType.MLFLOW, CodeLocation(URL, URL, path="m/MLmodel"), content)
    return Resolution(
        "m", "workflow", type=WorkflowType.MLFLOW, application=application, inputs=inputs(yaml.safe_load(content))
    )


@pytest.fixture
def data() -> np.ndarray[Any, Any]:
    made = np.random.default_rng(1).integers(1, 10_000, (2, HEIGHT, WIDTH)).astype("uint16")
    made[0, 3:9, 5:20] = 0
    return made


@pytest.fixture
def item(tmp_path: Path, data: np.ndarray[Any, Any]) -> Path:
    """Two bands of 10 m, with no data and a scale in the item."""
    assets = {}
    for name, band in zip(("red", "nir"), data, strict=True):
        path = tmp_path / f"{name}.tif"
        profile = {"driver": "GTiff", "width": WIDTH, "height": HEIGHT, "count": 1, "dtype": "uint16", "nodata": 0}
        profile |= {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_000_000)}
        with rasterio.open(path, "w", **profile) as target:
            target.write(band, 1)
        assets[name] = {"href": path.name, "bands": [{"name": f"B-{name}", "raster:scale": 0.0001}]}
    file = tmp_path / "item.json"
    document = {"type": "Feature", "stac_version": "1.1.0", "id": "scene", "assets": assets, "properties": {}}
    file.write_text(json.dumps(document))
    return file


def result(done: Done, path: Path) -> np.ndarray[Any, Any]:
    assert done.outcome, done.stderr
    assert done.outcome.successful, done.log
    with rasterio.open(path / "outputs" / done.outcome.outputs["result"]) as source:
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert source.crs.to_epsg() == 32633
        values: np.ndarray[Any, Any] = source.read()
        return values


@pytest.fixture
def reflectance(data: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    scaled = data.astype("float64") * 0.0001
    scaled[data == 0] = np.nan
    return scaled


LINEAR = np.array([[2.0, -1.0], [0.5, 3.0]])


class TestContract(EngineContract):
    @pytest.fixture
    def engine(self, tmp_path: Path) -> MlflowEngine:
        return engine(tmp_path, model__onnx=network([None, 2], LINEAR, "MatMul"))

    @pytest.fixture
    def resolution(self) -> Resolution:
        return resolution(mlmodel())

    @pytest.fixture
    def values(self, item: Path) -> dict[str, Any]:
        return {"stac": str(item)}


def test_each_pixel(tmp_path: Path, item: Path, reflectance: np.ndarray[Any, Any]) -> None:
    own = engine(tmp_path, model__onnx=network([None, 2], LINEAR, "MatMul"))
    found = result(execute(own, resolution(mlmodel()), {"stac": str(item)}, tmp_path / "j"), tmp_path / "j")
    expected = np.einsum("byx,bo->oyx", reflectance, LINEAR)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.isnan(found[0]).sum() == np.isnan(expected[0]).sum() > 0


def test_classes(tmp_path: Path, item: Path, reflectance: np.ndarray[Any, Any]) -> None:
    own = engine(tmp_path, model__onnx=network([None, 2], LINEAR, "MatMul"))
    values = {"stac": str(item), "output": "class", "bands": ["B-red", "B-nir"]}
    found = result(execute(own, resolution(mlmodel()), values, tmp_path / "j"), tmp_path / "j")
    expected = np.einsum("byx,bo->oyx", np.nan_to_num(reflectance), LINEAR).argmax(axis=0)
    known = np.isfinite(reflectance).all(axis=0)
    assert found.dtype == np.uint8
    assert (found[0][known] == expected[known]).all()
    assert (found[0][~known] == 255).all()


@pytest.mark.parametrize(("tile", "workers"), [(32, 1), (32, 3), (-1, 2)])
def test_blocks_leave_no_seams(
    tmp_path: Path, item: Path, reflectance: np.ndarray[Any, Any], tile: int, workers: int
) -> None:
    kernel = np.random.default_rng(2).normal(size=(1, 2, 5, 5))
    own = engine(tmp_path, model__onnx=network([None, 2, None, None], kernel, "Conv"))
    values = {"stac": str(item), "overlap": 4, "workers": workers}
    done = execute(own, resolution(mlmodel([-1, 2, tile, tile])), values, tmp_path / "j")
    found = result(done, tmp_path / "j")[0]
    padded = np.pad(np.nan_to_num(reflectance), ((0, 0), (2, 2), (2, 2)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(1, 2))
    expected = np.einsum("byxij,bij->yx", windows, kernel[0])
    known = np.isfinite(reflectance).all(axis=0)
    np.testing.assert_allclose(found[known], expected[known], atol=1e-5)
    assert np.isnan(found[~known]).all()
    assert done.progress[-1] == pytest.approx(1)


def test_a_model_of_scikit_learn_and_bands_of_two_sizes(tmp_path: Path, item: Path, data: np.ndarray[Any, Any]) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    table = np.random.default_rng(3).uniform(0, 1, (200, 2))
    model = linear.LogisticRegression().fit(table, table[:, 0] > table[:, 1])
    columns = [{"name": name, "type": "double"} for name in ("red", "nir")]
    content = mlmodel(
        flavors={"sklearn": {"pickled_model": "model.pkl"}},
        signature={"inputs": json.dumps(columns), "outputs": "[]"},
    )
    coarse = data[1, ::2, ::2]
    profile = {"driver": "GTiff", "width": coarse.shape[1], "height": coarse.shape[0], "count": 1, "dtype": "uint16"}
    profile |= {"crs": "EPSG:32633", "transform": Affine(20, 0, 500_000, 0, -20, 5_000_000)}
    with rasterio.open(tmp_path / "nir.tif", "w", **profile) as target:
        target.write(coarse, 1)
    own = engine(tmp_path, model__pkl=pickle.dumps(model))
    found = result(execute(own, resolution(content), {"stac": str(item)}, tmp_path / "j"), tmp_path / "j")
    assert found.shape == (2, HEIGHT, WIDTH)
    known = np.isfinite(found).all(axis=0)
    assert known.mean() > 0.9
    np.testing.assert_allclose(found[:, known].sum(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "files", "values", "message"),
    [
        ([-1, 2], {}, {}, "model's file 'model.onnx' is not beside"),
        ([-1, 2], {"model__onnx": b"nothing"}, {}, "The model cannot be loaded"),
        ([-1, 3], {"model__onnx": network([None, 2], LINEAR, "MatMul")}, {"bands": ["red", "nir", "red"]}, "failed on"),
        ([-1, 2], {"model__onnx": network([None, 2], LINEAR, "MatMul")}, {"bands": ["red", "blue"]}, "or band 'blue'"),
        (
            [-1, 2, 32, 32],
            {"model__onnx": network([None, 2, None, None], np.ones((1, 2, 6, 6)), "Conv")},
            {},
            "answered an array of shape [1, 1, 33, 33]",
        ),
    ],
)
def test_what_goes_wrong(
    tmp_path: Path, item: Path, shape: list[int], files: dict[str, bytes], values: dict[str, Any], message: str
) -> None:
    own = engine(tmp_path, **files)
    given = {"stac": str(item), **values}
    if not files:
        with pytest.raises(InvalidInput, match=message):
            execute(own, resolution(mlmodel(shape)), given, tmp_path / "j")
        return
    assert message in execute(own, resolution(mlmodel(shape)), given, tmp_path / "j").problem


def test_an_image_that_is_none(tmp_path: Path, item: Path) -> None:
    (tmp_path / "nir.tif").write_text("no image")
    own = engine(tmp_path, model__onnx=network([None, 2], LINEAR, "MatMul"))
    assert (
        "nir.tif of scene cannot be read"
        in execute(own, resolution(mlmodel()), {"stac": str(item)}, tmp_path / "j").problem
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"flavors": {}}, "model-flavour"),
        ({"flavors": {"spark": {}}}, "model-flavour"),
        ({"flavors": {"onnx": {}}}, "model-file"),
        ({"signature": None}, "model-signature"),
        ({"signature": {"inputs": "[[[", "outputs": ""}}, "model-signature"),
        ({"signature": {"inputs": '[{"type": "tensor", "tensor-spec": {"shape": [-1, 2, 3]}}]'}}, "model-signature"),
        ({"signature": {"inputs": '[{"type": "tensor", "tensor-spec": {"shape": [-1, 2, 3, 4]}}]'}}, "model-signature"),
    ],
)
def test_models_that_cannot_be_applied(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(yaml.safe_load(mlmodel(**changes)))
    assert caught.value.problem.code == code


def test_what_is_asked_for() -> None:
    asked = {spec.name: spec for spec in inputs(yaml.safe_load(mlmodel([-1, 64, 64, 2])))}
    assert asked["bands"].default == ["red", "nir"]
    assert asked["bands"].schema["minItems"] == 2
    assert asked["overlap"].default == 8
    assert read(yaml.safe_load(mlmodel([-1, 64, 64, 2]))).layout == "interleaved"
    unnamed = {spec.name: spec for spec in inputs(yaml.safe_load(mlmodel(metadata=None)))}
    assert unnamed["bands"].required


def test_an_mlmodel_alone(tmp_path: Path) -> None:
    content = mlmodel()
    alone = replace(resolution(content), application=Application(WorkflowType.MLFLOW, CodeLocation("MLmodel"), content))
    assert [problem.code for problem in engine(tmp_path).check(alone)] == ["model-alone"]
