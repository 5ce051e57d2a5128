"""The documents' site on a phone: no fault that axe finds, nothing wider than the window, nothing from elsewhere."""

import functools
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.journey
ROOT = Path(__file__).parents[2]
PAGES = ("", "guide/", "settings/", "performance/", "operations/", "integration/")


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder without a word."""

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: it is in the group `docs`")
    target = tmp_path_factory.mktemp("documents") / "site"
    script = "import sys; from pathlib import Path; import documents; documents.write(Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", script, str(target)], cwd=ROOT / "tools", capture_output=True, check=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(target)))
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    serving.join()
    server.server_close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_site_is_accessible_on_a_phone(browser: "Browser", site: str, scheme: str) -> None:
    seen = watched(browser, site, viewport={"width": 390, "height": 900}, color_scheme=scheme)
    for path in PAGES:
        seen.open(path)
        assert seen.page.locator("h1").count() == 1, path
        assert seen.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        wide = seen.page.locator(".md-typeset__scrollwrap")
        assert wide.count() == seen.page.locator(".md-typeset__scrollwrap[tabindex]").count(), path
        seen.accessible()
    seen.page.context.close()
    assert seen.errors == []
    assert seen.abroad == []
