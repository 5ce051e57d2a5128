"""The Helm chart: linted and installed by real Helm, at a server that takes objects as Kubernetes does."""

import base64
import json
import subprocess
import sys
import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("helm_sdkpy", reason="Helm is not installed (requirements/charts.txt)")
pytest.importorskip("kubernetes_validate", reason="the schemas of Kubernetes are not installed (group test)")

from terrafair.config import load

from .kubernetes_api import Cluster, Document, Wrong, check, served

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/terrafair"
EXAMPLES = sorted((ROOT / "deploy/helm/examples").glob("*.yaml"))
SECRETS = {"values": dict.fromkeys(("database", "items_database", "store_key", "store_secret"), "s3cret")}


def helm(verb: str, **request: Any) -> Any:
    program = Path(__file__).with_name("helm.py")
    command = [sys.executable, str(program), verb, str(CHART), json.dumps(request)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def install(values: Document) -> tuple[Cluster, Any]:
    cluster = Cluster()
    with served(cluster) as server:
        return cluster, helm("install", server=server, values=values)


@pytest.fixture(scope="module")
def plain() -> Cluster:
    return install({"secrets": SECRETS, "worker": {"replicas": 3, "jobs": 5}})[0]


def one(cluster: Cluster, kind: str, name: str) -> Document:
    (found,) = [each for each in cluster.of(kind) if each["metadata"]["name"] == name]
    return found


def test_the_chart_is_clean() -> None:
    report = helm("lint")
    assert report["TotalChartsLinted"] == 1 and not report["Errors"]
    # An icon is recommended: severity 1 is a piece of information.
    assert [message for message in report["Messages"] if message["Severity"] > 1] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_kubernetes_takes_every_object(example: Path, tmp_path: Path) -> None:
    cluster, answer = install(yaml.safe_load(example.read_text()))
    assert answer.get("info", {}).get("status") == "deployed", answer
    assert {"StatefulSet", "Service", "ConfigMap", "ServiceAccount", "NetworkPolicy"} <= {
        document["kind"] for document in cluster.objects.values()
    }
    text = one(cluster, "ConfigMap", "earth")["data"]["terrafair.toml"]
    (tmp_path / "terrafair.toml").write_text(text)
    config = load({"TERRAFAIR_HOME": str(tmp_path)})
    wanted = yaml.safe_load(example.read_text())["settings"]
    assert config.store_url == wanted["store_url"]
    assert config.operators == frozenset(wanted["operators"])
    assert config.anonymous == "visitor" and config.demo is False


def test_pods_get_what_the_platform_reads(plain: Cluster, tmp_path: Path) -> None:
    cluster = plain
    known = {f"TERRAFAIR_{name.upper()}" for name in load({"TERRAFAIR_HOME": str(tmp_path)}).__slots__}
    secret = one(cluster, "Secret", "earth")["data"]
    assert base64.b64decode(secret["store_secret"]) == b"s3cret"
    worker = one(cluster, "StatefulSet", "earth-worker")
    assert worker["spec"]["replicas"] == 3
    for part in (worker, one(cluster, "StatefulSet", "earth")):
        (container,) = part["spec"]["template"]["spec"]["containers"]
        names = {each["name"] for each in container["env"]}
        assert {name.removesuffix("_FILE") for name in names if name.startswith("TERRAFAIR")} <= {
            *known, "TERRAFAIR_CONFIG",
        }  # fmt: skip
        # No secret stands in a pod's description, which many may read.
        assert "s3cret" not in json.dumps(part)
        (mounted,) = [each["secret"] for each in part["spec"]["template"]["spec"]["volumes"] if "secret" in each]
        assert {item["key"] for item in mounted["items"]} == set(secret)
    assert {"name": "TERRAFAIR_WORKERS", "value": "5"} in worker["spec"]["template"]["spec"]["containers"][0]["env"]


def test_services_and_policies_find_their_pods() -> None:
    cluster, _ = install(yaml.safe_load((ROOT / "deploy/helm/examples/production.yaml").read_text()))
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in cluster.of("StatefulSet")]
    for selector in (
        *(each["spec"]["selector"] for each in cluster.of("Service")),
        *(each["spec"]["selector"]["matchLabels"] for each in cluster.of("PodDisruptionBudget")),
        *(
            each["spec"]["podSelector"]["matchLabels"]
            for each in cluster.of("NetworkPolicy")
            if each["metadata"]["name"] != "earth-lab"
        ),
    ):
        assert sum(selector.items() <= own.items() for own in labels) == 1, selector
    ports = {port["name"]: port["containerPort"] for port in _container(cluster)["ports"]}
    assert ports == {"http": 8080, "hub": 8081}
    options = tomllib.loads(one(cluster, "ConfigMap", "earth")["data"]["terrafair.toml"])["workspace_options"]
    lab = one(cluster, "NetworkPolicy", "earth-lab")["spec"]["podSelector"]["matchLabels"]
    assert lab.items() <= options["KubeSpawner"]["extra_labels"].items()


