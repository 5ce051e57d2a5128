"""Stored results that are no longer what they were are found, on a real object store too."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from terrafair.data.objects import MemoryObjects, ObjectStore, S3Objects, StoredObject
from terrafair.data.seaweedfs import ObjectServer
from terrafair.database import migrate, open_engine
from terrafair.errors import Unreachable
from terrafair.execution.job import Asset, JobRequest, Results, Started, Succeeded, Usage
from terrafair.execution.jobs import Jobs
from terrafair.operations.scrub import Rounds, Scrub, resolve, told

from ..databases import control_database

MOMENT = "2026-01-01T00:00:00.000Z"
GOOD = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(200))
"""Nothing that the store could make smaller."""


class NoQueue:
    def enqueue(self, connection: sa.Connection, job: str) -> None:
        pass


@dataclass
class Site:
    engine: sa.Engine
    jobs: Jobs
    objects: ObjectStore

    def result(self) -> str:
        """A job with a file, its STAC and its crate; gives its prefix."""
        job = self.jobs.submit(JobRequest("one"))
        prefix, digest = f"jobs/{job.id}", hashlib.sha256(GOOD).hexdigest()
        log = hashlib.sha256(b"log").hexdigest()
        item = {"assets": {"a": {"href": "../outputs/a.bin", "file:checksum": f"1220{digest}"}}}
        crate = {"@graph": [{"@id": "log.jsonl", "sha256": log}, {"@id": "outputs/a.bin", "sha256": digest}]}
        self.objects.put(f"{prefix}/outputs/a.bin", GOOD)
        self.objects.put(f"{prefix}/log.jsonl", b"log")
        self.objects.put(f"{prefix}/collection.json", b"{}")
        self.objects.put(f"{prefix}/items/i.json", json.dumps(item).encode())
        self.objects.put(f"{prefix}/crate.json", json.dumps(crate).encode())
        asset = Asset("a.bin", f"{prefix}/outputs/a.bin", "application/octet-stream", len(GOOD), digest)
        results = Results(
            prefix, f"{prefix}/collection.json", (f"{prefix}/items/i.json",), (asset,), f"{prefix}/crate.json"
        )
        self.jobs.apply(job.id, Started(MOMENT))
        self.jobs.apply(job.id, Succeeded(MOMENT, results, Usage(1.0, 1.0, 1)))
        return prefix

    def scrub(self) -> dict[str, str]:
        scrub = Scrub(self.engine, self.objects)
        assert scrub.run().ended
        return {each.key: each.kind for each in scrub.damages()}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    url = control_database(tmp_path)
    engine = open_engine(url)
    migrate(engine)
    yield Site(engine, Jobs(engine, NoQueue(), tmp_path / "jobs"), MemoryObjects())
    engine.dispose()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, S3Objects]]:
    home = tmp_path_factory.mktemp("store")
    with ExitStack() as stack:
        server = ObjectServer(home, "terrafair", lambda _: None)
        stack.callback(server.stop)
        server.start()
        yield home, S3Objects(server.access)


def test_a_flipped_byte_in_a_real_store_is_found(site: Site, store: tuple[Path, S3Objects]) -> None:
    home, objects = store
    site.objects = objects
    whole, spoiled, replaced, lost = (site.result() for _ in range(4))
    assert site.scrub() == {}
    flipped = 0
    for volume in home.rglob("*.dat"):
        # The second of four equal files, on the disk, behind the store's back.
        content = bytearray(volume.read_bytes())
        place, seen = content.find(GOOD), list[int]()
        while place >= 0:
            seen.append(place)
            place = content.find(GOOD, place + 1)
        flipped += len(seen)
        for each in seen[1:2] if len(seen) == 4 else ():
            with volume.open("r+b") as file:
                file.seek(each + 100)
                file.write(bytes([content[each + 100] ^ 1]))
    assert flipped == 4
    other = bytearray(GOOD)
    other[7] ^= 1
    objects.put(f"{replaced}/outputs/a.bin", bytes(other))
    objects.delete(f"{lost}/log.jsonl")
    found = site.scrub()
    assert found.pop(f"{spoiled}/outputs/a.bin") in {"corrupted", "unreadable"}
    assert found == {f"{replaced}/outputs/a.bin": "corrupted", f"{lost}/log.jsonl": "missing"}
    assert not [key for key in found if key.startswith(whole)]
    objects.put(f"{replaced}/outputs/a.bin", GOOD)
    objects.put(f"{lost}/log.jsonl", b"log")
    # Its store tries such a file for half a minute.
    site.jobs.discard(spoiled.partition("/")[2])
    assert site.scrub() == {}, "what is mended is no longer told"


def test_what_only_the_crate_tells_is_checked(site: Site) -> None:
    prefix = site.result()
    site.objects.put(f"{prefix}/log.jsonl", b"Log")
    site.objects.put(f"{prefix}/collection.json", b"{ torn")
    assert site.scrub() == {f"{prefix}/log.jsonl": "corrupted", f"{prefix}/collection.json": "corrupted"}


def test_removed_results_are_not_missed(site: Site) -> None:
    prefix = site.result()
    site.objects.delete(f"{prefix}/outputs")
    assert site.scrub() == {f"{prefix}/outputs/a.bin": "missing"}
    site.jobs.discard(prefix.partition("/")[2])
    assert site.scrub() == {}


class Away(MemoryObjects):
    """A store that is away, or that fails for one object."""

    def __init__(self, key: str = "") -> None:
        super().__init__()
        self.key = key

    def list(self, prefix: str) -> Iterator[StoredObject]:
        if not self.key:
            raise Unreachable("It is away.")
        return super().list(prefix)

    def _get(self, key: str) -> tuple[bytes, str, object]:  # type: ignore[override]
        if not self.key or key.endswith(self.key):
            raise Unreachable("It is away.")
        return super()._get(key)


def test_a_store_that_is_away_says_nothing_of_its_objects(site: Site) -> None:
    site.result()
    scrub = Scrub(site.engine, Away())
    with pytest.raises(Unreachable):
        scrub.run()
    assert scrub.damages() == []
    assert Rounds(scrub, 7).due(0.0), "it is tried again"


def test_one_that_cannot_be_read_is_told(site: Site) -> None:
    site.objects = Away("a.bin")
    prefix = site.result()
    assert site.scrub() == {f"{prefix}/outputs/a.bin": "unreadable"}


def test_an_interrupted_look_goes_on(site: Site) -> None:
    for _ in range(3):
        site.result()
    scrub, left = Scrub(site.engine, site.objects), [True, False]
    assert scrub.run(lambda: left.pop(0)).jobs == 1
    assert not scrub.last().ended  # type: ignore[union-attr]
    assert Scrub(site.engine, site.objects).run().jobs == 3
    assert scrub.run().jobs == 3, "the next one begins anew"


def test_its_pace_is_bounded(site: Site) -> None:
    site.result()
    waited: list[float] = []
    Scrub(site.engine, site.objects, rate=1000, pause=waited.append).run()
    assert max(waited) == pytest.approx(6.6, abs=1.0)


def test_rounds_are_due(site: Site) -> None:
    scrub = Scrub(site.engine, site.objects)
    rounds = Rounds(scrub, 7)
    assert rounds.due(0.0)
    scrub.run()
    from time import time

    assert not rounds.due(time() + 6 * 86400)
    assert rounds.due(time() + 8 * 86400)


@pytest.mark.parametrize(
    "document", [None, [], {"assets": [1]}, {"assets": {"a": 1}}, {"@graph": {"a": 1}}, {"@graph": [3]}]
)
def test_documents_of_any_form(document: object) -> None:
    assert list(told(document)) == []


def test_a_crate_names_its_files_quoted_and_what_was_read_by_fragments() -> None:
    digest = "ab" * 32
    names = ("outputs/a%20b%23.tif", "demo-s2-l2a#demo-s2-l2a-20240610/B04", "s3://b/k%20k")
    graph = [{"@id": name, "sha256": digest.upper()} for name in names]
    assert list(told({"@graph": graph})) == [("outputs/a b#.tif", digest), ("s3://b/k%20k", digest)]


def test_references_lead_to_keys() -> None:
    objects = MemoryObjects("b")
    assert resolve(objects, "jobs/1/items/a.json", "../outputs/x") == "jobs/1/outputs/x"
    assert resolve(objects, "jobs/1/items/a.json", "s3://b/k") == "k"
    assert resolve(objects, "jobs/1/items/a.json", "https://example.org/k") is None
    assert resolve(objects, "a", "../../..") is None
