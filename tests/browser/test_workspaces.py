"""Workspaces in a browser: one session, the notebook reads the product, is changed, and comes to the catalogue."""

import hashlib
import hmac
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from terrafair.config import load
from terrafair.database import open_engine, transaction
from terrafair.identity.oidc_provider import LocalProvider, available
from terrafair.workspaces.hub import missing

from ..conftest import Platform
from .conftest import watched
from .forge import BACKEND, Forge, serving
from .test_sign_in import sign_in

pytestmark = [
    pytest.mark.journey,
    # A build, two runs and a publication, each of which may wait its turn on a busy machine.
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(missing()), reason="the extra `workspaces` is not installed"),
    pytest.mark.skipif(not available(), reason="the local identity provider is not installed: make assets"),
]
REPOSITORY = "https://git.example.org/ada/journey-water"
PRODUCT = "/develop/workspaces?kind=product&id=demo-ndvi-composite"


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    with serving(tmp_path_factory.mktemp("forge")) as found:
        yield found


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, forge: Forge) -> Iterator[Platform]:
    with LocalProvider() as provider:
        settings = {
            "TERRAFAIR_ISSUERS": f"local={provider.issuer}",
            "TERRAFAIR_CLIENTS": f"local={provider.client}",
            "TERRAFAIR_REPOSITORIES": json.dumps({REPOSITORY: str(forge.repository)}),
            "TERRAFAIR_EDITOR_REPOSITORIES": REPOSITORY,
            "TERRAFAIR_WORKSPACE_HOSTS": forge.host,
            # On a slow machine the platform's own look would build the pushed branch beside.
            "TERRAFAIR_SOURCES_MINUTES": "0",
        }
        platform = Platform(tmp_path_factory.mktemp("lab") / "home", settings)
        try:
            platform.start()
            if "isolat" in (platform.home / "serve.log").read_text():
                pytest.skip("this machine has no sandbox")
            yield platform
        finally:
            rows = table(platform, "SELECT id FROM workspaces WHERE state <> 'closed'")
            table(platform, "UPDATE workspaces SET state = 'closing' WHERE state <> 'closed' RETURNING id")
            until(lambda: not table(platform, "SELECT id FROM workspaces WHERE state <> 'closed'"), rows)
            platform.stop()


def table(platform: Platform, query: str) -> list[Any]:
    engine = open_engine(load(platform.environment).database_url)
    try:
        with transaction(engine) as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]
    finally:
        engine.dispose()


