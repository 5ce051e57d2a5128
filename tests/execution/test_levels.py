"""Service levels are counted from jobs, and from nothing else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from terrafair.execution.job import Job, JobRequest, State
from terrafair.execution.levels import levels, ran

NOW = datetime(2026, 7, 1, tzinfo=UTC)


def job(hours_ago: float, wait: float, took: float, state: State) -> Job:
    at = [NOW - timedelta(hours=hours_ago) + timedelta(seconds=each) for each in (0, wait, wait + took)]
    created, started, finished = (each.isoformat().replace("+00:00", "Z") for each in at)
    made = Job(id="j", request=JobRequest("x", ""), created=created)
    return replace(made, state=state, started=started, finished=finished)


def test_each_period_counts_its_own_jobs() -> None:
    jobs = [job(1, 2, 10, State.SUCCESSFUL), job(2, 4, 30, State.FAILED), job(3, 1, 5, State.DISMISSED)]
    jobs += [job(30, 60, 20, State.SUCCESSFUL) for _ in range(2)]
    day, week, month = levels(jobs, NOW)
    assert (day.accepted, day.successful, day.failed, day.share) == (3, 1, 1, 0.5)
    assert (day.wait, day.wait_most, day.took) == (2.0, 4.0, 10.0)
    assert (week.accepted, week.wait_most, week.took) == (5, 60.0, 20.0)
    assert month.share == 3 / 4


def test_nothing_measured_is_nothing_said() -> None:
    for level in levels([replace(job(1, 1, 1, State.ACCEPTED), started="", finished="")], NOW):
        assert (level.accepted, level.share, level.wait, level.took) == (1, None, None, None)


def test_an_engine_is_as_well_as_its_last_job() -> None:
    jobs = [replace(job(9, 1, 1, State.SUCCESSFUL), type="cwl"), replace(job(1, 1, 1, State.FAILED), type="cwl")]
    jobs += [replace(job(1, 1, 1, State.SUCCESSFUL), type="openeo"), replace(job(1, 1, 1, State.DISMISSED), type="cwl")]
    found = {each.part: each.works for each in ran(["cwl", "openeo", "notebook"], jobs, "1 h", NOW)}
    assert found == {"engine cwl": False, "engine openeo": True, "engine notebook": None}
    assert "1 of 2 jobs ended well" in ran(["cwl"], jobs, "1 h", NOW)[0].says
