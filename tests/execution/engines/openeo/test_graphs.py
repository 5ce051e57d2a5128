"""Published graphs on synthetic cubes: most run, the others say why not."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from terrafair.errors import TerrafairError
from terrafair.execution.engines.openeo.blocks import silent
from terrafair.execution.engines.openeo.evaluate import Evaluator
from terrafair.execution.engines.openeo.graph import parse
from terrafair.execution.engines.openeo.save import Saved
from terrafair.execution.engines.openeo.udps import Definitions
from terrafair.workflows.openeo import free_parameters, process_of

from . import synthetic

FOLDER = Path(os.environ.get("TERRAFAIR_SHARED", Path(__file__).parents[4] / "../shared/data")).resolve()
FOLDER = FOLDER / "openeo" / "graphs"

WHY_NOT = {
    "apex__biopar": "imports biopar",
    "apex__cropsar1d": "'cropsar1d' is not known",
    "apex__sen2like_processing": "'sen2like' is not known",
    "apex__sentinel1_sar_coherence": "runtime 'EOAP-CWL' is not here",
    "apex__sentinel1_sar_interferogram": "'run_cwl_to_stac' is not known",
    "apex__variabilitymap": "imports biopar",
    "apex__wind_turbine_detection": "'wind_turbine_detection' is not known",
    "community__anomaly_detection": "imports tensorflow",
    "osc_worldcereal__worldcereal_crop_extent": "requires the worldcereal, prometheo, and loguru packages",
    "osc_worldcereal__worldcereal_crop_type": "requires the worldcereal, prometheo, and loguru packages",
}
"""Each needs what its author keeps: a package, another platform's process, a runtime."""
EMPTY = frozenset({"apex__UHI_per_pixel"})
"""Graphs whose own thresholds leave nothing of made-up values."""
DATA = {"from_parameter": "data"}
NDWI = {
    "id": "NDWI",
    "parameters": [{"name": "date", "schema": {"type": "array"}}, {"name": "polygon", "schema": {"type": "object"}}],
    "process_graph": {
        "load": {
            "process_id": "load_collection",
            "arguments": {
                "id": "SENTINEL2_L2A", "bands": ["B03", "B08"], "spatial_extent": {"from_parameter": "polygon"},
                "temporal_extent": {"from_parameter": "date"},
            },
        },
        "index": {
            "process_id": "reduce_dimension",
            "arguments": {
                "data": {"from_node": "load"}, "dimension": "bands",
                "reducer": {
                    "process_graph": {
                        "green": {"process_id": "array_element", "arguments": {"data": DATA, "index": 0}},
                        "nir": {"process_id": "array_element", "arguments": {"data": DATA, "index": 1}},
                        "nd": {
                            "process_id": "normalized_difference",
                            "arguments": {"x": {"from_node": "green"}, "y": {"from_node": "nir"}}, "result": True,
                        },
                    }
                },
            },
            "result": True,
        },
    },
}  # fmt: skip
"""What the user-defined process that a graph calls most likely is: its author keeps it to himself."""


def graphs() -> list[object]:
    if not FOLDER.is_dir():
        return [pytest.param(None, marks=pytest.mark.skip("the published graphs are not here"))]
    return [pytest.param(path, id=path.stem) for path in sorted(FOLDER.glob("*.json")) if path.stem != "INDEX"]


def values_for(document: Mapping[str, Any]) -> dict[str, Any]:
    process = process_of(document)
    declared = process.get("parameters") or []
    values = {
        each["name"]: synthetic.value_for(each)
        for each in declared
        if not (each.get("optional") or "default" in each)
    }  # fmt: skip
    known = {each["name"] for each in declared}
    free = [name for name in free_parameters(process["process_graph"]) if name not in known]
    return {**values, **{name: synthetic.value_for({"name": name}) for name in free}}


@pytest.fixture
def onnx_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of the shape that the parcel delineation opens in its folder."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    folder = tmp_path / "onnx_models"
    folder.mkdir()
    entry = helper.make_tensor_value_info("ndvi", kind, [1, 128 * 128, 3])
    exit_ = helper.make_tensor_value_info("parcels", kind, [1, 128 * 128, 1])
    node = helper.make_node("ReduceMean", ["ndvi", "axes"], ["parcels"], keepdims=1)
    axes = helper.make_tensor("axes", onnx.TensorProto.INT64, [1], [2])
    graph = helper.make_graph([node], "mean", [entry], [exit_], [axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    for number in (1, 2, 3):
        onnx.save(model, folder / f"BelgiumCropMap_unet_3BandsGenerator_Network{number}.onnx")
    monkeypatch.chdir(tmp_path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", graphs())
def test_graph(path: Path, tmp_path: Path, onnx_models: None) -> None:
    document = json.loads(path.read_text("utf-8"))
    values = values_for(document)
    said: list[tuple[str, str]] = []
    environment = synthetic.environment(tmp_path, said)
    evaluator = Evaluator(synthetic.library(), Definitions({"NDWI": NDWI}), environment)
    graph = parse(document, tuple(values))
    with silent():
        if path.stem in WHY_NOT:
            with pytest.raises(TerrafairError, match=WHY_NOT[path.stem]) as caught:
                evaluator.run(graph, values)
            assert caught.value.problems[0].where
            return
        found = evaluator.run(graph, values)
    for value in found.values():
        plain = value.data if isinstance(value, Saved) else value
        if isinstance(plain, xr.DataArray):
            assert plain.size
            assert path.stem in EMPTY or np.isfinite(plain.values.astype(float)).any()


def test_enough_of_them_run() -> None:
    if not FOLDER.is_dir():
        pytest.skip("the published graphs are not here")
    assert len(list(FOLDER.glob("*.json"))) - 1 - len(WHY_NOT) >= 32
