"""The spine on a platform with PostgreSQL, pgSTAC and an S3 of its own, in every run of the tests."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import psycopg
import pytest

from terrafair.catalogue.items.pgstac.connections import plain_url
from terrafair.config import Config, load
from terrafair.data.objects import S3Access, S3Objects

from .. import databases
from ..conftest import Platform
from ..stac.cluster import control as postgres
from ..stac.cluster import data_of, missing
from . import test_backup, test_spine
from .faults import Crowd, Fault, Site, check, result, suffer

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    if reason := missing():
        pytest.skip(reason)
    with databases.server("postgresql"):
        plain = dict.fromkeys(("TERRAFAIR_LOCAL_PROVIDER", "TERRAFAIR_WORKSPACES"), "no")
        settings = plain | {"TERRAFAIR_WORKERS": "1", "TERRAFAIR_LEASE_SECONDS": "5"}
        platform = Platform(tmp_path_factory.mktemp("grown") / "home", settings)
        try:
            yield platform.start()
        finally:
            platform.stop()


def config(platform: Platform) -> Config:
    return load(platform.environment)


def test_an_experiment_reproduces_its_product(grown: Platform, tmp_path: Path) -> None:
    test_spine.test_an_experiment_reproduces_its_product(grown, "demo-ndvi", tmp_path)


def test_its_result_is_found_and_read(grown: Platform) -> None:
    job = test_spine.ran(grown, "demo-ndvi")["job"]
    with httpx2.Client(base_url=grown.url, timeout=60) as web:
        asked = {"filter": f"collection LIKE '%{job}' AND S_INTERSECTS(geometry, BBOX(10, 47, 13, 49))"}
        (item,) = web.get("/stac/search", params=asked).json()["features"]
        (asset,) = [each for each in item["assets"].values() if each["href"].endswith("save.tif")]
        assert len(web.get(asset["href"]).content) == asset["file:size"]
    where = config(grown)
    stored = S3Objects(S3Access(where.store_url, where.store_key, where.store_secret, where.store_bucket))
    assert any(entry.key.endswith("save.tif") for entry in stored.list(f"jobs/{job}/"))
    for url, query, value in (
        (where.items_database, "SELECT count(*) FROM pgstac.items WHERE collection = %s", item["collection"]),
        (where.database, "SELECT count(*) FROM jobs WHERE id = %s AND state = 'successful'", job),
    ):
        with psycopg.connect(plain_url(url)) as connection:
            assert connection.execute(query, (value,)).fetchone() == (1,), query


def test_nothing_of_it_is_kept_in_the_home(grown: Platform) -> None:
    for name in ("platform.db", "catalogue/items.db", "objects"):
        assert not (grown.home / name).exists(), name


def test_kill_9_of_everything_loses_no_job(grown: Platform, tmp_path: Path) -> None:
    test_spine.loses_no_job(grown, tmp_path)


def test_the_database_is_restarted_under_load(grown: Platform, tmp_path: Path) -> None:
    where = config(grown)
    data = data_of(plain_url(where.database))
    restart = Fault("database restarted", lambda _: postgres(data, "-m", "fast", "restart"))
    job, picture = result(grown)
    with Crowd(grown.url, job, picture) as crowd:
        seen = suffer(Site(grown, tmp_path, crowd, where.database), restart)
    check(seen)
    assert seen.running.restarts == 0, "what runs needs no database"


def test_copied_and_restored_elsewhere(grown: Platform, tmp_path: Path) -> None:
    """Last: its home is gone then."""
    test_backup.restored_elsewhere(grown, tmp_path)
