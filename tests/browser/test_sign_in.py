"""One sign-in in a real browser carries through everything, and one sign-out ends it."""

import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import boto3
import httpx2
import openeo
import pytest
from botocore.exceptions import ClientError
from openeo.rest import OpenEoApiError

from terrafair.identity.oidc_provider import available

from ..conftest import Platform
from .conftest import watched

pytestmark = pytest.mark.journey


@pytest.fixture
def site(browser: Any, platform: Platform) -> Any:
    if not available():
        pytest.skip("the local identity provider is not installed: make assets")
    seen = watched(browser, platform.url, viewport={"width": 1440, "height": 1000})
    yield seen
    seen.page.context.close()


def sign_in(seen: Any, name: str) -> None:
    seen.open("/find")
    seen.page.get_by_role("link", name="Sign in").click()
    seen.page.get_by_role("link", name=re.compile("Continue with")).click()
    at_provider(seen.page, name)
    seen.page.wait_for_url("**/find*")


def at_provider(page: Any, name: str) -> None:
    """Choose a person there, and agree to what is asked for, unless that is remembered."""
    page.get_by_role("button", name=re.compile(name)).click()
    agree = page.get_by_role("button", name=re.compile("Continue|Allow|Agree|Yes", re.IGNORECASE))
    if "/interaction/" in page.url and agree.count():
        agree.first.click()


def agree(page: Any, address: str) -> None:
    """Confirm a device's code; the browser is signed in there, so nobody asks again who it is."""
    page.goto(address)
    for _ in range(4):
        if "Signed in" in page.content():
            return
        assert page.locator("button[name=person]").count() == 0, "the person is asked for a second time"
        page.locator("button").first.click()
        page.wait_for_load_state()
    assert "Signed in" in page.content()


def _by_device(client: Any, shown: list[str]) -> None:
    def display(text: Any, **_: Any) -> None:
        if found := re.search(r"http\S+user_code=[\w-]+", str(text)):
            shown.append(found[0])

    client.authenticate_oidc_device(provider_id="local", display=display, store_refresh_token=False)


def test_one_sign_in_and_one_sign_out(site: Any, platform: Platform, tmp_path: Path) -> None:
    sign_in(site, "Ada")
    page = site.page
    for path in ("/find", "/develop", "/run", "/results", "/publish", "/projects", "/account"):
        site.open(path)
        header = page.get_by_role("navigation", name="Account")
        assert "Ada Demo" in header.inner_text(), path
        assert header.get_by_role("button", name="Sign out").count() == 1, path
    site.accessible()

    page.locator("form[action='/account/keys'] input[name=write]").check()
    page.get_by_role("button", name="Make keys").click()
    lines = page.locator("#keys").inner_text().splitlines()
    keys = dict(line.removeprefix("export ").split("=", 1) for line in lines if line)
    bucket = page.locator("table code", has_text="s3://").first.inner_text().removeprefix("s3://")
    store = boto3.client(
        "s3", endpoint_url=keys["AWS_ENDPOINT_URL"], aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"], region_name=keys["AWS_REGION"],
    )  # fmt: skip
    store.put_object(Bucket=bucket, Key="hello", Body=b"hi")

    credentials = tmp_path / "credentials.json"
    environment = {**platform.environment, "TERRAFAIR_CREDENTIALS": str(credentials), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "terrafair", "login"], env=environment, stdout=subprocess.PIPE, text=True
    ) as login:
        assert login.stdout is not None
        agree(page, login.stdout.readline().split()[-1])
        assert "Signed in as Ada Demo." in login.stdout.read()
    line = [sys.executable, "-m", "terrafair", "projects", "--json"]
    told = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout
    assert bucket.removeprefix("p-") in told

    token = re.search(r"tfp_[\w-]+", credentials.read_text())
    assert token is not None
    me = httpx2.get(f"{platform.url}/api/me", headers={"Authorization": f"Bearer {token[0]}"}).json()
    assert (me["name"], me["id"]) == ("Ada Demo", bucket.removeprefix("p-"))

    client = openeo.connect(platform.url)
    shown: list[str] = []
    waiting = threading.Thread(target=_by_device, args=(client, shown))
    waiting.start()
    while not shown:
        waiting.join(0.1)
        assert waiting.is_alive() or shown, "the openEO client ended"
    agree(page, shown[0])
    waiting.join(60)
    assert client.describe_account()["user_id"] == me["id"]

    site.open("/find")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_load_state()
    confirm = page.get_by_role("button", name=re.compile("Yes", re.IGNORECASE))
    if confirm.count():
        confirm.first.click()
    site.open("/find")
    assert "Ada" not in page.get_by_role("navigation", name="Account").inner_text()
    with pytest.raises(ClientError):
        store.list_objects_v2(Bucket=bucket)
    ended = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2 and "token-invalid" in ended.stdout + ended.stderr
    with pytest.raises(OpenEoApiError):
        client.describe_account()
