"""Promises and what was kept, counted by hand beside it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from terrafair import events
from terrafair.database import migrate, open_engine, transaction
from terrafair.errors import InvalidInput
from terrafair.execution.job import JobRequest, Started
from terrafair.execution.jobs import TABLE, Jobs
from terrafair.operations.probes import Probes, facts
from terrafair.operations.readiness import KEPT_SECONDS, Readiness
from terrafair.operations.service_levels import DEFAULT, MINUTE, Facts, Objectives, Window, document, measure, month_of

from ..databases import control_database
from .test_metrics import World, world  # noqa: F401 - a fixture

START, END = month_of("2026-02")
OBJECTIVES = Objectives.read(DEFAULT)


def minutes(count: int, bad: range = range(0), missing: range = range(0)) -> dict[str, bool]:
    return {
        (START + timedelta(minutes=number)).strftime(MINUTE): number not in bad
        for number in range(count)
        if number not in missing
    }


def test_a_month_has_its_days() -> None:
    assert (END - START).days == 28
    assert month_of("2026-12")[1] == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026", "2026-13", "next", "2026-02-01", ""])
def test_other_texts_are_no_month(text: str) -> None:
    with pytest.raises(InvalidInput, match="YYYY-MM"):
        month_of(text)


def test_bad_and_missing_minutes_count_alike() -> None:
    seen = Facts(minutes(1000, bad=range(10, 15), missing=range(20, 25)), [], [], [])
    availability = measure(OBJECTIVES, seen, START, START + timedelta(minutes=1000))[0]
    assert (availability.good, availability.counted, availability.share) == (990, 1000, 0.99)
    assert not availability.held and availability.budget == pytest.approx(-1.0)


def test_announced_minutes_do_not_count_against_it() -> None:
    window = Window(START + timedelta(minutes=20), START + timedelta(minutes=25))
    seen = Facts(minutes(1000, missing=range(20, 25)), [], [], [])
    objectives = Objectives(OBJECTIVES.promises, (window,))
    assert measure(objectives, seen, START, START + timedelta(minutes=1000))[0].share == 1.0


def test_before_the_first_probe_there_was_no_platform() -> None:
    seen = Facts(
        {k: v for k, v in minutes(100).items() if k >= (START + timedelta(minutes=40)).strftime(MINUTE)}, [], [], []
    )
    assert measure(OBJECTIVES, seen, START, START + timedelta(minutes=100))[0].counted == 60


def test_the_others_are_shares_of_what_happened() -> None:
    seen = Facts({}, [201, 201, 409, 503], [1.0, 900.0, 901.0, 2.0], [86_400.0, 90_000.0])
    kept = {each.objective.name: each for each in measure(OBJECTIVES, seen, START, END)}
    assert (kept["acceptance"].good, kept["acceptance"].counted) == (3, 4)
    assert (kept["queue"].good, kept["publication"].good) == (3, 1)
    assert kept["availability"].share is None and kept["availability"].held
    assert document(kept.values(), "2026-02", END)["objectives"][0]["share"] is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[availability]\ntitle = 'x'\nlevel = 2", "between 0 and 1"),
        ("[speed]\ntitle = 'x'\nlevel = 0.5", "unknown objective 'speed'"),
        ("[availability]\nlevel = 0.5", "no file of objectives"),
        ("[availability", "no file of objectives"),
        ("maintenance = [1]", "no file of objectives"),
    ],
)
def test_a_wrong_file_says_where(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "objectives.toml"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=says):
        Objectives.read(file)


def test_facts_come_from_the_database(tmp_path: Path) -> None:
    engine = open_engine(control_database(tmp_path))
    migrate(engine)

    class Waiting:
        def enqueue(self, connection: sa.Connection, job: str) -> None: ...

    works = [True]

    def part() -> None:
        if not works[0]:
            raise OSError("away")

    readiness = Readiness({"objects": part})
    probes = Probes(engine, readiness)
    probes.look(START)
    works[0] = False
    readiness._until -= KEPT_SECONDS + 1
    probes.look(START + timedelta(seconds=30))
    jobs = Jobs(engine, Waiting(), tmp_path / "jobs")
    job = jobs.submit(JobRequest("x", ""))
    jobs.apply(job.id, Started("2026-02-01T00:00:07.000Z"))
    with transaction(engine) as connection:
        connection.execute(TABLE.update().values(created="2026-02-01T00:00:02.000Z"))
        for path, status in (("/processes/x/execution", 201), ("/api/projects", 500)):
            details = json.dumps({"method": "POST", "status": status})
            row = {"time": "2026-02-01T00:00:02.000Z", "kind": "Asked", "thing": path, "details": details}
            connection.execute(events.TABLE.insert().values(row))
    seen = facts(engine, START, END)
    assert seen == Facts({"2026-02-01T00:00": False}, [201], [5.0], [])
    assert facts(engine, END, END + timedelta(days=31)) == Facts({}, [], [], [])
    engine.dispose()


def test_everybody_sees_them(world: World) -> None:  # noqa: F811
    report = world.client.get("/api/service-levels").json()
    assert [each["name"] for each in report["objectives"]] == ["availability", "acceptance", "queue", "publication"]
    lines = world.client.get("/api/service-levels?f=csv").text.splitlines()
    assert len(lines) == 5 and lines[0].startswith("month,until,name")
    page = world.client.get("/status")
    assert page.status_code == 200 and "The platform answers, and every part of it" in page.text


@pytest.mark.parametrize("query", ["month=2026-13", "f=xml", "month=%00"])
def test_wrong_questions_are_answered(world: World, query: str) -> None:  # noqa: F811
    assert world.client.get(f"/api/service-levels?{query}").status_code == 400
    assert world.client.get(f"/status?{query}").status_code in {200, 400}
