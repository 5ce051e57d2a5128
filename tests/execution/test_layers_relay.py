"""Layers that jobs on other hosts made, on their way through the object store."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from terrafair.catalogue.items.sqlite.store import SqliteItems
from terrafair.data.objects import MemoryObjects, ObjectStore
from terrafair.errors import NotFound
from terrafair.execution.job import Asset, Job, JobRequest, Results, State
from terrafair.execution.layers import FOOTPRINTS, Layers
from terrafair.execution.layers_relay import PREFIX, Collector, Sender
from terrafair.execution.sandbox import probe

JOB = Job("20260101-0000000001", JobRequest("fields"), "2026-01-01T00:00:00.000Z", State.SUCCESSFUL)
EXTENT = {"spatial": {"bbox": [[5, 45, 6, 46]]}}


@pytest.fixture
def objects() -> ObjectStore:
    return MemoryObjects()


def fields(count: int) -> str:
    points = [{"type": "Point", "coordinates": [n, 45]} for n in range(count)]
    features = [
        {"type": "Feature", "id": str(n), "geometry": each, "properties": {"n": n}} for n, each in enumerate(points)
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


def test_what_another_host_sends_is_shown_once(objects: ObjectStore, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    (outputs / "fields.geojson").write_text(fields(7))
    sandbox = probe(tmp_path / "home", "none")
    results = Results("jobs/x", assets=(Asset("fields.geojson", "fields.geojson", "", 1, ""),))
    sender = Sender(objects, sandbox)
    gone = replace(JOB, id="20260101-0000000002")
    store = SqliteItems(tmp_path / "features.db")

    def known(id: str) -> Job:
        if id != JOB.id:
            raise NotFound(f"There is no job {id}.")
        return JOB

    collector = Collector(objects, Layers(store, sandbox), known)
    try:
        for _ in range(2):
            for job in (JOB, gone):
                sender.footprint(job, {"id": f"c-{job.id}", "title": "Fields", "extent": EXTENT, "links": []})
                assert sender.put(job, results, outputs, tmp_path / "layers") == 7
            objects.put(f"{PREFIX}/{JOB.id}/features.jsonl.strange", b"{oops")
            collector.turn()
            assert list(objects.list(PREFIX)) == []
        layers = {each.id for each in store.collections()}
        assert layers == {FOOTPRINTS, f"{JOB.id}-fields.geojson"}
        assert len(list(store.all_items(f"{JOB.id}-fields.geojson"))) == 7
    finally:
        store.close()


@pytest.mark.parametrize("name", ["footprint.json", "features.jsonl"])
def test_what_cannot_be_read_stops_nothing(objects: ObjectStore, tmp_path: Path, name: str) -> None:
    store = SqliteItems(tmp_path / "features.db")
    try:
        objects.put(f"{PREFIX}/{JOB.id}/{name}", b"{oops")
        Collector(objects, Layers(store, probe(tmp_path / "home", "none")), lambda _: JOB).turn()
        assert list(objects.list(PREFIX)) == []
    finally:
        store.close()
