"""Jobs that the platform itself computes, without a program of their own."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from terrafair.data.objects import ObjectStore
from terrafair.errors import Cancelled
from terrafair.execution.job import Job, Results
from terrafair.workflows import echo
from terrafair.workflows.builtins import BUILTINS
from terrafair.workflows.check import bind

KIND = "builtin"
"""`JobRequest.kind` of such jobs."""
BUILD = "build"
"""`JobRequest.kind` of builds and releases of workflows."""
VALUES = "values.json"
LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Builtin:
    """Computes and stores."""

    objects: ObjectStore

    def __call__(self, job: Job, cancelled: Callable[[], bool]) -> Results:
        """The results of a job; raises `Cancelled`, `InvalidInputs` or `Unreachable`."""
        describe, compute = BUILTINS[job.request.process]
        values = bind(describe().resolution, job.request.inputs)
        end = time.monotonic() + min(float(values.get("pause") or 0), echo.PAUSE_LIMIT)
        while (left := end - time.monotonic()) > 0:
            if cancelled():
                raise Cancelled("Cancelled.")
            time.sleep(min(left, LOOK_SECONDS))
        prefix = f"jobs/{job.id}"
        self.objects.put(f"{prefix}/outputs/{VALUES}", json.dumps(compute(values)).encode(), "application/json")
        return Results(prefix=prefix, outputs={"values": VALUES})
