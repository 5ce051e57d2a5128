"""CWL's steps through Toil: on this machine, in the queue of a real Slurm, and what is told where it goes wrong."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from terrafair.errors import InvalidInput
from terrafair.execution.command import Command, Limits
from terrafair.execution.containers import Containers
from terrafair.execution.engines.cwl.batch.asking import away
from terrafair.execution.engines.cwl.batch.batch import Batch, read
from terrafair.execution.engines.cwl.engine import CwlEngine
from terrafair.execution.engines.software import Software
from terrafair.execution.environments import Environments
from terrafair.execution.task import JobFolder, Outcome
from terrafair.web import PlannedWeb
from terrafair.workflows.workflow import Resolution

from .. import slurm
from .contract import Done, EngineContract, FolderStager, MemoryCheckout, MemoryRepositories, execute, run
from .test_cwl import DIRECTORY, SCATTERED, TOOL, URL, resolution

pytest.importorskip("toil", reason="the extra `toil` is not installed")


def make(tmp_path: Path, batch: Batch | None, **files: str) -> CwlEngine:
    software = Software(Environments(tmp_path / "environments"), Containers({"example/tool:1": "platform"}, "none"))
    checkout = MemoryCheckout({name.replace("_", "."): text for name, text in files.items()})
    return CwlEngine(MemoryRepositories({URL: checkout}), PlannedWeb({}), FolderStager(), software, batch)


@pytest.fixture(scope="module")
def lean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Toil imports Kubernetes' client, and that the schemas of the test group: 4 CPU seconds for each process."""
    folder = tmp_path_factory.mktemp("lean")
    (folder / "kubernetes_validate.py").write_text("raise ImportError\n")
    return {"PYTHONPATH": str(folder)}


@pytest.fixture
def engine(tmp_path: Path, lean: dict[str, str]) -> CwlEngine:
    return make(tmp_path, read("toil", "single_machine", {"environment": lean}))


@pytest.fixture
def values(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "source.txt").write_text("snow")
    return {"source": str(tmp_path / "source.txt"), "times": 3}


class TestContract(EngineContract):
    @pytest.fixture
    def resolution(self) -> Resolution:
        return resolution()
