"""Nothing that the platform has is missing in its documents: requirements, verbs, settings, routes, errors."""

import re
from pathlib import Path

import click
import pytest

from terrafair.api.capabilities import REQUIREMENTS
from terrafair.cli import VERBS, main
from terrafair.config import Config

from .conftest import SHARED

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
IDS = [
    *(f"E{number}" for number in range(1, 8)),
    *(f"G{number}" for number in range(1, 6)),
    *(f"O{number}" for number in range(1, 14)),
    *(f"I{number}" for number in (1, 2, 3, 4, "5a", "5b", "5c", "5d", 6, 7, 8, 9, 10, 11, 12, 13)),
    *(f"A{number}" for number in range(1, 7)),
]
"""Of EarthCODE's requirements on platform providers, and of its concepts."""
INCIDENTS = (
    "Platform down",
    "Queue stuck",
    "Object store down",
    "Disk full",
    "Database lost",
    "Leaked token",
    "Identity provider down",
    "Catalogue synchronisation broken",
)


def rows(page: str) -> dict[str, list[str]]:
    """First cell of each row of a page's tables -> the other cells."""
    lines = re.findall(r"^\| (.+?) \|$", (DOCS / page).read_text("utf-8"), re.M)
    return {cells[0]: cells[1:] for cells in (line.split(" | ") for line in lines)}


@pytest.mark.parametrize("id", IDS)
def test_every_requirement_says_how_it_is_met(id: str) -> None:
    answer = rows("integration.md").get(id)
    assert answer is not None, f"docs/integration.md has no row for {id}"
    assert answer[0].strip(), id


def test_ids_are_those_of_the_requirements() -> None:
    """Where the requirements lie beside this clone, the list here is theirs."""
    source = SHARED / "REQUIREMENTS.md"
    if not source.is_file():
        pytest.skip(f"no requirements at {source}; set TERRAFAIR_SHARED")
    assert set(re.findall(r"^\| ([A-Z]\d+[a-d]?) \|", source.read_text("utf-8"), re.M)) == set(IDS)


def test_what_the_platform_says_of_itself_are_requirements() -> None:
    assert set(REQUIREMENTS) <= set(IDS)


def test_settings_that_the_integration_guide_names_exist() -> None:
    named = {
        name
        for requirement, cells in rows("integration.md").items()
        if requirement in IDS and len(cells) > 1
        for name in re.findall(r"`([a-z_]+)`", cells[1])
    } - {"audience", "workspaces", "workspace_"}
    assert named, "no settings found: has the table changed its shape?"
    assert named <= set(Config.__dataclass_fields__), named - set(Config.__dataclass_fields__)


def test_every_setting_is_documented() -> None:
    text = (DOCS / "settings.md").read_text("utf-8")
    assert [name for name in Config.__dataclass_fields__ if f"| `{name}` |" not in text] == []


def test_every_verb_is_documented() -> None:
    text = (DOCS / "commands.md").read_text("utf-8")
    shown = [
        verb
        for verb in (verb for verbs in VERBS.values() for verb in verbs)
        if not getattr(main.get_command(click.Context(main), verb), "hidden", False)
    ]
    assert [verb for verb in shown if f"\n## terrafair {verb}\n" not in text] == []


@pytest.mark.parametrize("incident", INCIDENTS)
def test_every_incident_has_its_runbook_and_its_end(incident: str) -> None:
    section = re.search(rf"^## {incident}\n(.*?)(?=^## |\Z)", (DOCS / "runbooks.md").read_text("utf-8"), re.M | re.S)
    assert section, incident
    assert "Over when" in section[1], f"{incident} does not say when it is over"


def test_runbooks_name_every_alert_that_exists() -> None:
    alerts = re.findall(r"- alert: (\w+)", (ROOT / "deploy/prometheus/alerts.yml").read_text("utf-8"))
    text = "".join((DOCS / name).read_text("utf-8") for name in ("runbooks.md", "operations.md", "sla.md"))
    assert alerts
    assert [name for name in alerts if f"`{name}`" not in text] == []


def test_every_page_is_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^)#\s]+\.md)[^)]*\)", page.read_text("utf-8"))
        waiting += [(page.parent / link).resolve() for link in links if "://" not in link]
    assert sorted(page.name for page in set(DOCS.rglob("*.md")) - seen) == []


@pytest.mark.parametrize("page", sorted(DOCS.glob("guide/*.md")), ids=lambda page: page.stem)
def test_pictures_of_the_guide_are_small_and_described(page: Path) -> None:
    for words, name in re.findall(r"!\[(.*?)\]\((.+?)\)", page.read_text("utf-8")):
        assert len(words.split()) > 4, f"{page.name}: {name} needs words for those who do not see it"
        assert (page.parent / name).stat().st_size <= 60_000, name


def test_every_picture_of_the_guide_is_shown() -> None:
    text = "".join(page.read_text("utf-8") for page in DOCS.glob("guide/*.md"))
    assert [each.name for each in DOCS.glob("guide/pictures/*") if f"pictures/{each.name})" not in text] == []


@pytest.mark.parametrize("word", ["find", "develop", "run", "results", "publish"])
def test_the_portal_helps_with_a_page_for_each_of_its_words(word: str) -> None:
    assert (DOCS / f"guide/{word}.md").is_file()


def test_every_room_and_module_stands_in_the_architecture() -> None:
    text = (DOCS / "architecture.md").read_text("utf-8")
    places = [
        path for path in (ROOT / "src/terrafair").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    ]
    names = [path.name + "/" * path.is_dir() for path in places if not path.name.startswith("_")]
    assert len(names) > 20
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []
