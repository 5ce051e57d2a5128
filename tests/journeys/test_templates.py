"""A new workflow of each type, from nothing to a run that is reproduced: the lines of its own README, typed."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from terrafair.development.manifest import TYPES

from ..conftest import Platform

pytestmark = [pytest.mark.journey, pytest.mark.timeout(900)]
JOB = re.compile(r"\bjob (\d{8}-[a-z0-9]{10})")


KINDS = TYPES if os.environ.get("TERRAFAIR_ALL_TEMPLATES") else ("openeo", "python")
"""All of them take minutes: for releases, and whoever changes a template."""


@dataclass
class Newcomer:
    """Somebody with a shell."""

    platform: Platform
    folder: Path

    def types(self, line: str) -> str:
        """What it says; green, or the test says why not."""
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**self.platform.environment, "PATH": programs, "GIT_AUTHOR_NAME": "Ada"}
        done = subprocess.run(
            line, shell=True, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=280, check=False
        )
        if "index does not answer" in done.stdout + done.stderr:
            pytest.skip("the package index does not answer")
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout


def lines(folder: Path) -> list[str]:
    """The commands of a README, without what it says of them."""
    found = re.findall(r"^    (terrafair .*?)(?:  .*)?$", (folder / "README.md").read_text("utf-8"), re.M)
    assert [line.split()[1] for line in found] == ["check", "build", "release", "run", "reproduce"]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_readme_of_each_type(platform: Platform, tmp_path: Path, kind: str) -> None:
    name = f"round-{kind}"
    newcomer = Newcomer(platform, tmp_path)
    newcomer.types(f"terrafair new {kind} {name}")
    newcomer.folder = tmp_path / name
    check, build, _, run, reproduce = lines(newcomer.folder)
    assert newcomer.types(check).splitlines()[-1] == f"{name}: runs."
    stages = newcomer.types(build).splitlines()[-7:-1]
    imaged = kind != "openeo"
    passed = ["check", *(["lock", "image"] if imaged else []), "test", "run", "package"]
    assert [line.split()[0] for line in stages if line.split()[1] == "passed"] == passed, stages
    built = json.loads((newcomer.folder / "dist/build.json").read_text("utf-8"))
    assert built["successful"] and built["outputs"] and bool(built["image"]) is imaged
    job = JOB.findall(newcomer.types(run))[-1]
    told = newcomer.types(reproduce.replace("JOB", job))
    # An executed notebook keeps when each cell ran: the same values in other bytes.
    assert f"reproduced {'within tolerance' if kind == 'notebook' else 'exactly'}: " in told, told
