"""Everything that can break: processes, clock, disk, database, store, identity provider, forge."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2

from terrafair.data.seaweedfs import ObjectServer
from terrafair.identity.oidc_provider import LocalProvider, available
from terrafair.publishing.standins.embedded import PRODUCTION, TESTING, Embedded, ForgeAccess

from ..databases import prepare
from ..stac.cluster import cluster, data_of
from ..stac.cluster import control as postgres
from ..stac.cluster import options as postgres_options
from .faults import PATIENCE, Fault, Site, below
from .test_identity import login

CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
static volatile long *ahead(void) {
    static volatile long *place;
    if (!place) {
        const char *name = getenv("FAULTS_CLOCK");
        int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
        void *found = file < 0 ? MAP_FAILED : mmap(0, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
        static long none;
        place = found == MAP_FAILED ? &none : found;
    }
    return place;
}
int clock_gettime(clockid_t which, struct timespec *found) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(which, found);
    if (!failed && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) found->tv_sec += *ahead();
    return failed;
}
int gettimeofday(struct timeval *restrict found, void *restrict zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    found->tv_sec = now.tv_sec;
    found->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *found) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (found) *found = now.tv_sec;
    return now.tv_sec;
}
"""
"""Puts a process's clock as many seconds ahead as a file says, and leaves its monotonic one alone, as a jump does."""
HTML = {"Accept": "text/html"}


def kill(process: int) -> None:
    """One that descends from what this program has started."""
    os.kill(process, signal.SIGKILL)


def alive(process: int) -> bool:
    """Whether it runs; one that waits for its parent to notice does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def killed(name: str, find: Callable[[Site], int], asks: dict[str, Any] | None = None, **more: Any) -> Fault:
    """Kill one process; it is over when another one does its work."""
    victims: list[int] = []

    def begin(site: Site) -> None:
        victims.append(find(site))
        kill(victims[0])

    def back(site: Site) -> bool:
        with suppress(LookupError):
            return find(site) != victims[0]
        return False

    return Fault(f"kill -9: {name}", begin, back=back, asks=asks or {}, **more)


def running(*words: str) -> Callable[[Site], int]:
    """The process below the server whose command line has these words."""

    def find(site: Site) -> int:
        server = int(site.platform.serving["pid"])
        for process, line in below(server).items():
            if all(word in line for word in words) and alive(process):
                return process
        raise LookupError(words)

    return find


def worker(site: Site) -> int:
    """The workers' process, once it takes jobs."""
    found = int(json.loads((site.platform.home / "worker.json").read_text())["pid"])
    if not alive(found):
        raise LookupError("worker")
    return found


def hub(site: Site) -> int:
    """Of the workspaces, once it runs."""
    found = int(json.loads((site.platform.home / "workspaces/hub.pid").read_text())[0])
    if not alive(found):
        raise LookupError("hub")
    return found


def supervisor(site: Site) -> int:
    """Of the job that runs."""
    return int(json.loads((site.platform.home / "jobs" / site.running / "supervisor.json").read_text())["pid"])


def program(site: Site) -> int:
    """The program itself: the first process below its supervisor."""
    return next(iter(below(supervisor(site))))


def restarted(site: Site) -> None:
    """As systemd does it."""
    port = site.crowd.url.rpartition(":")[2]
    site.platform.start("--port", port)


def server_killed(site: Site) -> None:
    process = site.platform._process
    assert process is not None
    process.kill()
    process.wait()


def one_more_sign_in(web: httpx2.Client) -> httpx2.Response:
    """As a browser: to the provider's own page."""
    return web.get("/account/sign-in/local", headers=HTML, follow_redirects=True)


def filled(site: Site, left: int) -> None:
    """Leave so many bytes on the platform's disk, or the little more that the file system keeps to itself."""
    place = site.platform.home / "filling"
    for spare in (0, 2**16, 2**18, 2**20):
        free = shutil.disk_usage(site.platform.home).free
        with place.open("ab") as file, suppress(OSError):
            os.posix_fallocate(file.fileno(), file.tell(), max(free - left - spare, 1))
            return


def emptied(site: Site) -> None:
    (site.platform.home / "filling").unlink()


def submitted(web: httpx2.Client) -> httpx2.Response:
    """The form of an experiment, sent by a browser."""
    return web.post("/run/experiment/demo-ndvi", data={"title": "what I typed"}, headers=HTML)


def uploaded(web: httpx2.Client) -> httpx2.Response:
    return web.post("/api/uploads?name=a.bin", content=os.urandom(3_000_000))


