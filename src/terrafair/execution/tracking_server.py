"""Passes on what jobs tracked to an MLflow tracking server, by its REST API 2.0.

The protocol is five plain calls; `mlflow-skinny` makes the same ones with 57 MB of packages and 2.3 s of imports.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from terrafair.errors import TerrafairError, Unreachable
from terrafair.execution.job import Job
from terrafair.execution.tracked import TrackedRun

JOB_TAG = "terrafair.job"
BATCH = 1000
"""Metrics in one call, and 100 parameters: the server's own limits."""
SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class TrackingServer:
    """A server that the operator named; it may be on a private network."""

    url: str
    token: str = field(default="", repr=False)
    transport: httpx2.BaseTransport | None = None

    def publish(self, job: Job, runs: Sequence[TrackedRun]) -> int:
        """Write runs that are not there yet, in the experiment of what was run; how many. Raises `Unreachable`."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        with httpx2.Client(headers=headers, timeout=SECONDS, transport=self.transport) as client:
            experiment = self._experiment(client, job.request.subject)
            wanted = {"experiment_ids": [experiment], "filter": f"tags.`{JOB_TAG}` = '{job.id}'", "max_results": 1000}
            there = {
                tag["value"]
                for run in self._call(client, "runs/search", wanted).get("runs", ())
                for tag in run["data"].get("tags", ())
                if tag["key"] == "mlflow.runName" and run["info"]["status"] == "FINISHED"
            }
            fresh = [run for run in runs if run.name not in there]
            for run in fresh:
                self._write(client, experiment, job, run)
        return len(fresh)

    def _experiment(self, client: httpx2.Client, name: str) -> str:
        try:
            found = self._call(client, "experiments/get-by-name", {"experiment_name": name}, method="GET")
        except _Absent:
            return str(self._call(client, "experiments/create", {"name": name})["experiment_id"])
        return str(found["experiment"]["experiment_id"])

    def _write(self, client: httpx2.Client, experiment: str, job: Job, run: TrackedRun) -> None:
        moments = [point[2] for points in run.metrics.values() for point in points]
        tags = {"mlflow.runName": run.name, JOB_TAG: job.id, "terrafair.project": job.owner.project}
        start: dict[str, Any] = {"experiment_id": experiment, "run_name": run.name}
        start |= {"start_time": min(moments)} if moments else {}
        made = self._call(client, "runs/create", {**start, "tags": _pairs(tags)})
        id_ = made["run"]["info"]["run_id"]
        parameters = _pairs(run.parameters)
        for begin in range(0, len(parameters), 100):
            self._call(client, "runs/log-batch", {"run_id": id_, "params": parameters[begin : begin + 100]})
        points = list(_points(run))
        for begin in range(0, len(points), BATCH):
            self._call(client, "runs/log-batch", {"run_id": id_, "metrics": points[begin : begin + BATCH]})
        end = {"end_time": max(moments)} if moments else {}
        self._call(client, "runs/update", {"run_id": id_, "status": "FINISHED", **end})

    def _call(self, client: httpx2.Client, name: str, content: Any, *, method: str = "POST") -> dict[str, Any]:
        url = f"{self.url.rstrip('/')}/api/2.0/mlflow/{name}"
        given = {"params": content} if method == "GET" else {"json": content}
        try:
            reply = client.request(method, url, **given)
            if reply.status_code == 404:
                raise _Absent("The tracking server does not know it.")
            reply.raise_for_status()
            answer: dict[str, Any] = reply.json()
        except (httpx2.HTTPError, ValueError) as fault:
            what = f"The tracking server does not take {name}."
            remedy = "See the setting `mlflow_url`; the metrics are with the job all the same."
            raise Unreachable(what, str(fault)[:300], remedy) from None
        return answer


class _Absent(TerrafairError):
    """There is no such experiment yet."""


def _pairs(values: Any) -> list[dict[str, str]]:
    return [{"key": name, "value": value} for name, value in values.items()]


def _points(run: TrackedRun) -> Iterator[dict[str, Any]]:
    for name, points in run.metrics.items():
        for step, value, moment in points:
            yield {"key": name, "value": value, "timestamp": moment, "step": step}
