"""A copy of a running platform becomes a platform again, elsewhere."""

import json
import os
import shutil
from pathlib import Path

import httpx2

from .. import databases
from ..conftest import Platform


def listed(platform: Platform) -> set[tuple[str, str]]:
    found = httpx2.get(f"{platform.url}/stac/search?limit=1000").json()["features"]
    return {(item["collection"], item["id"]) for item in found}


def test_copied_while_it_runs_and_restored_elsewhere(own_platform: Platform, tmp_path: Path) -> None:
    restored_elsewhere(own_platform.start(), tmp_path)


def restored_elsewhere(platform: Platform, tmp_path: Path) -> None:
    job = platform.json("run", "demo-ndvi")["job"]
    copy = tmp_path / "copy"
    made = platform.json("backup", "create", str(copy))
    assert made["objects"] > 10 and made["files"] > 10
    before = httpx2.get(f"{platform.url}/api/jobs/{job}/files/outputs/save.tif").content
    items = listed(platform)
    assert any(job in name for _, name in items)
    platform.stop()
    # The machine is gone; nothing may still be read from there.
    shutil.rmtree(platform.home)
    databases.left_empty(tmp_path / "elsewhere")
    # The embedded default's bucket may get another name; one that had its own keeps it.
    renamed = {} if os.environ.get(databases.SERVER) else {"TERRAFAIR_STORE_BUCKET": "restored"}
    restored = Platform(tmp_path / "elsewhere", renamed)
    try:
        assert restored.json("backup", "restore", str(copy))["objects"] == made["objects"]
        refused = restored.cli("backup", "restore", str(copy), "--json", code=2)
        assert "is not empty" in json.loads(refused.stdout or refused.stderr)["problems"][0]["what"]
        restored.start()
        assert httpx2.get(f"{restored.url}/api/jobs/{job}/files/outputs/save.tif").content == before
        assert listed(restored) == items
        again = restored.json("reproduce", "demo-ndvi")
        assert again["status"] == "successful"
    finally:
        restored.stop()