def test_steps_are_pods_that_see_what_their_worker_sees(tmp_path: Path) -> None:
    """As Toil asks for them: with the settings that the chart makes, at the server that has the chart's objects."""
    client = pytest.importorskip("kubernetes.client", reason="the extra `toil` is not installed")
    from terrafair.execution.engines.cwl.batch.batch import read
    from terrafair.execution.engines.cwl.batch.pods import overlaid

    cluster, _ = install(yaml.safe_load((ROOT / "deploy/helm/examples/production.yaml").read_text()))
    (tmp_path / "terrafair.toml").write_text(one(cluster, "ConfigMap", "earth")["data"]["terrafair.toml"])
    config = load({"TERRAFAIR_HOME": str(tmp_path)})
    batch = read(config.cwl_runner, config.cwl_batch_system, {**config.cwl_options, "default_memory": "1 GB"})
    assert batch and batch.pod["container"]["image"] == "registry.example.org/eo/terrafair:0.1.0"
    assert batch.max_cores == 16 and "--kubernetesServiceAccount=earth-steps" in batch.arguments
    bare = client.V1PodSpec(containers=[client.V1Container(name="step")], restart_policy="Never")
    spec = client.ApiClient().sanitize_for_serialization(overlaid(bare, batch.pod))
    spec["serviceAccountName"] = "earth-steps"
    about = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "tf-j-1"}}
    cluster.take({**about, "spec": {"template": {"metadata": {"name": "tf-j-1"}, "spec": spec}}}, "eo")
    worker = one(cluster, "StatefulSet", "earth-worker")["spec"]["template"]["spec"]
    (home,) = [each for each in worker["volumes"] if each["name"] == "home"]
    assert home in spec["volumes"]
    claim = one(cluster, "PersistentVolumeClaim", home["persistentVolumeClaim"]["claimName"])["spec"]
    assert claim["accessModes"] == ["ReadWriteMany"] and claim["storageClassName"] == "shared"
    for mount in spec["containers"][0]["volumeMounts"]:
        assert mount in worker["containers"][0]["volumeMounts"]
    own = {each["name"]: each.get("value") for each in worker["containers"][0]["env"]}
    assert own["TERRAFAIR_HOME"] == "/var/lib/terrafair/$(POD)" and worker["automountServiceAccountToken"] is True
    one(cluster, "ServiceAccount", spec["serviceAccountName"])
    (bound,) = [each["subjects"] for each in cluster.of("RoleBinding") if each["roleRef"]["name"] == "earth-steps"]
    assert bound[0]["name"] == worker["serviceAccountName"] != spec["serviceAccountName"]


def _container(cluster: Cluster) -> Document:
    found: Document = one(cluster, "StatefulSet", "earth")["spec"]["template"]["spec"]["containers"][0]
    return found


def test_a_changed_setting_starts_the_pods_anew() -> None:
    sums = []
    for title in ("one", "two"):
        cluster, _ = install({"secrets": SECRETS, "settings": {"store_bucket": title}})
        about = one(cluster, "StatefulSet", "earth-worker")["spec"]["template"]["metadata"]
        sums.append(about["annotations"]["checksum/settings"])
    assert len(set(sums)) == 2


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "secrets.values.database has no value"),
        ({"secrets": SECRETS, "worker": {"replicas": -1}}, "worker"),
        ({"secrets": SECRETS, "wokrer": {}}, "wokrer"),
        ({"secrets": SECRETS, "settings": {"store_secret": "in the open"}}, "store_secret"),
        ({"secrets": SECRETS, "ingress": {"enabled": True}}, "ingress.host has no value"),
        ({"secrets": {**SECRETS, "keys": ["store_key"]}}, "keys"),
        ({"secrets": SECRETS, "steps": {"enabled": True, "maxCores": 0}}, "maxCores"),
        ({"secrets": SECRETS, "steps": {"enabled": True, "size": "much"}}, "size"),
    ],
)
def test_wrong_values_are_told_before_anything_is_made(values: Document, says: str) -> None:
    cluster, answer = install(values)
    assert says in answer["error"]
    assert not cluster.objects


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (("spec", "replica"), 3, "Additional properties"),
        (("spec", "template", "spec", "containers", 0, "securityContext", "privileged"), True, "PodSecurity"),
        (("spec", "template", "spec", "containers", 0, "env", 0, "value"), 5, "is not of type"),
        (("spec", "template", "spec", "securityContext", "runAsUser"), 10001.0, "cannot unmarshal"),
        (("spec", "template", "metadata", "labels"), {}, "does not match"),
        (("spec", "template", "spec", "volumes"), [], "not found"),
        (("metadata", "name"), "Earth_1", "subdomain"),
    ],
)
def test_the_stand_in_refuses_as_kubernetes_does(
    plain: Cluster, place: tuple[str | int, ...], value: Any, says: str
) -> None:
    document = deepcopy(one(plain, "StatefulSet", "earth-worker"))
    check(document, "eo", plain)
    *way, last = place
    inner: Any = document
    for step in way:
        inner = inner[step]
    inner[last] = value
    with pytest.raises(Wrong, match=says):
        check(document, "eo", plain)
