"""The lifecycle: whatever happens to a job, in whatever order, its promises hold."""

import itertools
import json
import math
from dataclasses import asdict, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terrafair.errors import Problem
from terrafair.execution.job import (
    ENDED,
    RETRIES,
    Asset,
    CancelAsked,
    Ended,
    Failed,
    Happening,
    Instruction,
    Job,
    JobRequest,
    Progressed,
    Results,
    Started,
    State,
    Succeeded,
    Usage,
    step,
)

ALLOWED = {
    State.ACCEPTED: {State.ACCEPTED, State.RUNNING, State.FAILED, State.DISMISSED},
    State.RUNNING: {State.RUNNING, State.SUCCESSFUL, State.FAILED, State.DISMISSED},
    State.SUCCESSFUL: {State.SUCCESSFUL},
    State.FAILED: {State.FAILED},
    State.DISMISSED: {State.DISMISSED},
}
PROBLEM = Problem("It broke.")
TIMES = st.integers(0, 59).map(lambda second: f"2025-01-01T00:00:{second:02}.000Z")
USAGES = st.builds(Usage, st.floats(0, 1e6), st.floats(0, 1e6), st.integers(0, 2**50))
KEPT = Results("jobs/1/", items=("a",), assets=(Asset("a", "k", "text/plain", 1, "0"),))
RESULTS = st.sampled_from([Results(), KEPT])
HAPPENINGS: st.SearchStrategy[Happening] = st.one_of(
    st.builds(Started, TIMES),
    st.builds(Progressed, st.floats(), st.text(max_size=5)),
    st.builds(Succeeded, TIMES, RESULTS, USAGES),
    st.builds(Failed, TIMES, st.just((PROBLEM,)), USAGES, st.booleans(), RESULTS),
    st.builds(CancelAsked, TIMES),
    st.builds(Ended, TIMES, USAGES),
)


def accepted() -> Job:
    return Job("1", JobRequest("demo"), "2025-01-01T00:00:30.000Z")


def after(*happenings: Happening) -> Job:
    job = accepted()
    for happening in happenings:
        job, _ = step(job, happening)
    return job


@settings(max_examples=400, deadline=None)
@given(st.lists(HAPPENINGS, max_size=20))
def test_any_sequence_keeps_the_promises(happenings: list[Happening]) -> None:
    job, announced = accepted(), 0
    for happening in happenings:
        before = job
        job, instructions = step(before, happening)
        announced += instructions.count(Instruction.ANNOUNCE_END)
        assert job.state in ALLOWED[before.state], (before, happening)
        assert (job.id, job.request, job.created) == (before.id, before.request, before.created)
        assert before.progress <= job.progress <= 1
        assert before.restarts <= job.restarts <= RETRIES
        assert before.usage.cpu_seconds <= job.usage.cpu_seconds
        assert before.usage.peak_memory <= job.usage.peak_memory
        assert before.started in ("", job.started)
        assert bool(job.finished) == (job.state in ENDED) == (announced == 1)
        if before.state in ENDED:
            assert job == before
            assert instructions == ()
        if job.state is State.RUNNING:
            assert job.started
        if job.state in ENDED:
            assert job.finished >= job.started
            assert job.seconds is not None
            assert job.seconds >= 0
            assert Instruction.RUN not in instructions
        if job.state is State.SUCCESSFUL:
            assert job.progress == 1
            assert not job.problems
        if job.state is State.FAILED:
            assert job.problems


@settings(max_examples=200, deadline=None)
@given(st.lists(HAPPENINGS, max_size=12))
def test_a_worker_always_gets_to_know_what_to_do(happenings: list[Happening]) -> None:
    job = after(*happenings)
    job, instructions = step(job, Started("2025-01-01T00:01:00.000Z"))
    if job.state in ENDED:
        assert instructions == ()
    else:
        assert instructions == ((Instruction.STOP,) if job.cancelling else (Instruction.RUN,))
        last, _ = step(job, Ended("2025-01-01T00:02:00.000Z"))
        assert last.state is State.DISMISSED


