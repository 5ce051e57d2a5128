"""Which ends of a job are tried again, and how often."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from terrafair.errors import (
    STORE_AWAY,
    Unreachable,
)
from terrafair.execution import elsewhere
from terrafair.execution.command import Command
from terrafair.execution.job import RETRIES, State
from terrafair.execution.jobs import Jobs
from terrafair.workflows.workflow import WorkflowType

from .test_worker import DEADLINE, ScriptEngine, fail, jobs, log, package, runner, submit

__all__ = ["jobs"]


def test_only_faults_of_the_infrastructure_are_tried_again(jobs: Jobs) -> None:
    """Jobs side by side, since the pauses between attempts grow."""
    seen: dict[str, int] = {}

    def at_first(name: str, times: int, code: str = "") -> Callable[..., Any]:
        def raises(*given: Any) -> Any:
            seen[name] = seen.get(name, 0) + 1
            if seen[name] <= times:
                raise Unreachable("The mirror is away.", code=code)
            return given[1] if name != "package" else package(*given)

        return raises

    def killing(whom: str) -> ScriptEngine:
        def prepare(*given: Any) -> Command:
            command = ScriptEngine().prepare(*given)
            script = f"import os, signal, time; os.kill(os.{whom}(), signal.SIGKILL); time.sleep(600)"
            return replace(command, arguments=(*command.arguments[:-1], script))

        deadly = ScriptEngine()
        deadly.prepare = prepare  # type: ignore[method-assign]
        return deadly

    def temporary(times: int) -> ScriptEngine:
        def prepare(*given: Any) -> Command:
            seen["batch"] = seen.get("batch", 0) + 1
            (given[2].path / elsewhere.FILE).write_text('{"cpu_seconds": 5, "peak_memory": 7000000000}')
            command = ScriptEngine().prepare(*given)
            told = {"successful": False, "problems": [{"what": "The batch system is away."}]}
            script = (
                f"import sys; open('outcome.json', 'w').write({json.dumps(told)!r}); sys.exit({elsewhere.TEMPORARY})"
            )
            return replace(command, arguments=(*command.arguments[:-1], script)) if seen["batch"] <= times else command

        batch = ScriptEngine()
        batch.prepare = prepare  # type: ignore[method-assign]
        return batch

    def filled() -> ScriptEngine:
        def prepare(*given: Any) -> Command:
            seen["full"] = seen.get("full", 0) + 1
            command = ScriptEngine().prepare(*given)
            told = {"successful": False, "problems": [{"what": "[Errno 28] No space left on device: 'a.tif'"}]}
            script = f"open('outcome.json', 'w').write({json.dumps(told)!r}); raise SystemExit(1)"
            return replace(command, arguments=(*command.arguments[:-1], script)) if seen["full"] == 1 else command

        full = ScriptEngine()
        full.prepare = prepare  # type: ignore[method-assign]
        return full

    runs = {
        "full": runner(jobs, engines={WorkflowType.COMMAND: filled()}),
        "batch": runner(jobs, engines={WorkflowType.COMMAND: temporary(1)}),
        "never": runner(jobs, bind=fail(Unreachable("The mirror is away."))),
        "bind": runner(jobs, bind=at_first("bind", 1)),
        "package": runner(jobs, package=at_first("package", 1)),
        "store": runner(jobs, bind=at_first("store", 2, STORE_AWAY)),
        "killed": runner(jobs, engines={WorkflowType.COMMAND: killing("getppid")}),
        "shot": runner(jobs, engines={WorkflowType.COMMAND: killing("getpid")}),
    }
    names = {name: submit(jobs, "print('begun')") for name in runs}
    threads = [threading.Thread(target=run.run, args=(names[name],)) for name, run in runs.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    found = {name: jobs.get(given) for name, given in names.items()}
    assert (found["never"].state, found["never"].restarts) == (State.FAILED, RETRIES)
    assert found["never"].problems[0].code == "unreachable"
    assert (found["bind"].state, found["bind"].restarts) == (State.SUCCESSFUL, 1)
    assert "started again (1)" in log(jobs, found["bind"])
    assert (found["batch"].state, found["batch"].restarts) == (State.SUCCESSFUL, 1)
    assert "The batch system is away" in log(jobs, found["batch"])
    assert (found["full"].state, found["full"].restarts) == (State.SUCCESSFUL, 1)
    assert "The disk is full. The job waits for room" in log(jobs, found["full"])
    # What both attempts took on other machines counts too.
    assert found["batch"].usage.cpu_seconds >= 10 and found["batch"].usage.peak_memory == 7_000_000_000
    # Hours of computing are not repeated because the store was away for a moment.
    assert (found["package"].state, found["package"].restarts) == (State.SUCCESSFUL, 0)
    # The platform's own store is waited for, at any step.
    assert (found["store"].state, found["store"].restarts) == (State.SUCCESSFUL, 0)
    assert log(jobs, found["store"]).count("object store does not answer at the moment") == 2
    assert (found["killed"].state, found["killed"].restarts) == (State.FAILED, RETRIES)
    assert log(jobs, found["killed"]).count("process was lost") == RETRIES + 1
    assert (found["shot"].state, found["shot"].restarts) == (State.FAILED, RETRIES)
    assert log(jobs, found["shot"]).count("killed from outside") == RETRIES + 1
