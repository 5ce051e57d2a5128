"""Three workers on three hosts (network namespaces) share one queue; one is cut off, and the platform is restarted."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from terrafair.data.seaweedfs import ObjectServer
from terrafair.database import open_engine, reading
from terrafair.events import since

from ..conftest import Platform
from ..databases import prepare
from ..stac.cluster import cluster, missing

LEASE = 5
HERE = json.dumps(
    {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "geometry": {"type": "Point", "coordinates": [8, 50]}}],
    }
)
SLOW = """
import time, os
from pathlib import Path
print("begun", flush=True)
time.sleep(SECONDS)
Path(os.environ["TERRAFAIR_OUTPUTS"], "done.txt").write_text("ended by itself")
Path(os.environ["TERRAFAIR_OUTPUTS"], "here.geojson").write_text(HERE)
"""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def impossible() -> str:
    if missing():
        return missing()
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "network namespaces need root and iproute2"
    name = f"tf{secrets.token_hex(3)}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return "" if made.returncode == 0 else "no network namespaces can be made here"


@dataclass
class Network:
    """A bridge with one address, to which hosts are plugged."""

    stack: ExitStack
    name: str = field(default_factory=lambda: f"tf{secrets.token_hex(2)}")
    net: str = field(default_factory=lambda: f"10.{190 + secrets.randbelow(60)}.{secrets.randbelow(250)}")

    def __post_init__(self) -> None:
        ip("link", "add", self.name, "type", "bridge")
        self.stack.callback(ip, "link", "del", self.name)
        ip("addr", "add", f"{self.net}.1/24", "dev", self.name)
        ip("link", "set", self.name, "up")

    def host(self, number: int) -> str:
        name = f"{self.name}{number}"
        ip("netns", "add", name)
        self.stack.callback(ip, "netns", "del", name)
        ip("link", "add", f"{name}o", "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("link", "set", f"{name}o", "master", self.name, "up")
        ip("-n", name, "addr", "add", f"{self.net}.{number + 10}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "link", "set", "lo", "up")
        return name

    def plug(self, host: str, *, on: bool) -> None:
        ip("link", "set", f"{host}o", "up" if on else "down")

    def offer(self, port: int) -> int:
        """Lead a port of the bridge's address to one of this machine's own; gives it."""
        listening = socket.create_server((f"{self.net}.1", 0))
        self.stack.callback(listening.close)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    near, _ = listening.accept()
                    far = socket.create_connection(("127.0.0.1", port))
                    for source, target in ((near, far), (far, near)):
                        threading.Thread(target=pump, args=(source, target), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return int(listening.getsockname()[1])


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@dataclass
class Host:
    """A worker in a network of its own, with a home of its own."""

    name: str
    home: Path
    settings: dict[str, str]
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        self.home.mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TERRAFAIR_")}
        environment = {**kept, **self.settings, "TERRAFAIR_HOME": str(self.home), "TERRAFAIR_WORKERS": "1"}
        command = ["ip", "netns", "exec", self.name, sys.executable, "-m", "terrafair", "worker", "--slot", self.name]
        with (self.home / "out.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def has(self, job: str) -> bool:
        return (self.home / "jobs" / job / "supervisor.json").exists()

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)


@dataclass
class Site:
    network: Network
    platform: Platform
    hosts: list[Host]
    database: str

    def ends(self, job: str) -> int:
        engine = open_engine(self.database)
        try:
            with reading(engine) as connection:
                return sum(kind == "JobFinished" and thing == job for _, kind, thing, _ in since(connection, 0, 10_000))
        finally:
            engine.dispose()


def wait_for(what: Callable[[], Any], seconds: float = 90) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
    return found


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    if reason := impossible():
        pytest.skip(reason)
    with ExitStack() as stack:
        url = stack.enter_context(cluster())
        prepare(url)
        store = ObjectServer(tmp_path / "store", "terrafair")
        stack.callback(store.stop)
        store.start()
        network = Network(stack)
        port = network.offer(int(url.rpartition(":")[2].partition("/")[0]))
        shared = f"postgresql://tester@{network.net}.1:{port}"
        settings = {
            "TERRAFAIR_DATABASE": f"{shared}/terrafair_control",
            "TERRAFAIR_ITEMS_DATABASE": f"{shared}/terrafair_items",
            "TERRAFAIR_STORE_URL": f"http://{network.net}.1:{network.offer(int(store.access.endpoint.rpartition(':')[2]))}",
            "TERRAFAIR_STORE_KEY": store.access.key,
            "TERRAFAIR_STORE_SECRET": store.access.secret,
            "TERRAFAIR_LEASE_SECONDS": str(LEASE),
        }
        platform = Platform(tmp_path / "home", {**settings, "TERRAFAIR_WORKERS": "0"})
        stack.callback(platform.stop)
        platform.start()
        hosts = [Host(network.host(number), tmp_path / f"host{number}", settings) for number in range(3)]
        for host in hosts:
            stack.callback(host.stop)
            host.start()
        yield Site(network, platform, hosts, settings["TERRAFAIR_DATABASE"])


def notebook(path: Path, seconds: float) -> Path:
    cell = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "id": "a"}
    cell["source"] = SLOW.replace("SECONDS", str(seconds)).replace("HERE", repr(HERE)).splitlines(keepends=True)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.write_text(json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
    return path


@pytest.mark.journey
def test_a_host_that_is_cut_off_and_a_platform_that_is_restarted(site: Site, tmp_path: Path) -> None:
    slow, short = notebook(tmp_path / "slow.ipynb", 12), notebook(tmp_path / "short.ipynb", 0)
    running = site.platform.json("run", str(slow), "--detach")["job"]
    others = [site.platform.json("run", str(short), "--detach")["job"] for _ in range(5)]
    wait_for(lambda: "begun" in site.platform.cli("log", running).stdout)
    [holder] = [host for host in site.hosts if host.has(running)]
    site.network.plug(holder.name, on=False)
    # What accepts and hands out jobs goes as by a power cut.
    site.platform.crash()
    assert holder.process is not None
    assert holder.process.wait(LEASE + 20) == 75, "it gives up by itself"
    site.platform.start()
    for job in (running, *others):
        wait_for(lambda: site.platform.json("job", job)["status"] == "successful")  # noqa: B023
        assert site.ends(job) == 1
    assert {row["id"] for row in site.platform.json("jobs")} == {running, *others}
    # The layers of what other hosts made are the platform's.
    for job in (running, *others):
        wait_for(lambda: httpx2.get(f"{site.platform.url}/features/collections/{job}-here.geojson/items").is_success)  # noqa: B023
    [finisher] = [host for host in site.hosts if host.has(running) and host is not holder]
    assert "begun" in site.platform.cli("log", running).stdout
    # The network is back: the host begins again, and leaves alone what others have done.
    site.network.plug(holder.name, on=True)
    holder.start()
    again = [site.platform.json("run", str(short), "--detach")["job"] for _ in range(3)]
    for job in again:
        wait_for(lambda: site.platform.json("job", job)["status"] == "successful")  # noqa: B023
    assert site.ends(running) == 1
    assert finisher.process is not None and finisher.process.poll() is None
