"""Whether a batch system answers, asked as its users ask it."""

import os
import subprocess

from terrafair.execution.engines.cwl.batch import pods
from terrafair.execution.engines.cwl.batch.batch import Batch

SECONDS = 20


def away(batch: Batch) -> str:
    """Why the batch system does not answer, in words; empty: it does."""
    surroundings = batch.around(dict(os.environ))
    if batch.system == "slurm":
        return slurm_away(surroundings)
    if batch.system == "kubernetes":
        return _kubernetes_away(surroundings)
    return ""


def slurm_away(surroundings: dict[str, str] | None = None) -> str:
    """What `sinfo` says of the controller; empty: it answers."""
    line = ["sinfo", "--noheader"]
    try:
        done = subprocess.run(line, env=surroundings, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"slurm does not answer within {SECONDS} seconds."
    except OSError as fault:
        return f"slurm cannot be asked: {fault}."
    return "" if done.returncode == 0 else f"slurm does not answer: {' '.join(done.stderr.split())[:300]}"


def _kubernetes_away(surroundings: dict[str, str]) -> str:
    from kubernetes import client

    try:
        namespace = pods.connect(surroundings.get("KUBECONFIG", ""))
        client.BatchV1Api().list_namespaced_job(namespace, limit=1, _request_timeout=SECONDS)
    except Exception as fault:  # as many kinds as there are ways to be away
        return f"kubernetes does not answer: {' '.join(str(fault).split())[:300]}"
    return ""
