"""Puts a workflow's code into the job's folder: a repository at its commit, or one document."""

import re
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import unquote, urlsplit

from terrafair.errors import InvalidInput, NotFound
from terrafair.execution.engines.engine import Say
from terrafair.workflows.workflow import Application, Resolution


class Checkout(Protocol):
    """The part of `repositories.Repository` that engines need."""

    def resolve(self, reference: str = "") -> str:
        """Give the full commit id of a branch, tag or commit."""
        ...

    def files(self, commit: str, folder: str = "") -> dict[str, str]:
        """Give path -> blob id, recursively."""
        ...

    def read(self, commit: str, path: str) -> bytes:
        """Read one file; raises `NotFound`."""
        ...

    def checkout(self, commit: str, target: Path) -> None:
        """Write plain files, without symlinks that leave the tree."""
        ...


class Repositories(Protocol):
    """The part of `repositories.Repositories` that engines need."""

    def open(self, url: str, *, refresh: bool = False) -> Checkout:
        """Give the mirror of a repository; raises `Unreachable`."""
        ...


def application_of(resolution: Resolution) -> Application:
    """Give the application; raises `InvalidInput` for a resolution without one."""
    if resolution.application is None:
        raise InvalidInput(f"{resolution.id} has no application.", remedy="Ask for its verdict first.")
    return resolution.application


def open_commit(application: Application, repositories: Repositories) -> tuple[Checkout, str]:
    """Open the application's repository and fix the commit."""
    location = application.location
    repository = repositories.open(location.repository)
    return repository, location.commit or repository.resolve(location.reference)


def place(application: Application, repositories: Repositories, folder: Path, say: Say) -> Path:
    """Write the code below `folder` and give the path of the document; of a repository without one, its root."""
    location = application.location
    if not location.repository:
        target = folder / file_name(location.url or location.path)
        target.write_bytes(application.content)
        return target
    repository, commit = open_commit(application, repositories)
    say(f"Checking out {location.repository} at {commit[:12]}.")
    repository.checkout(commit, folder)
    target = inside(folder, location.path)
    if application.content and not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(application.content)
    if not target.exists():
        what = f"{location.path} is not in {location.repository} at {commit[:12]}."
        raise NotFound(what, remedy="Correct the link in the record.", where=location.url, code="code-missing")
    return target


def inside(folder: Path, path: str) -> Path:
    """Join a published relative path; raises `InvalidInput` when it leaves the folder."""
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts:
        raise InvalidInput(f"The path {path!r} leaves its repository.", remedy="Give a path below the repository.")
    return folder / parts


def file_name(url: str, default: str = "application") -> str:
    """Give a plain file name for the last part of a URL or path."""
    name = unquote(PurePosixPath(urlsplit(url).path).name)
    return re.sub(r"[^\w.+-]", "_", name).lstrip(".") or default
