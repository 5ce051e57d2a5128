"""From the catalogue to a reproduced product with the command line, on a whole platform of its own processes."""

import json
import time
from pathlib import Path
from typing import Any

import httpx2
import pystac
import pytest

from ..conftest import Platform

pytestmark = pytest.mark.journey


def ran(platform: Platform, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = platform.json("run", *arguments)
    assert found["status"] == "successful", found
    return found


def documents(platform: Platform, job: str, folder: Path) -> Path:
    """A job's whole result on this machine."""
    platform.cli("results", job, "--to", str(folder))
    return folder


def test_the_demo_is_found(platform: Platform) -> None:
    found = platform.json("find", "greenest")
    assert "demo-ndvi" in [item["id"] for item in found["items"]] or found["total"] > 0
    rows = platform.json("experiments")
    assert {row["id"] for row in rows if row["executable"]} >= {"demo-ndvi", "demo-water", "demo-phenology"}
    assert {row["type"] for row in rows} == {"openeo", "cwl", "notebook"}


@pytest.mark.parametrize("experiment", ["demo-ndvi", "demo-water", "demo-phenology"])
def test_an_experiment_reproduces_its_product(platform: Platform, experiment: str, tmp_path: Path) -> None:
    found = platform.json("reproduce", experiment)
    assert found["reproduction"]["verdict"].startswith("reproduced"), found["reproduction"]
    assert found["reproduction"]["experiment"] == experiment
    folder = documents(platform, found["job"], tmp_path / "result")
    collection = pystac.Collection.from_file(str(folder / "collection.json"))
    # The extensions' schemas are not on every machine; tests/data holds the description against them.
    collection.stac_extensions = []
    collection.validate()
    names = list(collection.get_items())
    assert names or collection.assets
    for item in names:
        item.stac_extensions = []
        item.validate()
        for asset in item.get_assets().values():
            path = Path(asset.get_absolute_href() or "")
            assert path.stat().st_size == asset.extra_fields["file:size"]
    crate = json.loads((folder / "ro-crate-metadata.json").read_text())
    entities = {entity["@id"]: entity for entity in crate["@graph"]}
    run = next(entity for name, entity in entities.items() if name.startswith("#run-") and "/" not in name)
    assert run["actionStatus"].endswith("CompletedActionStatus")
    used = [entities[reference["@id"]] for reference in run["object"]]
    assert any(len(str(entity.get("sha256", ""))) == 64 for entity in used) or any("hasPart" in e for e in used)


def test_a_value_of_ones_own_changes_the_result(platform: Platform) -> None:
    published = ran(platform, "demo-ndvi")
    explained = platform.json("explain", "demo-ndvi")
    period = next(spec["name"] for spec in explained["inputs"] if "temporal" in spec["name"] or "time" in spec["name"])
    shorter = ran(platform, "demo-ndvi", "-i", f'{period}=["2024-06-01","2024-08-01"]')
    assert {asset["sha256"] for asset in published["results"]} != {asset["sha256"] for asset in shorter["results"]}


def test_a_workflow_file_of_ones_own(platform: Platform, tmp_path: Path) -> None:
    graph = {"add": {"process_id": "add", "arguments": {"x": 1, "y": 2}, "result": True}}
    file = tmp_path / "sum.json"
    file.write_text(json.dumps({"process_graph": graph}))
    found = ran(platform, str(file))
    written = documents(platform, found["job"], tmp_path / "result")
    assert [json.loads((written / asset["name"]).read_text()) for asset in found["results"]] == [3]


CYCLE = {
    "one": {"process_id": "add", "arguments": {"x": {"from_node": "two"}, "y": 1}, "result": True},
    "two": {"process_id": "add", "arguments": {"x": {"from_node": "one"}, "y": 1}},
}
RAISES = {
    "cells": [
        {"cell_type": "code", "metadata": {}, "source": ["1 / 0"], "outputs": [], "execution_count": None, "id": "a"}
    ],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}
WRONG: tuple[tuple[str, tuple[str, ...], int, str], ...] = (
    ("an unknown id", ("demo-ndwi",), 2, "demo-ndvi"),
    ("a file that is not there", ("./no-such-graph.json",), 2, "no file"),
    ("an unknown input", ("demo-ndvi", "-i", "colour=red"), 2, "colour"),
    ("a wrong type", ("demo-water", "-i", "bbox=7"), 2, "bbox"),
    ("no NAME=VALUE", ("demo-ndvi", "-i", "bbox"), 2, "NAME=VALUE"),
    ("a graph with a cycle", ("cycle.json",), 1, "cycle"),
    ("a CWL that does not parse", ("broken.cwl",), 1, "line 3"),
    ("a notebook that raises", ("raises.ipynb",), 1, "ZeroDivisionError"),
)


@pytest.mark.parametrize(("arguments", "code", "said"), [each[1:] for each in WRONG], ids=[each[0] for each in WRONG])
def test_wrong_input_ends_in_one_clear_message(
    platform: Platform, arguments: tuple[str, ...], code: int, said: str, tmp_path: Path
) -> None:
    (tmp_path / "cycle.json").write_text(json.dumps({"process_graph": CYCLE}))
    (tmp_path / "broken.cwl").write_text("cwlVersion: v1.2\nclass: CommandLineTool\n  inputs: [\n")
    (tmp_path / "raises.ipynb").write_text(json.dumps(RAISES))
    given = [str(tmp_path / text) if (tmp_path / text).is_file() else text for text in arguments]
    done = platform.cli("run", *given, code=None)
    assert done.returncode in {code, 1 if code == 2 else 2}, done.stdout + done.stderr
    assert said in done.stdout + done.stderr
    found = json.loads(platform.cli("run", *given, "--json", code=None).stdout)
    assert found["status"] in {"rejected", "failed"} and found["problems"] and all(p["what"] for p in found["problems"])


def test_a_missing_required_input_is_named(platform: Platform, tmp_path: Path) -> None:
    process = {
        "id": "scaled",
        "parameters": [{"name": "factor", "description": "By how much", "schema": {"type": "number"}}],
        "process_graph": {
            "m": {
                "process_id": "multiply",
                "arguments": {"x": {"from_parameter": "factor"}, "y": 2},
                "result": True,
            }
        },
    }
    file = tmp_path / "scaled.json"
    file.write_text(json.dumps(process))
    done = platform.cli("run", str(file), code=None)
    assert done.returncode != 0
    assert "factor" in done.stderr + done.stdout


def test_an_unreadable_asset_is_named(platform: Platform, tmp_path: Path) -> None:
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"II*\0" + b"\1" * 400)
    process = {
        "id": "opened",
        "parameters": [{"name": "data", "schema": {"type": "string", "format": "uri", "subtype": "uri"}}],
        "process_graph": {
            "load": {"process_id": "load_url", "arguments": {"url": {"from_parameter": "data"}, "format": "GTiff"}},
            "save": {
                "process_id": "save_result",
                "arguments": {"data": {"from_node": "load"}, "format": "GTiff"},
                "result": True,
            },
        },
    }
    file = tmp_path / "opened.json"
    file.write_text(json.dumps(process))
    done = platform.cli("run", str(file), "-i", f"data=@{broken}", code=1)
    assert "broken.tif" in done.stdout + done.stderr


