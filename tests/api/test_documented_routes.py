"""Every route that the platform describes stands in docs/api.md, by its group; every group there has routes."""

import re
from pathlib import Path

import pytest

from .world import World

pytestmark = pytest.mark.usefixtures("world")
PAGE = Path(__file__).parents[2] / "docs/api.md"


def groups() -> set[str]:
    table = PAGE.read_text("utf-8").partition("## All routes")[2]
    first = re.findall(r"^\| (`.+?) \|", table, re.M)
    return {name for cell in first for name in re.findall(r"`([^`]+)`", cell)}


def group(path: str) -> str:
    parts = path.split("/")
    return "/".join(parts[:3]) if parts[1] == "api" else f"/{parts[1]}"


def test_every_described_route_is_documented(world: World) -> None:
    described = {group(path) for path in world.app.openapi()["paths"]}
    assert "/api/jobs" in described
    assert described - groups() == set()
    assert groups() - described == {"/openapi.json"}
