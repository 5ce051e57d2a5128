"""Two people with a kernel each, on one hub: apart, through restarts, to the end; what they use is theirs to pay."""

import json
import os
import re
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from terrafair.database import open_engine, reading, transaction
from terrafair.identity.oidc_provider import LocalProvider, available
from terrafair.workspaces.hub import missing

from ..conftest import Platform
from ..databases import control_database
from .notebooks import Notebook, closed, said, signed_in, until

pytestmark = [
    pytest.mark.journey,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(missing()), reason="the extra `workspaces` is not installed"),
    pytest.mark.skipif(not available(), reason="the local identity provider is not installed: make assets"),
]
IDLE, SOON = 3600, 4
"""Seconds; the second one for the test that waits for it, however slow the machine is before."""
QUOTA = 200 * 2**20


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with LocalProvider() as provider:
        settings = {
            "TERRAFAIR_ISSUERS": f"local={provider.issuer}",
            "TERRAFAIR_CLIENTS": f"local={provider.client}",
            "TERRAFAIR_WORKSPACE_IDLE": str(IDLE),
            "TERRAFAIR_WORKSPACE_DISK": str(QUOTA),
        }
        platform = Platform(tmp_path_factory.mktemp("lab") / "home", settings)
        try:
            platform.start()
            if "isolat" in (platform.home / "serve.log").read_text():
                pytest.skip("this machine has no sandbox")
            yield platform
        finally:
            _close_all(platform)
            platform.stop()


def _close_all(lab: Platform) -> None:
    with control(lab) as engine, transaction(engine) as database:
        database.execute(sa.text("UPDATE workspaces SET state = 'closing' WHERE state <> 'closed'"))
    until(lambda: not rows(lab, "SELECT id FROM workspaces WHERE state <> 'closed'"))


@pytest.fixture(scope="module")
def ada(lab: Platform) -> Iterator[Notebook]:
    """In a project of hers that has to count its credits."""
    found = Notebook(signed_in(lab.url, "ada"))
    granted(lab, found.client, "ada-glaciers", 1)
    yield found.open(project="ada-glaciers")
    found.client.close()


def granted(lab: Platform, client: httpx2.Client, project: str, credits: float) -> None:
    """A new project with an allocation, which the operator grants: who sits at the machine."""
    client.post("/api/projects", json={"id": project, "title": project}).raise_for_status()
    today = datetime.now(UTC).date()
    asked = {"project": project, "credits": credits, "start": str(today), "end": str(today + timedelta(days=9))}
    name = client.post("/api/allocations", json=asked).raise_for_status().json()["id"]
    decision = {"decision": "approve", "reference": "NoR-7"}
    with httpx2.Client(base_url=lab.url, trust_env=False) as operator:
        operator.post(f"/api/allocations/{name}/decision", json=decision).raise_for_status()


@pytest.fixture(scope="module")
def grace(lab: Platform) -> Iterator[Notebook]:
    found = Notebook(signed_in(lab.url, "grace")).open()
    yield found
    found.client.close()


@contextmanager
def control(lab: Platform) -> Iterator[sa.Engine]:
    engine = open_engine(control_database(lab.home))
    try:
        yield engine
    finally:
        engine.dispose()


def rows(lab: Platform, query: str, **values: Any) -> list[Any]:
    with control(lab) as engine, reading(engine) as database:
        return list(database.execute(sa.text(query), values))


def entries(lab: Platform, workspace: str) -> list[Any]:
    """What the ledger says of it."""
    return rows(lab, "SELECT kind, reserved, spent FROM ledger WHERE job = :job ORDER BY number", job=workspace)


def supervisor(lab: Platform, notebook: Notebook) -> int:
    """The process under which a workspace runs."""
    person, project = notebook.base.split("/")[-2:]
    found = json.loads((lab.home / f"workspaces/runs/{person}--{project}/supervisor.json").read_text())
    return int(found["pid"])


def tree(pid: int) -> dict[int, int]:
    """Processes from one on down, with the bytes of memory of each."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        parents.setdefault(parent, []).append(int(stat.parent.name))
    found, waiting = {}, [pid]
    while waiting:
        each = waiting.pop()
        waiting += parents.get(each, [])
        try:
            share = re.search(r"Pss:\s+(\d+)", Path(f"/proc/{each}/smaps_rollup").read_text())
            found[each] = int(share[1]) * 1024 if share else 0
        except OSError:
            continue
    return found


STEAL = """
import os, glob
found = []
for folder in {folders!r}:
    for place, folders, names in os.walk(folder):
        found += [name for name in names if "of-ada" in name]
