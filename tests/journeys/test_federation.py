"""Two whole platforms on one machine: developed on A, executed on B, results on A."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ..conftest import Platform

pytestmark = pytest.mark.journey

CWL = """
cwlVersion: v1.2
class: CommandLineTool
id: repeat
label: Repeats a text
requirements:
  InitialWorkDirRequirement:
    listing:
      - entryname: repeat.py
        entry: |
          import sys, time
          from pathlib import Path
          print("repeating", flush=True)
          time.sleep(float(sys.argv[3]))
          Path("made.txt").write_text(Path(sys.argv[1]).read_text() * int(sys.argv[2]))
baseCommand: [python3, repeat.py]
inputs:
  source: {type: File, inputBinding: {position: 1}}
  times: {type: int, default: 2, inputBinding: {position: 2}}
  seconds: {type: float, default: 0.1, inputBinding: {position: 3}}
outputs:
  made: {type: File, outputBinding: {glob: made.txt}}
"""


@pytest.fixture(scope="module")
def b(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    platform = Platform(tmp_path_factory.mktemp("b") / "home").start()
    yield platform
    platform.stop()


@pytest.fixture(scope="module")
def a(tmp_path_factory: pytest.TempPathFactory, b: Platform) -> Iterator[Platform]:
    targets = f"b={b.url},dead=http://127.0.0.1:9"
    platform = Platform(tmp_path_factory.mktemp("a") / "home", {"TERRAFAIR_TARGETS": targets}).start()
    yield platform
    platform.stop()


@pytest.fixture(scope="module")
def repeat(a: Platform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Developed and deployed on A only; gives a text to give to it."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "repeat.cwl").write_text(CWL)
    assert a.json("deploy", str(folder / "repeat.cwl"))["id"] == "repeat"
    (folder / "text.txt").write_text("hei ")
    return folder / "text.txt"


def jobs(platform: Platform) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = platform.json("jobs")
    return found


def until(what: Any, seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
    return found


def test_what_a_knows_of_others(a: Platform, b: Platform) -> None:
    found = {row["name"]: row for row in a.json("targets")}
    assert (found["b"]["reachable"], found["b"]["kind"]) == (True, "ogc-api-processes")
    assert found["dead"]["reachable"] is False
    assert found["dead"]["problem"]["what"]
    assert a.json("capabilities")["targets"] == ["b", "dead"]
    assert a.json("capabilities", b.url)["targets"] == []
    verdict = httpx2.get(f"{a.url}/api/targets/b/verdicts/demo-water", timeout=60).json()
    assert (verdict["executable"], verdict["target"]) == (True, "b")
    dead = httpx2.get(f"{a.url}/api/targets/dead/verdicts/demo-water", timeout=60).json()
    assert (dead["executable"], len(dead["reasons"])) == (False, 1)


def test_deployed_on_a_executed_on_b(a: Platform, b: Platform, repeat: Path, tmp_path: Path) -> None:
    found = a.json("run", "repeat", "--on", "b", "-i", f"source=@{repeat}", "-i", "times=3")
    assert found["status"] == "successful", found
    a.cli("results", found["job"], "--to", str(tmp_path))
    (made,) = [asset for asset in found["results"] if asset["name"].endswith("made.txt")]
    assert (tmp_path / made["name"]).read_text() == "hei hei hei "
    assert json.loads((tmp_path / "collection.json").read_text())["type"] == "Collection"
    there = [job for job in jobs(b) if job["subject"].startswith("repeat")]
    assert there[0]["status"] == "successful"
    assert "repeat" in [row["id"] for row in b.json("processes")]
    log = a.cli("log", found["job"]).stdout
    assert f"It is {b.url}/jobs/{there[0]['id']} there." in log
    assert "repeating" in log, log
    crate = (tmp_path / "ro-crate-metadata.json").read_text()
    assert there[0]["id"] in crate or b.url in crate


def test_an_experiment_is_reproduced_elsewhere(a: Platform, b: Platform) -> None:
    before = len(jobs(b))
    found = a.json("reproduce", "demo-ndvi", "--on", "b")
    assert found["reproduction"]["verdict"].startswith("reproduced"), found
    assert len(jobs(b)) == before + 1
    assert jobs(b)[0]["subject"] == "demo-ndvi-workflow"


def test_wrong_inputs_are_told_before_anything_is_sent(a: Platform, b: Platform, repeat: Path) -> None:
    before = len(jobs(b))
    found = a.json("run", "repeat", "--on", "b", "-i", "times=many", code=2)
    assert {problem["where"] for problem in found["problems"]} == {"source", "times"}
    assert len(jobs(b)) == before
    found = a.json("run", "demo-water", "--on", "dead", code=1)
    assert "does not answer" in found["problems"][0]["what"]
    found = a.json("run", "demo-water", "--on", "nowhere", code=2)
    assert "b, dead" in found["problems"][0]["remedy"]


def test_a_failure_there_is_a_failure_here(a: Platform, b: Platform, tmp_path: Path) -> None:
    bad = CWL.replace("id: repeat", "id: breaks").replace("time.sleep(float(sys.argv[3]))", 'sys.exit("no such luck")')
    (tmp_path / "bad.cwl").write_text(bad)
    (tmp_path / "x.txt").write_text("x")
    a.cli("deploy", str(tmp_path / "bad.cwl"))
    found = a.json("run", "breaks", "--on", "b", "-i", f"source=@{tmp_path / 'x.txt'}", code=1)
    assert found["status"] == "failed"
    assert any("b: " in problem["what"] and "no such luck" in str(problem) for problem in found["problems"]), found


def test_a_wish_to_cancel_is_passed_on(a: Platform, b: Platform, repeat: Path) -> None:
    found = a.json("run", "repeat", "--on", "b", "-i", f"source=@{repeat}", "-i", "seconds=120", "--detach")
    there = until(lambda: next((job for job in jobs(b) if job["status"] == "running"), None))
    a.cli("cancel", found["job"])
    until(lambda: a.json("job", found["job"], code=None)["status"] == "dismissed")
    until(lambda: b.json("job", there["id"], code=None)["status"] == "dismissed")


def test_killed_and_found_again(a: Platform, b: Platform, repeat: Path) -> None:
    """Server, worker, supervisor and child of A die; the job at B is found again, and started no second time."""
    before = len(jobs(b))
    found = a.json("run", "repeat", "--on", "b", "-i", f"source=@{repeat}", "-i", "seconds=8", "--detach")
    folder = a.home / "jobs" / found["job"]
    until((folder / "remote.json").exists)
    a.kill()
    supervisor = json.loads((folder / "supervisor.json").read_text())["pid"]
    os.kill(supervisor, signal.SIGKILL)
    a.start()
    until(lambda: a.json("job", found["job"], code=None)["status"] == "successful", 120)
    assert "is found again" in a.cli("log", found["job"]).stdout
    assert len(jobs(b)) == before + 1
