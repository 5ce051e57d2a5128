"""A program to run for a job, and what it may touch: values only, `sandbox` runs it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one program and all its children may take."""

    seconds: float = 3600
    """Wall-clock time."""
    memory: int = 8 * 1024**3
    """Bytes of memory."""
    processes: int = 512
    file_size: int = 20 * 1024**3
    """Bytes in one file."""
    disk: int = 20 * 1024**3
    """Bytes that all its files take on disk, deleted ones that it holds open included."""
    files: int = 1_000_000
    """Files and folders that it may leave on disk at a time."""


@dataclass(frozen=True, slots=True)
class Command:
    """One program with its surroundings."""

    arguments: tuple[str, ...]
    """Program and arguments; never a shell line."""
    directory: Path
    """Working directory; must lie in `writable`."""
    readable: tuple[Path, ...] = ()
    """Folders and files that it may read, beside the system's own and the platform's Python."""
    writable: tuple[Path, ...] = ()
    """Folders that it may write."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Its whole environment; nothing is inherited."""
    network: bool = False
    limits: Limits = Limits()
    isolated: bool = True
    """False only for programs of the platform itself that isolate each step on their own (podman)."""
