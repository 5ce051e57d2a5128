"""Images of workflows: base, packages, environment and programs as layers, kept once each, in the OCI layout."""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from terrafair.development.images import foundation, packages
from terrafair.development.images.layer import Entry, Layer, Wanted, write
from terrafair.execution.containers import Image
from terrafair.execution.environments import Built
from terrafair.execution.interpreters import Interpreter

ENVIRONMENT = "opt/environment"
MANIFEST, CONFIG, LAYER, INDEX = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.index.v1+json",
)
AT_ONCE = 4
"""Layers that are compressed at one time."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image that lies here."""

    digest: str
    """`sha256:...` of its manifest."""
    manifest: bytes
    size: int
    """Bytes of all its blobs."""
    environment: Path
    """Folder that stands in for it where no container runs."""


@dataclass(frozen=True, slots=True)
class _Made:
    """A layer, and whether it was there before."""

    layer: Layer
    kept: bool


class Images:
    """All images below one folder.

    blobs/sha256/HEX     layers, configs, manifests
    layers/KEY.json      what a layer was made from -> which it is
    HEX/environment      the stand-in of the image of that digest
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def blob(self, digest: str) -> Path:
        """Where a blob lies."""
        return self._folder / "blobs/sha256" / digest.removeprefix("sha256:")

    def stand_in(self, image: str) -> str:
        """The folder that stands in for an image, by its digest; empty: it was not made here."""
        digest = Image.parse(image).digest.removeprefix("sha256:")
        folder = self._folder / digest / "environment" if digest.isalnum() and len(digest) == 64 else None
        return str(folder) if folder and folder.is_dir() else ""

    def build(
        self,
        environment: Built,
        interpreter: Interpreter,
        programs: Mapping[str, bytes],
        labels: Mapping[str, str],
        say: Say,
    ) -> StoredImage:
        """Make the image of an environment with a workflow's modules in it; the same contents give the same image."""
        self._folder.mkdir(parents=True, exist_ok=True)
        below = f"{ENVIRONMENT}/lib/python{interpreter.minor}/site-packages"
        wanted = [
            Wanted("base", foundation.key(interpreter), lambda: foundation.entries(interpreter)),
            *packages.layers(environment, interpreter, ENVIRONMENT),
            Wanted(
                "programs",
                f"programs-1|{below}|{_digest(programs)}",
                lambda: (Entry(f"{below}/{path}", content=content) for path, content in programs.items()),
            ),
        ]
        # Compression and checksums let other threads go on meanwhile.
        with ThreadPoolExecutor(min(len(wanted), os.cpu_count() or 1, AT_ONCE)) as pool:
            layers = tuple(pool.map(self._layer, wanted))
        kept = sum(each.kept for each in layers)
        size = sum(each.layer.size for each in layers if not each.kept) / 2**20
        say(f"{len(layers)} layers: {kept} kept from before, {len(layers) - kept} made ({size:.1f} MiB).")
        return self._image(tuple(each.layer for each in layers), environment, interpreter, programs, labels)

    def _image(
        self,
        layers: tuple[Layer, ...],
        environment: Built,
        interpreter: Interpreter,
        programs: Mapping[str, bytes],
        labels: Mapping[str, str],
    ) -> StoredImage:
        config = self._put(_json(_config(layers, labels)))
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, **config},
            "layers": [{"mediaType": LAYER, "digest": layer.digest, "size": layer.size} for layer in layers],
            "annotations": dict(labels),
        }
        manifest = _json(document)
        about = self._put(manifest)
        folder = self._stand_in(about["digest"], environment.prefix, interpreter, programs)
        size = sum(layer.size for layer in layers) + config["size"] + about["size"]
        return StoredImage(about["digest"], manifest, size, folder)

    def layout(self, image: StoredImage, name: str, target: Path) -> None:
        """Write an OCI layout folder; its blobs are links to ours where the file system allows."""
        document = json.loads(image.manifest)
        shutil.rmtree(target, ignore_errors=True)
        (target / "blobs/sha256").mkdir(parents=True)
        for each in (document["config"], *document["layers"], {"digest": image.digest}):
            _link(self.blob(each["digest"]), target / "blobs/sha256" / each["digest"].removeprefix("sha256:"))
        entry = {"mediaType": MANIFEST, "digest": image.digest, "size": len(image.manifest)}
        entry["annotations"] = {"org.opencontainers.image.ref.name": name}
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
        (target / "index.json").write_bytes(_json(index))
        (target / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))

    def _layer(self, wanted: Wanted) -> "_Made":
        hashed = hashlib.sha256(wanted.key.encode()).hexdigest()
        known = self._folder / "layers" / f"{hashed}.json"
        with self._alone(hashed):
            try:
                layer = Layer(**json.loads(known.read_text("utf-8")))
                if self.blob(layer.digest).is_file():
                    return _Made(layer, kept=True)
            except (OSError, ValueError, TypeError):
                # Never made, or not whole: made now.
                pass
            (self._folder / "blobs/sha256").mkdir(parents=True, exist_ok=True)
            partial = self._folder / "blobs" / f"partial-{hashed}"
            layer = write(wanted.entries(), partial)
            partial.replace(self.blob(layer.digest))
            _whole(known, _json(asdict(layer)))
        return _Made(layer, kept=False)

    def _put(self, content: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if not self.blob(digest).is_file():
            _whole(self.blob(digest), content)
        return {"digest": digest, "size": len(content)}

    def _stand_in(self, digest: str, prefix: Path, interpreter: Interpreter, programs: Mapping[str, bytes]) -> Path:
        folder = self._folder / digest.removeprefix("sha256:")
        if (folder / "environment").is_dir():
            return folder / "environment"
        with self._alone(digest.removeprefix("sha256:")):
            if not (folder / "environment").is_dir():
                folder.mkdir(exist_ok=True)
                partial = Path(tempfile.mkdtemp(prefix="partial-", dir=folder))
                partial.chmod(0o755)
                shutil.copytree(prefix, partial, symlinks=True, copy_function=_linked, dirs_exist_ok=True)
                for path, content in programs.items():
                    target = partial / f"lib/python{interpreter.minor}/site-packages" / path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    # A link to the shared environment must not be written through.
                    target.unlink(missing_ok=True)
                    target.write_bytes(content)
                    target.chmod(0o644)
                partial.rename(folder / "environment")
        return folder / "environment"

    @contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        folder = self._folder / "layers"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{key}.busy").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _config(layers: tuple[Layer, ...], labels: Mapping[str, str]) -> dict[str, Any]:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "created": "1970-01-01T00:00:00Z",
        "architecture": machine,
        "os": "linux",
        "config": {
            "Env": [
                f"PATH=/{ENVIRONMENT}/bin:/{foundation.PREFIX}/bin:/usr/bin:/bin",
                "LANG=C.UTF-8",
                "PYTHONDONTWRITEBYTECODE=1",
                f"VIRTUAL_ENV=/{ENVIRONMENT}",
            ],
            "Cmd": ["python"],
            "WorkingDir": "/",
            "Labels": dict(labels),
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.diff for layer in layers]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "terrafair"} for _ in layers],
    }


def _digest(programs: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for path, content in sorted(programs.items()):
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _json(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_bytes(content)
    partial.replace(path)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _linked(source: str, target: str) -> str:
    _link(Path(source), Path(target))
    return target
