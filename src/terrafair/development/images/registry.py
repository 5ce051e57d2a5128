"""Pushes an image to a registry by the OCI distribution API: blobs that it lacks, then the manifest under its tag."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2

from terrafair.development.images.image import MANIFEST, StoredImage
from terrafair.errors import Conflict, InvalidInput, Refused, Unreachable

CHUNK = 8 * 2**20
TIMEOUT = httpx2.Timeout(300, connect=10)


@dataclass(frozen=True, slots=True)
class Registry:
    """Where released images go."""

    address: str
    """`HOST[:PORT]/NAMESPACE`; with `http://` in front for one without TLS."""
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def origin(self) -> str:
        """Scheme and host."""
        parts = urlsplit(self.address if "://" in self.address else f"https://{self.address}")
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def host(self) -> str:
        """As it stands in image names."""
        return urlsplit(self.origin).netloc

    def name(self, image: str) -> str:
        """Name of an image below the host."""
        parts = urlsplit(self.address if "://" in self.address else f"https://{self.address}")
        return "/".join(part for part in (parts.path.strip("/"), image) if part)

    def reference(self, image: str, digest: str) -> str:
        """What CWL names."""
        return f"{self.host}/{self.name(image)}@{digest}"


class Delivery:
    """One push."""

    def __init__(self, registry: Registry, blob: Callable[[str], Path], say: Callable[[str], None]) -> None:
        self._registry = registry
        self._blob = blob
        self._say = say
        self._authorisation = ""

    def push(self, image: StoredImage, name: str, tag: str) -> str:
        """Bring the image there under a tag that must not be another image's; gives its reference by digest.

        Raises `Conflict` for a tag that is taken, `Refused` without the right, `Unreachable`.
        """
        place = self._registry.name(name)
        if not re.fullmatch(r"[a-z0-9]+(?:[._-][a-z0-9]+)*(?:/[a-z0-9]+(?:[._-][a-z0-9]+)*)*", place):
            raise InvalidInput(f"{place!r} cannot be the name of an image.", where="registry")
        with httpx2.Client(timeout=TIMEOUT, trust_env=False, follow_redirects=False) as http:
            there = self._send(http, place, "HEAD", f"/v2/{place}/manifests/{tag}", headers={"Accept": MANIFEST})
            if there.status_code == 200:
                if there.headers.get("docker-content-digest") == image.digest:
                    self._say(f"{self._registry.host} has {place}:{tag} already.")
                    return self._registry.reference(name, image.digest)
                what = f"{self._registry.host} has another image under {place}:{tag}."
                raise Conflict(what, "A released version never changes.", "Release under a new version.")
            document = json.loads(image.manifest)
            for each in (*document["layers"], document["config"]):
                self._upload(http, place, each["digest"], each["size"])
            reply = self._send(
                http,
                place,
                "PUT",
                f"/v2/{place}/manifests/{tag}",
                content=image.manifest,
                headers={"Content-Type": MANIFEST},
            )
            self._expect(reply, 201)
            said = reply.headers.get("docker-content-digest", image.digest)
            if said != image.digest:
                raise Unreachable(f"{self._registry.host} keeps the image as {said}, and it is {image.digest}.")
        self._say(f"Pushed {self._registry.host}/{place}:{tag}.")
        return self._registry.reference(name, image.digest)

    def _upload(self, http: httpx2.Client, place: str, digest: str, size: int) -> None:
        if self._send(http, place, "HEAD", f"/v2/{place}/blobs/{digest}").status_code == 200:
            return
        begun = self._send(http, place, "POST", f"/v2/{place}/blobs/uploads/", headers={"Content-Length": "0"})
        self._expect(begun, 202)
        location = self._location(begun)
        with self._blob(digest).open("rb") as file:
            start = 0
            while chunk := file.read(CHUNK):
                headers = {
                    "Content-Range": f"{start}-{start + len(chunk) - 1}",
                    "Content-Type": "application/octet-stream",
                }
                reply = self._send(http, place, "PATCH", location, content=chunk, headers=headers)
                self._expect(reply, 202)
                location, start = self._location(reply), start + len(chunk)
        joint = "&" if "?" in location else "?"
        self._expect(self._send(http, place, "PUT", f"{location}{joint}digest={digest}", content=b""), 201)
        self._say(f"Uploaded {digest[7:19]} ({size / 2**20:.1f} MiB).")

    def _location(self, reply: httpx2.Response) -> str:
        location = urljoin(str(reply.request.url), reply.headers.get("location", ""))
        if urlsplit(location).netloc != self._registry.host:
            # Credentials would go there.
            raise Refused(f"{self._registry.host} leads uploads to {urlsplit(location).netloc}.")
        return location

    def _send(self, http: httpx2.Client, place: str, method: str, path: str, **options: Any) -> httpx2.Response:
        url = path if "://" in path else self._registry.origin + path
        headers = dict(options.pop("headers", {}))
        try:
            for _ in range(2):
                if self._authorisation:
                    headers["Authorization"] = self._authorisation
                reply = http.request(method, url, headers=headers, **options)
                if reply.status_code != 401 or not self._authorise(http, reply, place):
                    break
        except httpx2.TransportError as fault:
            raise Unreachable(f"The registry {self._registry.host} does not answer.", str(fault)) from None
        if reply.status_code in {401, 403}:
            remedy = "Set registry_user and registry_password_file to an account that may push there."
            raise Refused(f"{self._registry.host} does not let us push {place} ({reply.status_code}).", "", remedy)
        return reply

    def _authorise(self, http: httpx2.Client, reply: httpx2.Response, place: str) -> bool:
        """What the registry's challenge asks for: Basic, or a token from the address that it names."""
        user, password = self._registry.user, self._registry.password
        basic = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}" if user else ""
        challenge = reply.headers.get("www-authenticate", "")
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic" and basic and self._authorisation != basic:
            self._authorisation = basic
            return True
        if scheme.lower() != "bearer" or self._authorisation.startswith("Bearer"):
            return False
        said = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        realm = said.get("realm", "")
        if not realm.startswith("https://") and urlsplit(realm).netloc != self._registry.host:
            raise Refused(f"{self._registry.host} sends us for a token to {realm[:100]!r}, which is not safe.")
        parameters = {"scope": said.get("scope") or f"repository:{place}:pull,push"}
        if said.get("service"):
            parameters["service"] = said["service"]
        answer = http.get(realm, params=parameters, headers={"Authorization": basic} if basic else {})
        if answer.status_code != 200:
            return False
        document = answer.json()
        self._authorisation = f"Bearer {document.get('token') or document.get('access_token')}"
        return True

    def _expect(self, reply: httpx2.Response, status: int) -> None:
        if reply.status_code == status:
            return
        try:
            errors = reply.json().get("errors") or [{}]
            said = str(errors[0].get("message") or errors[0].get("code") or "")
        except (ValueError, AttributeError, IndexError):
            said = reply.text[:200]
        raise Unreachable(f"{self._registry.host} answers {reply.status_code} to {reply.request.method}.", said)
