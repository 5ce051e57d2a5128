"""Four faults and an end in order, on one platform under load; `benchmarks/faults.py` makes all of them."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from terrafair.data.objects import S3Objects

from .. import stores
from ..conftest import Platform
from ..databases import control_database
from .faults import Crowd, Fault, Site, below, check, result, suffer

pytestmark = [pytest.mark.journey, pytest.mark.timeout(600)]
STORE = "object store"
END_SECONDS = 30.0
"""More than the server ever takes for its end: three seconds for what is being answered, ten for its workers."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("faults")
    platform = Platform(folder / "home", {"TERRAFAIR_LOCAL_PROVIDER": "no"})
    try:
        platform.start()
        job, picture = result(platform)
        with Crowd(platform.url, job, picture) as crowd:
            yield Site(platform, folder, crowd, control_database(platform.home))
    finally:
        platform.stop()


def kept(site: Site, name: str) -> int:
    """A process's id, as the platform has written it down, or the object store that stands beside it."""
    store = name == STORE
    place = stores.folder(site.platform.home) / "server.json" if store else site.platform.home / name
    return int(json.loads(place.read_text())["pid"])


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


def program(site: Site) -> int:
    return next(iter(below(kept(site, f"jobs/{site.running}/supervisor.json"))))


def again(name: str) -> Fault:
    """Kill what the file names; over when another one is named there."""
    victims: list[int] = []

    def begin(site: Site) -> None:
        victims.append(kept(site, name))
        kill(victims[0])

    return Fault(name, begin, back=lambda site: kept(site, name) != victims[0], job_seconds=2)


def test_workers_are_killed(site: Site) -> None:
    seen = suffer(site, again("worker.json"))
    check(seen)
    assert not seen.sees and seen.running.restarts == 0, seen


def test_a_program_is_killed(site: Site) -> None:
    seen = suffer(site, Fault("program", lambda it: kill(program(it)), job_seconds=2))
    check(seen)
    assert not seen.sees and seen.running.restarts == 1, seen
    assert "killed from outside" in site.platform.cli("log", site.running).stdout


def test_the_object_store_is_killed(site: Site) -> None:
    seen = suffer(site, again(STORE))
    check(seen)
    assert {"search", "page Find", "logs"} <= set(seen.works), seen
    assert all("object store does not answer at the moment" in words for _, words, _ in seen.sees.values()), seen
    assert not any("127.0.0.1" in words for _, words, _ in seen.sees.values()), "where it stands is nobody's business"


def test_read_only_for_a_while(site: Site) -> None:
    def switch(word: str) -> None:
        site.platform.cli("read-only", word)
        time.sleep(1.1)

    form = {"the form": lambda web: web.post("/run/experiment/demo-ndvi", data={"title": "typed"}, headers=HTML)}
    seen = suffer(
        site, Fault("read-only", lambda _: switch("on"), lambda _: switch("off"), 2, asks=form, job_seconds=1)
    )
    check(seen)
    assert set(seen.sees) == {"submitting", "the form"}, seen
    assert all(status == 503 and "read-only for now" in words for status, words, _ in seen.sees.values()), seen


HTML = {"Accept": "text/html"}


def test_it_ends_in_order(site: Site) -> None:
    """SIGTERM with a job running and uploads under way: in time, nothing half written, the job finished once."""
    before = len(site.crowd.accepted)
    site.begin_job(6)
    objects = S3Objects(stores.access(site.platform.home))
    known = {entry.key for entry in objects.list("uploads")}
    answers: list[httpx2.Response] = []
    moving = threading.Event()

    def slowly() -> Iterator[bytes]:
        for _ in range(40):
            yield os.urandom(100_000)
            moving.set()
            time.sleep(0.25)

    def upload() -> None:
        with site.web as web:
            try:
                answers.append(web.post("/api/uploads?name=big.bin", content=slowly()))
            except httpx2.HTTPError:
                return

    thread = threading.Thread(target=upload)
    thread.start()
    assert moving.wait(30)
    port = site.crowd.url.rpartition(":")[2]
    process = site.platform._process
    assert process is not None
    begun = time.monotonic()
    process.terminate()
    assert process.wait(END_SECONDS) == 0
    assert time.monotonic() - begun < END_SECONDS
    thread.join(30)
    assert not (site.platform.home / "serving.json").exists()
    site.platform.start("--port", port)
    stored = [entry for entry in objects.list("uploads") if entry.key not in known]
    taken = [reply for reply in answers if reply.is_success]
    assert len(stored) == len(taken) and all(entry.size == 4_000_000 for entry in stored), (stored, answers)
    assert site.platform.cli("log", "-f", site.running).stdout.count("begun") == 1
    accepted = site.crowd.accepted[before:]
    deadline = time.monotonic() + 60
    while not all(job.ends for job in site.jobs(accepted).values()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    ended = site.jobs(accepted)
    assert set(ended) == set(accepted)
    assert all((job.state, job.ends, job.restarts) == ("successful", 1, 0) for job in ended.values()), ended
    assert not list(Path(site.platform.home).rglob("uploads/*.partial"))
