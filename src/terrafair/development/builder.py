"""Builds and releases as jobs: sources in, pipeline, results into the object store, the version into the register."""

import gzip
import hashlib
import json
import mimetypes
import shutil
import tarfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from terrafair.data.objects import ObjectStore
from terrafair.development.execute import Say
from terrafair.development.images.image import Images, StoredImage
from terrafair.development.images.registry import Delivery, Registry
from terrafair.development.manifest import VERSION, read
from terrafair.development.pipeline import Build, Pipeline, pointed
from terrafair.development.releases import Release, Releases
from terrafair.errors import InvalidInput, InvalidInputs, NotFound
from terrafair.execution.engines.checkout import Repositories
from terrafair.execution.job import Asset, Job, Results
from terrafair.repositories.address import plain
from terrafair.workflows.package import CWL_YAML, Package

ARCHIVE_BYTES, ARCHIVE_FILES = 2 * 2**30, 20_000
HEADER_BYTES = 2**20


class Processes(Protocol):
    """The part of `workflows.processes.Processes` that a release needs."""

    def deploy(self, package: Package) -> Any:
        """Add a process."""
        ...

    def replace(self, package: Package) -> Any:
        """Put a new revision in its place."""
        ...

    def deployed(self, id: str) -> str:  # noqa: A002
        """What runs under an id; empty: nothing that was deployed."""
        ...


@dataclass(frozen=True, slots=True)
class Builder:
    """Works off one job of the kind `build`.

    Its request: `file` (an archive of the sources) or `inputs.repository` with `inputs.reference`; `inputs.version` and
    `inputs.release`.
    """

    objects: ObjectStore
    repositories: Repositories
    pipeline: Callable[[Say, Callable[[], bool]], Pipeline]
    images: Images
    folder: Callable[[str], Path]
    """Job id -> its folder."""
    releases: Releases
    processes: Processes
    registry: Registry | None = None

    def __call__(self, job: Job, cancelled: Callable[[], bool], say: Say) -> Results:
        """The results of a build; raises `InvalidInputs` with what is wrong with the workflow."""
        work = self.folder(job.id) / "build"
        shutil.rmtree(work / "sources", ignore_errors=True)
        (work / "sources").mkdir(parents=True)
        revision = self._sources(job, work / "sources", say)
        wishes = job.request.inputs
        version, release = str(wishes.get("version") or ""), bool(wishes.get("release"))
        if release:
            name = read(work / "sources").name
            if not VERSION.fullmatch(version):
                raise InvalidInput(f"{version!r} is no version.", "Versions are like 1.0.0.", where="version")
            self.releases.admit(name, version, job.owner.project)
        made = self.pipeline(say, cancelled).run(work / "sources", work, version=version, keep_lock=False)
        made.commit = made.commit or revision
        (work / "dist/build.json").write_text(json.dumps(made.document(), indent=1), "utf-8")
        results = self._store(job, work / "dist")
        if not made.successful:
            raise InvalidInputs(made.problems, f"The build of {made.name or job.request.subject} failed.")
        if release:
            self._release(job, made, work, say)
        shutil.rmtree(work, ignore_errors=True)
        return results

    def _sources(self, job: Job, target: Path, say: Say) -> str:
        address = str(job.request.inputs.get("repository") or "")
        if address:
            repository = self.repositories.open(address, refresh=True)
            commit = repository.resolve(str(job.request.inputs.get("reference") or ""))
            say(f"Checking out {address} at {commit[:12]}.", "info")
            repository.checkout(commit, target)
            return commit
        key = self.objects.key_of(job.request.file)
        if key is None:
            raise NotFound("The sources are not on this platform.", remedy="Upload them first (`terrafair build`).")
        archive = target.parent / "sources.tar.gz"
        with archive.open("wb") as out:
            for chunk in self.objects.open(key).chunks:
                out.write(chunk)
        unpack(archive, target)
        return str(job.request.inputs.get("revision") or "")

    def _store(self, job: Job, dist: Path) -> Results:
        """Everything but the image's layers, which the platform keeps once for all builds."""
        prefix, assets = f"jobs/{job.id}", []
        for path in sorted(each for each in dist.rglob("*") if each.is_file() and not each.is_symlink()):
            name = path.relative_to(dist).as_posix()
            if name.startswith("image/blobs/"):
                continue
            kind = mimetypes.guess_type(name)[0] or ("application/cwl+yaml" if name.endswith(".cwl") else "text/plain")
            key = f"{prefix}/outputs/{name}"
            self.objects.put_file(key, path, kind)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            role = "data" if name.startswith("results/") else "metadata"
            assets.append(Asset(name, key, kind, path.stat().st_size, digest, role))
        return Results(prefix=prefix, assets=tuple(assets), outputs={"build": "build.json"})

    def _release(self, job: Job, made: Build, work: Path, say: Say) -> None:
        manifest = read(work / "sources")
        suffix = Path(manifest.runs).suffix
        document = (work / "dist" / f"{made.name}{suffix}").read_bytes()
        if self.registry and made.image:
            image = StoredImage(made.digest, self.images.blob(made.digest).read_bytes(), 0, Path())
            made.image = Delivery(self.registry, self.images.blob, lambda line: say(line, "info")).push(
                image, made.name, made.version
            )
            document = pointed(document.decode(), manifest, made.image).encode()
        process = f"{made.name}-{made.version}"
        about: Mapping[str, Any] = {
            "type": made.type,
            "title": manifest.title,
            "license": manifest.license,
            "image": made.image,
            "environment": made.environment,
            "outputs": made.outputs,
            # From these a published record leads to the code, whatever id the version has run under.
            "repository": plain(str(job.request.inputs.get("repository") or "")),
            "path": manifest.runs,
            "document": hashlib.sha256(document).hexdigest(),
        }
        release = Release(
            made.name,
            made.version,
            job.owner.project,
            job.owner.author,
            job.id,
            made.digest,
            made.commit,
            process,
            "",
            about,
        )
        media = CWL_YAML if suffix == ".cwl" else "application/json"
        for id_, mutable in ((process, False), (made.name, True)):
            package = Package(
                id_, document, media, "", manifest.title, manifest.description, made.version, mutable=mutable
            )
            if not self.processes.deployed(id_):
                self.processes.deploy(package)
            elif mutable:
                self.processes.replace(package)
        self.releases.add(release)
        say(f"Released {made.name} {made.version} ({made.digest[7:19]}); run it: terrafair run {process}", "info")


