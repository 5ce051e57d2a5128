"""A real browser that notes what goes wrong and what leaves this machine."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

import terrafair.portal

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")
VENDOR = Path(terrafair.portal.__file__).parent / "static/vendor"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass
class Seen:
    """One page, with all that it said and asked for."""

    page: "Page"
    url: str
    errors: list[str] = field(default_factory=list)
    abroad: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        self.page.goto(self.url + path, wait_until="load")

    def accessible(self) -> None:
        accessible(self.page)


def accessible(page: "Page") -> None:
    """No fault that axe finds."""
    page.evaluate((VENDOR / "axe.min.js").read_text("utf-8"))
    run = "tags => axe.run(document, {runOnly: tags}).then(found => found.violations)"
    found: list[dict[str, Any]] = page.evaluate(run, RULES)
    assert not [(each["id"], each["nodes"][0]["html"]) for each in found], page.url


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    if not CHROMIUM.exists():
        pytest.skip("chromium is not installed: tools/system_packages.sh installs it")
    if not (VENDOR / "axe.min.js").exists():
        pytest.skip("the browser files are not fetched: tools/browser_assets.py")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


def watched(browser: "Browser", url: str, **options: Any) -> Seen:
    page = browser.new_context(**options).new_page()
    page.set_default_timeout(60_000)
    seen = Seen(page, url)
    page.on("console", lambda message: seen.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda fault: seen.errors.append(str(fault)))
    page.on("request", lambda asked: seen.abroad.append(asked.url) if _leaves(asked.url) else None)
    return seen


def _leaves(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in {"data", "blob"} and parts.hostname not in {"127.0.0.1", "localhost", "::1"}


@pytest.fixture
def seen(browser: "Browser", platform: Any) -> Iterator[Seen]:
    """A page in a context of its own; whatever went wrong on it fails the test."""
    seen = watched(browser, platform.url, viewport={"width": 1440, "height": 1000})
    yield seen
    seen.page.context.close()
    assert seen.errors == [] and seen.abroad == []


@pytest.fixture
def plain(browser: "Browser", platform: Any) -> Iterator[Seen]:
    """The same without JavaScript."""
    seen = watched(browser, platform.url, java_script_enabled=False)
    yield seen
    seen.page.context.close()
    assert seen.errors == [] and seen.abroad == []
