"""The user guide's commands and programs, run as they are printed, page by page, on a platform with its demo."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..conftest import Platform

pytestmark = pytest.mark.journey
GUIDE = Path(__file__).parents[2] / "docs/guide"
PAGES = ("index", "find", "run", "results", "develop", "publish", "people", "interfaces", "join")
"""In the order in which somebody reads them: a page uses what those before it have left."""
PRINTED = "http://127.0.0.1:8080"
JOB = re.compile(r"\bjob (\d{8}-[a-z0-9]{10})")


@dataclass
class Reader:
    """Somebody with a shell in a folder of their own, who puts the id of their job where the guide has JOB."""

    platform: Platform
    folder: Path
    job: str = ""

    def does(self, block: str, language: str) -> str:
        """What one block says."""
        if re.search(r"\bJOB\b", block) and not self.job:
            self.does("terrafair run demo-ndvi", "sh")
        text = re.sub(r"\bJOB\b", self.job, block.replace(PRINTED, self.platform.url))
        command = ["bash", "-euo", "pipefail", "-c", text] if language == "sh" else [sys.executable, "-c", text]
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**self.platform.environment, "PATH": programs, "XDG_CACHE_HOME": str(self.folder / ".cache")}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=280, check=False
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        for found in JOB.finditer(done.stdout):
            self.job = found[1]
        return done.stdout


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A platform of its own: what is published here stays out of the other tests' catalogue."""
    folder = tmp_path_factory.mktemp("guide")
    platform = Platform(folder / "home", {"TERRAFAIR_LOCAL_PROVIDER": "no"})
    (folder / "work").mkdir()
    try:
        yield Reader(platform.start(), folder / "work")
    finally:
        platform.stop()


def test_every_page_is_read() -> None:
    assert {page.stem for page in GUIDE.glob("*.md")} == set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_blocks_do_what_they_say(reader: Reader, page: str) -> None:
    blocks = re.findall(r"^```(sh|python)\n(.*?)^```", (GUIDE / f"{page}.md").read_text("utf-8"), re.S | re.M)
    assert blocks, page
    for language, block in blocks:
        if language == "python":
            pytest.importorskip(
                re.findall(r"^import (\w+)", block, re.M)[-1], reason="a client of the guide is not here"
            )
        reader.does(block, language)


def test_the_product_of_the_guide_is_in_the_catalogue(reader: Reader) -> None:
    """After the page on publishing: the reviewer merged it, and it is found."""
    assert reader.platform.json("publications")[0]["state"] == "published"
