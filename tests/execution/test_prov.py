"""The PROV view of a run, read back by the community's library."""

import json
from dataclasses import replace
from pathlib import Path

from prov.model import (  # type: ignore[import-untyped]
    ProvActivity,
    ProvDocument,
    ProvEntity,
)

from terrafair.execution.prov import prov
from terrafair.execution.provenance import Platform, RunFile

from .runs import gathered


def read(document: dict[str, object]) -> ProvDocument:
    return ProvDocument.deserialize(content=json.dumps(document), format="json")


def test_the_library_reads_entities_activity_and_agents(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("a\n1\n")
    run = gathered(tmp_path / "job", sources={"https://data.example/a.csv": str(source)})
    output = RunFile("outputs/ndvi.tif", "image/tiff", 4, "e" * 64)
    lock = RunFile("environment.txt", "text/plain", 4, "f" * 64)
    found = read(prov(replace(run, outputs=(output,), lock=lock)))
    (activity,) = found.get_records(ProvActivity)
    assert activity.get_startTime() < activity.get_endTime()
    names = {str(each.identifier) for each in found.get_records(ProvEntity)}
    assert names == {"run:workflow", "run:values", "run:input-1", "run:output-1", "run:environment"}
    assert activity.identifier.uri == "https://terrafair.example/jobs/0190a1b2#job"


def test_inputs_and_outputs_carry_their_checksums(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("a\n1\n")
    run = gathered(tmp_path / "job", sources={"/a.csv": str(source)})
    document = prov(replace(run, outputs=(RunFile("outputs/b.tif", "image/tiff", 4, "e" * 64),)))
    assert document["entity"]["run:input-1"]["wfrun:sha256"] == run.inputs[0].sha256
    assert document["entity"]["run:output-1"]["wfrun:sha256"] == "e" * 64
    assert document["used"]["_:used-3"] == {"prov:activity": "run:job", "prov:entity": "run:input-1"}
    assert document["wasGeneratedBy"]["_:made-1"]["prov:entity"] == "run:output-1"


def test_an_input_that_is_gone_has_no_checksum(tmp_path: Path) -> None:
    run = gathered(tmp_path / "job", sources={"/gone": str(tmp_path / "gone")})
    assert "wfrun:sha256" not in prov(run)["entity"]["run:input-1"]


def test_a_failed_run_generates_nothing_and_says_why(tmp_path: Path) -> None:
    document = prov(gathered(tmp_path / "job", successful=False))
    assert "wasGeneratedBy" not in document
    assert document["activity"]["run:job"]["schema:error"] == "The red band is missing."
    read(document)


def test_the_workflow_is_the_plan_at_its_commit(tmp_path: Path) -> None:
    document = prov(gathered(tmp_path / "job"))
    plan = document["entity"]["run:workflow"]
    assert plan["schema:version"] == "a" * 40
    assert plan["run:catalogueCommit"] == "c" * 40
    assert document["wasAssociatedWith"]["_:by-platform"]["prov:plan"] == "run:workflow"


def test_the_values_are_those_that_were_used(tmp_path: Path) -> None:
    values = json.loads(prov(gathered(tmp_path / "job"))["entity"]["run:values"]["prov:value"])
    assert values == {"bands": ["red", "nir"], "scene": "https://data.example/items/s2.json", "threshold": 0.4}


def test_without_an_address_the_job_is_a_urn(tmp_path: Path) -> None:
    document = prov(gathered(tmp_path / "job", platform=Platform()))
    assert document["prefix"]["run"] == "urn:terrafair:job:0190a1b2#"
    read(document)