def until(holds: Callable[[], Any], about: Any = "", seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, about
        time.sleep(0.2)


EXECUTE = """async (code) => {
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
    let text = "";
    return await new Promise((done) => { socket.onmessage = (event) => {
        const message = JSON.parse(event.data);
        if (message.parent_header.msg_id !== id) return;
        if (message.msg_type === "stream") text += message.content.text;
        if (message.msg_type === "error") text += message.content.ename + ": " + message.content.evalue;
        if (message.msg_type === "execute_reply") setTimeout(() => { socket.close(); done(text); }, 300);
    }; });
}"""


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


def reads_the_product(seen: Any) -> None:
    """All cells run, and the last one shows the product as a cube."""
    seen.page.locator(".jp-Notebook").first.click()
    seen.page.get_by_text("Run", exact=True).click()
    seen.page.get_by_text("Run All Cells", exact=True).click()
    seen.page.locator(".xr-wrap", has_text="openEO").wait_for()


def test_one_session_and_a_notebook_that_reads_the_product(browser: Any, lab: Platform) -> None:
    """No second prompt, nothing asked of other sites. What others come to is tried in the journey without a browser."""
    ada = opened(browser, lab, "Ada")
    reads_the_product(ada)
    assert "'Ada Demo'" in ada.page.locator(".jp-OutputArea-output").first.inner_text()
    assert not ada.abroad and "Jupyter news" not in ada.page.locator("body").inner_text()
    ada.page.context.close()


SHELL = "import subprocess\nprint(subprocess.getoutput({line!r}))"
CLONE = "cd ~ && git clone -q http://ada:s3cret@{host}/water.git water"
PUSH = """cd ~/water && terrafair check . --offline && git commit -qam "Say how many scenes" && git tag v1.1.0 &&
git push -q origin HEAD:main v1.1.0 && git rev-parse HEAD"""
NOTEBOOK = "water/src/journey_water/notebook.ipynb"
ADDED = "print('open water in', len(files), 'scenes')\n"
RUN = """
inputs = {"stac": "s3://terrafair/datasets/demo-s2-l2a/collection.json"}
import terrafair
print(terrafair.connect().run("journey-water-1.1.0", kind="", inputs=inputs)["id"])
"""
ANSWERS = {
    "product_title": "Open water of the lake",
    "product_description": "Where open water stands in the scenes of 2024.",
    "experiment_title": "Open water of the lake, 2024",
    "experiment_description": "The water index of each scene, above a threshold.",
    "workflow": "journey-water",
    "workflow_title": "Open water by a water index",
    "workflow_description": "Water of each scene by the normalised difference water index.",
    "licence": "CC-BY-4.0",
    "workflow_licence": "MIT",
    "contact_name": "Ada",
    "contact_email": "ada@example.org",
    "organization": "Example",
    "project": "terrafair-demo",
    "themes": "land",
    "variables": "total-surface-water",
    "missions": "sentinel-2",
    "parameters": "surface_water_area_fraction",
}


@pytest.mark.timeout(600)
@pytest.mark.skipif(not Path(BACKEND).exists(), reason="git http-backend is not installed")
def test_from_a_notebook_to_the_catalogue(browser: Any, lab: Platform, forge: Forge) -> None:
    """A notebook changed, run and pushed; built and released by the forge's call, run by its id, published."""
    ada = opened(browser, lab, "Ada")
    reads_the_product(ada)
    assert execute(ada.page, SHELL.format(line=CLONE.format(host=forge.host))) == ""
    changes_the_notebook(ada.page)
    said = execute(ada.page, SHELL.format(line=PUSH))
    commit = said.splitlines()[-1]
    assert len(commit) == 40, said
    project = execute(ada.page, "import os; print(os.environ['TERRAFAIR_PROJECT'])")
    body = {"repository": REPOSITORY, "project": project}
    link = httpx2.post(f"{lab.url}/api/sources", json=body, trust_env=False).json()
    build = _called(lab, link, commit)
    log = lab.cli("log", build).stdout.splitlines() if _ended(lab, build) != "successful" else []
    if any("index does not answer" in line for line in log):
        pytest.skip("the package index does not answer")
    assert not log, log[-5:]
    release = httpx2.get(f"{lab.url}/api/releases/journey-water/1.1.0", trust_env=False).json()
    assert release["revision"] == commit and release["digest"].startswith("sha256:")
    passed = {"check": "runs", "test": "unittest", "run": "files", "package": "image"}
    told = [line for line in lab.cli("log", build).stdout.splitlines() if ": passed." in line]
    assert all(any(f"{stage}: passed." in line and says in line for line in told) for stage, says in passed.items())
    badge = httpx2.get(f"{lab.url}/api/builds/journey-water/badge.svg", trust_env=False).text
    assert "build: successful" in badge
    page = ada.page.context.new_page()
    page.goto(f"{lab.url}/develop/workflows/journey-water")
    assert "1.1.0" in page.locator("main").inner_text() and commit[:12] in page.locator("main").inner_text()
    job = execute(ada.page, RUN).splitlines()[-1]
    assert _ended(lab, job) == "successful", job
    executed = next(each for each in lab.json("results", job)["assets"] if each["name"].endswith("executed.ipynb"))
    assert "open water in 8 scenes" in httpx2.get(executed["href"], trust_env=False).text
    _published(lab, job, commit, release["about"]["image"])
    _in_its_environment(ada, lab)
    ada.page.context.close()


KERNEL = """
from jupyter_client.manager import run_kernel
import jupyter_client.kernelspec as specs
print(specs.get_kernel_spec("workflow").display_name)
with run_kernel(kernel_name="workflow") as client:
    code = "import sys, importlib.metadata as m; from journey_water import water as w; "
    code += "print(sys.prefix, m.version('numpy'), w.__file__)"
    client.execute_interactive(code, timeout=60, output_hook=lambda said: print(said["content"].get("text", "")))
"""


def _in_its_environment(ada: Any, lab: Platform) -> None:
    """A workspace on the published workflow offers a kernel with what its image has, and the modules of its clone."""
    table(lab, "UPDATE workspaces SET state = 'closing' WHERE state = 'running' RETURNING id")
    until(lambda: not table(lab, "SELECT id FROM workspaces WHERE state <> 'closed'"))
    ada.open("/develop/workspaces?kind=workflow&id=journey-water")
    ada.page.get_by_role("button", name="Open in JupyterLab").click()
    ada.page.wait_for_url("**/workspaces/user/**", timeout=150_000)
    until(lambda: ada.page.get_by_text("Python 3 (ipykernel) | Idle").count(), "the kernel")
    said = execute(ada.page, KERNEL)
    prefix, numpy, module = said.splitlines()[-1].split()
    assert said.startswith("journey-water (its environment)") and "/environments/" in prefix, said
    packages = "*/environment/lib/python3.*/site-packages"
    assert list((lab.home / "images").glob(f"{packages}/numpy-{numpy}.dist-info")), "another one than the image has"
    assert module.endswith("/journey-water/src/journey_water/water.py"), said


def changes_the_notebook(page: Any) -> None:
    """The workflow's own notebook: opened, a line added, run from top to bottom on the data beside it, saved."""
    page.goto(f"{page.url.partition('/lab')[0]}/lab/tree/{NOTEBOOK}")
    sheet = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)", has_text="A mask for each date")
    sheet.locator(".jp-CodeCell", has_text="images.describe").locator(".cm-content").click()
    page.keyboard.press("Control+Home")
    page.keyboard.insert_text(ADDED)
    until(lambda: page.get_by_text("Python 3 (ipykernel) | Idle").count(), "the kernel")
    page.get_by_text("Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    sheet.locator(".jp-OutputArea-output", has_text="open water in 2 scenes").wait_for()
    page.keyboard.press("Control+s")
    page.locator(".lm-DockPanel-tabBar .lm-mod-current:not(.jp-mod-dirty)", has_text="notebook.ipynb").wait_for()


def _called(lab: Platform, link: Any, commit: str) -> str:
    """The forge tells of the tag; gives the build. Only its signature counts, and a second call builds nothing."""
    call = json.dumps({"ref": "refs/tags/v1.1.0", "after": commit}).encode()
    signed = "sha256=" + hmac.new(link["secret"].encode(), call, hashlib.sha256).hexdigest()

    def tell(signature: str) -> httpx2.Response:
        headers = {"X-Hub-Signature-256": signature}
        return httpx2.post(lab.url + link["hook"], content=call, headers=headers, trust_env=False)

    assert tell(signed[:-1] + ("0" if signed[-1] != "0" else "1")).status_code == 403
    build = str(tell(signed).json()["build"])
    assert tell(signed).json() == {"build": None}
    return build


def _ended(lab: Platform, job: str) -> str:
    until(lambda: lab.json("job", job)["status"] in {"successful", "failed", "dismissed"}, job, 300)
    return str(lab.json("job", job)["status"])


def _published(lab: Platform, job: str, commit: str, image: str) -> None:
    """The test catalogue has the workflow's record, which leads to the code at its commit and to the image."""
    asked = [text for name, value in ANSWERS.items() for text in ("--set", f"{name}={value}")]
    found = lab.json("publish", job, *asked)
    assert (found["state"], found["problems"]) == ("proposed", []), found
    assert found["testing"]["verdict"] == "green"
    lab.json("publications", job, "--merge")
    git = ["git", "-c", "safe.directory=*", "-C", str(lab.home / "demo/catalogue.git")]
    record = json.loads(subprocess.check_output([*git, "show", "HEAD:workflows/journey-water/record.json"]))
    links = {each["rel"]: each["href"] for each in record["links"]}
    assert links["application"] == f"{REPOSITORY}/blob/{commit}/workflow.cwl"
    assert links["container"] == f"docker://{image}" and "@sha256:" in image
    lab.cli("catalogue", "sync")
    assert lab.json("reproduce", found["answers"]["experiment"])["status"] == "successful"


def test_the_text_editor_commits_and_undoes_nobodys_work(browser: Any, lab: Platform, forge: Forge) -> None:
    """A draft knows the commit that it was begun at, however late it is sent; begun anew it goes to the branch."""
    ada = watched(browser, lab.url, viewport={"width": 1440, "height": 1000})
    sign_in(ada, "Ada")
    body = {"repository": REPOSITORY, "project": ada.page.evaluate("fetch('/api/me').then(r => r.json())")["id"]}
    link = httpx2.post(f"{lab.url}/api/sources", json=body, trust_env=False).json()
    address = f"/develop/text?origin=source&id={link['id']}&file=workflow.cwl"
    commit = forge.git("rev-parse", "main")
    _typed(ada, address, "# of Ada")
    theirs = forge.commit("workflow.cwl", "# of somebody else")
    ada.open(address)
    ada.page.locator("#kept", has_text=f"begun at {commit[:12]}").wait_for()
    _typed(ada, address, "# more of Ada")
    ada.page.get_by_label("Message of the commit").fill("Say more")
    ada.page.get_by_role("button", name="Commit and push").click()
    ada.page.get_by_role("alert").wait_for()
    assert "has been changed" in ada.page.get_by_role("alert").inner_text() and forge.git("rev-parse", "main") == theirs
    assert "# of Ada\n# more of Ada" in ada.page.evaluate("ace.edit('ace').getValue()")
    ada.accessible()
    ada.open(address)
    ada.page.get_by_role("button", name="Start over").click()
    _typed(ada, address, "# once more")
    ada.page.get_by_label("Message of the commit").fill("Say it again")
    ada.page.get_by_role("button", name="Commit and push").click()
    ada.page.locator(".notice", has_text="Kept in the repository as").wait_for()
    assert forge.git("log", "-1", "--format=%an|%s", "main") == "Ada Demo|Say it again"
    assert forge.git("show", "main:workflow.cwl").endswith("# of somebody else\n# once more")
    ada.open(address)
    assert ada.page.locator("#over").is_hidden(), "what was committed is no draft any more"
    ada.errors = [told for told in ada.errors if "400" not in told]
    assert not ada.errors and not ada.abroad
    ada.page.context.close()


def _typed(seen: Any, address: str, line: str) -> None:
    """A line at the end of the text, in the editor as somebody types it."""
    seen.open(address)
    seen.page.locator("body[data-editor=yes]").wait_for()
    seen.page.locator("#ace .ace_content").click()
    seen.page.keyboard.press("Control+End")
    seen.page.keyboard.insert_text(line + "\n")
    seen.page.locator("#kept", has_text="Kept in this browser").wait_for()
