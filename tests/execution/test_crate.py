"""The RO-Crate of a run: the profiles' demands, and the files' checksums."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from rocrate.rocrate import ROCrate

from terrafair.execution.crate import METADATA, SPECIFICATION, WORKFLOW_CRATE, crate
from terrafair.execution.job import Job, JobRequest
from terrafair.execution.provenance import Platform, Run
from terrafair.execution.staged import InputFile
from terrafair.workflows.workflow import WorkflowType

from .runs import DOCUMENT, RESOLUTION, STEPS, gathered, put

Entities = dict[str, dict[str, Any]]
Packed = Callable[..., tuple[Run, Entities]]

SCENE = "https://data.example/items/s2.json"


@pytest.fixture
def packed(tmp_path: Path) -> Packed:
    """A run with its files in `tmp_path/crate`, and the entities of its crate by id."""
    root = tmp_path / "crate"

    def pack(**options: Any) -> tuple[Run, Entities]:
        run = gathered(tmp_path / "job", **options)
        run = replace(
            run,
            application=put(root, "application/app.cwl", DOCUMENT, "application/cwl+yaml"),
            lock=put(root, "environment.txt", b"numpy==2.0.0\n", "text/plain"),
            outputs=(
                put(root, "outputs/ndvi map.tif", b"II*\0", "image/tiff; application=geotiff", output="result"),
                put(root, "outputs/Übersicht.csv", b"a,b\n", "text/csv"),
            ),
            traces=(put(root, "log.jsonl", b"{}\n", "application/jsonl"),),
        )
        document = crate(run)
        (root / METADATA).write_text(json.dumps(document), "utf-8")
        return run, {entity["@id"]: entity for entity in document["@graph"]}

    return pack


def staged(tmp_path: Path) -> dict[str, str]:
    """A STAC item with one asset and a single file, as the stager leaves them."""
    item = tmp_path / "staged" / "item"
    item.mkdir(parents=True)
    (item / "red.tif").write_bytes(b"II*\0red")
    asset = {"href": "red.tif", "type": "image/tiff"}
    (item / "item.json").write_text(json.dumps({"type": "Feature", "id": "s2", "assets": {"red": asset}}))
    (tmp_path / "staged" / "field.geojson").write_text('{"type": "Point", "coordinates": [1, 2]}')
    return {SCENE: str(item), "https://data.example/field.geojson": str(tmp_path / "staged" / "field.geojson")}


def references(value: Any) -> list[str]:
    """The ids that an entity refers to."""
    if isinstance(value, dict):
        return (
            [value["@id"]] if set(value) == {"@id"} else [each for part in value.values() for each in references(part)]
        )
    return [each for part in value for each in references(part)] if isinstance(value, list) else []


class TestStructure:
    def test_every_id_is_used_once_and_every_reference_leads_to_an_entity(self, packed: Packed, tmp_path: Path) -> None:
        run, found = packed(details={"steps": STEPS}, sources=staged(tmp_path))
        graph = crate(run)["@graph"]
        assert len(graph) == len(found)
        outside = ("https://w3id.org/", "https://qudt.org/", "https://bioschemas.org/")
        for entity in graph:
            missing = [name for name in references(entity) if name not in found and not name.startswith(outside)]
            assert not missing, entity["@id"]

    def test_the_descriptor_names_the_specification_and_the_root(self, packed: Packed) -> None:
        _, found = packed()
        assert found[METADATA]["@type"] == "CreativeWork"
        assert found[METADATA]["about"] == {"@id": "./"}
        assert references(found[METADATA]["conformsTo"]) == [SPECIFICATION, WORKFLOW_CRATE]

    def test_the_root_has_what_ro_crate_demands(self, packed: Packed) -> None:
        run, found = packed()
        root = found["./"]
        assert root["@type"] == "Dataset"
        assert {"name", "description", "datePublished", "license"} <= root.keys()
        assert root["datePublished"] == run.ended.removesuffix("Z") + "+00:00"

    def test_no_entity_has_an_empty_property(self, packed: Packed, tmp_path: Path) -> None:
        _, found = packed(details={"steps": STEPS}, sources=staged(tmp_path))
        empty = [
            (entity["@id"], name) for entity in found.values() for name, value in entity.items() if value in ("", [])
        ]
        assert not empty

    def test_the_community_library_reads_it(self, packed: Packed, tmp_path: Path) -> None:
        packed(details={"steps": STEPS}, sources=staged(tmp_path))
        read = ROCrate(tmp_path / "crate")
        assert read.mainEntity["programmingLanguage"]["name"] == "Common Workflow Language"
        action = next(each for each in read.get_by_type("CreateAction") if each["name"].startswith("Run 0190a1b2"))
        assert action["instrument"].id == "application/app.cwl"
        assert {each.id for each in action["result"]} == {"outputs/ndvi%20map.tif", "outputs/%C3%9Cbersicht.csv"}


class TestProfiles:
    def test_a_run_with_steps_is_a_provenance_run_crate(self, packed: Packed) -> None:
        _, found = packed(details={"steps": STEPS})
        claimed = references(found["./"]["conformsTo"])
        assert [name.rsplit("/", 2)[-2] for name in claimed[:3]] == ["process", "workflow", "provenance"]
        assert all(name in found for name in claimed)

    def test_a_run_without_steps_is_a_workflow_run_crate(self, packed: Packed) -> None:
        _, found = packed()
        assert not [name for name in references(found["./"]["conformsTo"]) if "provenance" in name]

    def test_without_the_document_it_claims_a_process_only(self, packed: Packed) -> None:
        run, _ = packed()
        found = {each["@id"]: each for each in crate(replace(run, application=None))["@graph"]}
        assert references(found["./"]["conformsTo"]) == ["https://w3id.org/ro/wfrun/process/0.5"]
        assert references(found[METADATA]["conformsTo"]) == [SPECIFICATION]

    def test_the_workflow_is_the_main_entity(self, packed: Packed) -> None:
        _, found = packed()
        workflow = found[found["./"]["mainEntity"]["@id"]]
        assert {"File", "SoftwareSourceCode", "ComputationalWorkflow"} <= set(workflow["@type"])
        assert workflow["codeRepository"] == "https://github.com/owner/water"
        assert workflow["version"] == "a" * 40
        assert found[workflow["programmingLanguage"]["@id"]]["@type"] == "ComputerLanguage"

    @pytest.mark.parametrize("kind", [WorkflowType.OPENEO, WorkflowType.NOTEBOOK, WorkflowType.COMMAND])
    def test_each_language_is_named(self, packed: Packed, kind: WorkflowType) -> None:
        _, found = packed(resolution=replace(RESOLUTION, type=kind))
        language = found[found["application/app.cwl"]["programmingLanguage"]["@id"]]
        assert language["name"] and language["url"].startswith("https://")

    def test_parameters_are_declared_and_realised(self, packed: Packed, tmp_path: Path) -> None:
        _, found = packed(sources=staged(tmp_path))
        workflow = found["application/app.cwl"]
        assert references(workflow["input"]) == ["#input/scene", "#input/threshold", "#input/bands"]
        assert found["#input/scene"] == {
            "@id": "#input/scene",
            "@type": "FormalParameter",
            "name": "scene",
            "additionalType": "Collection",
            "description": "Scene",
            "valueRequired": "True",
        }
        assert found["#input/threshold"]["defaultValue"] == "0.3"
        assert found["#value/threshold"]["value"] == "0.4"
        assert found["#value/bands"]["value"] == '["red", "nir"]'
        assert found["#value/bands"]["exampleOfWork"] == {"@id": "#input/bands"}
        assert found["outputs/ndvi%20map.tif"]["exampleOfWork"] == {"@id": "#output/result"}


class TestAction:
    def test_it_tells_who_ran_what_on_which_values(self, packed: Packed, tmp_path: Path) -> None:
        run, found = packed(sources=staged(tmp_path))
        action = found["#run-0190a1b2"]
        assert action["@type"] == "CreateAction"
        assert action["instrument"] == {"@id": "application/app.cwl"}
        assert action["actionStatus"] == "http://schema.org/CompletedActionStatus"
        assert found[action["agent"]["@id"]]["@type"] == "Organization"
        assert references(action["object"]) == [
            "#value/threshold",
            "#value/bands",
            "https://data.example/field.geojson",
            SCENE,
        ]
        assert action["startTime"] < action["endTime"]
        assert "error" not in action and run.error == ""

    def test_a_failed_run_says_why(self, packed: Packed) -> None:
        _, found = packed(successful=False)
        action = found["#run-0190a1b2"]
        assert action["actionStatus"] == "http://schema.org/FailedActionStatus"
        assert action["error"] == "The red band is missing."

    def test_a_dismissed_run_is_told_as_one(self, packed: Packed) -> None:
        job = Job("0190a1b2", JobRequest("crop-ndvi"), "2026-01-02T03:04:05Z", cancelling=True)
        _, found = packed(successful=False, job=job)
        assert found["#run-0190a1b2"]["error"] == "The job was cancelled."

    def test_restarts_are_told(self, packed: Packed) -> None:
        job = Job("0190a1b2", JobRequest("crop-ndvi"), "2026-01-02T03:04:05Z", restarts=2)
        _, found = packed(job=job)
        assert found["#run-0190a1b2"]["description"].endswith("started 3 times")

    def test_a_person_is_no_organisation(self, packed: Packed) -> None:
        orcid = "https://orcid.org/0000-0002-1825-0097"
        _, found = packed(platform=Platform(agent=orcid, agent_name="Josiah Carberry"))
        assert found[orcid]["@type"] == "Person"
        assert "publisher" not in found["./"]

    def test_what_it_took_is_measured_with_units(self, packed: Packed) -> None:
        _, found = packed()
        quantities = [found[name] for name in references(found["#run-0190a1b2"]["resourceUsage"])]
        assert [(each["name"], each["value"], each["unitCode"].rsplit("/", 1)[-1]) for each in quantities] == [
            ("wall-seconds", "12.5", "SEC"),
            ("cpu-seconds", "20.25", "SEC"),
            ("peak-memory", "300000000", "BYTE"),
        ]

    def test_each_quantity_is_explained_under_a_heading_of_its_own(self, packed: Packed) -> None:
        _, found = packed()
        headings = (Path(__file__).parents[2] / "docs" / "provenance.md").read_text("utf-8")
        for name in references(found["#run-0190a1b2"]["resourceUsage"]):
            anchor = found[name]["propertyID"].partition("docs/provenance.md#")[2]
            assert f'<a id="{anchor}"></a>' in headings or f"\n### {anchor}\n" in headings


class TestSteps:
    def test_each_step_has_its_tool_its_action_and_its_control(self, packed: Packed) -> None:
        _, found = packed(details={"steps": STEPS})
        engine = found["#engine-run"]
        assert engine["@type"] == "OrganizeAction"
        assert engine["result"] == {"@id": "#run-0190a1b2"}
        controls = [found[name] for name in references(engine["object"])]
        assert [found[each["object"]["@id"]]["name"] for each in controls] == [
            "Run of crop",
            "Run of index",
            "Run of index_2",
        ]
        assert [each["instrument"]["@id"] for each in controls] == ["#step/crop", "#step/index", "#step/index"]

    def test_a_repeated_step_is_one_tool(self, packed: Packed) -> None:
        _, found = packed(details={"steps": STEPS})
        assert references(found["application/app.cwl"]["hasPart"]) == ["#tool/crop", "#tool/index"]
        assert [found[f"#step/{name}"]["position"] for name in ("crop", "index")] == ["0", "1"]

    def test_a_stand_in_for_an_image_is_no_container(self, packed: Packed) -> None:
        _, found = packed(details={"steps": STEPS})
        action = found["#run-0190a1b2/0"]
        assert "containerImage" not in action
        assert "stands in for the image docker.io/osgeo/gdal:3.9" in action["description"]

    @pytest.mark.parametrize(
        ("image", "registry", "name", "tag"),
        [
            ("docker.io/osgeo/gdal:3.9", "docker.io", "osgeo/gdal", "3.9"),
            ("osgeo/gdal", "docker.io", "osgeo/gdal", None),
            ("localhost:5000/gdal:latest", "localhost:5000", "gdal", "latest"),
            (f"ghcr.io/osgeo/gdal@sha256:{'d' * 64}", "ghcr.io", "osgeo/gdal", None),
        ],
    )
    def test_a_container_is_named_by_its_parts(
        self, packed: Packed, image: str, registry: str, name: str, tag: str | None
    ) -> None:
        details = {"steps": [{"step": "crop", "image": image}], "images": {image: {"kind": "podman"}}}
        _, found = packed(details=details)
        entity = found[found["#run-0190a1b2/0"]["containerImage"]["@id"]]
        assert (entity["registry"], entity["name"], entity.get("tag")) == (registry, name, tag)
        assert entity.get("sha256") == ("d" * 64 if "@" in image else None)


class TestFiles:
    def test_sizes_and_checksums_are_those_of_the_files(self, packed: Packed, tmp_path: Path) -> None:
        _, found = packed()
        local = [name for name in references(found["./"]["hasPart"]) if "://" not in name]
        assert len(local) == 5
        for name in local:
            content = (tmp_path / "crate" / unquote(name)).read_bytes()
            assert found[name]["sha256"] == hashlib.sha256(content).hexdigest()
            assert found[name]["contentSize"] == str(len(content))

    def test_inputs_are_told_by_checksum(self, packed: Packed, tmp_path: Path) -> None:
        run, found = packed(sources=staged(tmp_path))
        asset = found[f"{SCENE}#s2/red"]
        assert asset["sha256"] == hashlib.sha256(b"II*\0red").hexdigest()
        assert asset["sdDatePublished"] == run.started.removesuffix("Z") + "+00:00"
        assert found[SCENE]["@type"] == "Collection"
        assert found[SCENE]["exampleOfWork"] == {"@id": "#input/scene"}
        assert references(found[SCENE]["hasPart"]) == [f"{SCENE}#s2/red"]
        assert "#value/scene" not in found

    def test_an_input_that_is_gone_is_listed_without_checksum(self, packed: Packed, tmp_path: Path) -> None:
        gone = "https://gone.example/a.tif"
        _, found = packed(sources={gone: str(tmp_path / "nothing")})
        assert found[gone] == {"@id": gone, "@type": "CreativeWork", "name": "a.tif"}
        assert gone not in references(found["./"]["hasPart"])

    def test_a_local_path_becomes_a_uri(self, packed: Packed) -> None:
        run, _ = packed()
        name = "file:///data/a%20b.tif"
        file = InputFile("/data/a b.tif", "", "image/tiff", 3, "e" * 64)
        found = {each["@id"]: each for each in crate(replace(run, inputs=(file,)))["@graph"]}
        assert found[name]["sha256"] == "e" * 64

    def test_a_zarr_store_is_a_dataset(self, packed: Packed, tmp_path: Path) -> None:
        run, _ = packed()
        store = put(tmp_path / "crate", "outputs/cube.zarr/.zgroup", b"{}", "application/json")
        zarr = replace(store, path="outputs/cube.zarr", media_type="application/vnd+zarr")
        found = {each["@id"]: each for each in crate(replace(run, outputs=(zarr,)))["@graph"]}
        assert found["outputs/cube.zarr/"]["@type"] == "Dataset"
        assert references(found["#run-0190a1b2"]["result"]) == ["outputs/cube.zarr/"]

    def test_the_environment_belongs_to_the_workflow(self, packed: Packed) -> None:
        _, found = packed()
        assert found["application/app.cwl"]["buildInstructions"] == {"@id": "environment.txt"}


class TestRecords:
    def test_it_goes_back_to_the_catalogue(self, packed: Packed) -> None:
        _, found = packed()
        names = references(found["./"]["isBasedOn"])
        assert names == [
            f"https://catalogue.example/{name}/record.json"
            for name in ("experiments/crop-ndvi", "workflows/ndvi", "products/ndvi-map", "projects/crops")
        ]
        assert {found[name]["version"] for name in names} == {"c" * 40}

    def test_without_addresses_the_records_are_named_in_the_crate(self, packed: Packed) -> None:
        _, found = packed(platform=Platform())
        assert "#record/experiments/crop-ndvi" in found
        assert found["#operator"]["name"] == "The operator of this platform"
