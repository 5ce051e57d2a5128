"""The files that operators install are right: syntax, names of metrics, settings and runbooks."""

import json
import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from terrafair.config import Config

from .test_metrics import World, world  # noqa: F401 - a fixture

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


@pytest.mark.parametrize(
    "file", ["systemd/terrafair.service", "container/compose.yaml", "container/Containerfile"], ids=lambda name: name
)
def test_only_settings_that_exist_are_set(file: str) -> None:
    known = {f"TERRAFAIR_{field.name.upper()}" for field in fields(Config)} | {"TERRAFAIR_CONFIG"}
    used = set(re.findall(r"TERRAFAIR_[A-Z_]+[A-Z]", (DEPLOY / file).read_text()))
    assert used and used <= known


def test_compose_file_is_one() -> None:
    services = yaml.safe_load((DEPLOY / "container/compose.yaml").read_text())["services"]
    recipe = services["platform"]["build"]
    assert (DEPLOY / "container" / recipe["context"] / recipe["dockerfile"]).resolve().is_file()


def test_unit_is_one() -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    unit = DEPLOY / "systemd/terrafair.service"
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    # The program is installed where the unit runs, not here.
    faults = [
        line for line in done.stderr.splitlines() if "terrafair.service" in line and "is not executable" not in line
    ]
    assert faults == []
