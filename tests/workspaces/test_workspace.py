"""What a workspace may become, who somebody is at the hub, and what a seed leaves in a home."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from terrafair.errors import Conflict, InvalidInput
from terrafair.identity.credits import Prices
from terrafair.workspaces import proof, seed
from terrafair.workspaces.seed import Source, Told
from terrafair.workspaces.workspace import Seed, State, Workspace, profiles

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
FRESH = Workspace("w-1", "uada", "glaciers", "small", 4, State.OPENING, NOW.isoformat())


def test_states() -> None:
    running = FRESH.running(NOW)
    assert running.state is State.RUNNING and running.lasted(NOW + timedelta(hours=1)) == timedelta(hours=1)
    closing = running.closing("idle")
    assert closing.closing("something else").reason == "idle"
    closed = closing.closed(NOW + timedelta(minutes=5), "its server ended")
    assert (closed.alive, closed.reason) == (False, "idle")
    assert closed.lasted(NOW + timedelta(days=1)) == timedelta(minutes=5)
    assert FRESH.closed(NOW).lasted(NOW + timedelta(days=1)) == timedelta(0), "what never ran costs nothing"
    with pytest.raises(Conflict):
        running.running(NOW)


def test_profiles_and_prices() -> None:
    (own,) = profiles({"big": {"cores": 8, "memory_gb": 64, "title": "Big"}})
    hour, prices = timedelta(hours=1), Prices()
    assert own.cost(prices, hour) == 8 * 3600 * 0.02 + 64 * 3600 * 0.005
    assert own.spent(prices, hour, cpu_seconds=10.0) < own.cost(prices, hour)
    assert own.spent(prices, hour, cpu_seconds=1e9) == own.cost(prices, hour), "never more than was reserved"
    assert [each.name for each in profiles({})] == ["small", "large"]
    for wrong in ({"a": {"cores": 1}}, {"a": 3}, {"A b": {"cores": 1, "memory_gb": 1}},
                  {"a": {"cores": 0, "memory_gb": 1}}, {"a": {"cores": 1, "memory_gb": 1, "gpu": 1}}):  # fmt: skip
        with pytest.raises(InvalidInput):
            profiles(wrong)


def test_proof_is_of_one_person_for_a_minute() -> None:
    value = proof.prove("secret", "uada", now=1000)
    assert proof.proven("secret", value, now=1050) == "uada"
    assert proof.proven("secret", value, now=1061) == ""
    assert proof.proven("another", value, now=1050) == ""
    assert proof.proven("secret", value.replace("uada", "ugrace"), now=1050) == ""
    for nonsense in ("", ".", "uada", "uada.9999999999.", "uada.x.y"):
        assert proof.proven("secret", nonsense, now=0) == ""
    assert proof.proven("", proof.prove("", "uada", now=0), now=0) == ""


def test_notebook_of_an_experiment_is_python(tmp_path: Path) -> None:
    told = Told("NDVI", {"area": [11, 48], "clouds": False, "note": None, "end": "2024-07-01"})
    name = seed.plant(tmp_path / "home", Seed("experiment", "a/b c"), told)
    cells = json.loads((tmp_path / "home" / name).read_text())["cells"]
    found: dict[str, object] = {}
    exec("".join(cells[2]["source"]), found)
    assert name == "experiment-a-b-c.ipynb" and found["inputs"] == dict(told.inputs)


def test_a_home_full_of_links_leads_nowhere(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    home.mkdir()
    outside.write_text("untouched")
    (home / "product-x.ipynb").symlink_to(outside)
    (home / "job-y.ipynb").symlink_to(tmp_path / "absent")
    seed.plant(home, Seed("product", "x"), Told("X", {}))
    seed.plant(home, Seed("job", "y"), Told("Y", {}))
    assert outside.read_text() == "untouched" and not (tmp_path / "absent").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "outside"]


def test_repository_is_cloned_at_its_commit(tmp_path: Path, git: Callable[..., str]) -> None:
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "-q")
    (work / "a.txt").write_text("first")
    git(work, "add", "-A")
    git(work, "commit", "-qm", "first")
    first = git(work, "rev-parse", "HEAD")
    (work / "a.txt").write_text("second")
    git(work, "commit", "-qam", "second")
    git(tmp_path, "clone", "-q", "--bare", str(work), "mirror.git")
    source = Source(tmp_path / "mirror.git", "https://git.example.org/ada/water-map.git", first)
    home = tmp_path / "home"
    seed.plant(home, Seed("workflow", "water"), Told("Water", {}, source))
    clone = home / "water-map"
    assert (clone / "a.txt").read_text() == "first" and git(clone, "rev-parse", "HEAD") == first
    assert git(clone, "remote", "get-url", "origin") == source.url and git(clone, "status", "--porcelain") == ""
    (clone / "a.txt").write_text("mine")
    seed.plant(home, Seed("workflow", "water"), Told("Water", {}, source))
    assert (clone / "a.txt").read_text() == "mine", "what a person has changed stays"