def test_the_usual_life() -> None:
    job, instructions = step(accepted(), Started("2025-01-01T00:00:31.000Z"))
    assert (job.state, instructions) == (State.RUNNING, (Instruction.RUN,))
    job, _ = step(job, Progressed(0.5, "half"))
    assert (job.progress, job.message) == (0.5, "half")
    job, instructions = step(job, Succeeded("2025-01-01T00:00:33.500Z", Results("p"), Usage(2, 1, 3)))
    assert (job.state, instructions) == (State.SUCCESSFUL, (Instruction.ANNOUNCE_END,))
    assert (job.seconds, job.progress, job.message, job.results.prefix) == (2.5, 1.0, "", "p")


def test_faults_of_the_infrastructure_are_tried_again_and_counted() -> None:
    job = after(Started("2025-01-01T00:00:31.000Z"))
    fault = Failed("2025-01-01T00:00:32.000Z", (PROBLEM,), Usage(1, 2, 3), retry=True)
    for number in range(1, RETRIES + 1):
        job, instructions = step(job, fault)
        assert (job.restarts, job.state, instructions) == (number, State.RUNNING, (Instruction.RUN_AGAIN,))
    job, instructions = step(job, fault)
    assert (job.restarts, job.state) == (RETRIES, State.FAILED)
    assert job.problems == (PROBLEM,)
    assert job.usage == Usage(RETRIES + 1, 2 * (RETRIES + 1), 3)


def test_faults_of_the_workflow_are_not_tried_again() -> None:
    kept = Results("p", assets=(Asset("log", "k", "text/plain", 1, "0", "log"),))
    job = after(Started("2025-01-01T00:00:31.000Z"), Failed("2025-01-01T00:00:32.000Z", (PROBLEM,), results=kept))
    assert (job.state, job.restarts, job.results) == (State.FAILED, 0, kept)


def test_cancelling_what_waits_and_what_runs() -> None:
    job, instructions = step(accepted(), CancelAsked("2025-01-01T00:00:31.000Z"))
    assert (job.state, instructions) == (State.DISMISSED, (Instruction.ANNOUNCE_END,))
    running = after(Started("2025-01-01T00:00:31.000Z"))
    job, instructions = step(running, CancelAsked("2025-01-01T00:00:32.000Z"))
    assert (job.state, job.cancelling, instructions) == (State.RUNNING, True, (Instruction.STOP,))
    assert step(job, Started("2025-01-01T00:00:33.000Z"))[1] == (Instruction.STOP,)
    fault = Failed("2025-01-01T00:00:33.000Z", (PROBLEM,), retry=True)
    assert step(job, fault)[0].state is State.DISMISSED
    done = Succeeded("2025-01-01T00:00:33.000Z", Results("p"), Usage())
    assert (step(job, done)[0].state, step(job, done)[0].cancelling) == (State.SUCCESSFUL, False)


@pytest.mark.parametrize("value", [math.nan, -1.0, -math.inf, 0.1])
def test_progress_never_goes_back(value: float) -> None:
    job = after(Started("2025-01-01T00:00:31.000Z"), Progressed(0.4, "far"), Progressed(value))
    assert (job.progress, job.message) == (0.4, "far")


def test_a_clock_that_was_set_back_does_not_end_a_job_before_its_start() -> None:
    job = after(Started("2025-01-01T00:00:31.000Z"), Ended("2025-01-01T00:00:01.000Z"))
    assert job.finished == job.started
    assert job.seconds == 0


def test_only_what_was_taken_up_can_succeed() -> None:
    job, instructions = step(accepted(), Succeeded("2025-01-01T00:00:31.000Z", Results("p"), Usage()))
    assert job == accepted()
    assert instructions == ()


def test_json_forms_are_read_back() -> None:
    results = Results("p", "c", ("i",), (Asset("a", "k", "t", 1, "0", "log"),), "crate")
    assert Results.read(json.loads(json.dumps(asdict(results)))) == results
    assert Results.read({}) == Results()
    request = JobRequest("s", "workflow", inputs={"a": [1, None, "ü"]}, reproduce=True, timeout=1.5)
    assert JobRequest(**json.loads(request.json())) == request
    assert request.json() == replace(request).json()


def test_usage_adds_up() -> None:
    for one, two in itertools.permutations([Usage(1, 2, 3), Usage(4, 5, 6)]):
        assert one.plus(two) == Usage(5, 7, 6)
