"""Workspaces in pods: the hub with real KubeSpawner, as the chart sets it up, at the stand-in for Kubernetes."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("kubespawner", reason="the extra `kubernetes` is not installed")
pytest.importorskip("jupyterhub", reason="the extra `workspaces` is not installed")
pytest.importorskip("kubernetes_validate", reason="the schemas of Kubernetes are not installed (group test)")

from terrafair.config import load
from terrafair.workspaces import orders
from terrafair.workspaces.hub import Hub, Server
from terrafair.workspaces.orders import Order

from .helm import kubeconfig
from .kubernetes_api import Cluster, Document, served
from .test_charts import install, one

EXAMPLE = Path(__file__).parents[2] / "deploy/helm/examples/production.yaml"
POD = "127.0.0.77"
PORT = 8888
"""KubeSpawner's own; on an address that nobody else on this machine uses."""


class Lab(BaseHTTPRequestHandler):
    """What the hub asks a server that has come up."""

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("X-JupyterHub-Version", "6.1.1")
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def lab() -> Iterator[None]:
    server = ThreadingHTTPServer((POD, PORT), Lab)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def runs(pod: Document) -> None:
    """As kubelet says it."""
    container = {"name": "notebook", "ready": True, "restartCount": 0, "image": "lab", "imageID": "lab"}
    state = {"state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
    pod["status"] = {"phase": "Running", "podIP": POD, "containerStatuses": [{**container, **state}]}


def until(reached: Callable[[], object], hub: Path, cluster: Cluster) -> None:
    deadline = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < deadline, (cluster.refused, (hub / "hub.log").read_text()[-3000:])
        time.sleep(0.2)


def test_a_workspace_is_a_pod_that_kubernetes_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = yaml.safe_load(EXAMPLE.read_text())
    chart, _ = install(values)
    (tmp_path / "terrafair.toml").write_text(one(chart, "ConfigMap", "earth")["data"]["terrafair.toml"])
    config = load({"TERRAFAIR_HOME": str(tmp_path)})
    cluster, folder = Cluster(born=runs), tmp_path / "workspaces"
    with ExitStack() as stack:
        stack.enter_context(lab())
        server = stack.enter_context(served(cluster))
        (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig(server)))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        port = _free()
        hub = Hub(
            folder,
            spawner=config.workspace_spawner,
            options=config.workspace_options,
            connect_url=config.workspace_hub_url.replace(":8081", f":{port}"),
        )
        stack.callback(hub.stop)
        own = {"TERRAFAIR_TOKEN": "t-1", "TERRAFAIR_URL": config.workspace_platform_url}
        order = Order(
            "w-1", str(tmp_path), 2.0, 8 * 1024**3, 3600.0, 2**30, 1000, own, arguments=("--LabApp.news_url=None",)
        )
        orders.write(orders.order_file(folder, "uada", "glaciers"), order)
        hub.ensure()
        assert hub.order.port == port
        hub.open("uada", "glaciers")
        until(lambda: hub.servers("uada").get("glaciers", Server(False, "", "")).ready, folder, cluster)

        (pod,) = cluster.of("Pod")
        (claim,) = cluster.of("PersistentVolumeClaim")
        (container,) = pod["spec"]["containers"]
        surroundings = {each["name"]: each.get("value") for each in container["env"]}
        assert container["image"] == "registry.example.org/eo/terrafair:0.1.0"
        assert container["resources"]["limits"] == {"cpu": 2.0, "memory": 8 * 1024**3}
        assert own.items() <= surroundings.items() and "--LabApp.news_url=None" in container["args"]
        assert surroundings["JUPYTERHUB_API_URL"] == f"http://earth-hub:{port}/workspaces/hub/api"
        assert claim["spec"]["resources"]["requests"]["storage"] == "20Gi"
        assert pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        # No way into the cluster, none to the node, and the chart's network policy takes it.
        assert pod["spec"]["hostUsers"] is False and pod["spec"]["automountServiceAccountToken"] is False
        policy = one(chart, "NetworkPolicy", "earth-lab")["spec"]["podSelector"]["matchLabels"]
        assert policy.items() <= pod["metadata"]["labels"].items()
        # The role lets the platform do all that it did.
        assert {"pods", "persistentvolumeclaims"} <= set(
            one(chart, "Role", "earth-workspaces")["rules"][0]["resources"]
        )

        hub.close("uada", "glaciers")
        until(lambda: cluster.of("Pod") == [], folder, cluster)
        assert cluster.of("PersistentVolumeClaim") == [claim], "files stay"
        assert [fault for fault in cluster.refused if "not found" not in fault] == []


def _free() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