for path in glob.glob("/proc/[0-9]*/environ"):
    try:
        found += [path for word in {words!r} if word.encode() in open(path, "rb").read()]
    except OSError:
        pass
print(found, sum({project!r} in place for place, *_ in os.walk("/")))
"""
CHARGE = """
import httpx2, os
for path, body in (("/api/jobs", dict(id="demo-ndvi")), ("/api/workspaces", dict(project={project!r}))):
    headers = {{"Authorization": "Bearer " + os.environ["TERRAFAIR_TOKEN"], "X-Terrafair-Project": {project!r}}}
    print(httpx2.post(os.environ["TERRAFAIR_URL"] + path, json=body, headers=headers).status_code)
"""


def test_neither_comes_to_what_is_the_others(lab: Platform, ada: Notebook, grace: Notebook) -> None:
    """The kernel of one tries it: files, environment, keys, token, budget."""
    ada.run("open('of-ada.txt', 'w').write('of ada'); open('/tmp/of-ada.tmp', 'w').write('of ada')")
    held = json.loads(ada.run("import json, os; print(json.dumps(dict(os.environ)))"))
    token, keys = held["TERRAFAIR_TOKEN"], held["AWS_SECRET_ACCESS_KEY"]
    project = held["TERRAFAIR_PROJECT"]
    tried = STEAL.format(folders=[str(lab.home), "/tmp", held["HOME"]], words=[token, keys], project=project)
    assert grace.run(tried) == "[] 0"
    own = json.loads(grace.run("import json, os; print(json.dumps(dict(os.environ)))"))
    assert not {token, keys, project} & set(own.values()) and own["TERRAFAIR_BUCKET"] != held["TERRAFAIR_BUCKET"]
    get = f"import boto3; print(boto3.client('s3').get_object(Bucket={held['TERRAFAIR_BUCKET']!r}, Key='x'))"
    ada.run("import boto3; boto3.client('s3').put_object(Bucket=os.environ['TERRAFAIR_BUCKET'], Key='x', Body=b'1')")
    assert "AccessDenied" in grace.run(get) and "rror" not in ada.run(get)
    before = rows(lab, "SELECT count(*) FROM ledger WHERE project = :project", project=project)
    refused = grace.run(CHARGE.format(project=project)).split()
    assert len(refused) == 2 and set(refused) <= {"403", "404"}, refused
    assert rows(lab, "SELECT count(*) FROM ledger WHERE project = :project", project=project) == before
    for path in (ada.base + "/api/contents", f"/api/workspaces/{ada.id}"):
        assert grace.client.get(path).status_code == 404


ASK = """
import os, socket, urllib.request
print(os.path.exists({file!r}), os.getuid() == 0)
print('"operator":false' in urllib.request.urlopen(os.environ["TERRAFAIR_URL"] + "/api/me").read().decode())
for port in {ports!r}:
    try:
        socket.create_connection(("127.0.0.1", port), 1)
    except OSError as fault:
        print(type(fault).__name__)
