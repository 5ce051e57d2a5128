"""Two people on one platform: signed in by device on the command line, each with their own jobs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from terrafair.identity.oidc_provider import available

from ..conftest import Platform

pytestmark = pytest.mark.journey


def confirm(address: str, person: str) -> None:
    """What a person does at the provider, in a browser without scripts: submit each form, choose themselves."""
    with httpx2.Client(timeout=30, follow_redirects=True) as browser:
        reply = browser.get(address)
        for _ in range(6):
            if "Signed in" in reply.text:
                return
            fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', reply.text))
            target = re.search(r'<form[^>]*action="([^"]+)"', reply.text)
            data = {**fields, "person": person} if 'name="person"' in reply.text else fields
            reply = browser.post(reply.url.join(target[1]) if target else reply.url, data=data)
    raise AssertionError(reply.text)


def login(platform: Platform, credentials: Path, person: str) -> str:
    environment = {**platform.environment, "TERRAFAIR_CREDENTIALS": str(credentials), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "terrafair", "login"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        confirm(process.stdout.readline().split()[-1], person)
        said = process.stdout.read()
    assert process.returncode == 0, said
    return said


def test_two_people(own_platform: Platform, tmp_path: Path) -> None:
    if not available():
        pytest.skip("the local identity provider is not installed: make assets")
    platform = own_platform
    platform.settings |= {"TERRAFAIR_LOCAL_PROVIDER": "yes", "TERRAFAIR_ANONYMOUS": "visitor"}
    platform.start()
    ada, grace = tmp_path / "ada" / "credentials.json", tmp_path / "grace" / "credentials.json"
    assert "Signed in as Ada Demo." in login(platform, ada, "ada")
    assert "Signed in as Grace Demo." in login(platform, grace, "grace")
    assert ada.stat().st_mode & 0o077 == 0

    refused = platform.cli("run", "demo-ndvi", "--detach", code=2)
    assert "signed in" in refused.stderr

    platform.settings["TERRAFAIR_CREDENTIALS"] = str(ada)
    job = platform.json("run", "demo-ndvi")["job"]
    [row] = platform.json("jobs")
    assert (row["id"], row["status"], row["visibility"]) == (job, "successful", "project")
    [project] = platform.json("projects")
    assert (project["id"], project["role"]) == (row["project"], "owner")
    estimate = platform.json("estimate", "demo-ndvi")
    # The demo's people have an allocation, so that what a job costs can be seen.
    assert (estimate["runs"], estimate["metered"]) == (1, True)
    usage = platform.json("usage")
    assert (usage["usage"][0]["nor_reference"], usage["total"] > 0) == ("NoR-demo", True)
    bearer = {"Authorization": f"Bearer {json.loads(ada.read_text())[platform.url]}"}
    form = httpx2.get(f"{platform.url}/run/experiment/demo-ndvi", headers=bearer, timeout=60).text
    assert "Your own project has" in form

    platform.settings["TERRAFAIR_CREDENTIALS"] = str(grace)
    assert platform.json("jobs") == []
    for verb in ("job", "log", "results", "cancel"):
        assert "There is no job" in platform.cli(verb, job, code=2).stderr
    platform.cli("logout")
    assert "tfp_" not in grace.read_text()

    platform.settings["TERRAFAIR_TOKEN"] = json.loads(ada.read_text())[platform.url]
    assert [each["id"] for each in platform.json("jobs")] == [job]

    platform.stop()
    platform.settings["TERRAFAIR_ANONYMOUS"] = "operator"
    platform.start()
    again = tmp_path / "again" / "credentials.json"
    assert "Signed in as Ada Demo." in login(platform, again, "ada")
    platform.settings["TERRAFAIR_TOKEN"] = json.loads(again.read_text())[platform.url]
    assert [each["id"] for each in platform.json("jobs")] == [job], "the provider's people are others after a start"
    assert "Grace Demo&#39;s own</a>" in httpx2.get(f"{platform.url}/admin", timeout=60).text
