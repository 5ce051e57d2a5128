"""What a job leaves becomes STAC, provenance and stored files; what cannot be read is kept all the same."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio
from affine import Affine

from terrafair.data.objects import MemoryObjects
from terrafair.errors import Problem
from terrafair.execution.job import Job, JobRequest, Results, State, Usage
from terrafair.execution.provenance import Platform
from terrafair.execution.results import Packager
from terrafair.execution.sandbox import Sandbox, probe
from terrafair.execution.task import JobFolder, Outcome, Task
from terrafair.workflows.workflow import Application, CodeLocation, InputSpec, Resolution, WorkflowType

GRAPH = b'{"process_graph": {}}'
JOB = Job(
    "20260101-aaaaaaaaaa",
    JobRequest("ndvi-run", inputs={"bbox": [11.0, 48.0, 11.1, 48.1], "temporal_extent": ["2024-05-01", "2024-06-01"]}),
    "2026-01-01T00:00:00.000Z",
    State.RUNNING,
    started="2026-01-01T00:00:01.000Z",
)
RESOLUTION = Resolution(
    "ndvi-run",
    "experiment",
    title="NDVI",
    workflow="ndvi",
    type=WorkflowType.OPENEO,
    application=Application(
        WorkflowType.OPENEO, CodeLocation("https://git.example/a/b/blob/main/graph.json", path="graph.json"), GRAPH
    ),
    inputs=(InputSpec("bbox", {"type": "array"}),),
)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return probe(tmp_path_factory.mktemp("sandbox"), "auto")


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    folder = JobFolder(tmp_path / JOB.id).create()
    Task(JOB.id, "openeo", str(folder.application), folder=str(folder.path)).write(folder.task)
    (folder.path / "log.jsonl").write_text('{"time": "2026-01-01T00:00:02Z", "level": "info", "message": "hi"}\n')
    return folder


def raster(path: Path, value: float = 0.5) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    profile: dict[str, Any] = {"driver": "GTiff", "width": 20, "height": 10, "count": 1, "dtype": "float32"}
    transform = Affine(10, 0, 600_000, 0, -10, 5_300_000)
    with rasterio.open(path, "w", crs="EPSG:32632", transform=transform, **profile) as out:
        out.write(np.full((10, 20), value, "float32"), 1)


def packaged(
    folder: JobFolder, sandbox: Sandbox, outcome: Outcome | None = None, store: MemoryObjects | None = None
) -> tuple[Results, MemoryObjects]:
    store = store or MemoryObjects()
    packager = Packager(store, sandbox, Platform())
    return packager.package(JOB, RESOLUTION, folder, outcome or Outcome(True), Usage(2.0, 1.0, 2**20)), store


def test_a_raster_is_described_and_stored(folder: JobFolder, sandbox: Sandbox) -> None:
    raster(folder.outputs / "maps" / "ndvi.tif")
    results, store = packaged(folder, sandbox, Outcome(True, outputs={"ndvi": "maps/ndvi.tif"}))
    (asset,) = results.assets
    content = store.get(asset.key)
    assert (asset.name, asset.size, asset.sha256) == (
        "maps/ndvi.tif",
        len(content),
        hashlib.sha256(content).hexdigest(),
    )
    assert asset.key == f"jobs/{JOB.id}/outputs/maps/ndvi.tif"
    item = pystac.Item.from_dict(json.loads(store.get(results.items[0])))
    assert item.properties["proj:code"] == "EPSG:32632" and "ndvi" in item.assets
    assert item.assets["ndvi"].extra_fields["file:checksum"] == "1220" + asset.sha256
    assert item.properties["start_datetime"].startswith("2024-05-01")
    collection = json.loads(store.get(results.collection))
    assert collection["osc:experiment"] == "ndvi-run"
    assert {link["rel"] for link in collection["links"]} >= {"item", "describedby", "processing-expression"}


def test_a_workflow_changes_the_metadata_of_its_outputs(folder: JobFolder, sandbox: Sandbox) -> None:
    raster(folder.outputs / "ndvi.tif")
    details = {"stac_changes": {"ndvi": {"properties": {"gsd": 10, "license": "CC-BY-4.0"}, "id": "other"}}}
    results, store = packaged(folder, sandbox, Outcome(True, outputs={"ndvi": "ndvi.tif"}, details=details))
    item = json.loads(store.get(results.items[0]))
    assert (item["properties"]["gsd"], item["properties"]["license"]) == (10, "CC-BY-4.0")
    assert item["id"] != "other"


def test_the_crate_names_what_ran_and_what_came_out(folder: JobFolder, sandbox: Sandbox) -> None:
    raster(folder.outputs / "ndvi.tif")
    results, store = packaged(folder, sandbox)
    entities = {each["@id"]: each for each in json.loads(store.get(results.crate))["@graph"]}
    run = entities[f"#run-{JOB.id}"]
    assert [reference["@id"] for reference in run["result"]] == ["outputs/ndvi.tif"]
    assert entities["application/graph.json"]["sha256"] == hashlib.sha256(GRAPH).hexdigest()
    for name, entity in entities.items():
        if "File" in entity["@type"] and "://" not in name:
            content = store.get(f"{results.prefix}/{name}")
            assert entity["sha256"] == hashlib.sha256(content).hexdigest(), name
    assert json.loads(store.get(f"{results.prefix}/prov.json"))["activity"]


def test_no_files_still_leave_provenance(folder: JobFolder, sandbox: Sandbox) -> None:
    results, store = packaged(folder, sandbox)
    assert (results.collection, results.items, results.assets) == ("", (), ())
    assert store.get(results.crate)


def test_a_failure_keeps_its_log_and_says_why(folder: JobFolder, sandbox: Sandbox) -> None:
    results, store = packaged(folder, sandbox, Outcome(False, (Problem("Cell 3 raised KeyError."),)))
    assert b'"message": "hi"' in store.get(f"{results.prefix}/log.jsonl")
    run = next(each for each in json.loads(store.get(results.crate))["@graph"] if each["@id"] == f"#run-{JOB.id}")
    assert run["actionStatus"].endswith("FailedActionStatus") and "Cell 3" in run["error"]


def test_damaged_files_are_kept_as_plain_ones(folder: JobFolder, sandbox: Sandbox) -> None:
    (folder.outputs / "broken.tif").write_bytes(b"II*\0" + b"\xff" * 100)
    (folder.outputs / "empty.nc").touch()
    results, store = packaged(folder, sandbox)
    assert {asset.name: asset.size for asset in results.assets} == {"broken.tif": 104, "empty.nc": 0}
    assert "broken.tif" in (folder.path / "log.jsonl").read_text()
    assert json.loads(store.get(results.collection))["assets"].keys() == {"broken.tif", "empty.nc"}


def test_a_description_that_fails_loses_no_file(folder: JobFolder, sandbox: Sandbox) -> None:
    raster(folder.outputs / "ndvi.tif")
    results, store = packaged(folder, Sandbox(True, "broken on purpose", "/usr/bin/false", sandbox.identity))
    assert [asset.media_type.split(";")[0] for asset in results.assets] == ["image/tiff"]
    assert store.get(results.assets[0].key)
    assert "failed" in (folder.path / "log.jsonl").read_text()


def test_links_out_of_the_outputs_are_left_out(folder: JobFolder, sandbox: Sandbox) -> None:
    (folder.outputs / "secret").symlink_to("/etc/hostname")
    (folder.outputs / "ok.txt").write_text("fine")
    results, store = packaged(folder, sandbox)
    assert [asset.name for asset in results.assets] == ["ok.txt"]
    assert [each.key for each in store.list(f"{results.prefix}/outputs")] == [f"{results.prefix}/outputs/ok.txt"]


def test_packaging_again_leaves_only_the_new_files(folder: JobFolder, sandbox: Sandbox) -> None:
    (folder.outputs / "first.txt").write_text("1")
    first, store = packaged(folder, sandbox)
    (folder.outputs / "first.txt").rename(folder.outputs / "second.txt")
    second, _ = packaged(folder, sandbox, store=store)
    assert [each.key.rpartition("/")[2] for each in store.list(f"{second.prefix}/outputs")] == ["second.txt"]
    assert first.prefix == second.prefix


def test_a_zarr_folder_is_one_asset_of_many_objects(folder: JobFolder, sandbox: Sandbox) -> None:
    import xarray as xr

    cube = xr.Dataset(
        {"t": (("y", "x"), np.ones((4, 4), "float32"))}, {"x": [11.0, 11.1, 11.2, 11.3], "y": [4, 3, 2, 1]}
    )
    cube.to_zarr(folder.outputs / "cube.zarr", zarr_format=2)
    results, store = packaged(folder, sandbox)
    (asset,) = results.assets
    assert asset.name == "cube.zarr"
    assert len(list(store.list(asset.key))) > 3
