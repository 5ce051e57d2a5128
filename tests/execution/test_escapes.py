"""Ways out that untrusted work may try, as jobs: each is contained, its person is told, and the platform goes on."""

import http.server
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from terrafair.data.objects import MemoryObjects
from terrafair.errors import InvalidInput, NotFound
from terrafair.execution.command import Limits
from terrafair.execution.job import State
from terrafair.execution.jobs import Jobs
from terrafair.execution.painters import Near, Painters
from terrafair.execution.sandbox import Sandbox, probe
from terrafair.execution.trees import wipe
from terrafair.execution.worker import Runner

from .test_worker import end, jobs, log, runner, submit

__all__ = ["jobs"]
MEGABYTE = 2**20
LIMITS = Limits(seconds=30, memory=100 * MEGABYTE, processes=40, disk=30 * MEGABYTE, files=3000)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    sandbox = probe(tmp_path_factory.mktemp("home"), "auto")
    if not sandbox.isolated:
        pytest.skip(f"no isolation on this machine: {sandbox.reason}")
    return sandbox


@pytest.fixture
def run(jobs: Jobs, sandbox: Sandbox) -> Runner:
    return runner(jobs, sandbox, limits=LIMITS)


BOMBS = {
    "memory": ("held = []\nwhile True: held.append(b'x' * 2**20)", "limit of 0.1 GiB of memory"),
    "memory in many": (
        "import os, time\nfor _ in range(9):\n    if not os.fork(): held = b'x' * 2**24; break\ntime.sleep(60)",
        "limit of 0.1 GiB of memory",
    ),
    "memory as a file": (
        "import os\nf = os.memfd_create('m')\nwhile True: os.write(f, b'x' * 2**20)",
        "limit of 0.0 GiB to disk",
    ),
    "one file": ("f = open('big', 'wb')\nwhile True: f.write(b'x' * 2**20)", "limit of 0.0 GiB to disk"),
    "many files": (
        "n = 0\nwhile True: n += 1; open(f'../outputs/{n}', 'wb').write(b'x' * 2**16)",
        "limit of 0.0 GiB to disk",
    ),
    "many files in tmp": ("n = 0\nwhile True: n += 1; open(f'/tmp/{n}', 'wb')", "limit of 3000 files"),
    "folders in folders": ("import os\nwhile True: os.mkdir('d'); os.chdir('d')", "folders in folders"),
    "shared memory": ("f = open('/dev/shm/big', 'wb')\nwhile True: f.write(b'x' * 2**20)", "limit of 0.0 GiB to disk"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_ends_with_a_word_and_others_go_on(jobs: Jobs, run: Runner, bomb: str) -> None:
    script, said = BOMBS[bomb]
    name = submit(jobs, script)
    thread = threading.Thread(target=run.run, args=(name,))
    thread.start()
    waits = []
    while thread.is_alive():
        begun = time.monotonic()
        jobs.get(name)
        waits.append(time.monotonic() - begun)
        thread.join(0.05)
    job = jobs.get(name)
    assert (job.state, job.restarts) == (State.FAILED, 0)
    assert said in str(job.problems[0])
    assert job.problems[0].remedy
    assert max(waits) < 1, "the platform stood still"
    assert job.usage.wall_seconds < 5
    assert {path.name for path in jobs.folder(name).iterdir()}.isdisjoint({"work", "outputs", "inputs", "application"})


def test_forking_without_end(jobs: Jobs, run: Runner) -> None:
    """All cores are taken, and the job ends by the kernel's limit; the next one finds none of it."""
    script = "import os, time\nwhile True:\n    try: os.fork()\n    except OSError: time.sleep(0.2); raise"
    job = end(jobs, script, run)
    assert job.state is State.FAILED
    assert "processes" in str(job.problems[0]) or "BlockingIOError" in log(jobs, job), job.problems
    assert end(jobs, "open('../outputs/a', 'w')", run).state is State.SUCCESSFUL


@pytest.mark.parametrize(
    "victim", ["os.getppid()", "1", "-1", "0"], ids=["its parent", "the first", "all", "its group"]
)
def test_a_program_that_kills_who_keeps_it(jobs: Jobs, run: Runner, victim: str) -> None:
    """It ends itself at the most; what it leaves is wiped, and the job has an end that says so."""
    script = f"import os, signal, time\nos.kill({victim}, signal.SIGKILL)\ntime.sleep(0.1)\nprint('still here')"
    job = end(jobs, script, run)
    assert job.state in {State.FAILED, State.SUCCESSFUL}
    assert job.restarts == 0, "its supervisor was reached"
    assert job.usage.wall_seconds < 5


SECRETS = """
import glob, os, sys
wanted = ["/etc/shadow", "/proc/1/environ", "/proc/1/root/etc/shadow", "/root/.ssh/id_rsa", "/var/run/docker.sock"]
wanted += [place for place in {places!r}]
wanted += glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/fd/*") + glob.glob("/proc/[0-9]*/root/etc/shadow")
for path in wanted:
    try:
        with open(path, "rb") as file:
            content = file.read(10**6)
        if b"hush" in content or b"root:" in content:
            print("READ", path)
    except OSError:
        pass
print("ENVIRONMENT", sorted(name for name, value in os.environ.items() if "hush" in value))
print("OPEN", sorted(os.listdir("/proc/self/fd")))
"""


def test_no_secret_is_found(jobs: Jobs, run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the platform's database and keys, nor its environment, nor what another job holds."""
    monkeypatch.setenv("TERRAFAIR_STORE_SECRET", "hush")
    other = jobs.folder("20260101-aaaaaaaaaa")
    (other / "outputs").mkdir(parents=True)
    places = [tmp_path / "platform.db", tmp_path / "objects.json", other / "outputs/result.txt", other / "run.json"]
    for place in places[1:]:
        place.write_text("hush")
    job = end(jobs, SECRETS.format(places=[str(place) for place in places]), run)
    said = log(jobs, job)
    assert job.state is State.SUCCESSFUL, said
    assert "READ" not in said
    assert "ENVIRONMENT []" in said
    # 3 is the listing itself.
    assert "OPEN ['0', '1', '2', '3']" in said


@pytest.fixture
def listener() -> Iterator[tuple[int, list[str]]]:
    """A service of this machine that notes who asks."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815 - its parent's name

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_port, asked
        server.shutdown()
        thread.join()


VRT = (
    '<VRTDataset rasterXSize="10" rasterYSize="10"><VRTRasterBand dataType="Float32" band="1"><SimpleSource>'
    '<SourceFilename relativeToVRT="0">{source}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>'
    "</VRTRasterBand></VRTDataset>"
)


@pytest.mark.parametrize("source", ["/etc/passwd", "{other}", "/vsicurl/http://127.0.0.1:{port}/x.tif"])
def test_a_raster_that_is_a_recipe_shows_nothing(
    source: str, listener: tuple[int, list[str]], sandbox: Sandbox, tmp_path: Path
) -> None:
    """A `.tif` that is a VRT, drawn by the platform: neither another file nor an address is reached."""
    port, asked = listener
    secret = tmp_path / "near/jobs/other/secret.tif"
    secret.parent.mkdir(parents=True)
    secret.write_bytes(b"hush")
    store = MemoryObjects()
    store.put("jobs/1/map.tif", VRT.format(source=source.format(other=secret, port=port)).encode())
    painters = Painters(sandbox, Near(store, tmp_path / "near"), tmp_path / "painters", count=1)
    try:
        with pytest.raises((InvalidInput, NotFound), match="no raster"):
            painters.paint("jobs/1/map.tif", {"do": "about", "style": {}})
    finally:
        painters.close()
    assert asked == []


def test_code_that_opens_a_recipe_itself(jobs: Jobs, run: Runner, listener: tuple[int, list[str]]) -> None:
    """Whatever library a job brings, there is nothing to be reached."""
    port, asked = listener
    script = f"""
import urllib.request
for address in ("http://127.0.0.1:{port}/", "http://169.254.169.254/latest/meta-data/", "http://[::1]:{port}/"):
    try:
        urllib.request.urlopen(address, timeout=2).read()
        print("REACHED", address)
    except OSError as fault:
        print(fault)
"""
    job = end(jobs, script, run)
    assert job.state is State.SUCCESSFUL
    assert "REACHED" not in log(jobs, job)
    assert asked == []


def below(pid: int) -> Iterator[int]:
    """The processes that descend from one."""
    for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        yield child
        yield from below(child)


def test_a_painter_that_is_asked_for_too_much_memory_ends_alone(sandbox: Sandbox, tmp_path: Path) -> None:
    """Painters have no supervisor: the kernel refuses them the memory."""
    store = MemoryObjects()
    store.put("jobs/1/map.tif", b"II*\0")
    painters = Painters(sandbox, Near(store, tmp_path / "near"), tmp_path / "painters", count=1)
    try:
        with pytest.raises((InvalidInput, NotFound)):
            painters.paint("jobs/1/map.tif", {"do": "about", "style": {}})
        process = painters._free[0]._process
        assert process is not None
        limits = "".join(Path(f"/proc/{pid}/limits").read_text() for pid in below(process.pid))
    finally:
        painters.close()
    assert f"Max data size             {4 * 2**30}" in limits


def test_what_is_left_is_wiped_however_it_was_closed(tmp_path: Path) -> None:
    script = """
import os, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from terrafair.execution.trees import wipe
if os.geteuid() == 0:
    os.setgid(60_700)
    os.setuid(60_700)
root = Path(sys.argv[1]) / "left"
deep = root / "a/b/c"
deep.mkdir(parents=True)
(deep / "file").write_text("x")
(root / "link").symlink_to(sys.argv[1])
for folder in (deep, deep.parent, deep.parent.parent):
    folder.chmod(0)
wipe(root)
wipe(root)
print(os.listdir(sys.argv[1]))
"""
    (tmp_path / "beside").write_text("x")
    tmp_path.chmod(0o777)
    line = [sys.executable, "-c", script, str(tmp_path), str(Path(wipe.__code__.co_filename).parents[2])]
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o755)
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.stdout == "['beside']\n", done.stderr
