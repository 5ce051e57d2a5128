"""Wires the development of workflows: checks, builds, releases; part of the composition root."""

from typing import TYPE_CHECKING, Any

from terrafair.development.checks.check import Checks, Here, resolver
from terrafair.development.checks.target import Get
from terrafair.execution.containers import Containers
from terrafair.execution.engines.remote.target import Connection, Target
from terrafair.execution.environments import Environments
from terrafair.execution.podman import Podman

if TYPE_CHECKING:
    from terrafair.app import Parts


def containers(parts: "Parts") -> Containers:
    """Which images run here."""
    config = parts.config
    podman = Podman.probe() if config.containers != "none" else None
    return Containers(config.substitutes, config.containers, podman)


def checks(parts: "Parts", *, solve: bool = True, reach: bool = True, second_opinion: bool = False) -> Checks:
    """All that can be looked at from here."""
    config = parts.config
    environments = Environments(config.home / "environments")
    here = Here(containers(parts).check, parts.limits, frozenset(kind.value for kind in parts.engines))

    def open_(name: str, url: str) -> Get:
        return _Connected(Connection(Target(name, url, config.target_tokens.get(name, ""))))

    return Checks(
        web=parts.web,
        solve=environments.lock if solve else None,
        here=here,
        connect=resolver(config.targets, open_),
        reach=reach,
        second_opinion=second_opinion,
    )


class _Connected:
    """A target by its JSON."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __call__(self, path: str) -> Any:
        """The JSON at a path."""
        return self._connection.json("GET", path)
