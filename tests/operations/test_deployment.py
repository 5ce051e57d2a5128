"""The files that operators install are right: syntax, names of metrics, settings and runbooks."""

import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import sqlalchemy as sa
import yaml
from prometheus_client.parser import text_string_to_metric_families

from terrafair.config import Config, load
from terrafair.data.objects import S3Access, S3Objects
from terrafair.errors import TerrafairError
from terrafair.worker_parts import SHARED

from .test_metrics import LABELS, World, world  # noqa: F401 - a fixture

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PROMETHEUS = DEPLOY / "prometheus"


def promtool(*arguments: str) -> str:
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (apt install prometheus)")
    done = subprocess.run(["promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_alerts_are_rules() -> None:
    assert "SUCCESS" in promtool("check", "rules", "alerts.yml")


@pytest.mark.parametrize("file", ["alerts_test.yml", "late_test.yml"])
def test_alerts_fire_when_they_should(file: str) -> None:
    assert "SUCCESS" in promtool("test", "rules", file)


def test_alerts_are_tried() -> None:
    """Of those that say that what is kept may be lost, each is seen to fire."""
    tried = "".join((PROMETHEUS / file).read_text() for file in ("alerts_test.yml", "late_test.yml"))
    assert all(f"alertname: {name}" in tried for name in ("DamagedObjects", "ScrubLate", "IntakeClosed", "PartDown"))


def test_scrape_settings_are_prometheus_own() -> None:
    promtool("check", "config", "--syntax-only", "scrape.yml")


@pytest.mark.parametrize("file", ["prometheus/alerts.yml", "grafana/terrafair.json"])
def test_every_metric_that_is_asked_for_exists(world: World, file: str) -> None:  # noqa: F811
    world.client.get("/health")
    text = world.client.get("/metrics", headers=world.token("eve")).text
    known = {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}
    asked = set(re.findall(r"terrafair_[a-z_]+", (DEPLOY / file).read_text()))
    assert asked and asked <= known


@pytest.mark.parametrize("file", ["prometheus/alerts.yml", "grafana/terrafair.json"])
def test_every_label_that_is_asked_for_exists(file: str) -> None:
    """A value that no series can have would leave a panel empty, and an alert silent, for ever."""
    text = (DEPLOY / file).read_text().replace('\\"', '"')
    chosen = re.findall(r'terrafair_[a-z_]+\{([a-z_]+)="([^"]+)"\}', text)
    assert chosen
    for name, value in chosen:
        assert value in LABELS[name], (name, value)


def test_every_alert_has_its_runbook() -> None:
    text = (ROOT / "docs/operations.md").read_text()
    headings = {
        re.sub(r"[^a-z0-9 ]", "", line.lower()).strip().replace(" ", "-")
        for line in re.findall(r"^#+ (.*)$", text, re.M)
    }
    for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            page, _, anchor = rule["annotations"]["runbook"].partition("#")
            assert page == "docs/operations.md" and anchor in headings, rule["alert"]


def test_dashboard_is_whole() -> None:
    board = json.loads((DEPLOY / "grafana/terrafair.json").read_text())
    places = [tuple(panel["gridPos"].values()) for panel in board["panels"]]
    assert len({panel["id"] for panel in board["panels"]}) == len(set(places)) == len(board["panels"])


SETTING_FILES = [
    "systemd/terrafair.service", "systemd/terrafair-worker.service", "compose.yaml", "container/Containerfile",
]  # fmt: skip


@pytest.mark.parametrize("file", SETTING_FILES)
def test_only_settings_that_exist_are_set(file: str) -> None:
    known = {f"TERRAFAIR_{field.name.upper()}" for field in fields(Config)} | {"TERRAFAIR_CONFIG"}
    used = set(re.findall(r"(?<!{)\bTERRAFAIR_[A-Z_]+[A-Z]\b(?=[:=])", (DEPLOY / file).read_text()))
    assert used and {name if name in known else name.removesuffix("_FILE") for name in used} <= known


@pytest.fixture(scope="module")
def compose() -> Any:
    """The file as compose's own parser reads it: merged, with its variables filled in and its rules applied."""
    pytest.importorskip("podman_compose", reason="podman-compose is not installed (group test)")
    command = [sys.executable, "-m", "podman_compose", "--dry-run", "--file", str(DEPLOY / "compose.yaml"), "config"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("", ""), ("cap_drop", "cap_dorp"), ("service_healthy", "service_healty"), ("- data", "- dat"), ("30s", "soon")],
)
def test_compose_file_keeps_to_the_specification(compose: Any, right: str, wrong: str) -> None:
    """Typed by `compose-spec`; and what is wrong is seen."""
    parser = pytest.importorskip("compose_spec", reason="compose-spec is not installed (group test)").PyCompose
    text = yaml.safe_dump(compose)
    assert right in text
    if not wrong:
        return parser.from_yaml(text).validate()
    with pytest.raises(ValueError, match=r"services|networks"):
        parser.from_yaml(text.replace(right, wrong, 1)).validate()
    return None


def test_compose_file_is_whole(compose: Any) -> None:
    services = compose["services"]
    assert set(services) == {"platform", "worker", "items", "database", "objects"}
    for name, service in services.items():
        assert "healthcheck" in service, name
        assert {each.partition(":")[0] for each in service["volumes"]} if "volumes" in service else True
        assert set(service["networks"]) <= set(compose["networks"]), name
        assert set(service.get("secrets", ())) <= set(compose["secrets"]), name
        named = set(re.findall(r"/run/secrets/(\w+)", json.dumps(service)))
        # What is read is given, and nothing else is.
        assert named - set(service["secrets"]) == set(), name
        assert set(service["secrets"]) - named <= {"provider_secret"}, name
        assert set(service.get("depends_on", ())) <= set(services), name
    mounted = [volume.partition(":")[0] for each in services.values() for volume in each.get("volumes", ())]
    assert {name for name in mounted if not name.startswith("/")} == set(compose["volumes"])
    recipe = services["platform"]["build"]
    assert (DEPLOY / recipe["context"] / recipe["dockerfile"]).resolve().is_file()


def test_platform_and_workers_share_what_workers_need(compose: Any, tmp_path: Path) -> None:
    """Their surroundings, read as the platform reads them: `terrafair worker` refuses less than this."""
    script = [shutil.which("sh") or "sh", str(DEPLOY / "container/secrets.sh"), str(tmp_path / "secrets")]
    subprocess.run(script, check=True, capture_output=True)
    for name in ("platform", "worker"):
        surroundings = {
            key: str(value).replace("/run/secrets", str(tmp_path / "secrets"))
            for key, value in compose["services"][name]["environment"].items()
        }
        config = load({"TERRAFAIR_HOME": str(tmp_path), **surroundings})
        assert all(getattr(config, setting) for setting in SHARED)
        password = (tmp_path / "secrets/database_password").read_text().strip()
        assert sa.make_url(config.database_url).password == sa.make_url(config.items_database).password == password
        assert config.store_secret and config.isolation == "require" and config.providers == {}


def test_secrets_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    script = ["sh", str(DEPLOY / "container/secrets.sh"), str(tmp_path / "secrets")]
    for _ in range(2):
        subprocess.run(script, check=True, capture_output=True)
        kept = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    subprocess.run(script, check=True, capture_output=True)
    assert kept == {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert {f"secrets/{name}" for name in kept} == {each["file"] for each in compose["secrets"].values()}


def test_the_store_starts_as_the_compose_file_has_it(compose: Any, tmp_path: Path) -> None:
    """The very command, on other ports and folders; the keys of the secrets open it, others do not."""
    (tmp_path / "store_key").write_text("TFKEY\n")
    (tmp_path / "store_secret").write_text("s3cret\n")
    program, option, script = compose["services"]["objects"]["command"]
    ports = dict(zip(("s3", "master", "filer", "volume", "admin"), _free_ports(10)[::2], strict=True))
    script = (
        script.replace("$$", "$").replace("/run/secrets", str(tmp_path)).replace("/var/lib/terrafair", str(tmp_path))
    )
    script = script.replace("-ip=objects -ip.bind=0.0.0.0", "-ip=127.0.0.1 -ip.bind=127.0.0.1").replace(
        "-s3.port=8333", " ".join(f"-{name}.port={port} -{name}.port.grpc={port + 1}" for name, port in ports.items())
    )
    weed = Path(sys.executable).parent
    surroundings = {"PATH": f"{weed}:{os.environ['PATH']}", "HOME": str(tmp_path), "STORE_PUBLIC_URL": ""}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([program, option, script], cwd=tmp_path, env=surroundings, stdout=quiet, stderr=quiet)
    try:
        url = f"http://127.0.0.1:{ports['s3']}"
        mine, other = (S3Objects(S3Access(url, "TFKEY", secret, "terrafair")) for secret in ("s3cret", "guessed"))
        _until(lambda: mine.put("a", b"1"))
        assert mine.get("a") == b"1"
        with pytest.raises(TerrafairError):
            other.get("a")
        with urlopen(f"{url}/healthz", timeout=5) as answer:
            assert answer.status == 200
    finally:
        process.terminate()
        process.wait(20)


def _free_ports(count: int) -> list[int]:
    """Free ones in a row."""
    for first in random.sample(range(20_000, 30_000, count), 200):
        sockets = [socket.socket() for _ in range(count)]
        try:
            for offset, each in enumerate(sockets):
                each.bind(("127.0.0.1", first + offset))
        except OSError:
            continue
        finally:
            for each in sockets:
                each.close()
        return list(range(first, first + count))
    pytest.skip("no free ports")


def _until(action: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            action()
        except TerrafairError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        else:
            return


def test_the_filter_of_system_calls_is_one() -> None:
    """The format of container runtimes; podman reads it in `test_jobs_are_isolated_in_a_container`."""
    profile = json.loads((DEPLOY / "container/seccomp.json").read_text())
    (rule,) = profile["syscalls"]
    assert profile["defaultAction"] == "SCMP_ACT_ALLOW" and rule["action"] == "SCMP_ACT_ERRNO"
    # What bubblewrap lives of is left.
    assert not {"clone", "clone3", "unshare", "mount", "umount2", "pivot_root", "setns"} & set(rule["names"])


def test_jobs_are_isolated_in_a_container() -> None:
    """With the options of the compose file bubblewrap works for a plain user; with podman's own it does not."""
    own = ["--security-opt", f"seccomp={DEPLOY / 'container/seccomp.json'}", "--security-opt", "unmask=ALL"]
    if (told := _contained(own, "true")).returncode and "bwrap" not in told.stderr:
        pytest.skip(f"podman runs nothing here: {told.stderr.strip()[-200:]}")
    assert told.returncode == 0, told.stderr
    assert _contained([], "true").returncode != 0


def _contained(options: list[str], program: str) -> "subprocess.CompletedProcess[str]":
    if not shutil.which("podman") or not shutil.which("bwrap"):
        pytest.skip("podman or bubblewrap is not installed")
    podman = ["podman", *(["--runtime", "runc"] if shutil.which("runc") else []), "run", "--rm", "--network", "none"]
    limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--cap-drop", "ALL", "--user", "10001"]
    links = [word for name in ("bin", "lib", "lib64") for word in ("--symlink", f"usr/{name}", f"/{name}")]
    box = ["bwrap", "--unshare-all", "--disable-userns", "--unshare-user", "--ro-bind", "/usr", "/usr", *links]
    command = [*podman, *limits, *options, "--rootfs", "/:O", *box, "--proc", "/proc", "--dev", "/dev", program]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("name", ["terrafair.service", "terrafair-worker.service"])
def test_unit_is_one(name: str) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    unit = DEPLOY / "systemd" / name
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    # The program is installed where the unit runs, not here.
    faults = [line for line in done.stderr.splitlines() if name in line and "is not executable" not in line]
    assert faults == []


def test_a_wrong_unit_is_seen(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    text = (DEPLOY / "systemd/terrafair.service").read_text().replace("KillMode=process", "KilMode=process")
    (tmp_path / "terrafair.service").write_text(text)
    command = ["systemd-analyze", "verify", str(tmp_path / "terrafair.service")]
    assert "KilMode" in subprocess.run(command, capture_output=True, text=True, check=False).stderr