def clock(folder: Path, seconds: int) -> Callable[[Site], None]:
    """Have the platform's processes believe in another time."""

    def put(_: Site) -> None:
        with (folder / "clock").open("r+b") as file:
            file.write(seconds.to_bytes(8, sys.byteorder, signed=True))

    return put


def clockwork(folder: Path) -> dict[str, str]:
    """Settings with which `clock` works; none where nothing compiles it."""
    if not shutil.which("cc"):
        print("Without clock jumps: there is no C compiler.", file=sys.stderr)
        return {}
    (folder / "clock").write_bytes(bytes(8))
    (folder / "clock.c").write_text(CLOCK)
    library = folder / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, folder / "clock.c", "-ldl"], check=True)
    return {"LD_PRELOAD": str(library), "FAULTS_CLOCK": str(folder / "clock")}


def embedded_faults(site: Site) -> Iterator[Fault]:
    """Of the embedded default."""
    sign_in = {"signing in": one_more_sign_in}
    yield killed("workers", worker, job_seconds=6)
    yield Fault("kill -9: a job's program", lambda it: kill(program(it)))
    yield Fault("kill -9: a job's supervisor", lambda it: kill(supervisor(it)))
    yield killed("object store", running("weed"))
    yield killed("second web process", running("web-worker"))
    yield killed("painter of map tiles", running("painter"))
    if available():
        yield killed("local identity provider", running("oidc_provider"), sign_in)
    if hub_runs(site):
        workspaces = {"list of workspaces": lambda web: web.get("/api/workspaces")}
        yield killed("workspaces' hub", hub, workspaces)
    yield Fault("kill -9: server, then started again", server_killed, restarted, job_seconds=8)
    if "LD_PRELOAD" in site.platform.settings:
        yield Fault("clock jumps ten minutes ahead", clock(site.folder, 600), lasts=5)
        yield Fault("clock jumps twenty minutes back", clock(site.folder, -600), lasts=5)
        # Its own clock stays right: nothing comes between a Go program and the kernel.
        yield Fault("clock is an hour from the store's for 5 s", clock(site.folder, 3600), clock(site.folder, 0), 5)
    forms = {"form of a run": submitted, "upload": uploaded}
    if site.platform.home.is_mount():
        yield Fault("disk nearly full", lambda it: filled(it, 20 * 10**6), emptied, 5, asks=forms)
        yield Fault("disk wholly full", lambda it: filled(it, 0), emptied, 5, asks=forms)


def hub_runs(site: Site) -> bool:
    """Open a workspace, which starts the hub; False where there are none."""
    if not available():
        return False
    credentials = site.folder / "credentials.json"
    login(site.platform, credentials, "ada")
    token = json.loads(credentials.read_text())[site.platform.url]
    with site.web as web:
        reply = web.post("/api/workspaces", json={}, headers={"Authorization": f"Bearer {token}"})
        if not reply.is_success:
            print(f"Without the hub: {reply.text[:300]}", file=sys.stderr)
            return False
        deadline, place = time.monotonic() + 150, f"/api/workspaces/{reply.json()['id']}"
        while time.monotonic() < deadline:
            if web.get(place, headers={"Authorization": f"Bearer {token}"}).json()["status"] == "running":
                return True
            time.sleep(0.3)
    print("Without the hub: the workspace does not open.", file=sys.stderr)
    return False


