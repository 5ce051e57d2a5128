"""Looks at linked repositories every few minutes, for forges that cannot call: commits are built, tags released."""

import threading
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog
from packaging.version import InvalidVersion, Version

from terrafair.development.links import TAG, Links, Push, Source
from terrafair.errors import TerrafairError


class Mirror(Protocol):
    """The part of `repositories.Repository` that a look needs."""

    def resolve(self, reference: str = "") -> str:
        """The commit of a branch."""
        ...

    def tags(self) -> Mapping[str, str]:
        """Name -> commit."""
        ...


class Poller:
    """One look after the other, in a thread of its own."""

    def __init__(
        self,
        links: Links,
        mirror: Callable[[str], Mirror],
        asked: Callable[[Source, Push], bool],
        build: Callable[[Source, Push], str],
        seconds: float,
    ) -> None:
        """`mirror` gives a repository as it is now; `asked` whether a build was; `build` asks for one, gives its id."""
        self._links = links
        self._mirror = mirror
        self._asked = asked
        self._build = build
        self._seconds = seconds
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="polling", daemon=True)

    def start(self) -> None:
        """Look, and look again."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking."""
        self._ending.set()
        self._thread.join(5)

    def look(self) -> list[str]:
        """Ids of the builds that were asked for; a repository that does not answer waits for the next look."""
        builds = []
        for source in self._links.listing():
            try:
                found = news(self._mirror(source.repository), source.branch)
                builds += [self._build(source, push) for push in found if not self._asked(source, push)]
            except TerrafairError as fault:
                structlog.get_logger().warning("source.unread", source=source.id, reason=str(fault)[:500])
        return builds

    def _run(self) -> None:
        while not self._ending.wait(self._seconds):
            try:
                self.look()
            except Exception as fault:
                # The database is away: the next look finds the same.
                structlog.get_logger().warning("polling.failed", reason=str(fault)[:500])


def news(mirror: Mirror, branch: str) -> list[Push]:
    """What a repository asks for: its branch's head, and the highest version among its tags.

    Only the highest, so that linking an old repository does not release its whole past.
    """
    versions: list[tuple[Version, Push]] = []
    for name, commit in mirror.tags().items():
        if tag := TAG.fullmatch(f"refs/tags/{name}"):
            try:
                versions.append((Version(tag[1]), Push(commit, tag[1])))
            except InvalidVersion:
                continue
    highest = [max(versions, key=lambda pair: pair[0])[1]] if versions else []
    return [Push(mirror.resolve(branch)), *highest]
