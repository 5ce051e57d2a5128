"""The documents as a site: whole, without broken links or other servers, served under the pages' policy."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from terrafair.api.guard import Secured, guard
from terrafair.portal import manual

ROOT = Path(__file__).parents[2]
LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}


class Tags(HTMLParser):
    """All tags of a page with their attributes, and scripts that stand in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.ids: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = {name: text or "" for name, text in attrs}
        self.tags.append((tag, about))
        self.ids |= {about.get("id", ""), about.get("name", "")}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built in a process of its own: MkDocs leaves handlers of logs behind."""
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: it is in the group `docs`")
    target = tmp_path_factory.mktemp("manual") / "site"
    script = "import sys; from pathlib import Path; import documents; documents.write(Path(sys.argv[1]))"
    command = [sys.executable, "-c", script, str(target)]
    done = subprocess.run(command, cwd=ROOT / "tools", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def pages(site: Path) -> Iterator[tuple[Path, Tags]]:
    for path in site.rglob("*.html"):
        yield path, Tags(path.read_text("utf-8"))


def test_every_document_is_a_page(site: Path) -> None:
    for path in (ROOT / "docs").rglob("*.md"):
        page = path.relative_to(ROOT / "docs").with_suffix("")
        assert (site / (page.parent if page.name == "index" else page) / "index.html").exists(), path.name


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    for path, page in pages(site):
        for tag, about in page.tags:
            address = about.get(LOADED.get(tag, ""), "")
            if tag == "link" and about.get("rel") in {"canonical", "edit", "next", "prev"}:
                continue
            assert not address.startswith(("http:", "https:", "//")), f"{path.name} loads {address}"
    for path in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import )[\"']?(https?:)?//", path.read_text("utf-8")), path.name


def test_pages_run_no_scripts_of_their_own(site: Path) -> None:
    for path, page in pages(site):
        for tag, about in page.tags:
            if tag == "script":
                assert "src" in about or about.get("type") == "application/json", path
            assert not [name for name in about if name.startswith("on")], f"{path}: {tag} {about}"


def test_links_within_the_site_lead_somewhere(site: Path) -> None:
    ids = {path: page.ids for path, page in pages(site)}
    followed = 0
    for path, page in pages(site):
        for tag, about in page.tags:
            address = urlsplit(about.get("href" if tag in {"a", "link"} else LOADED.get(tag, ""), ""))
            if address.scheme or address.netloc or not (address.path or address.fragment):
                continue
            target = (path.parent / unquote(address.path)).resolve() if address.path else path
            target = target / "index.html" if target.is_dir() else target
            assert target.exists(), f"{path.relative_to(site)} leads to {address.geturl()}"
            if address.fragment and not address.fragment.startswith("__") and target in ids:
                assert address.fragment in ids[target], f"{path.relative_to(site)}: no {address.geturl()}"
            followed += 1
    assert followed > 100


def test_what_is_searched_is_there(site: Path) -> None:
    found = json.loads((site / "search/search_index.json").read_text("utf-8"))["docs"]
    assert any("exit code 75" in entry["text"] and entry["location"].startswith("operations/") for entry in found)


def test_the_platform_serves_it_under_its_policy(site: Path) -> None:
    app = FastAPI()
    guard(app, "127.0.0.1")
    app.add_middleware(Secured)
    manual.mount(app, site)
    web = TestClient(app, base_url="http://127.0.0.1")
    reply = web.get("/documents")
    assert reply.status_code == 200
    assert str(reply.url).endswith("/documents/")
    assert "default-src 'self'" in reply.headers["content-security-policy"]
    assert web.get("/documents/operations/").status_code == 200
    assert web.get("/documents/nothing/").status_code == 404
    assert web.get("/documents/..%2f..%2fpage.py").status_code == 404


def test_without_a_site_there_is_none(tmp_path: Path) -> None:
    app = FastAPI()
    manual.mount(app, tmp_path)
    assert not manual.is_there(tmp_path)
    assert TestClient(app).get("/documents/").status_code == 404
