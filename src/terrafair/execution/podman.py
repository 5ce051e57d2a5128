"""Containers by podman, each without network, capabilities and a writable root."""

import functools
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from terrafair.errors import Unreachable
from terrafair.execution.command import Limits

_RUNTIMES = ("", "runc", "crun")
_SYSTEM = ("/usr", "/bin", "/lib", "/lib64")
_PULL_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class Podman:
    """A podman that has been seen to start a container."""

    program: str
    """Path of the podman program."""
    runtime: str = ""
    """OCI runtime to ask for; empty: podman's own choice."""
    options: tuple[str, ...] = ()
    """Options before the verb, such as another storage folder."""

    @classmethod
    def probe(cls, options: Sequence[str] = ()) -> "Podman | None":
        """Give a podman that works on this machine with the first runtime that does, or nothing."""
        program = shutil.which("podman")
        return _probe(program, tuple(options)) if program else None

    @property
    def line(self) -> tuple[str, ...]:
        """The program with the options that stand before every verb."""
        runtime = ("--runtime", self.runtime) if self.runtime else ()
        return (self.program, *self.options, *runtime)

    def run_options(self, limits: Limits) -> tuple[str, ...]:
        """Options of `run` that keep a step to itself: no network, no rights, a read-only root, limits."""
        # The limits are given in full: podman's own defaults may lie above what this process may set.
        return (
            "--rm",
            "--network=none",
            "--read-only",
            "--cap-drop=all",
            "--security-opt=no-new-privileges",
            "--pids-limit=-1",
            f"--memory={limits.memory}",
            "--ulimit=nofile=1024:1024",
            f"--ulimit=nproc={limits.processes}:{limits.processes}",
            f"--ulimit=fsize={limits.file_size}:{limits.file_size}",
        )

    def has(self, image: str) -> bool:
        """Tell whether the image lies on this machine."""
        return self._call("image", "exists", image).returncode == 0

    def here(self, image: str) -> str:
        """Give the reference under which the image lies on this machine; empty: it does not.

        One with a digest has to be that image: by the digest of its manifest, or by its id, which older records have.
        """
        name, mark, digest = image.removeprefix("docker://").partition("@")
        if not mark:
            return image if self.has(image) else ""
        head, slash, last = name.rpartition("/")
        bare = f"{head}{slash}{last.partition(':')[0]}"
        return next((each for each in (f"{bare}@{digest}", digest.removeprefix("sha256:")) if self.has(each)), "")

    def digest(self, image: str) -> str:
        """Give the image's id, for the provenance; empty where there is none."""
        answer = self._call("image", "inspect", "--format", "{{.Id}}", image)
        return answer.stdout.strip() if answer.returncode == 0 else ""

    def pull(self, image: str) -> None:
        """Fetch the image; raises `Unreachable` with podman's last words."""
        try:
            answer = self._call("pull", "--quiet", image, seconds=_PULL_SECONDS)
        except subprocess.TimeoutExpired:
            raise Unreachable(f"The image {image} did not arrive within {_PULL_SECONDS // 60} minutes.") from None
        if answer.returncode:
            reason = (answer.stderr.strip().splitlines() or ["no reason given"])[-1].removeprefix("Error: ")
            raise Unreachable(f"The image {image} cannot be pulled: {reason[:400]}", code="image-unreachable")

    def _call(self, *arguments: str, seconds: float = 60) -> "subprocess.CompletedProcess[str]":
        line = [*self.line, *arguments]
        return subprocess.run(line, capture_output=True, text=True, timeout=seconds, check=False)


@functools.lru_cache(maxsize=8)
def _probe(program: str, options: tuple[str, ...]) -> Podman | None:
    mounts = [f"--volume={folder}:{folder}:ro" for folder in _SYSTEM if Path(folder).is_dir()]
    for runtime in _RUNTIMES:
        podman = Podman(program, runtime, options)
        with tempfile.TemporaryDirectory() as root:
            for folder in ("etc", "proc", "dev", "sys", "run", "tmp"):
                (Path(root) / folder).mkdir()
            limits = podman.run_options(Limits(memory=64 * 2**20))
            line = [*podman.line, "run", *limits, *mounts, "--rootfs", root, "/bin/true"]
            try:
                if subprocess.run(line, capture_output=True, timeout=60, check=False).returncode == 0:
                    return podman
            except (OSError, subprocess.SubprocessError):
                continue
    return None


@functools.lru_cache(maxsize=64)
def registry_answers(host: str) -> bool:
    """Tell whether an image registry can be connected to from here."""
    name, _, port = host.partition(":")
    name = "registry-1.docker.io" if name == "docker.io" else name
    try:
        with socket.create_connection((name, int(port or 443)), timeout=3):
            return True
    except (OSError, ValueError):
        return False
