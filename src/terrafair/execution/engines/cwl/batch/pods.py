"""Kubernetes through Toil: pods as the operator wants them, named so that all of a job are found again."""

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from terrafair.errors import Problem
from terrafair.execution.engines.cwl.batch.eyes import INFRASTRUCTURE, Eyes

PATIENCE_SECONDS = 300.0
PAUSE_SECONDS = 3.0
SECONDS = 10
NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""Where a pod reads its own."""


def watched(kind: Any, eyes: Eyes) -> Any:
    """Toil's class with our names and the operator's specification."""
    from toil.batchSystems.abstractBatchSystem import BatchJobExitReason
    from toil.version import currentCommit

    class Kubernetes(kind):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            # Toil asks the image's registry whether it is there, without credentials, unless it takes it for its own.
            os.environ["TOIL_APPLIANCE_SELF"] = f"localhost/replaced:{currentCommit}"
            super().__init__(*arguments, **options)
            # Toil's own name, with the job's in it, is longer than Kubernetes takes.
            self.job_prefix = f"{prefix(eyes.job)}{str(self.unique_id)[:8]}-"
            self._starved: set[str] = set()

        def _create_pod_spec(self, *arguments: Any, **options: Any) -> Any:
            return overlaid(super()._create_pod_spec(*arguments, **options), eyes.pod)

        def _launch_job(self, job_name: str, *arguments: Any) -> bool:
            step = eyes.steps.get(int(job_name.removeprefix(self.job_prefix)), "step")
            launch = super()._launch_job
            return launched(lambda: launch(job_name, *arguments), eyes, step)

        def _isPodStuckOOM(self, *_: Any, **__: Any) -> bool:  # noqa: N802
            # Toil asks the metrics server, which not every cluster has; our part on the node ends what takes too much.
            return False

        def _getPodForJob(self, jobObject: Any) -> Any:  # noqa: N802, N803
            pod = super()._getPodForJob(jobObject)
            if pod is not None and _killed_for_memory(pod):
                self._starved.add(jobObject.metadata.name)
            return pod

        def getUpdatedBatchJob(self, maxWait: int) -> Any:  # noqa: N802, N803
            update = super().getUpdatedBatchJob(maxWait)
            if update is not None and update.backing_id in self._starved:
                update.exitReason = BatchJobExitReason.MEMLIMIT
            return update

    return Kubernetes


def launched(launch: Callable[[], bool], eyes: Eyes, step: str) -> bool:
    """Hand a job over, again while the server is away; what it refuses for good is told."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with eyes.lock:
                return eyes.ended or launch()
        except Exception as fault:  # the client's, and those of its connection
            said = str(getattr(fault, "body", "") or fault)
        if not eyes.refused(step, said):
            return True
        if time.monotonic() > until:
            what = "The batch system kubernetes does not answer."
            eyes.fail(Problem(what, said[:300], "Try again later.", code=INFRASTRUCTURE))
            return True
        time.sleep(PAUSE_SECONDS)


def prefix(job: str) -> str:
    """What the names of all of a job's batch jobs begin with."""
    plain = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in job.lower())
    return f"tf-{plain[:40].strip('-')}-"


def overlaid(spec: Any, pod: Mapping[str, Any]) -> Any:
    """Lay the operator's part of a specification over Toil's: lists grow, tables merge, the rest is replaced."""
    from kubernetes.client import ApiClient

    client: Any = ApiClient()
    document = client.sanitize_for_serialization(spec)
    document = _merged(document, {name: value for name, value in pod.items() if name != "container"})
    document["containers"] = [_merged(each, pod.get("container", {})) for each in document["containers"]]
    return client.deserialize(json.dumps(document), "V1PodSpec", "application/json")


def end(job: str) -> list[str]:
    """End all batch jobs of a job, whoever has started them; gives their names."""
    from kubernetes import client

    namespace = connect()
    jobs = client.BatchV1Api()
    found = jobs.list_namespaced_job(namespace, _request_timeout=SECONDS).items
    names = [name for each in found if (name := str(each.metadata and each.metadata.name)).startswith(prefix(job))]
    for name in names:
        jobs.delete_namespaced_job(name, namespace, propagation_policy="Background", _request_timeout=SECONDS)
    return names


def connect(file: str = "") -> str:
    """Find the API server as Toil does; gives the namespace."""
    from kubernetes import config

    if file or os.environ.get("KUBECONFIG"):
        config.load_kube_config(file or None)
        _, context = config.list_kube_config_contexts(file or None)
        return str(context["context"].get("namespace", "default"))
    config.load_incluster_config()
    return NAMESPACE.read_text("utf-8").strip()


def _merged(ground: Any, over: Any) -> Any:
    if isinstance(ground, dict) and isinstance(over, Mapping):
        return {**ground, **{name: _merged(ground.get(name), value) for name, value in over.items()}}
    if isinstance(ground, list) and isinstance(over, list):
        return [*ground, *over]
    return over


def _killed_for_memory(pod: Any) -> bool:
    states = (each.state for each in (pod.status and pod.status.container_statuses) or ())
    return any(state and state.terminated and state.terminated.reason == "OOMKilled" for state in states)
