"""A finished job as tests need it: a small result of a demo experiment, in an object store."""

import json
from dataclasses import replace
from typing import Any

from terrafair.data.objects import MemoryObjects, ObjectStore
from terrafair.demo import catalogue
from terrafair.execution.job import Asset, Job, JobRequest, Results, State
from terrafair.publishing.made import Made, read
from terrafair.workflows.workflow import (
    Application,
    CodeLocation,
    EnvironmentSpec,
    InputSpec,
    Resolution,
    WorkflowType,
)

COMMIT = "c" * 40
JOB = "20260715-abcdefghjk"
GRAPH = json.dumps(
    {
        "process_graph": {
            "a": {"process_id": "load_stac", "arguments": {}},
            "b": {"process_id": "save_result", "arguments": {}, "result": True},
        }
    }
).encode()
TIF = b"II*\0" + bytes(200)
BOX = [11.4, 48.0, 11.5, 48.1]
RING = {"type": "Polygon", "coordinates": [[[11.4, 48.0], [11.5, 48.0], [11.5, 48.1], [11.4, 48.1], [11.4, 48.0]]]}


def files() -> dict[str, bytes]:
    """The demo catalogue."""
    return catalogue.catalogue_files(COMMIT)


def resolution(**changes: Any) -> Resolution:
    place = CodeLocation(
        f"https://git.terrafair.example/demo/workflows/blob/{COMMIT}/ndvi/graph.json",
        "https://git.terrafair.example/demo/workflows",
        COMMIT,
        COMMIT,
        "ndvi/graph.json",
    )
    found = Resolution(
        id="demo-ndvi",
        kind="experiment",
        title="NDVI composite of the growing season 2024",
        workflow="demo-ndvi-workflow",
        type=WorkflowType.OPENEO,
        application=Application(WorkflowType.OPENEO, place, GRAPH),
        inputs=(InputSpec("temporal_extent"), InputSpec("scale", required=False, default=2)),
        values={"temporal_extent": ["2024-04-01", "2024-10-01"], "collection": "s3://terrafair/x/collection.json"},
        environment=EnvironmentSpec("platform"),
        products=("demo-ndvi-composite",),
        project="terrafair-demo",
    )
    return replace(found, **changes)


def item(name: str, hrefs: dict[str, bytes]) -> dict[str, Any]:
    from hashlib import sha256

    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": ["https://stac-extensions.github.io/file/v2.1.0/schema.json"],
        "id": f"{JOB}-{name}",
        "collection": JOB,
        "geometry": RING,
        "bbox": BOX,
        "properties": {
            "datetime": None,
            "start_datetime": "2024-04-03T00:00:00Z",
            "end_datetime": "2024-09-20T00:00:00Z",
        },
        "links": [{"rel": "collection", "href": "../collection.json", "type": "application/json"}],
        "assets": {
            href.rpartition("/")[2].partition(".")[0]: {
                "href": f"../outputs/{href}",
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                "roles": ["data"],
                "file:size": len(content),
                "file:checksum": "1220" + sha256(content).hexdigest(),
            }
            for href, content in hrefs.items()
        },
    }


def finished(
    objects: ObjectStore | None = None,
    request: JobRequest | None = None,
    outputs: dict[str, bytes] | None = None,
    found: Resolution | None = None,
) -> tuple[ObjectStore, Job, Made]:
    """A job whose result lies in the store."""
    objects = objects or MemoryObjects()
    outputs = {"ndvi.tif": TIF} if outputs is None else outputs
    prefix = f"jobs/{JOB}"
    for name, content in outputs.items():
        objects.put(f"{prefix}/outputs/{name}", content)
    collection = {
        "type": "Collection",
        "id": JOB,
        "extent": {
            "spatial": {"bbox": [BOX]},
            "temporal": {"interval": [["2024-04-03T00:00:00Z", "2024-09-20T00:00:00Z"]]},
        },
        "assets": {},
        "links": [],
    }
    one = item("ndvi", outputs)
    small: dict[str, Any] = {
        "collection.json": collection,
        f"items/{one['id']}.json": one,
        "prov.json": {},
        "ro-crate-metadata.json": {"@graph": [{"@id": "./", "@type": "Dataset"}]},
    }
    for name, document in small.items():
        objects.put(f"{prefix}/{name}", json.dumps(document).encode())
    objects.put(f"{prefix}/environment.txt", b"numpy==2.0.0 \\\n    --hash=sha256:00\nxarray==2025.1.0\n")
    objects.put(f"{prefix}/application/graph.json", GRAPH)
    assets = tuple(Asset(name, f"{prefix}/outputs/{name}", "image/tiff", len(c), "0") for name, c in outputs.items())
    job = Job(
        JOB,
        request or JobRequest("demo-ndvi"),
        "2026-07-15T10:00:00.000Z",
        State.SUCCESSFUL,
        "openeo",
        "2026-07-15T10:00:01.000Z",
        "2026-07-15T10:01:00.000Z",
        1.0,
        results=Results(
            prefix,
            f"{prefix}/collection.json",
            (f"{prefix}/items/{one['id']}.json",),
            assets,
            f"{prefix}/ro-crate-metadata.json",
        ),
    )
    return objects, job, read(objects, job, found or resolution())
