"""What is gathered of a run from the job's folder."""

import json
import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from terrafair.errors import Problem
from terrafair.execution.job import Job, JobRequest, State, Usage
from terrafair.execution.provenance import Platform, Step, application_name, gather, lock_of
from terrafair.execution.task import JobFolder, Outcome
from terrafair.workflows.workflow import Application, CodeLocation, WorkflowType

from .runs import JOB, RESOLUTION, STEPS, gathered, job_folder


class TestGather:
    def test_the_same_folder_gives_the_same_run(self, tmp_path: Path) -> None:
        first = gathered(tmp_path, details={"steps": STEPS})
        outcome = Outcome.read(JobFolder(tmp_path).outcome)
        again = gather(JOB, RESOLUTION, JobFolder(tmp_path), outcome, first.usage, first.platform)
        assert again == first

    def test_given_values_go_before_published_ones_and_those_before_defaults(self, tmp_path: Path) -> None:
        job = replace(JOB, request=JobRequest("crop-ndvi", inputs={"threshold": 0.9}))
        resolution = replace(RESOLUTION, values={"threshold": 0.5, "bands": ["nir"]})
        assert gathered(tmp_path, job=job, resolution=resolution).values == {"threshold": 0.9, "bands": ["nir"]}

    def test_start_and_end_are_those_of_the_supervisor(self, tmp_path: Path) -> None:
        folder = job_folder(tmp_path)
        Outcome(successful=True).write(folder.outcome)
        (folder.path / "exit.json").write_text("{}")
        os.utime(folder.path / "exit.json", (1_000_000_000.25, 1_000_000_000.25))
        run = gather(JOB, RESOLUTION, folder, Outcome(successful=True), Usage(wall_seconds=60.0), Platform())
        assert (run.started, run.ended) == ("2001-09-09T01:45:40.250Z", "2001-09-09T01:46:40.250Z")

    def test_a_run_that_never_began_has_the_times_of_its_job(self, tmp_path: Path) -> None:
        problems = (Problem("No environment."),)
        run = gather(JOB, RESOLUTION, JobFolder(tmp_path), Outcome(False, problems), Usage(), Platform())
        assert (run.started, run.ended) == (JOB.created, JOB.created)
        assert run.inputs == () and run.error == "No environment."
        assert datetime.fromisoformat(run.started)

    @pytest.mark.parametrize(
        ("job", "successful", "state"),
        [
            (JOB, True, State.SUCCESSFUL),
            (JOB, False, State.FAILED),
            (replace(JOB, cancelling=True), False, State.DISMISSED),
            (replace(JOB, cancelling=True), True, State.SUCCESSFUL),
            (replace(JOB, state=State.DISMISSED), False, State.DISMISSED),
        ],
    )
    def test_the_state_is_the_one_that_the_job_ends_in(
        self, tmp_path: Path, job: Job, successful: bool, state: State
    ) -> None:
        assert gathered(tmp_path, successful=successful, job=job).state is state

    def test_a_failure_without_a_reason_says_so(self, tmp_path: Path) -> None:
        run = gather(JOB, RESOLUTION, job_folder(tmp_path), Outcome(successful=False), Usage(), Platform())
        assert run.error == "It gave no reason."

    def test_the_engine_is_told_with_versions(self, tmp_path: Path) -> None:
        assert set(gathered(tmp_path).engine) == {"cwltool"}
        step = {"step": "crop_2_1", "command": ["crop"], "image": "", "seconds": 1.5, "batch_job": "17"}
        run = gathered(tmp_path / "batch", details={"steps": [step], "batch_system": "slurm", "toil": "9.6.0"})
        assert run.engine["toil"] == "9.6.0"
        assert [(each.tool, each.batch_job) for each in run.steps] == [("crop", "slurm 17")]
        resolution = replace(RESOLUTION, type=WorkflowType.COMMAND)
        assert gathered(tmp_path, resolution=resolution).engine == {}


