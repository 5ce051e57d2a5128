"""What the platform tells the process that starts servers; in files that only the platform's user can read."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from terrafair.errors import NotFound

HUB = "hub.json"
ROUTES = "routes.json"


@dataclass(frozen=True, slots=True)
class Order:
    """How one person's server in one project is to be started."""

    workspace: str
    """Id of the session."""
    home: str
    """Folder with the person's files; all that its programs may write."""
    cores: float
    memory: int
    """Bytes."""
    seconds: float
    """After this it is ended."""
    disk: int
    """Bytes that its files may take; with more it is ended."""
    files: int
    """How many files and folders."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    readable: Sequence[str] = ()
    """Folders that it may read beside its own."""
    ways: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Port inside -> (host, port, address to come from): what it reaches of this machine."""
    admitted: Sequence[Sequence[Any]] = ()
    """(host, port) of private networks that it reaches by the proxy: the object store."""
    public: bool = True
    """Whether it reaches the public internet."""
    arguments: Sequence[str] = ()
    """More for its server."""


@dataclass(frozen=True, slots=True)
class HubOrder:
    """How the hub is to run."""

    folder: str
    port: int
    secret: str = field(repr=False)
    """Signs who somebody is, from the platform to the hub."""
    token: str = field(repr=False)
    """The platform's, at the hub's interface."""
    spawner: str = ""
    """A JupyterHub spawner's class; empty: the platform's sandbox."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Class -> trait -> value."""
    connect_url: str = ""
    """Where servers on other machines find the hub."""
    isolation: str = "auto"


def order_file(folder: Path, person: str, project: str) -> Path:
    """Where the order for a server lies."""
    return folder / "orders" / f"{person}--{project}.json"


def write(file: Path, order: Order | HubOrder) -> None:
    """Keep an order; whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(asdict(order), out)
    fresh.replace(file)


def read(file: Path) -> Order:
    """The order for a server; raises `NotFound` where the platform has not given one."""
    return Order(**_document(file))


def read_hub(file: Path) -> HubOrder:
    """The order for the hub; raises `NotFound` before the first one."""
    return HubOrder(**_document(file))


def _document(file: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as fault:
        raise NotFound("The platform has not ordered this.", str(fault)) from None
    return document
