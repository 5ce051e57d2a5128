"""Two people with a kernel each, on one hub: apart, through restarts, to the end; what they use is theirs to pay."""

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
    pytest.mark.skipif(bool(missing()), reason="the extra `workspaces` is not installed"),
    pytest.mark.skipif(not available(), reason="the local identity provider is not installed: make assets"),
]
IDLE = 120
SOON = 20
"""For the test that waits for it: set when the platform is started again."""
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
    found = Notebook(signed_in(lab.url, "ada")).open()
    yield found
    found.client.close()


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
    _end(grace)
    grace.open()
    assert grace.run("import os; print([n for *_, ns in os.walk('/tmp') for n in ns if 'of-ada' in n])") == "[]", gate
    assert victim.read_text() == "untouched"
    assert "of-ada.txt" in ada.run("print(os.listdir('.'))")


def _end(notebook: Notebook) -> Any:
    notebook.client.delete(f"/api/workspaces/{notebook.id}")
    return until(lambda: (found := notebook.document())["status"] == "closed" and found, notebook.document)


def test_data_and_client_are_signed_in(ada: Notebook) -> None:
    assert ada.run("import terrafair; print(type(terrafair.open('demo-ndvi-composite')).__name__)") == "Dataset"
    assert "rror" not in ada.run("print(__import__('subprocess').getoutput('terrafair data get demo-ndvi-composite'))")
    assert ada.run("print(terrafair.connect().me()['name'])") == "Ada Demo"


def test_servers_go_on_without_the_hub(lab: Platform, ada: Notebook) -> None:
    """Ended and started, killed, with the platform and without: the kernel remembers, in the session that it was."""
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
    lab.settings["TERRAFAIR_WORKSPACE_IDLE"] = str(SOON)
    lab.start()
    for each in (ada.client,):
        each.base_url = lab.url
    until(lambda: ada.ask("GET", "/api/kernels").is_success)
    assert (ada.run("print(kept + 1)"), supervisor(lab, ada)) == ("42", first)
    assert (ada.document()["id"], ada.document()["status"]) == (ada.id, "running")


def test_signed_out_is_out_of_the_open_websockets(lab: Platform, grace: Notebook) -> None:
    """The socket that is open ends within seconds; another session of the same person's is in as before."""
    grace.client.base_url = lab.url
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
    assert grace.run("print(2)") == "2"


def test_too_many_files_are_said_and_can_be_deleted(grace: Notebook) -> None:
    grace.run("import os; open('small', 'w').write('kept')")
    with pytest.raises(Exception, match=r".*"):
        grace.run(f"open('large', 'wb').write(os.urandom({QUOTA + 2**20})); import time; time.sleep(60)")
    found = until(lambda: (told := grace.document())["status"] == "closed" and told, grace.document)
    assert "files took more than 0.2 GB; nothing was removed" in found["reason"]
    grace.open()
    assert grace.run("import os; print(open('small').read(), os.path.getsize('large'))") == f"kept {QUOTA + 2**20}"
    grace.run("os.unlink('large')")
    assert "closed by its person" in _end(grace)["reason"]