"""


def test_a_program_is_a_stranger_on_the_machine(lab: Platform, ada: Notebook, grace: Notebook) -> None:
    """Who sits at it is its operator; a program in a workspace is not, and reaches no other of its ports."""
    routes = json.loads((lab.home / "workspaces/routes.json").read_text())
    servers = [int(each["target"].rpartition(":")[2]) for path, each in routes.items() if "/user/" in path]
    assert len(servers) == 2
    said = grace.run(ASK.format(file=str(lab.home / "serving.json"), ports=servers)).split()
    assert said == ["False", "False", "True", "ConnectionRefusedError", "ConnectionRefusedError"]
    assert ada.ask("GET", "/api/kernels").is_success


def test_links_left_behind_lead_nowhere(lab: Platform, ada: Notebook, grace: Notebook) -> None:
    """What a session leaves where the next one is made ready may name any file of the machine."""
    homes = lab.home / "workspaces/homes"
    victim = lab.home / "victim"
    victim.write_text("untouched")
    gate = grace.run(
        "import json, sys; print([a for a in open('/proc/1/cmdline').read().split(chr(0)) if 'spec' in a])"
    )
    folder = str(Path(json.loads((Path(lab.home) / "workspaces/hub.json").read_text())["folder"]) / "runs")
    place = f"{folder}/{'--'.join(grace.base.split('/')[-2:])}/gate"
    grace.run(
        f"import os; os.rename('.tmp', 'was'); os.symlink({str(homes)!r}, '.tmp')\n"
        f"os.path.lexists({place + '/spec.json'!r}) and os.unlink({place + '/spec.json'!r})\n"
        f"os.symlink({str(victim)!r}, {place + '/spec.json'!r})\n"
        f"print(os.listdir({place!r}))"
    )
    assert "closed by its person" in _end(grace)["reason"]
    grace.open(kind="experiment", id="demo-phenology")
    assert grace.run("import os; print([n for *_, ns in os.walk('/tmp') for n in ns if 'of-ada' in n])") == "[]", gate
    assert victim.read_text() == "untouched"
    assert "of-ada.txt" in ada.run("print(os.listdir('.'))")


def _end(notebook: Notebook) -> Any:
    notebook.client.delete(f"/api/workspaces/{notebook.id}")
    return until(lambda: (found := notebook.document())["status"] == "closed" and found, notebook.document)


def test_a_kernel_with_the_workflows_packages(lab: Platform, ada: Notebook, grace: Notebook) -> None:
    """Opened on an experiment; nobody writes what others run in, and who has not asked for it does not even see it."""
    found = grace.document()
    if "index does not answer" in found["reason"]:
        pytest.skip("the package index does not answer")
    assert (found["reason"], found["seed"]["id"]) == ("", "demo-phenology")
    kernel = grace.begin("workflow")
    code = "import os, sys, pandas, pystac, rasterio; print(sys.prefix, os.path.dirname(pandas.__file__))"
    prefix, package = grace.run(code, kernel).split()
    assert Path(prefix).parent == lab.home / "environments" and package.startswith(prefix)
    assert "No module named 'terrafair'" in grace.run("import terrafair", kernel)
    assert prefix in grace.run("print(os.popen('python -c \"import sys; print(sys.prefix)\"').read())", kernel)
    for file in (f"{package}/__init__.py", f"{prefix}/new"):
        said = grace.run(f"open({file!r}, 'a')", kernel)
        assert "PermissionError" in said or "Read-only file system" in said, file
    assert ada.run(f"import os; print(os.path.exists({prefix!r}))") == "False"
    notebook = grace.ask("GET", "/api/contents/experiment-demo-phenology.ipynb").json()["content"]
    assert "(its environment)" in notebook["cells"][1]["source"]
    grace.ask("DELETE", f"/api/kernels/{kernel}")


def test_data_and_client_are_signed_in(ada: Notebook) -> None:
    assert ada.run("import terrafair; print(type(terrafair.open('demo-ndvi-composite')).__name__)") == "Dataset"
    assert "rror" not in ada.run("print(__import__('subprocess').getoutput('terrafair data get demo-ndvi-composite'))")
    assert ada.run("print(terrafair.connect().me()['name'])") == "Ada Demo"


GET_OWN = (
    "import boto3, os; print(boto3.client('s3').get_object(Bucket=os.environ['TERRAFAIR_BUCKET'], Key='x')['ETag'])"
)


def test_servers_go_on_without_the_hub(lab: Platform, ada: Notebook) -> None:
    """Ended and started, killed, with the platform and without: the kernel remembers, in the session that it was.

    What it knows of the platform leads there yet, which has got another port, and it is paid for once.
    """
    ada.run("kept = 41")
    first = supervisor(lab, ada)
    hub = lab.home / "workspaces/hub.pid"
    pid, _ = json.loads(hub.read_text())
    os.kill(pid, signal.SIGKILL)
    until(lambda: json.loads(hub.read_text())[0] != pid)
    until(lambda: ada.ask("GET", "/api/kernels").is_success)
    assert ada.run("print(kept + 1)") == "42"
    lab.stop()
    assert tree(first), "servers go on"
    lab.start()
    ada.client.base_url = lab.url
    until(lambda: ada.ask("GET", "/api/kernels").is_success)
    assert (ada.run("print(kept + 1)"), supervisor(lab, ada)) == ("42", first)
    assert (ada.document()["id"], ada.document()["status"]) == (ada.id, "running")
    assert ada.run("print(__import__('terrafair').connect().me()['name'])") == "Ada Demo"
    assert "rror" not in ada.run(GET_OWN)
    assert [kind for kind, *_ in entries(lab, ada.id)] == ["reserve"]


def test_signed_out_is_out_of_the_open_websockets(lab: Platform, grace: Notebook) -> None:
    """The socket that is open ends within seconds; another session of the same person's is in as before.

    What computes meanwhile has its data yet.
    """
    grace.client.base_url = lab.url
    grace.run(
        "import boto3, os; boto3.client('s3').put_object(Bucket=os.environ['TERRAFAIR_BUCKET'], Key='x', Body=b'1')"
    )
    with grace.channel() as socket:
        assert said(socket, "print(1)") == "1"
        grace.client.post("/account/sign-out")
        assert closed(socket, 10)
    assert grace.ask("GET", "/api/kernels").status_code in {401, 404}
    grace.client.close()
    grace.client = signed_in(lab.url, "grace")
    again = grace.client.post("/api/workspaces", json={}).json()
    assert again["id"] == grace.id, "it went on meanwhile"
    grace.client.get(f"{grace.base}/lab")
    assert grace.run("print(2)") == "2" and "rror" not in grace.run(GET_OWN)


def test_too_many_files_are_said_and_can_be_deleted(grace: Notebook) -> None:
    grace.run("import os; open('small', 'w').write('kept')")
    with pytest.raises(Exception, match=r".*"):
        grace.run(f"open('large', 'wb').write(os.urandom({QUOTA + 2**20})); import time; time.sleep(60)")
    found = until(lambda: (told := grace.document())["status"] == "closed" and told, grace.document)
    assert "files took more than 0.2 GB; nothing was removed" in found["reason"]
    grace.open()
    assert grace.run("import os; print(open('small').read(), os.path.getsize('large'))") == f"kept {QUOTA + 2**20}"
    assert grace.run("os.unlink('large')") == ""


def test_idle_ones_give_back_what_they_held_and_what_computes_goes_on(
    lab: Platform, ada: Notebook, grace: Notebook
) -> None:
    """Processes and memory go, files stay. What ends while no platform is there is paid for once, for what it ran."""
    grace.run("import os; held = bytearray(os.urandom(2**20)) * 200")
    ada.compute(until="go")
    idle, computing = tree(supervisor(lab, grace)), tree(supervisor(lab, ada))
    assert len(idle) > 3 and sum(idle.values()) > 300 * 2**20, idle
    lab.stop()
    lab.settings["TERRAFAIR_WORKSPACE_IDLE"] = str(SOON)
    lab.start()
    ada.client.base_url = grace.client.base_url = lab.url
    found = until(lambda: (told := grace.document())["status"] == "closed" and told, grace.document)
    assert "idle for" in found["reason"]
    print(f"{sum(idle.values()) / 2**20:.0f} MB in {len(idle)} processes before, {_held(idle)} after")
    until(lambda: _held(idle) == 0, lambda: _held(idle))
    (home,) = (lab.home / "workspaces/homes").glob(f"*/{found['project']}")
    assert (home / "small").read_text() == "kept"
    assert ada.document()["status"] == "running" and set(computing) <= set(tree(supervisor(lab, ada)))
    lab.stop()
    os.kill(supervisor(lab, ada), signal.SIGTERM)
    until(lambda: not _held(computing))
    lab.start()
    ada.client.base_url = lab.url
    found = until(lambda: (told := ada.document())["status"] == "closed" and told, ada.document)
    assert found["reason"] == "its server ended"
    (_, held, _), (kind, given, spent) = entries(lab, ada.id)
    assert (kind, held + given) == ("settle", 0) and 0 < spent < held


def _held(pids: Iterable[int]) -> int:
    """How many of them are there yet."""
    return sum(Path(f"/proc/{pid}").exists() for pid in pids)


def test_where_the_budget_does_not_hold_it_nothing_opens(lab: Platform, ada: Notebook) -> None:
    granted(lab, ada.client, "ponds", 0.25)
    reply = ada.client.post("/api/workspaces", json={"project": "ponds", "hours": 4})
    assert reply.status_code == 409 and reply.json()["code"] == "over-budget"
    assert "and 0.25 are free" in reply.text and "the size Small for 2 h or less" in reply.text
    assert rows(lab, "SELECT id FROM workspaces WHERE project = 'ponds'") == []
    page = ada.client.post("/develop/workspaces", data={"project": "ponds", "hours": 4})
    assert "the size Small for 2 h or less" in page.text and "0.25 credits left" in page.text
