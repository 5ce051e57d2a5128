"""Bytes of data that leave by any address are counted for the project whose data they are, and shown in the report."""

import asyncio
import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from starlette.types import Message, Receive, Scope, Send

from terrafair.api.egress import Metered, whose
from terrafair.execution.egress import Egress, Source
from terrafair.identity.allocation import Approved
from terrafair.identity.allocations import Allocations
from terrafair.identity.credits import MilliCredits
from terrafair.identity.people import People
from terrafair.identity_parts import budget

from .world import World


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/api/jobs/j1/files/outputs/a.tif", (Source.JOB, "j1")),
        ("/tiles/jobs/j1/outputs/a.tif/3/4/2.png", (Source.JOB, "j1")),
        ("/tiles/jobs/j1/outputs/a.tif/area", (Source.JOB, "j1")),
        ("/jobs/j1/results", (Source.JOB, "j1")),
        ("/jobs/j1/results/extent", (Source.JOB, "j1")),
        ("/jobs/j1/outputs/extent", (Source.JOB, "j1")),
        ("/openeo/results/b-1/ticket/a.tif", (Source.BATCH, "b-1")),
        ("/api/jobs/j1", None),
        ("/api/jobs/j1/log", None),
        ("/api/jobs/j1/results", None),
        ("/jobs/j1", None),
        ("/jobs/j1/resultsets", None),
        ("/openeo/jobs/b-1/results", None),
        ("/x/api/jobs/j1/files/a", None),
        ("/", None),
    ],
)
def test_which_addresses_give_data(path: str, found: tuple[Source, str] | None) -> None:
    assert whose(path) == found


@pytest.mark.parametrize(
    ("method", "status", "broken", "counted"),
    [("GET", 200, False, 6), ("GET", 206, False, 6), ("POST", 200, False, 6), ("GET", 200, True, 3),
     ("GET", 404, False, 0), ("GET", 307, False, 0), ("HEAD", 200, False, 0)],
)  # fmt: skip
def test_what_was_sent_counts(method: str, status: int, broken: bool, counted: int) -> None:
    got: list[tuple[Source, str, int]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        if broken:
            raise OSError("The caller has gone.")
        await send({"type": "http.response.body", "body": b"def"})

    async def nothing(*_: Message) -> Message:
        return {"type": "http.disconnect"}

    async def gone(_: Message) -> None:
        return None

    layer = Metered(app, lambda *seen: got.append(seen))
    scope = {"type": "http", "method": method, "path": "/api/jobs/j1/files/a"}
    if broken:
        with pytest.raises(OSError, match="gone"):
            asyncio.run(layer(scope, nothing, gone))
    else:
        asyncio.run(layer(scope, nothing, gone))
    assert got == ([(Source.JOB, "j1", counted)] if counted else [])


def test_a_download_is_in_the_report(world: World) -> None:
    allocations, people = Allocations(world.engine), People(world.engine, world.parts.config.operators)
    today = datetime.now(UTC).date()
    asked = allocations.request(people.actor(world.ids["ada"]), "glaciers", MilliCredits(1000), today, today)
    allocations.decide(people.actor(world.ids["eve"]), asked.id, Approved("NoR-9"))
    job = world.job(visibility="public")
    file = f"/api/jobs/{job}/files/outputs/secret.txt"
    before = egress(world, "ada")
    assert world.client("ada").get(file).content == b"secret"
    assert world.client().get(file).content == b"secret"
    assert world.client("ada").get(f"/api/jobs/{job}/files/none").status_code == 404
    assert world.client("ada").get(f"/api/jobs/{job}").status_code == 200
    assert egress(world, "ada") - before == 12
    assert egress(world, "dee") == 0

    # The day is over: it is a resource of its own.
    meter = Egress(world.engine, budget(world.parts))
    assert meter.charge(today + timedelta(days=1))["glaciers"] == 1
    reply = world.client("ada").get("/api/usage").json()
    rows = [row for row in reply["usage"] if row["resource"] == "egress"]
    assert [(row["project"], row["nor_reference"], row["spent"]) for row in rows] == [("glaciers", "NoR-9", 1)]
    lines = list(csv.DictReader(io.StringIO(world.client("ada").get("/api/usage?format=csv").text)))
    (line,) = (line for line in lines if line["ServiceName"] == "egress")
    assert (line["ServiceCategory"], line["ChargeCategory"], line["BilledCost"]) == ("Networking", "Usage", "0.001")
    assert "egress" not in world.client("dee").get("/api/usage?format=csv").text


def egress(world: World, name: str) -> int:
    return sum(row["bytes"] for row in world.client(name).get("/api/usage").json()["egress"])
