"""Tells how far a graph is: nodes first, and the lazy computation that a node sets off."""

from typing import Any

from dask.callbacks import Callback

from terrafair.execution.engines.report import Report


class Progress(Callback):
    """A Dask callback that knows which node is being evaluated."""

    def __init__(self, report: Report) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._report = report
        self._number = 0
        self._total = 1
        self._told = 0.0

    def node(self, number: int, total: int, name: str) -> None:
        """Take note of the node that comes next."""
        self._number, self._total = number, total
        self._report.progress(number / total, f"Evaluating {name}.")

    def _start_state(self, dsk: Any, state: Any) -> None:  # noqa: ARG002
        self._told = 0.0

    def _posttask(self, key: Any, result: Any, dsk: Any, state: Any, worker_id: Any) -> None:  # noqa: ARG002
        done = len(state["finished"])
        share = done / max(1, done + sum(len(state[name]) for name in ("ready", "waiting", "running")))
        if share - self._told >= 0.05:
            self._told = share
            self._report.progress((self._number + share * 0.95) / self._total)
