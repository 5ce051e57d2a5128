"""One platform with two jobs' results planted in it: ordinary files and hostile ones."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import pytest

from .. import planted
from ..conftest import Platform


@dataclass(frozen=True)
class Planted:
    """A running platform and the ids of its two jobs."""

    url: str
    good: str
    bad: str
    web: httpx2.Client

    def page(self, path: str) -> str:
        reply = self.web.get(path)
        assert reply.status_code == 200, reply.text[:400]
        return reply.text


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    folder = tmp_path_factory.mktemp("planted")
    planted.ordinary(folder / "good")
    planted.hostile(folder / "bad")
    platform = Platform(folder / "home")
    try:
        platform.start("--no-demo")
        good, bad = planted.plant(platform, folder / "good"), planted.plant(platform, folder / "bad")
        with httpx2.Client(base_url=platform.url, timeout=60, trust_env=False) as web:
            yield Planted(platform.url, good, bad, web)
    finally:
        platform.stop()