class TestSteps:
    def test_steps_are_read(self, tmp_path: Path) -> None:
        first, *_, last = gathered(tmp_path, details={"steps": STEPS}).steps
        assert first == Step("crop", ("python3", "crop.py"), "docker.io/osgeo/gdal:3.9", False, 1.5)
        assert (last.name, last.tool) == ("index_2", "index")

    def test_a_container_is_told_where_there_was_one(self, tmp_path: Path) -> None:
        details = {"steps": STEPS, "images": {"docker.io/osgeo/gdal:3.9": {"kind": "podman"}}}
        assert [step.contained for step in gathered(tmp_path, details=details).steps] == [True, False, False]

    @pytest.mark.parametrize(
        "details",
        [
            {"steps": "all"},
            {"steps": [1, None, "x"]},
            {"steps": {"step": "a"}},
            {"steps": []},
            {"steps": [{}], "images": [1]},
            {"steps": [{"step": 5, "command": "rm", "seconds": "long", "image": None}]},
        ],
    )
    def test_nothing_of_the_form_is_taken_for_granted(self, tmp_path: Path, details: dict[str, Any]) -> None:
        for step in gathered(tmp_path, details=details).steps:
            assert step.name and step.command == () and step.seconds == 0.0

    def test_a_flood_is_cut(self, tmp_path: Path) -> None:
        long = {"step": "s" * 5000, "command": ["x" * 9000] * 300, "image": "i" * 999, "seconds": 1}
        steps = gathered(tmp_path, details={"steps": [long, *[{"step": "more"}] * 2000]}).steps
        assert len(steps) == 1000
        assert (len(steps[0].name), len(steps[0].command), len(steps[0].image)) == (200, 200, 300)

    @pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0, True])
    def test_odd_times_are_none(self, tmp_path: Path, seconds: float) -> None:
        (step,) = gathered(tmp_path, details={"steps": [{"step": "a", "seconds": seconds}]}).steps
        assert step.seconds == 0.0


class TestLock:
    def test_the_tasks_lock_goes_first(self, tmp_path: Path) -> None:
        folder = job_folder(tmp_path, lock="numpy==2.0.0\n")
        assert lock_of(folder, Outcome(True, details={"lock": "other==1"})) == "numpy==2.0.0\n"

    def test_then_the_one_that_the_engine_tells(self, tmp_path: Path) -> None:
        assert lock_of(job_folder(tmp_path), Outcome(True, details={"lock": "other==1"})) == "other==1"

    @pytest.mark.parametrize("told", [None, 5, " "])
    def test_else_the_platforms_own_software(self, tmp_path: Path, told: object) -> None:
        lock = lock_of(job_folder(tmp_path), Outcome(True, details={"lock": told}))
        assert "numpy==" in lock

    def test_a_damaged_task_is_no_obstacle(self, tmp_path: Path) -> None:
        folder = job_folder(tmp_path)
        folder.task.write_text(json.dumps({"nothing": "known"}))
        assert "numpy==" in lock_of(folder, Outcome(True))


class TestApplicationName:
    @pytest.mark.parametrize(
        ("path", "url", "name"),
        [
            ("flows/app.cwl", "", "app.cwl"),
            ("", "https://a.example/graph.json?raw=1", "graph.json"),
            ("", "https://a.example/", "workflow.cwl"),
            ("..", "", "workflow.cwl"),
            (".hidden", "", "workflow.cwl"),
            ("a\nb", "", "workflow.cwl"),
            ("x" * 200, "", "workflow.cwl"),
        ],
    )
    def test_it_is_a_safe_file_name(self, path: str, url: str, name: str) -> None:
        application = Application(WorkflowType.CWL, CodeLocation(url, path=path), b"cwlVersion: v1.2")
        assert application_name(replace(RESOLUTION, application=application)) == name

    def test_a_command_has_a_name_of_its_own(self) -> None:
        application = Application(WorkflowType.COMMAND, CodeLocation("https://a.example"), entry="python run.py")
        assert application_name(replace(RESOLUTION, application=application)) == "command.txt"

    def test_none_has_none(self) -> None:
        assert application_name(replace(RESOLUTION, application=None)) == ""
