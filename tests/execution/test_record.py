"""Steps, samples and cost of a run, as they are told."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from terrafair.execution import logs, record
from terrafair.execution.job import Job, JobRequest, State, Usage

JOB = Job("j", JobRequest("x"), "2026-01-01T00:00:00.000Z", State.RUNNING, started="2026-01-01T00:00:01.000Z")


def log(path: Path, *entries: dict[str, object]) -> Path:
    lines = [
        json.dumps({"time": f"2026-01-01T00:00:{n + 2:02d}.000Z", "level": "info", "message": "", **entry})
        for n, entry in enumerate(entries)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_run_in_steps(tmp_path: Path) -> None:
    path = log(tmp_path / "log", {"step": "read"}, {"message": "chatter"}, {"step": "run"},
               {"progress": 0.5, "message": "Half."}, {"progress": 0.6})  # fmt: skip
    wait, read, run = record.steps(JOB, logs.marks(path))
    assert (wait.name, wait.seconds) == ("wait", 1.0) and (read.name, read.seconds) == ("read", 2.0)
    assert run.ended == "" and run.seconds is None and [message for _, message in run.marks] == ["Half."]
    ended = replace(JOB, state=State.FAILED, finished="2026-01-01T00:00:09.000Z")
    assert [step.failed for step in record.steps(ended, logs.marks(path))] == [False, False, True]
    assert record.steps(ended, logs.marks(path))[-1].seconds == 5.0


def test_a_program_that_failed_is_the_step_that_failed(tmp_path: Path) -> None:
    path = log(tmp_path / "log", {"step": "read"}, {"step": "run"}, {"step": "keep"})
    ended = replace(JOB, state=State.FAILED, finished="2026-01-01T00:00:09.000Z")
    found = {step.name: step.failed for step in record.steps(ended, logs.marks(path))}
    assert found == {"wait": False, "read": False, "run": True, "keep": False}


def test_only_the_last_attempt_is_told(tmp_path: Path) -> None:
    path = log(tmp_path / "log", {"step": "read"}, {"step": "run"}, {"step": "read"}, {"step": "prepare"})
    assert [step.name for step in record.steps(JOB, logs.marks(path))] == ["wait", "read", "prepare"]


def test_a_job_that_waits(tmp_path: Path) -> None:
    waiting = replace(JOB, state=State.ACCEPTED, started="")
    assert [step.ended for step in record.steps(waiting, logs.marks(tmp_path / "none"))] == [""]


def test_samples_are_read_while_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    assert record.samples(path) == ()
    path.write_text("[0.5, 0.25, 1000, 2]\n[1.5, 1.25, 3000, 2]\n[2.0, 1.")
    taken = record.samples(path)
    assert [sample.memory for sample in taken] == [1000, 3000] and record.cores(taken) == [(1.5, 1.0)]
    assert record.usage_so_far(JOB, taken) == Usage(1.5, 1.25, 3000)
    ended = replace(JOB, state=State.SUCCESSFUL, usage=Usage(9, 8, 7))
    assert record.usage_so_far(ended, taken) == Usage(9, 8, 7)


@pytest.mark.parametrize("odd", [b"", b"\xff\xfe", b'"step"\n', b'{"step": 5, "time": 1, "level": 2, "message": 3}\n'])
def test_an_odd_log_harms_nothing(tmp_path: Path, odd: bytes) -> None:
    (tmp_path / "log").write_bytes(odd)
    assert record.steps(JOB, logs.marks(tmp_path / "log"))[0].name == "wait"


def test_the_stages_of_a_build_are_its_steps(tmp_path: Path) -> None:
    path = log(tmp_path / "log", {"step": "build-check"}, {"message": "check: passed."}, {"step": "build-lock"})
    assert [step.title for step in record.steps(JOB, logs.marks(path))][1:] == ["Checked", "Locked the environment"]
