"""Executes a notebook's cells, with their output in the log as it comes."""

import os
import re
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from terrafair.errors import Problem
from terrafair.execution.engines.report import Report

_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_PLACE = re.compile(r"(?:Cell )?In\s?\[\d+\], line (\d+)")
_START_SECONDS = 120


class Cells:
    """A notebook on its way: where it stands, and the copy that is kept after each cell."""

    def __init__(self, notebook: Any, kept: Path, report: Report) -> None:
        self.notebook = notebook
        self.report = report
        self.current = -1
        self.times: list[dict[str, Any]] = []
        self._kept = kept
        self._total = sum(is_code(cell) for cell in notebook.cells)
        self._done = 0
        self._started = 0.0
        self._pending = {"stdout": "", "stderr": ""}

    def begin(self, cell: Any, index: int) -> None:
        """Note the cell that is about to run."""
        self.current = index
        if is_code(cell):
            self._started = time.monotonic()
            first = next(line for line in cell.source.splitlines() if line.strip())
            self.report.say(f"{self.name(index)} of {len(self.notebook.cells)}: {first.strip()[:100]}")

    def end(self, index: int) -> None:
        """Note the cell that has run, and keep what there is."""
        self._flush()
        self._done += 1
        self.times.append({"cell": self.name(index), "seconds": round(time.monotonic() - self._started, 3)})
        self.report.progress(self._done / max(self._total, 1))
        self.keep()

    def output(self, name: str, text: str) -> None:
        """Pass on what a cell prints, line by line."""
        *lines, self._pending[name] = re.split(r"\r\n|\n|\r", self._pending.get(name, "") + text)
        for line in lines:
            if line.strip():
                self.report.say(_COLOURS.sub("", line.rstrip()), "warning" if name == "stderr" else "info")

    def name(self, index: int) -> str:
        """Name a cell as the author counts them, from 1 and without the one that was injected."""
        injected = [n for n, cell in enumerate(self.notebook.cells) if _injected(cell)]
        if index in injected:
            return "the injected parameters"
        return f"cell {index + 1 - sum(number < index for number in injected)}"

    def keep(self) -> None:
        """Write the executed copy, whole or not at all."""
        import nbformat

        self._flush()
        partial = self._kept.with_suffix(".partial")
        nbformat.write(self.notebook, partial)  # type: ignore[no-untyped-call]
        partial.replace(self._kept)

    def _flush(self) -> None:
        for name, text in self._pending.items():
            if text:
                self._pending[name] = ""
                self.output(name, text + "\n")


class Client(NotebookClient):
    """A client that tells `Cells` what happens."""

    def __init__(self, cells: Cells, **options: Any) -> None:
        super().__init__(cells.notebook, **options)
        self.cells = cells

    async def async_execute_cell(self, cell: Any, cell_index: int, *arguments: Any, **options: Any) -> Any:
        """Run one cell between two notes."""
        self.cells.begin(cell, cell_index)
        done = await super().async_execute_cell(cell, cell_index, *arguments, **options)
        if is_code(cell):
            self.cells.end(cell_index)
        return done

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Let streams through to the log before they go into the notebook."""
        if msg["msg_type"] == "stream":
            self.cells.output(msg["content"]["name"], msg["content"]["text"])
        return super().process_message(msg, cell, cell_index)


class OneKernel(KernelSpecManager):
    """Knows one kernel, whatever name the notebook asks for."""

    python: Path

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Give the kernel of the job's environment."""
        line = [str(self.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=line, display_name=kernel_name, language="python")


def execute(cells: Cells, environment: Mapping[str, str], directory: Path, python: Path) -> list[Problem]:
    """Run all cells; give what went wrong, at most one thing."""
    kernels = OneKernel()
    kernels.python = python
    with tempfile.TemporaryDirectory(prefix="k", dir=_short_folder(directory)) as sockets:
        manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=kernels, transport="ipc")
        manager.connection_file = f"{sockets}/c.json"
        manager.ip = f"{sockets}/s"
        client = Client(
            cells,
            km=manager,
            timeout=None,
            startup_timeout=_START_SECONDS,
            resources={"metadata": {"path": str(directory)}},
            allow_errors=False,
            record_timing=False,
            shutdown_kernel="immediate",
        )
        try:
            client.execute(env=dict(environment))
        except CellExecutionError as fault:
            return _raised(cells, fault)
        except DeadKernelError:
            return [_died(cells)]
        except (RuntimeError, OSError) as fault:
            return [Problem(f"The notebook's kernel did not start: {str(fault).strip() or type(fault).__name__}")]
    return []


def is_code(cell: Any) -> bool:
    """Tell whether the cell has something to run."""
    return cell.cell_type == "code" and bool(cell.source.strip())


def _raised(cells: Cells, fault: CellExecutionError) -> list[Problem]:
    name = cells.name(cells.current)
    message = _COLOURS.sub("", fault.evalue or "").strip()
    if fault.ename == "SystemExit" and message in {"", "0", "None"}:
        cells.report.say(f"{name} called sys.exit; the cells after it were not run.", "warning")
        return []
    if fault.ename == "SystemExit":
        return [Problem(f"{name} called sys.exit({message}).".capitalize(), where=name, code="notebook-exit")]
    found = [int(number) for number in _PLACE.findall(_COLOURS.sub("", fault.traceback or ""))]
    lines = cells.notebook.cells[cells.current].source.splitlines()
    place = f"In line {found[0]}: {lines[found[0] - 1].strip()}" if found and found[0] <= len(lines) else ""
    what = f"{name} raised {fault.ename}: {message[:600]}".rstrip(": ")
    return [Problem(what[0].upper() + what[1:], place, "", name, "notebook-raised")]


def _died(cells: Cells) -> Problem:
    name = cells.name(cells.current)
    why = "It was out of memory, crashed in compiled code, or ended itself."
    remedy = "Ask for less data at a time, or for a larger limit."
    return Problem(f"The kernel died while {name} ran.", why, remedy, name, "kernel-died")


def _injected(cell: Any) -> bool:
    return "injected-parameters" in cell.metadata.get("tags", [])


def _short_folder(directory: Path) -> str | None:
    # A socket's path may have 107 bytes; the sandbox's own temporary folder is short.
    candidates = (tempfile.gettempdir(), "/tmp", str(directory))  # noqa: S108 (private to the sandbox)
    return next((folder for folder in candidates if os.access(folder, os.W_OK) and len(folder) < 70), None)
