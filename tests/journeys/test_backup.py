"""A copy of a running platform becomes a platform again, elsewhere."""

import json
import shutil
from pathlib import Path
from typing import Any

import httpx2

from ..conftest import Platform


def test_copied_while_it_runs_and_restored_elsewhere(own_platform: Any, tmp_path: Path) -> None:
    own_platform.start()
    job = own_platform.json("run", "demo-ndvi")["job"]
    copy = tmp_path / "copy"
    made = own_platform.json("backup", "create", str(copy))
    assert made["objects"] > 10 and made["files"] > 10
    before = httpx2.get(f"{own_platform.url}/api/jobs/{job}/files/outputs/save.tif").content
    own_platform.stop()
    # The machine is gone; nothing may still be read from there.
    shutil.rmtree(own_platform.home)
    restored = Platform(tmp_path / "elsewhere")
    try:
        assert restored.json("backup", "restore", str(copy))["objects"] == made["objects"]
        refused = restored.cli("backup", "restore", str(copy), "--json", code=2)
        assert "is not empty" in json.loads(refused.stdout or refused.stderr)["problems"][0]["what"]
        restored.start()
        assert httpx2.get(f"{restored.url}/api/jobs/{job}/files/outputs/save.tif").content == before
        again = restored.json("reproduce", "demo-ndvi")
        assert again["status"] == "successful"
    finally:
        restored.stop()
