"""From a run to the catalogue and back: published, reviewed, merged, synced, and run again by its new id."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ..conftest import SHARED, Platform

pytestmark = [pytest.mark.journey, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("publishing")


@pytest.fixture(scope="module")
def place(home: Path) -> Any:
    """A platform of its own: this journey changes the catalogue."""
    schemas = SHARED / "data/schemas"
    settings = {"TERRAFAIR_SCHEMAS": str(schemas)} if schemas.is_dir() else {}
    found = Platform(home / "platform", settings).start()
    yield found
    found.stop()


def ran(place: Platform, *arguments: str) -> str:
    found = place.json("run", *arguments)
    assert found["status"] == "successful", found
    return str(found["job"])


def tree(place: Platform, folder: Path) -> Path:
    """The merged catalogue as files."""
    subprocess.run(
        ["git", "-c", "safe.directory=*", "clone", "--quiet", str(place.home / "demo/catalogue.git"), str(folder)],
        check=True,
    )
    return folder


def wrong(place: Platform, folder: Path) -> list[tuple[str, str]]:
    """What the rules say of the whole catalogue."""
    found = json.loads(place.cli("validate", str(folder), "--json", code=None).stdout)
    assert found["errors"] == 0, found
    return sorted({(each["rule"], each["file"]) for each in found["problems"] if each["rule"] != "schemas-missing"})


@pytest.mark.parametrize("experiment", ["demo-ndvi", "demo-water", "demo-phenology"])
def test_a_run_is_published_and_can_be_run_again(place: Platform, experiment: str, tmp_path: Path) -> None:
    job = ran(place, experiment)
    before = place.json("catalogue", "sync")["documents"]
    preview = place.json("publish", job, "--dry-run")
    assert preview["problems"] == preview["warnings"] == []
    assert not [line for line in preview["diff"].splitlines() if re.match(r"-(?!--)", line)]
    assert place.json("publications") == [] or all(row["job"] != job for row in place.json("publications"))

    found = place.json("publish", job)
    assert (found["state"], found["problems"], found["warnings"]) == ("proposed", [], [])
    assert found["testing"]["verdict"] == found["production"]["verdict"] == "green"
    again = place.json("publish", job)
    assert again["production"]["number"] == found["production"]["number"]
    assert again["production"]["commit"] == found["production"]["commit"]

    assert place.json("publications", job, "--merge")["state"] == "merged"
    synced = place.json("catalogue", "sync")
    assert (synced["published"], synced["documents"]) == (1, before + 2)
    assert place.json("publications", job)["state"] == "published"
    merged = tree(place, tmp_path / "merged")
    assert wrong(place, merged) == []
    changed = subprocess.run(
        ["git", "diff", "--numstat", "HEAD^1", "HEAD"], cwd=merged, check=True, capture_output=True, text=True
    ).stdout
    assert all(line.split()[1] == "0" for line in changed.splitlines()), changed
    touched = {line.split()[2] for line in changed.splitlines()}
    assert touched == set(preview["files"])

    name = found["answers"]["experiment"]
    explained = place.json("explain", name)
    assert explained["executable"], explained["reasons"]
    assert not explained["remarks"], explained["remarks"]
    reproduced = place.json("reproduce", name)
    assert reproduced["reproduction"]["verdict"].startswith("reproduced"), reproduced["reproduction"]
    assert reproduced["reproduction"]["products"] == [found["answers"]["product"]]


def test_a_changed_input_is_part_of_the_experiment(place: Platform) -> None:
    job = ran(place, "demo-ndvi", "-i", 'temporal_extent=["2024-06-01","2024-08-01"]')
    found = place.json("publish", job, "--set", "experiment=short-season", "--set", "product=short-season-ndvi")
    assert found["state"] == "proposed", found["problems"]
    place.json("publications", job, "--merge")
    place.json("catalogue", "sync")
    explained = place.json("explain", "short-season")
    assert explained["values"]["temporal_extent"] == ["2024-06-01", "2024-08-01"]
    assert place.json("reproduce", "short-season")["reproduction"]["verdict"].startswith("reproduced")


def test_an_entry_is_edited_by_the_same_path(place: Platform, tmp_path: Path) -> None:
    job = place.json("publications", "--state", "published")[0]["job"]
    found = place.json("publish", job, "--set", "product_title=A better title for the same thing")
    assert (found["state"], found["revision"]) == ("proposed", 2), found
    place.json("publications", job, "--merge")
    assert place.json("catalogue", "sync")["published"] == 1
    merged = tree(place, tmp_path / "merged")
    assert wrong(place, merged) == []
    listing = (merged / "products/catalog.json").read_text()
    assert "A better title for the same thing" in listing


def test_wrong_answers_and_jobs_are_told(place: Platform, tmp_path: Path) -> None:
    job = place.json("publications")[0]["job"]
    for arguments, said in (
        (("none",), "no job"),
        ((job, "--set", "product"), "FIELD=VALUE"),
        ((job, "--set", "prodct=x"), "product"),
        ((job, "--set", "product=a b"), "no id"),
        ((job, "--dry-run", "--set", "themes=lnd"), "land"),
        (("none", "--resume"), "no publication"),
    ):
        done = place.cli("publish", *arguments, code=None)
        assert done.returncode != 0 and said in done.stdout + done.stderr, (arguments, done.stdout, done.stderr)
    answers = tmp_path / "answers.yaml"
    answers.write_text("- a\n")
    assert place.cli("publish", job, "--answers", str(answers), code=None).returncode == 2
    assert place.cli("publications", "none", code=None).returncode == 2


def test_killed_at_any_moment_it_is_published_once(place: Platform) -> None:
    """kill -9 of the server after each step of its own choosing; every time it goes on where it was."""
    job = ran(place, "demo-ndvi", "-i", 'temporal_extent=["2024-05-01","2024-09-01"]')
    state = ""
    for delay in (0.02, 0.3, 0.6, 1.2):
        process = subprocess.Popen(
            [sys.executable, "-m", "terrafair", "publish", job, "--json"],
            env=place.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        time.sleep(0.4 + delay)
        place.kill()
        process.communicate(timeout=60)
        place.start()
    deadline = time.monotonic() + 60
    while state != "proposed" and time.monotonic() < deadline:
        found = place.json("publish", job, code=None)
        state = found.get("state", "")
    assert state == "proposed", found
    product = found["answers"]["product"]
    tokens = json.loads((place.home / "review/tokens.json").read_text())
    pulls = _pulls(found["production"]["url"], tokens["scientist"])
    assert len([pull for pull in pulls if product in pull["body"]]) == 1
    assert [row["job"] for row in place.json("publications")].count(job) == 1
    place.json("publications", job, "--merge")
    assert place.json("catalogue", "sync")["published"] == 1
    assert place.json("reproduce", found["answers"]["experiment"])["reproduction"]["verdict"].startswith("reproduced")


def _pulls(url: str, token: str) -> list[dict[str, Any]]:
    base, owner, name = re.match(r"(http://[^/]+)/([^/]+)/([^/]+)/pull/", url).groups()  # type: ignore[union-attr]
    reply = httpx2.get(
        f"{base}/repos/{owner}/{name}/pulls",
        params={"state": "all", "per_page": 100},
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
    )
    found: list[dict[str, Any]] = reply.json()
    return found
