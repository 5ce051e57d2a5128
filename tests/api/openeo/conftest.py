"""The openEO API in this process: real database, real catalogue index, objects in memory, and no worker."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from starlette.testclient import TestClient

from terrafair.api.runs import Runs
from terrafair.app import Parts
from terrafair.config import Config
from terrafair.data.objects import ObjectStore
from terrafair.database import migrate, open_engine
from terrafair.execution.jobs import Jobs
from terrafair.identity import passwords
from terrafair.openeo_parts import openeo
from terrafair.web import PlannedWeb
from terrafair.workflows.check import bind

from ...databases import elsewhere
from ...databases import objects as objects_of

DATASET: dict[str, Any] = {
    "type": "Collection",
    "stac_version": "1.1.0",
    "id": "tiny",
    "description": "A small dataset.",
    "license": "CC-BY-4.0",
    "extent": {"spatial": {"bbox": [[11, 48, 12, 49]]}, "temporal": {"interval": [["2024-01-01T00:00:00Z", None]]}},
    "cube:dimensions": {
        "x": {"type": "spatial", "axis": "x", "extent": [11, 12]},
        "y": {"type": "spatial", "axis": "y", "extent": [48, 49]},
        "t": {"type": "temporal", "extent": ["2024-01-01T00:00:00Z", None]},
        "bands": {"type": "bands", "values": ["B04", "B08"]},
    },
    "links": [{"rel": "self", "href": "./collection.json"}, {"rel": "license", "href": "https://x.example/licence"}],
}
ADD: dict[str, Any] = {"add": {"process_id": "add", "arguments": {"x": 1, "y": 2}, "result": True}}


class NoQueue:
    """Accepted jobs wait for ever."""

    def enqueue(self, connection: sa.Connection, job: str) -> None: ...


@dataclass(frozen=True)
class Api:
    """The application with the parts beneath it."""

    client: TestClient
    jobs: Jobs
    objects: ObjectStore
    engine: sa.Engine
    documents: dict[str, bytes]
    """What the web has, by address."""

    def token(self, name: str = "ada", password: str = "secret-a") -> str:
        reply = self.client.get("/credentials/basic", auth=(name, password))
        return f"Bearer basic//{reply.json()['access_token']}"

    def ask(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        reply = self.client.request(method, path, **more)
        assert reply.status_code == status, reply.text[:500]
        return reply.json() if "json" in reply.headers.get("content-type", "") and reply.content else reply

    def refused(self, method: str, path: str, status: int, code: str, **more: Any) -> str:
        """Check one wrong request; gives the message."""
        reply = self.client.request(method, path, **more)
        found = reply.json()
        assert (reply.status_code, found["code"]) == (status, code), found
        assert found["id"] and found["message"] and found["links"] == []
        return str(found["message"])

    def job(self, graph: Any = ADD, **more: Any) -> str:
        reply = self.client.post("/jobs", json={"process": {"process_graph": graph}, **more})
        assert reply.status_code == 201, reply.text
        return reply.headers["openeo-identifier"]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    tmp_path = tmp_path_factory.mktemp("platform")
    accounts = {name: passwords.digest(f"secret-{name[0]}") for name in ("ada", "grace")}
    config = Config(home=tmp_path, **elsewhere(tmp_path), accounts=accounts, user_quota=1000, synchronous_seconds=1)
    parts, objects, documents = Parts(config), objects_of(tmp_path), dict[str, bytes]()
    vars(parts).update(objects=objects, web=PlannedWeb(documents))
    objects.put("datasets/tiny/collection.json", json.dumps(DATASET).encode())
    engine = open_engine(config.database_url)
    migrate(engine)
    jobs = Jobs(engine, NoQueue(), tmp_path / "jobs")
    app = openeo(parts, engine, jobs, Runs(jobs, parts.resolve, bind, objects), list)
    outer = FastAPI()
    outer.mount("/openeo", app)
    with TestClient(outer, base_url="http://platform.example/openeo", raise_server_exceptions=False) as client:
        made = Api(client, jobs, objects, engine, documents)
        client.headers["Authorization"] = made.token()
        yield made
    parts.catalogue.close()
    engine.dispose()