class _Unpacked(gzip.GzipFile):
    """Files are copied in small pieces; only a header is read in one, and one of gigabytes would fill the memory."""

    def read(self, size: int | None = -1) -> bytes:
        """At most `HEADER_BYTES` at once."""
        if size is None or not 0 <= size <= HEADER_BYTES:
            raise tarfile.ReadError("a header is too large")
        return super().read(size)


def unpack(archive: Path, target: Path) -> None:
    """Unpack somebody's archive: plain files and folders only, none outside, within bounds.

    Raises `InvalidInput` for anything else.
    """
    total = count = 0
    try:
        with _Unpacked(archive) as plain, tarfile.open(fileobj=plain, mode="r:") as packed:
            for member in packed:
                count, total = count + 1, total + member.size
                if count > ARCHIVE_FILES or total > ARCHIVE_BYTES:
                    what = f"The sources are more than {ARCHIVE_FILES} files or {ARCHIVE_BYTES // 2**30} GiB."
                    raise InvalidInput(what, remedy="Keep data out of the repository: take it as inputs.")
                if not (member.isfile() or member.isdir()) or member.name.startswith("/"):
                    raise InvalidInput(f"The sources hold {member.name[:100]!r}, which is no plain file.")
                packed.extract(member, target, filter="data")
    except (tarfile.TarError, OSError, EOFError, ValueError, zlib.error) as fault:
        raise InvalidInput(f"The sources cannot be unpacked: {fault}.", remedy="Send a .tar.gz.") from None


def pack(folder: Path, files: tuple[str, ...], target: Path) -> None:
    """The counterpart of `unpack`."""
    with tarfile.open(target, "w:gz") as archive:
        for path in files:
            archive.add(folder / path, path, recursive=False)
