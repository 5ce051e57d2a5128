"""Workspaces in a browser: one session, the notebook reads the product; two people apart."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from terrafair.identity.oidc_provider import LocalProvider, available
from terrafair.workspaces.hub import missing

from ..conftest import Platform
from .conftest import watched
from .test_sign_in import sign_in

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(bool(missing()), reason="the extra `workspaces` is not installed"),
    pytest.mark.skipif(not available(), reason="the local identity provider is not installed: make assets"),
]
PRODUCT = "/develop/workspaces?kind=product&id=demo-ndvi-composite"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with LocalProvider() as provider:
        settings = {
            "TERRAFAIR_ISSUERS": f"local={provider.issuer}",
            "TERRAFAIR_CLIENTS": f"local={provider.client}",
            "TERRAFAIR_WORKSPACE_IDLE": "40",
        }
        platform = Platform(tmp_path_factory.mktemp("lab") / "home", settings)
        try:
            platform.start()
            if "isolat" in (platform.home / "serve.log").read_text():
                pytest.skip("this machine has no sandbox")
            yield platform
        finally:
            rows = table(platform, "SELECT id FROM workspaces WHERE state <> 'closed'")
            with sqlite3.connect(platform.home / "platform.db") as database:
                database.execute("UPDATE workspaces SET state = 'closing' WHERE state <> 'closed'")
            until(lambda: not table(platform, "SELECT id FROM workspaces WHERE state <> 'closed'"), rows)
            platform.stop()


def table(platform: Platform, query: str) -> list[Any]:
    with sqlite3.connect(platform.home / "platform.db") as database:
        return database.execute(query).fetchall()


def until(holds: Callable[[], Any], about: Any = "", seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, about
        time.sleep(0.2)


EXECUTE = """async (code, wait = true) => {
    const base = location.pathname.split("/lab/")[0];
    const xsrf = document.cookie.split("; ").find((each) => each.startsWith("_xsrf="))?.slice(6) ?? "";
    const kernels = await (await fetch(`${base}/api/kernels`, {headers: {"X-XSRFToken": xsrf}})).json();
    const socket = new WebSocket(`ws://${location.host}${base}/api/kernels/${kernels[0].id}/channels`);
    await new Promise((ready, wrong) => { socket.onopen = ready; socket.onerror = wrong; });
    const id = crypto.randomUUID();
    const content = {code, silent: false, store_history: false, user_expressions: {}, allow_stdin: false};
    const header = {msg_id: id, msg_type: "execute_request", session: id, username: "", version: "5.3",
                    date: new Date().toISOString()};
    socket.send(JSON.stringify({header, parent_header: {}, metadata: {}, content, channel: "shell"}));
    if (!wait) return "";
    let text = "";
    return await new Promise((done) => { socket.onmessage = (event) => {
        const message = JSON.parse(event.data);
        if (message.parent_header.msg_id !== id) return;
        if (message.msg_type === "stream") text += message.content.text;
        if (message.msg_type === "error") text += message.content.ename + ": " + message.content.evalue;
        if (message.msg_type === "execute_reply") setTimeout(() => { socket.close(); done(text); }, 300);
    }; });
}"""
START = f"(code) => ({EXECUTE})(code, false)"


def execute(page: Any, code: str) -> str:
    """Run a line in the notebook's kernel by the server's own interface, as the page does; gives what it printed."""
    found: str = page.evaluate(EXECUTE, code)
    return found.strip()


def opened(browser: Any, platform: Platform, name: str) -> Any:
    seen = watched(browser, platform.url, viewport={"width": 1440, "height": 1000})
    sign_in(seen, name)
    seen.open(PRODUCT)
    seen.page.get_by_role("button", name="Open in JupyterLab").click()
    seen.page.wait_for_url("**/workspaces/user/**", timeout=150_000)
    seen.page.wait_for_selector(".jp-Notebook .jp-Cell")
    until(lambda: seen.page.get_by_text("Python 3 (ipykernel) | Idle").count(), "the kernel")
    return seen


def test_two_people_and_their_notebooks(browser: Any, lab: Platform) -> None:
    ada = opened(browser, lab, "Ada")
    ada.page.locator(".jp-Notebook").first.click()
    ada.page.get_by_text("Run", exact=True).click()
    ada.page.get_by_text("Run All Cells", exact=True).click()
    ada.page.locator(".xr-wrap", has_text="openEO").wait_for()
    began = time.monotonic()
    assert "'Ada Demo'" in ada.page.locator(".jp-OutputArea-output").first.inner_text()
    ada.page.evaluate(START, "import os, time\nwhile not os.path.exists('go'): time.sleep(0.1)")
    grace = opened(browser, lab, "Grace")
    time.sleep(max(0.0, 46 - (time.monotonic() - began)))
    for home in _homes(lab, "product-demo-ndvi-composite.ipynb"):
        (home.parent / "go").touch()
    _isolated(lab, ada, grace)
    assert not ada.abroad and not grace.abroad
    for seen in (ada, grace):
        seen.page.context.close()


def _isolated(lab: Platform, ada: Any, grace: Any) -> None:
    """Files, users, networks and rights are each one's own."""
    execute(ada.page, "open('mine.txt', 'w').write('of ada')")
    homes = str(lab.home / "workspaces/homes")
    assert (
        execute(grace.page, f"import os; print(sum(len(f) for *_, f in os.walk({homes!r}) if 'mine.txt' in f))") == "0"
    )
    assert execute(grace.page, f"print(os.path.exists({str(lab.home / 'platform.db')!r}))") == "False"
    assert execute(grace.page, "print(os.getuid() == 0)") == "False"
    ask = "import urllib.request as u; print(u.urlopen(os.environ['TERRAFAIR_URL'] + '/api/me').read().decode())"
    assert '"operator":false' in execute(grace.page, ask), "who sits at this machine is its operator; a program is not"
    other = f"import socket; socket.create_connection(('127.0.0.1', {_hub_port(lab) + 1}), 1)"
    assert "ConnectionRefusedError" in execute(grace.page, other)
    keys = "import boto3, terrafair; print(os.environ['TERRAFAIR_BUCKET'])"
    buckets = {execute(seen.page, f"import os; {keys}") for seen in (ada, grace)}
    assert len(buckets) == 2
    mine = next(name for name in buckets if name != execute(grace.page, keys))
    refused = execute(grace.page, f"boto3.client('s3').list_objects_v2(Bucket={mine!r})")
    assert "AccessDenied" in refused or "Forbidden" in refused
    own = execute(ada.page, "boto3.client('s3').put_object(Bucket=os.environ['TERRAFAIR_BUCKET'], Key='x', Body=b'1')")
    assert "rror" not in own


def _hub_port(lab: Platform) -> int:
    return int(json.loads((lab.home / "workspaces/hub.json").read_text())["port"])


def _homes(lab: Platform, name: str) -> list[Path]:
    found = list((lab.home / "workspaces/homes").rglob(name))
    assert len(found) == 2
    return found