def test_progress_is_plain_in_a_pipe_and_help_shows_examples(platform: Platform) -> None:
    done = platform.cli("run", "demo-ndvi")
    assert "\x1b[" not in done.stdout + done.stderr
    assert "Reading experiment demo-ndvi" in done.stderr
    assert "Examples:" in platform.cli("run", "--help").stdout
    assert "completion" in platform.cli("--help").stdout


def test_the_log_is_followed_by_line_number(platform: Platform) -> None:
    job = platform.json("run", "demo-ndvi", "--detach")["job"]
    lines = [json.loads(line) for line in platform.cli("log", "-f", job, "--json").stdout.splitlines()]
    assert [line["line"] for line in lines] == list(range(len(lines)))
    rest = [json.loads(line) for line in platform.cli("log", job, "--since", "2", "--json").stdout.splitlines()]
    assert rest == lines[2:]


def test_pages_are_there_without_javascript(platform: Platform) -> None:
    job = ran(platform, "demo-ndvi")["job"]
    with httpx2.Client(base_url=platform.url, follow_redirects=True, headers={"Accept": "text/html"}) as web:
        for path in ("/", "/find?text=ndvi", "/run", "/run/experiment/demo-ndvi", "/jobs", f"/jobs/{job}"):
            reply = web.get(path)
            assert reply.status_code == 200 and "<html" in reply.text, path


SLOW = """
import time, os
from pathlib import Path
print("begun", flush=True)
time.sleep(8)
Path(os.environ["TERRAFAIR_OUTPUTS"], "done.txt").write_text("ended by itself")
"""


def test_kill_9_of_everything_loses_no_job(own_platform: Platform, tmp_path: Path) -> None:
    """Server, worker and all in between die; the running job is found again, the waiting ones run."""
    own_platform.settings["TERRAFAIR_WORKERS"] = "1"
    loses_no_job(own_platform.start(), tmp_path)


def loses_no_job(platform: Platform, tmp_path: Path) -> None:
    notebook = json.loads(json.dumps(RAISES))
    notebook["cells"][0]["source"] = SLOW.splitlines(keepends=True)
    file = tmp_path / "slow.ipynb"
    file.write_text(json.dumps(notebook))
    running = platform.json("run", str(file), "--detach")["job"]
    waiting = platform.json("run", "demo-ndvi", "--detach")["job"]
    deadline = time.monotonic() + 120
    while "begun" not in platform.cli("log", running).stdout:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    platform.kill()
    platform.start()
    for job in (running, waiting):
        platform.cli("log", "-f", job)
        found = platform.json("job", job)
        assert found["status"] == "successful", (found, platform.cli("log", job).stdout)
    assert "A new worker has found this job again" in platform.cli("log", running).stdout
    assert platform.cli("log", running).stdout.count("begun") == 1


def test_a_second_platform_on_the_same_home_is_refused(platform: Platform) -> None:
    done = platform.cli("serve", "--port", "0", code=2)
    assert "runs on" in done.stderr and "already" in done.stderr


def test_without_a_platform_the_way_to_start_one_is_said(own_platform: Platform) -> None:
    done = own_platform.cli("run", "demo-ndvi", code=2)
    assert "terrafair serve" in done.stderr


@pytest.mark.parametrize("path", ["/api/jobs/nothing", "/api/jobs/..%2F..%2Fetc", "/api/experiments/x", "/nowhere"])
def test_unknown_things_are_problems_with_their_status(platform: Platform, path: str) -> None:
    reply = httpx2.get(platform.url + path)
    assert reply.status_code == 404
    assert reply.headers["content-type"].startswith("application/problem+json")