class Outside:
    """What the second platform needs of others: database, S3, identity provider, forge."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self.stack = stack
        self.database = stack.enter_context(cluster())
        prepare(self.database)
        self.store = ObjectServer(folder / "store", "terrafair")
        self.store.start()
        stack.callback(lambda: self.store.stop())  # noqa: PLW0108 - the one that there is then
        self.provider = LocalProvider()
        self.provider.__enter__()
        stack.callback(lambda: self.provider.__exit__(None, None, None))
        self._forge = ExitStack()
        stack.callback(lambda: self._forge.close())  # noqa: PLW0108 - the same
        self.forge = self.begin_forge()

    @property
    def settings(self) -> dict[str, str]:
        server = self.database.rpartition("/")[0]
        token = self._folder / "token"
        token.write_text(self.forge.token)
        return {
            "TERRAFAIR_DATABASE": f"{server}/terrafair_control",
            "TERRAFAIR_ITEMS_DATABASE": f"{server}/terrafair_items",
            "TERRAFAIR_STORE_URL": self.store.access.endpoint, "TERRAFAIR_STORE_KEY": self.store.access.key,
            "TERRAFAIR_STORE_SECRET": self.store.access.secret,
            "TERRAFAIR_ISSUERS": f"local={self.provider.issuer}", "TERRAFAIR_CLIENTS": f"local={self.provider.client}",
            "TERRAFAIR_GITHUB_URL": self.forge.url, "TERRAFAIR_GITHUB_TOKEN_FILE": str(token),
            "TERRAFAIR_GITHUB_PRODUCTION": PRODUCTION, "TERRAFAIR_GITHUB_TESTING": TESTING,
            "TERRAFAIR_LEASE_SECONDS": "6",
        }  # fmt: skip

    def begin_forge(self) -> ForgeAccess:
        """On the demo's catalogue; on its old port where it had one."""
        from terrafair.demo.seed import seed

        home = self._folder / "home"
        catalogue = home / "demo/catalogue.git"
        if not catalogue.exists():
            from terrafair.data.objects import S3Objects

            seed(home, S3Objects(self.store.access), say=lambda _: None)
        return Embedded(self._folder / "forge", self._forge).forge(str(catalogue), catalogue, lambda *_: [])

    def end_forge(self) -> None:
        self._forge.close()
        self._forge = ExitStack()

    def end_provider(self) -> None:
        process = self.provider._process
        assert process is not None
        kill(process.pid)

    def begin_provider(self) -> None:
        port = int(self.provider.issuer.rpartition(":")[2].partition("/")[0])
        self.provider.__exit__(None, None, None)
        self.provider = LocalProvider(port=port)
        self.provider.__enter__()

    def store_process(self) -> int:
        return int(json.loads((self._folder / "store/objects/server.json").read_text())["pid"])

    def begin_store(self) -> None:
        self.store = ObjectServer(self._folder / "store", "terrafair")
        self.store.start()


def outside_faults(site: Site, outside: Outside, options: argparse.Namespace) -> Iterator[Fault]:
    """Of what stands outside."""
    data = data_of(outside.database)
    started = ("-o", postgres_options(data), "-l", str(data.parent / "log"), "start")
    yield Fault("database restarted", lambda _: postgres(data, "-m", "fast", "restart"))
    yield Fault(
        "database killed, away for 15 s",
        lambda _: postgres(data, "-m", "immediate", "stop"),
        lambda _: postgres(data, *started),
        15,
    )
    files = {"upload": uploaded}
    yield Fault(
        f"S3 away for {options.outage:g} s",
        lambda _: outside.store.stop(),
        lambda _: outside.begin_store(),
        options.outage,
        asks=files,
    )
    yield Fault(
        f"S3 takes requests and says nothing for {options.outage:g} s",
        lambda _: os.kill(outside.store_process(), signal.SIGSTOP),
        lambda _: os.kill(outside.store_process(), signal.SIGCONT),
        options.outage,
        asks=files,
    )
    sign_in = {"signing in": one_more_sign_in, "token of the provider": with_token}
    yield Fault(
        "identity provider away", lambda _: outside.end_provider(), lambda _: outside.begin_provider(), 5, asks=sign_in
    )
    publish = {"publishing": lambda web: published(web, site.crowd.result)}
    yield Fault(
        "GitHub away",
        lambda _: outside.end_forge(),
        lambda _: outside.begin_forge(),
        5,
        back=published_after,
        asks=publish,
    )


def with_token(web: httpx2.Client) -> httpx2.Response:
    """An access token that the platform cannot know."""
    token = "eyJhbGciOiJSUzI1NiIsImtpZCI6Im5ldyJ9.eyJpc3MiOiJ4Iiwic3ViIjoieCJ9.eHg"
    return web.get("/openeo/me", headers={"Authorization": f"Bearer oidc/local/{token}"})


def published(web: httpx2.Client, job: str) -> httpx2.Response:
    """As far as it goes."""
    reply = web.post("/api/publications", json={"job": job, "answers": {}}, timeout=PATIENCE)
    for _ in range(12):
        if not reply.is_success or reply.json()["state"] == "proposed":
            break
        reply = web.post(f"/api/publications/{reply.json()['id']}/advance", timeout=PATIENCE)
        if reply.is_success and reply.json()["problems"]:
            # The request itself is answered; what the person reads is the problem in it.
            told = {"detail": f"It waits, {reply.json()['state']}: {reply.json()['problems'][0]['what']}"}
            return httpx2.Response(502, json=told)
    return reply


def published_after(site: Site) -> bool:
    """With GitHub back, the same publication goes on to its pull request."""
    with site.web as web:
        reply = published(web, site.crowd.result)
    return reply.is_success and reply.json()["state"] == "proposed"


@contextmanager
def disk(folder: Path) -> Iterator[Path]:
    """A home folder on a small disk of its own, where that can be made."""
    home = folder / "home"
    home.mkdir(parents=True)
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1500m", "terrafair-faults", str(home)],
            capture_output=True,
            check=False,
        ).returncode
    )
    try:
        yield home
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(home)], check=False)
