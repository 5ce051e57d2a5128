"""Two runs compared: what they were given, ran with, took and made."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from terrafair.data.objects import MemoryObjects
from terrafair.errors import InvalidInput
from terrafair.execution.job import Asset, Job, JobRequest, Results, State, Usage
from terrafair.execution.pairing import Pairing
from terrafair.execution.sandbox import probe


def run(store: MemoryObjects, name: str, cloud: int, files: dict[str, bytes], lock: str) -> Job:
    prefix = f"jobs/{name}"
    assets = []
    for path, content in files.items():
        store.put(f"{prefix}/outputs/{path}", content)
        digest = hashlib.sha256(content).hexdigest()
        assets.append(Asset(path, f"{prefix}/outputs/{path}", "text/csv", len(content), digest))
    store.put(f"{prefix}/environment.txt", lock.encode())
    crate = [{"@id": "#run-1", "object": [{"@id": "#cloud"}]}, {"@id": "#cloud", "name": "cloud", "value": cloud}]
    store.put(f"{prefix}/ro-crate-metadata.json", json.dumps({"@graph": crate}).encode())
    results = Results(prefix, assets=tuple(assets))
    request = JobRequest("demo", "experiment")
    return Job(name, request, "2026-01-01", State.SUCCESSFUL, "cwl", results=results, usage=Usage(cloud, 1, 10**6))


@pytest.fixture
def pairing(tmp_path: Path) -> Pairing:
    return Pairing(MemoryObjects(), probe(tmp_path, "auto"), tmp_path / "comparisons")


def test_files_by_value_and_the_rest_by_its_words(pairing: Pairing) -> None:
    store = pairing.objects
    assert isinstance(store, MemoryObjects)
    old = {"same.txt": b"x", "table.csv": b"a,b\n1,2\n3,4\n", "near.csv": b"a\n1.0\n", "gone.csv": b"q\n1\n"}
    new = {"same.txt": b"x", "table.csv": b"a,b\n1,2\n3,5\n", "near.csv": b"a\n1.000000001\n", "more.json": b"{}"}
    first = run(store, "one", 20, old, "numpy==2.0\nxarray==1\n# note\n")
    second = run(store, "two", 30, new, "numpy==2.1\nxarray==1\ndask==3\n")
    found = pairing.compare(first, second)
    verdicts = {each["name"]: each["verdict"] for each in found["outputs"]}
    assert verdicts["same.txt"] == "identical bytes" and verdicts["table.csv"] == "different"
    assert verdicts["near.csv"] == "equal values within tolerance"
    assert verdicts["gone.csv"] == "missing" and verdicts["more.json"] == "additional"
    assert found["verdict"] == "differs" and found["summary"].startswith("2 of 4 files did not come out as before")
    assert pairing.compare(first, replace(first, id="again"))["verdict"] == "reproduced exactly"
    assert found["inputs"] == [{"name": "cloud", "first": "20", "second": "30", "same": False}]
    unlike = [(row["name"], row["first"], row["second"]) for row in found["environment"] if not row["same"]]
    assert unlike == [("numpy", "2.0", "2.1"), ("dask", "", "3")]
    assert {row["name"] for row in found["metrics"] if not row["same"]} >= {"wall time"}
    kept = list(pairing.folder.glob("*.json"))
    assert len(kept) == 1 and not [path for path in pairing.folder.iterdir() if path.is_dir()]
    assert pairing.compare(first, second)["outputs"] == found["outputs"]
    quick = {each["name"]: each["verdict"] for each in pairing.compare(second, first, values=False)["outputs"]}
    assert quick["table.csv"] == "not comparable" and quick["same.txt"] == "identical bytes"


def test_two_who_ask_at_once_get_one_answer(pairing: Pairing) -> None:
    store = pairing.objects
    assert isinstance(store, MemoryObjects)
    first = run(store, "one", 1, {"t.csv": b"a\n1\n"}, "")
    second = run(store, "two", 1, {"t.csv": b"a\n2\n"}, "")
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: pairing.compare(first, second)["outputs"], range(3)))
    assert answers[0] == answers[1] == answers[2] and answers[0][0]["verdict"] == "different"


def test_what_cannot_be_compared(pairing: Pairing) -> None:
    job = Job("one", JobRequest("x", inputs={"a": 1}), "2026-01-01", State.FAILED)
    with pytest.raises(InvalidInput, match="like itself"):
        pairing.compare(job, job)
    with pytest.raises(InvalidInput, match="is running"):
        pairing.compare(job, replace(job, id="two", state=State.RUNNING))
    found = pairing.compare(job, replace(job, id="two", request=JobRequest("x")))
    assert (found["verdict"], found["outputs"]) == ("not comparable", []) and found["inputs"][0]["first"] == "1"
