"""The official process tests through the public harness, with our runner: it fails where `mended.py` says, no more."""

import importlib.util
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from .test_official import FOLDER, WRONG_UPSTREAM

HARNESS = "openeo_test_suite"
PLUGINS = ("-p", "openeo_test_suite.lib.pytest_plugin", "-p", "suite", "-p", "no:cacheprovider")


def specifications(place: Path) -> None:
    """The layout that the harness expects below its working folder."""
    root = place / "assets" / "processes"
    root.mkdir(parents=True)
    for path in FOLDER.parent.joinpath("processes").iterdir():
        (root / path.name).symlink_to(path)
    (root / "tests").symlink_to(FOLDER)
    # Cases name their cubes from the folder of the specification.
    (root / "assets").symlink_to(FOLDER / "assets")


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the official process tests are not here")
@pytest.mark.skipif(importlib.util.find_spec(HARNESS) is None, reason="openeo-test-suite is not installed")
def test_the_public_harness_agrees(tmp_path: Path) -> None:
    specifications(tmp_path)
    chosen = ("--runner=dask", "--experimental", "--pyargs", f"{HARNESS}.tests.processes.processing")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *PLUGINS, *chosen, "-q", "--tb=no", "-rf", "--disable-warnings"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True, text=True, check=False, timeout=400,
    )  # fmt: skip
    assert re.search(r"\d{3} passed", done.stdout), done.stdout[-2000:] + done.stderr[-2000:]
    failed = Counter(re.findall(r"^FAILED .*test_process\[(\w+)-example", done.stdout, re.MULTILINE))
    assert failed == Counter(name.rsplit("-", 1)[0] for name in WRONG_UPSTREAM)
