"""Stands in for the API server of a Kubernetes cluster: takes objects as the real one does, or says what is wrong.

Every object is checked against the API's own schema, unknown fields included; names, namespaces,
labels, selectors, mounts and the Pod Security Standard `restricted` as the real server checks them. Pods run nowhere: a
test says what becomes of them.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate

Document = dict[str, Any]
VERSION = "1.33"
KINDS = {
    "v1": ["ConfigMap", "Secret", "Service", "ServiceAccount", "Pod", "PersistentVolumeClaim", "Event", "Namespace"],
    "apps/v1": ["StatefulSet", "Deployment"],
    "networking.k8s.io/v1": ["NetworkPolicy", "Ingress"],
    "rbac.authorization.k8s.io/v1": ["Role", "RoleBinding"],
    "policy/v1": ["PodDisruptionBudget"],
    "batch/v1": ["Job"],
}
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
"""A label's value, and the part of its key behind the slash."""


def plural(kind: str) -> str:
    """The kind's name in addresses."""
    return f"{kind.lower()[:-1]}ies" if kind.endswith("y") else f"{kind.lower()}{'es' if kind.endswith('s') else 's'}"


class Wrong(Exception):
    """The answer's code and its reason."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


@dataclass
class Cluster:
    """What the server has taken in."""

    namespaces: tuple[str, ...] = ("eo",)
    objects: dict[tuple[str, str, str], Document] = field(default_factory=dict)
    """(plural, namespace, name) -> document."""
    refused: list[str] = field(default_factory=list)
    born: Callable[[Document], None] = lambda _: None
    """Called with each new pod; may change it, as kubelet does."""
    version: int = 1
    changed: threading.Condition = field(default_factory=threading.Condition)

    def of(self, kind: str) -> list[Document]:
        """All of a kind."""
        return [found for key, found in self.objects.items() if key[0] == plural(kind)]

    def take(self, document: Document, namespace: str) -> Document:
        """Keep a new object; raises `Wrong`."""
        check(document, namespace, self)
        key = (plural(document["kind"]), namespace, document["metadata"]["name"])
        if key in self.objects:
            raise Wrong(409, "AlreadyExists", f"{key[0]} {key[2]!r} already exists")
        with self.changed:
            self.version += 1
            given = {"uid": f"u-{self.version}", "resourceVersion": str(self.version), "namespace": namespace}
            document["metadata"] |= {**given, "creationTimestamp": "2026-01-01T00:00:00Z"}
            if document["kind"] == "Pod":
                document["status"] = {"phase": "Pending"}
                self.born(document)
            self.objects[key] = document
            self.changed.notify_all()
        return document


def check(document: Document, namespace: str, cluster: Cluster) -> None:
    """Raises `Wrong` with what the real server would say."""
    try:
        kubernetes_validate.validate(document, VERSION, strict=True)
    except kubernetes_validate.ValidationError as fault:
        place = ".".join(map(str, fault.path))
        raise Wrong(422, "Invalid", f"{document['kind']}: {place}: {fault.message}") from None
    if number := next(floats(document), None):
        raise Wrong(400, "BadRequest", f"cannot unmarshal number {number} into Go value of type int64")
    about = document["metadata"]
    if namespace not in cluster.namespaces:
        raise Wrong(404, "NotFound", f"namespaces {namespace!r} not found")
    if about.get("namespace", namespace) != namespace:
        raise Wrong(400, "BadRequest", "the namespace of the object does not match that of the request")
    if not NAME.fullmatch(about.get("name", "")):
        raise Wrong(422, "Invalid", f"metadata.name: {about.get('name')!r} is no RFC 1123 subdomain")
    if document["kind"] == "Job" and len(about["name"]) > 63:
        raise Wrong(422, "Invalid", f"metadata.name: {about['name']!r} must be no more than 63 characters")
    for labels in found(document, "labels", "matchLabels"):
        for key, value in labels.items():
            if not LABEL.fullmatch(value) or not LABEL.fullmatch(key.rpartition("/")[2]):
                raise Wrong(422, "Invalid", f"labels: {key}: {value!r} is no label")
    if (selector := document.get("spec", {}).get("selector", {})) and "template" in document["spec"]:
        own = document["spec"]["template"]["metadata"]["labels"]
        if not selector["matchLabels"].items() <= own.items():
            raise Wrong(422, "Invalid", "spec.template.metadata.labels: `selector` does not match template `labels`")
    for pod in pods(document):
        check_pod(pod, document.get("spec", {}).get("volumeClaimTemplates", ()))


def floats(value: Any) -> Iterator[float]:
    """Whole numbers that are written with a point, which Go takes for none; quantities may be."""
    if isinstance(value, float) and value.is_integer():
        yield value
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in inside:
        if name not in {"limits", "requests"}:
            yield from floats(inner)


def check_pod(spec: Document, claims: Any) -> None:
    """Mounts name volumes, ports and containers their own names; then the Pod Security Standard `restricted`."""
    known = {volume["name"] for volume in spec.get("volumes", ())} | {claim["metadata"]["name"] for claim in claims}
    ports: list[str] = []
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        mounts = [mount["name"] for mount in container.get("volumeMounts", ())]
        if lost := sorted(set(mounts) - known):
            raise Wrong(422, "Invalid", f"volumeMounts: {lost[0]!r} not found")
        ports += [port["name"] for port in container.get("ports", ()) if "name" in port]
        names = [each["name"] for each in container.get("env", ())]
        for value in container.get("env", ()):
            if "value" in value and not isinstance(value["value"], str):
                raise Wrong(422, "Invalid", f"env.{value['name']} is no text")
        if len(set(names)) != len(names) or len(set(ports)) != len(ports):
            raise Wrong(422, "Invalid", "a name is given twice")
        restricted(spec, container)


def restricted(spec: Document, container: Document) -> None:
    """The Pod Security Standard `restricted` of Kubernetes 1.33."""
    whole, own = spec.get("securityContext") or {}, container.get("securityContext") or {}
    security = {**whole, **own}
    faults = []
    if own.get("allowPrivilegeEscalation") is not False:
        faults.append("allowPrivilegeEscalation != false")
    if own.get("capabilities", {}).get("drop") != ["ALL"] or set(own["capabilities"].get("add", ())) - {
        "NET_BIND_SERVICE"
    }:
        faults.append("unrestricted capabilities")
    if not security.get("runAsNonRoot"):
        faults.append("runAsNonRoot != true")
    if security.get("runAsUser") == 0:
        faults.append("runAsUser=0")
    if (security.get("seccompProfile") or {}).get("type") not in {"RuntimeDefault", "Localhost"}:
        faults.append("seccompProfile")
    if own.get("procMount", "Default") != "Default" and spec.get("hostUsers", True):
        faults.append("procMount")
    if any(spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")) or own.get("privileged"):
        faults.append("host namespaces")
    allowed = {
        "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
    }  # fmt: skip
    faults += [kind for volume in spec.get("volumes", ()) for kind in volume if kind not in {"name", *allowed}]
    if faults:
        raise Wrong(403, "Forbidden", f'violates PodSecurity "restricted:v{VERSION}": {", ".join(faults)}')


SELECTABLE = {
    "Job": {"status.successful"},
    "Event": {"involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "reason", "type"},
}
"""Fields by which each kind may be chosen, beside its name (Kubernetes, field selectors)."""


def field(document: Document, path: str) -> str:
    """A field as selectors see it."""
    if path == "status.successful":
        return str((document.get("status") or {}).get("succeeded", 0))
    found: Any = document
    for name in path.split("."):
        found = (found or {}).get(name, "")
    return str(found)


def found(document: Any, *names: str) -> Iterator[Document]:
    """All tables of these names, wherever they are."""
    if isinstance(document, dict):
        for name, value in document.items():
            if name in names and isinstance(value, dict):
                yield value
            yield from found(value, *names)
    elif isinstance(document, list):
        for value in document:
            yield from found(value, *names)


def pods(document: Document) -> list[Document]:
    """The pod specs of an object."""
    if document["kind"] == "Pod":
        return [document["spec"]]
    owners = {"StatefulSet", "Deployment", "Job"}
    template = document.get("spec", {}).get("template") if document["kind"] in owners else None
    return [template["spec"]] if template else []


@contextmanager
def served(cluster: Cluster) -> Iterator[str]:
    """The address of a server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"cluster": cluster}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    """Discovery, and create, read, list, watch, replace, delete of objects."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    cluster: Cluster

    def log_message(self, *_: Any) -> None: ...

    def answer(self, code: int, document: Document) -> None:
        content = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def handle_request(self) -> None:
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        asked = {name: values[-1] for name, values in parse_qs(url.query).items()}
        parts = [part for part in url.path.split("/") if part]
        try:
            if about := discovery(parts):
                return self.answer(200, about)
            return self.objects(parts, asked, content)
        except Wrong as fault:
            self.cluster.refused.append(str(fault))
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": fault.code}
            return self.answer(fault.code, {**status, "reason": fault.reason, "message": str(fault)})

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_request  # noqa: N815

    def objects(self, parts: list[str], asked: dict[str, str], content: bytes) -> None:
        version, rest = ("v1", parts[2:]) if parts[0] == "api" else ("/".join(parts[1:3]), parts[3:])
        if rest[:1] != ["namespaces"] or len(rest) < 3:
            raise Wrong(404, "NotFound", f"the server could not find {self.path}")
        namespace, kinds, name = rest[1], rest[2], (rest[3] if len(rest) > 3 else "")
        kind = next((each for each in KINDS.get(version, ()) if plural(each) == kinds), None)
        if kind is None:
            raise Wrong(404, "NotFound", f"the server has no resource type {kinds!r} in {version}")
        key = (kinds, namespace, name)
        if self.headers.get("Content-Type", "").startswith("application/vnd.kubernetes.protobuf"):
            return self.release(key, content)
        if self.command == "POST":
            document = json.loads(content)
            if (document.get("kind"), document.get("apiVersion")) != (kind, version):
                raise Wrong(400, "BadRequest", f"{kinds} takes no {document.get('kind')}")
            return self.answer(201, self.cluster.take(document, namespace))
        if not name:
            return self.several(kind, version, asked)
        if key not in self.cluster.objects:
            raise Wrong(404, "NotFound", f"{kinds} {name!r} not found")
        if self.command == "DELETE":
            with self.cluster.changed:
                gone = self.cluster.objects.pop(key)
                self.cluster.version += 1
                self.cluster.changed.notify_all()
            return self.answer(200, gone)
        if self.command == "PUT":
            document = json.loads(content)
            check(document, namespace, self.cluster)
            self.cluster.objects[key] = document
            return self.answer(200, document)
        return self.answer(200, self.cluster.objects[key])

    def release(self, key: tuple[str, str, str], content: bytes) -> None:
        """Helm's own record of a release comes as Protocol Buffers; what is in it is Helm's alone."""
        named = re.search(rb"sh\.helm\.release\.v1\.[a-z0-9.-]+\.v\d+", content)
        if key[0] != "secrets" or named is None:
            raise Wrong(415, "UnsupportedMediaType", f"{key[0]} are taken as JSON")
        about = {"name": named[0].decode(), "namespace": key[1], "labels": {"owner": "helm"}}
        document = {"kind": "Secret", "apiVersion": "v1", "metadata": about, "type": "helm.sh/release.v1"}
        self.cluster.objects[("secrets", key[1], about["name"])] = document  # type: ignore[index]
        return self.answer(201 if self.command == "POST" else 200, document)

    def several(self, kind: str, version: str, asked: dict[str, str]) -> None:
        wanted = dict(part.split("=", 1) for part in asked.get("labelSelector", "").split(",") if "=" in part)

        fields = dict(re.split("==?", part) for part in asked.get("fieldSelector", "").split(",") if "=" in part)
        if set(fields) - {"metadata.name", *SELECTABLE.get(kind, ())}:
            raise Wrong(400, "BadRequest", f"field label not supported: {sorted(fields)}")

        def chosen() -> list[Document]:
            return [
                each for each in self.cluster.of(kind)
                if wanted.items() <= (each["metadata"].get("labels") or {}).items()
                and all(value == field(each, path) for path, value in fields.items())
            ]  # fmt: skip

        if self.command == "DELETE":
            with self.cluster.changed:
                for each in chosen():
                    about = each["metadata"]
                    del self.cluster.objects[plural(kind), about["namespace"], about["name"]]
                self.cluster.changed.notify_all()

        if asked.get("watch") in {"true", "1", "True"}:
            return self.watch(chosen)
        listed = {"resourceVersion": str(self.cluster.version)}
        return self.answer(200, {"kind": f"{kind}List", "apiVersion": version, "metadata": listed, "items": chosen()})

    def watch(self, chosen: Callable[[], list[Document]]) -> None:
        """Tell of changes for a short while; clients list anew afterwards, as they must."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        with self.cluster.changed:
            self.cluster.changed.wait(0.3)


def discovery(parts: list[str]) -> Document | None:
    """What the server says of itself."""
    if parts == ["version"]:
        major, minor = VERSION.split(".")
        return {"major": major, "minor": minor, "gitVersion": f"v{VERSION}.0", "platform": "linux/amd64"}
    if parts == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if parts == ["apis"]:
        groups = []
        for name in KINDS:
            if "/" in name:
                one = {"groupVersion": name, "version": name.split("/")[1]}
                groups.append({"name": name.split("/")[0], "versions": [one], "preferredVersion": one})
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    version = "/".join(parts[1:])
    if version not in KINDS or len(parts) > 3:
        return None
    verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
    resources = [
        {"name": plural(kind), "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": verbs}
        for kind in KINDS[version]
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}
