"""A small catalogue, its code repositories and a planned web, to resolve against."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from terrafair.catalogue.catalogue import Catalogue
from terrafair.repositories import Repositories
from terrafair.web import PlannedWeb
from terrafair.workflows.resolve import Resolver
from terrafair.workflows.workflow import Resolution

Git = Callable[..., str]
FORGE = "https://forge.example"


class Site:
    """Records and repositories that a test writes, and the resolver over them."""

    def __init__(self, folder: Path, git: Git) -> None:
        self.folder = folder
        self.documents: dict[str, bytes] = {}
        self.copies: Path | None = None
        self._git = git
        self._mirrors: dict[str, str] = {}
        self.file("catalog.json", json.dumps({"id": "osc", "type": "Catalog", "links": []}))

    def file(self, path: str, content: str | bytes) -> None:
        target = self.folder / "osc" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)

    def record(self, folder: str, identifier: str, links: list[dict[str, Any]], **properties: Any) -> None:
        document = {
            "id": identifier,
            "type": "Feature",
            "properties": {"title": identifier.title(), **properties},
            "links": links,
        }
        self.file(f"{folder}/{identifier}/record.json", json.dumps(document))

    def experiment(self, *links: tuple[str, str], id: str = "exp", workflow: str = "flow", **properties: Any) -> None:
        self.record("experiments", id, linked(links), **{"osc:workflow": workflow, **properties})

    def workflow(self, *links: tuple[str, str], id: str = "flow", **properties: Any) -> None:
        self.record("workflows", id, linked(links), **properties)

    def repository(self, name: str, files: Mapping[str, str]) -> str:
        place = self.folder / "repositories" / name
        for path, content in files.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_text(content)
        self._git(place, "init", "-q")
        self._git(place, "add", ".")
        self._git(place, "commit", "-qm", "first")
        self._mirrors[f"{FORGE}/o/{name}"] = str(place)
        return self._git(place, "rev-parse", "HEAD")

    def resolver(self, check: Callable[[Resolution], tuple[Any, ...]] = lambda _: ()) -> Resolver:
        catalogue = Catalogue(self.folder / "home")
        catalogue.sync(str(self.folder / "osc"))
        repositories = Repositories(self.folder / "mirrors", self._mirrors, offline_only=True)
        return Resolver(catalogue, repositories, PlannedWeb(self.documents), self.copies, check)

    def resolve(self, id: str = "exp", kind: str | None = None) -> Resolution:
        return self.resolver().resolve(id, kind)


def linked(links: tuple[tuple[str, str], ...]) -> list[dict[str, Any]]:
    return [{"rel": relation, "href": href, "type": "application/yaml"} for relation, href in links]


@pytest.fixture
def site(tmp_path: Path, git: Git) -> Site:
    return Site(tmp_path, git)
