"""Processes that train models, keep them and predict with them."""

from pathlib import Path

import numpy as np
import pytest

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo.evaluate import Environment, Evaluator
from terrafair.execution.engines.openeo.graph import parse
from terrafair.execution.engines.openeo.processes.models import load_ml_model
from terrafair.execution.engines.openeo.registry import processes
from terrafair.execution.engines.openeo.save import Results

from .test_processes import callback, cube, polygons, run, square


def test_models_of_scikit_learn_and_onnx_predict_the_same(tmp_path: Path) -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    skl2onnx = pytest.importorskip("skl2onnx")
    import joblib

    random = np.random.default_rng(4)
    table = random.normal(50, 30, (300, 2)).astype(np.float32)
    model = ensemble.RandomForestClassifier(10, random_state=1).fit(table, (table[:, 0] > table[:, 1]).astype(np.int64))
    joblib.dump(model, tmp_path / "forest.joblib")
    converted = skl2onnx.to_onnx(model, table[:1], options={"zipmap": False})
    (tmp_path / "forest.onnx").write_bytes(converted.SerializeToString())
    data = cube()
    environment = Environment({name: str(tmp_path / name) for name in ("forest.joblib", "forest.onnx")})
    flat = np.moveaxis(data.values, 1, -1).reshape(-1, 2)
    known = np.isfinite(flat).all(1)
    expected = np.full(len(flat), np.nan)
    expected[known] = model.predict(flat[known])
    for name in environment.sources:
        context = load_ml_model(environment, name)
        predict = callback(
            "predict_random_forest", data={"from_parameter": "data"}, model={"from_parameter": "context"}
        )
        graph = parse({
            "n": {"process_id": "reduce_dimension", "result": True, "arguments": {
                "data": {"from_parameter": "d"}, "dimension": "bands", "reducer": predict,
                "context": {"from_parameter": "m"},
            }},
        }, ("d", "m"))  # fmt: skip
        found = Evaluator(processes()).run(graph, {"d": data, "m": context})["n"]
        np.testing.assert_array_equal(found.values.reshape(-1), expected)
        whole = run("ml_predict", data=data, model=context)
        np.testing.assert_array_equal(whole.values.reshape(-1), expected)


def test_a_model_is_trained_and_saved(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    features = polygons(*(square(500000 + 10 * n, 5100000 - 10 * n, 20) for n in range(8)))
    for number, feature in enumerate(features["features"]):
        feature["properties"] = {"a": number, "target": int(number > 3)}
    predictors = run("load_geojson", data=features, properties=["a"])
    model = run("fit_class_random_forest", predictors=predictors, target=features, seed=1)
    assert model.predict(np.array([[0.0], [7.0]])).tolist() == [0, 1]
    environment = Environment(results=Results(tmp_path), node="model")
    assert run("save_ml_model", environment, data=model) is True
    again = load_ml_model(Environment({"m": str(tmp_path / "n.joblib")}), "m")
    assert again.predict(np.array([[0.0], [7.0]])).tolist() == [0, 1]


def test_what_is_no_model_is_told(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"nothing")
    with pytest.raises(InvalidInput, match="neither ONNX nor a scikit-learn model"):
        load_ml_model(Environment({"m": str(tmp_path / "m")}), "m")
