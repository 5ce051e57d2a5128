"""Builds, runs and releases in one list, filtered; versions and what differs between them."""

import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from terrafair.data.objects import MemoryObjects
from terrafair.database import migrate, open_engine
from terrafair.development.activity import Activity
from terrafair.development.changes import Changes
from terrafair.development.releases import Release, Releases
from terrafair.errors import NotFound
from terrafair.execution import logs
from terrafair.execution.builtin import BUILD
from terrafair.execution.job import Job, JobRequest, Owner
from terrafair.execution.jobs import Jobs
from terrafair.identity.access import Actor, Role
from terrafair.identity.asking import Asker, asking
from terrafair.portal.activity import difference, facts
from terrafair.repositories import Repositories

from ..databases import control_database

URL = "https://git.example.org/ada/map"


class Queue:
    """Takes jobs and leaves them."""

    def enqueue(self, connection: Any, job: str) -> None:
        pass


class Processes:
    """What runs under an id, as much as is asked for."""

    def package(self, id: str) -> tuple[bytes, str]:
        return f"cwlVersion: v1.2\nid: {id}\n".encode(), "application/cwl+yaml"


@pytest.fixture
def activity(tmp_path: Path) -> Iterator[Activity]:
    engine = open_engine(control_database(tmp_path))
    migrate(engine)
    jobs = Jobs(engine, Queue(), tmp_path / "jobs", guarded=True)
    releases = Releases(engine)
    for project in ("water", "snow"):
        owner = Owner(project, f"{project}-person")
        build = jobs.submit(JobRequest(f"{project}-map", BUILD, "s3://x", {"version": "1.0.0"}), owner=owner)
        run = jobs.submit(JobRequest("demo-ndvi"), owner=owner)
        jobs.folder(run.id).mkdir(parents=True)
        for number in range(9):
            logs.say(jobs.log_file(run.id), f"Block {number} of the {project} has Failed twice", "warning")
        releases.add(Release(f"{project}-map", "1.0.0", project, "a", build.id, "sha256:" + "0" * 64, "", "p-1"))
    with asking(Asker(Actor("water-person", {"water": Role.MEMBER}))):
        yield Activity(jobs, releases, Processes())  # type: ignore[arg-type]
    engine.dispose()


def titles(activity: Activity, **wanted: str) -> list[tuple[str, str]]:
    return [(row["what"], row["title"]) for row in activity.activity(wanted, 50)[0]]


def test_everything_of_ones_projects_and_nothing_of_others(activity: Activity) -> None:
    assert titles(activity) == [("release", "water-map 1.0.0"), ("run", "demo-ndvi"), ("build", "water-map")]
    assert activity.projects() == ["water"]
    assert titles(activity, project="snow") == []
    with pytest.raises(NotFound, match="snow-map"):
        activity.versions("snow-map")


def test_filters(activity: Activity) -> None:
    assert titles(activity, what="build") == [("build", "water-map")]
    assert titles(activity, what="release", text="WATER") == [("release", "water-map 1.0.0")]
    assert titles(activity, text="ndvi") == [("run", "demo-ndvi")]
    assert titles(activity, status="failed") == []
    assert titles(activity, text="nothing-like-it") == []


def test_logs_are_searched(activity: Activity) -> None:
    rows, _ = activity.activity({"log": "failed WATER"}, 50)
    assert [(row["what"], len(row["lines"])) for row in rows] == [("run", 3)]
    assert rows[0]["lines"][0][1] == "Block 0 of the water has Failed twice"
    assert activity.activity({"log": "failed snow"}, 50)[0] == []


def test_pages_follow_one_another(activity: Activity) -> None:
    seen: list[str] = []
    before: dict[str, str] = {}
    for _ in range(4):
        rows, more = activity.activity(before, 1)
        seen += [row["what"] for row in rows]
        if not more:
            break
        before = {"before": rows[-1]["when"]}
    assert seen == ["release", "run", "build"]


def test_workflows_by_their_newest_version(activity: Activity) -> None:
    first = activity.releases.get("water-map", "1.0.0")
    activity.releases.add(replace(first, version="1.1.0", created=""))
    found = [(each["name"], each["version"], each["versions"]) for each in activity.workflows()]
    assert found == [("water-map", "1.1.0", 2)]


def archive(**files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as packed:
        for name, content in files.items():
            about = tarfile.TarInfo(name.replace("_", "."))
            about.size = len(content)
            packed.addfile(about, io.BytesIO(content))
    return out.getvalue()


def test_sources_of_two_versions(activity: Activity, tmp_path: Path, git: Callable[..., str]) -> None:
    """Of an archive that was sent, and of a commit of a linked repository."""
    (tmp_path / "work").mkdir()
    git(tmp_path / "work", "init", "-q")
    (tmp_path / "work/map.py").write_bytes(b"a = 1\nb = 3\n")
    (tmp_path / "work/tiny.tif").write_bytes(b"II\0")
    git(tmp_path / "work", "add", "-A")
    git(tmp_path / "work", "commit", "-qm", "First")
    objects = MemoryObjects()
    objects.put("sent.tar.gz", archive(map_py=b"a = 1\nb = 2\n", gone_txt=b"x\n"))
    repositories = Repositories(tmp_path / "mirrors", {URL: str(tmp_path / "work")})
    sent = Job("build", JobRequest("m", BUILD, objects.url("sent.tar.gz")), "2026")
    changes = Changes(repositories, objects, lambda _: sent)
    old = Release("m", "1.0.0", "water", "a", "build", "sha256:0", "", "m-1.0.0")
    commit = git(tmp_path / "work", "rev-parse", "HEAD")
    new = replace(old, version="1.1.0", revision=commit, about={"repository": URL})
    found = changes.between(old, new)
    assert [text for kind, text in found if kind == "file"] == [
        "gone.txt: removed",
        "map.py: changed",
        "tiny.tif: added",
    ]
    assert ("removed", "-b = 2") in found and ("added", "+b = 3") in found
    assert found[-1] == ("same", "no text that could be shown")
    assert changes.between(old, old) == changes.between(new, new) == []
    for broken in (replace(new, revision="0" * 40), replace(old, job="build")):
        objects.put("sent.tar.gz", b"no archive")
        with pytest.raises(NotFound, match=r"The sources of m 1\.[01]\.0 are not at hand"):
            changes.between(broken, new)


def test_versions_and_their_differences(activity: Activity) -> None:
    found = activity.versions("water-map")
    assert [each["version"] for each in found] == ["1.0.0"]
    lines = difference(activity.document("water-map-1"), activity.document("water-map-2"), "1", "2")
    assert ("removed", "-id: water-map-1") in lines
    assert ("added", "+id: water-map-2") in lines
    assert difference("a\nb", "a\nb", "1", "2") == []
    old = {**found[0], "about": {"license": "MIT", "outputs": {"mask.tif": "aa"}}}
    new = {**found[0], "digest": "sha256:1", "about": {"license": "MIT", "outputs": {"mask.tif": "bb"}}}
    assert facts(old, new) == [
        ("digest", "sha256:" + "0" * 64, "sha256:1"),
        ("result mask.tif of the tiny data", "aa", "bb"),
    ]
