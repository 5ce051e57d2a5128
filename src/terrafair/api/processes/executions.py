"""Executing processes: orders in, jobs or results out."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from terrafair.api.processes.inputs import Inputs
from terrafair.api.processes.order import SUBSCRIBER, Order
from terrafair.api.processes.results import Product, Value, check_names
from terrafair.errors import InvalidInputs, NotExecutable, NotFound, Problem, TerrafairError
from terrafair.execution.builtin import KIND as BUILTIN
from terrafair.execution.job import ENDED, HELD, Job, JobRequest
from terrafair.execution.jobs import Jobs, Selection
from terrafair.workflows import echo
from terrafair.workflows.builtins import BUILTINS
from terrafair.workflows.check import bind
from terrafair.workflows.process import RESULT, Process
from terrafair.workflows.processes import Processes
from terrafair.workflows.workflow import Resolution

SYNC_SECONDS = 120.0
"""How long a synchronous execution is waited for where its caller does not say; after that it is a job to ask for."""
WAIT_LIMIT = 600.0


class Executions:
    """Accepts executions of processes and follows them."""

    def __init__(self, processes: Processes, jobs: Jobs, inputs: Inputs, admit: Callable[[str], None]) -> None:
        self._processes = processes
        self._jobs = jobs
        self._inputs = inputs
        self._admit = admit

    def prepare(self, process: Process, order: Order) -> tuple[Resolution, dict[str, Any]]:
        """What would run with which values; raises `InvalidInputs` with everything that is wrong."""
        resolution = self._preset(process, order)
        problems: list[Problem] = []
        values: dict[str, Any] = {}
        try:
            values = self._inputs.read(process, resolution, order.inputs)
        except InvalidInputs as error:
            problems += error.problems
        if order.outputs is not None:
            known = [output.name for output in process.outputs]
            try:
                check_names(list(order.outputs), known if RESULT in known or process.immediate else [*known, "stac"])
            except InvalidInputs as error:
                problems += error.problems
        problems += self._subscriber(order.subscriber)
        if problems:
            raise InvalidInputs(problems)
        return resolution, values

    def submit(self, process: Process, order: Order, resolution: Resolution, values: Mapping[str, Any]) -> Job:
        """Accept the job; raises `NotFound` for a reference to results that the asker may not see."""
        return self._jobs.submit(self._request(process, order, resolution, values), order.subscriber)

    def amend(self, job: Job, order: Order) -> Job:
        """Change a job that is held: inputs as a whole, outputs as a whole, the form of the response."""
        if not job.request.held or not job.request.process:
            return self._jobs.amend(job.id, job.request)
        process = self._processes.get(job.request.process)
        delivery = job.request.delivery
        preset = job.request.subject if job.request.kind == "experiment" else ""
        wanted = replace(
            order,
            inputs=order.inputs or job.request.inputs,
            outputs=delivery.get("outputs") if order.outputs is None else order.outputs,
            response=order.response or delivery.get("response", ""),
            experiment=order.experiment or preset,
            held=True,
        )
        resolution, values = self.prepare(process, wanted)
        return self._jobs.amend(job.id, self._request(process, wanted, resolution, values))

    def release(self, job: Job) -> Job:
        """Let a job go that was held."""
        delivery = {name: value for name, value in job.request.delivery.items() if name != HELD}
        return self._jobs.amend(job.id, replace(job.request, delivery=delivery))

    def _request(self, process: Process, order: Order, resolution: Resolution, values: Mapping[str, Any]) -> JobRequest:
        self._inputs.check_references(values)
        return JobRequest(
            subject=process.id if process.file else resolution.id,
            kind=BUILTIN if process.immediate else "process" if process.file else resolution.kind,
            file=process.file,
            inputs=values,
            process=process.id,
            delivery=order.delivery(),
        )

    async def immediately(self, resolution: Resolution, values: Mapping[str, Any]) -> list[Product]:
        """What a process of the platform itself gives."""
        _, compute = BUILTINS[resolution.id]
        bound = bind(resolution, values)
        await asyncio.sleep(min(float(bound.get("pause") or 0), echo.PAUSE_LIMIT))
        return [Value(name, value) for name, value in compute(bound).items()]

    async def wait(self, job: Job, seconds: float) -> Job:
        """The job once it has ended, or as it is after so many seconds."""
        deadline, pause = time.monotonic() + min(seconds, WAIT_LIMIT), 0.02
        while job.state not in ENDED and time.monotonic() < deadline:
            await asyncio.sleep(pause)
            pause = min(pause * 1.3, 0.25)
            job = await asyncio.to_thread(self._jobs.get, job.id)
        return job

    def job(self, id: str) -> Job:  # noqa: A002 - the field's word
        """One job; raises `NotFound`."""
        try:
            return self._jobs.get(id)
        except NotFound as error:
            what = error.problem.what
            raise NotFound(what, "", "GET /jobs lists them.", "jobID", "no-such-job") from None

    def select(self, wanted: Selection, limit: int, before: str) -> list[Job]:
        """Jobs that fit, newest first."""
        if before:
            self.job(before)
        return self._jobs.select(wanted, limit, before)

    def dismiss(self, id: str) -> Job:  # noqa: A002
        """End a job; the results of one that has ended are removed."""
        job = self.job(id)
        return self._jobs.discard(id) if job.state in ENDED else self._jobs.cancel(id)

    def log(self, id: str, since: int, limit: int) -> list[dict[str, Any]]:  # noqa: A002
        """Its log's lines."""
        self.job(id)
        return [line.document() for line in self._jobs.log(id, since, limit)]

    def inputs(self, job: Job) -> dict[str, Any]:
        """The values that it was given, and those that its preset adds."""
        try:
            process = self._processes.get(job.request.process) if job.request.process else None
            if process and job.request.kind == "experiment":
                return {**self._processes.experiment(process, job.request.subject).values, **job.request.inputs}
        except TerrafairError:
            pass
        return dict(job.request.inputs)

    def _preset(self, process: Process, order: Order) -> Resolution:
        if order.experiment and order.experiment != process.resolution.id:
            return self._processes.experiment(process, order.experiment)
        if not process.resolution.executable:
            raise NotExecutable(process.resolution.reasons, f"{process.id} is not executable here.")
        return process.resolution

    def _subscriber(self, given: Mapping[str, str]) -> list[Problem]:
        problems = []
        for name in SUBSCRIBER:
            if uri := given.get(name):
                try:
                    self._admit(uri)
                except TerrafairError as error:
                    where = f"subscriber/{name}"
                    problems.append(Problem(error.problem.what, error.problem.why, "", where, "subscriber-invalid"))
        return problems
