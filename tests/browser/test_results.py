"""The view of results in a browser: layers, series, areas, swipe; nothing off this machine, nothing of theirs runs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .. import planted
from ..conftest import Platform
from .conftest import accessible

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(not planted.chromium(), reason="no chromium at /usr/bin"),
    pytest.mark.skipif(
        not (Path(planted.__file__).parents[1] / "src/terrafair/portal/static/vendor/ol.js").exists(),
        reason="browser files were not fetched: python tools/browser_assets.py",
    ),
]


@pytest.fixture(scope="module")
def planted_jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    folder = tmp_path_factory.mktemp("planted")
    planted.ordinary(folder / "good")
    planted.hostile(folder / "bad")
    platform = Platform(folder / "home")
    try:
        platform.start("--no-demo")
        yield platform.url, planted.plant(platform, folder / "good"), planted.plant(platform, folder / "bad")
    finally:
        platform.stop()


class Seen:
    """A page that notes what it asked for and what went wrong on it."""

    def __init__(self, browser: Any, **options: Any) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.asked: list[str] = []
        self.faults: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda line: self.faults.append(line.text) if line.type == "error" else None)
        self.page.on("pageerror", lambda fault: self.faults.append(str(fault)))

    def open(self, address: str) -> Any:
        self.page.goto(address)
        if self.page.locator("#results-mapping").count():
            self.page.wait_for_selector("#results-mapping[data-ready]")
        return self.page


@pytest.fixture
def seen(browser: Any) -> Iterator[Seen]:
    seen = Seen(browser)
    yield seen
    seen.context.close()


def colour(page: Any, x: float = 0.5, y: float = 0.5) -> list[int]:
    """The colour of the map at a place of it, as parts of its width and height."""
    found: list[int] = page.evaluate(
        """([x, y]) => {
            const sum = [0, 0, 0, 0];
            for (const canvas of document.querySelectorAll("#results-map canvas")) {
                const place = [Math.floor(canvas.width * x), Math.floor(canvas.height * y)];
                const part = canvas.getContext("2d").getImageData(...place, 1, 1).data;
                if (part[3]) part.forEach((value, at) => (sum[at] = value));
            }
            return sum;
        }""",
        [x, y],
    )
    return found


def test_layers_series_and_area(planted_jobs: tuple[str, str, str], seen: Seen) -> None:
    url, job, _ = planted_jobs
    page = seen.open(f"{url}/results/{job}/view/outputs/sst.zarr")
    page.wait_for_load_state("networkidle")
    before = colour(page)
    card = page.locator("section.card")
    card.get_by_label("Colours").select_option("magma")
    card.get_by_label("Variable").select_option("sst")
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(500)
    assert colour(page) != before, "another variable in other colours looks otherwise"
    assert "Sea surface temperature" in card.inner_text()
    page.fill("#results-place [name=lon]", "9")
    page.fill("#results-place [name=lat]", "47")
    page.get_by_role("button", name="Series here").click()
    page.wait_for_selector("#results-charts svg.chart")
    assert "24 of 24 values" in page.inner_text("#results-charts")
    slider = card.get_by_label("time")
    slider.focus()
    slider.press("ArrowRight")
    page.locator("output", has_text="2024-02-01").wait_for()
    page.get_by_role("button", name="Draw an area").click()
    box = page.locator("#results-map").bounding_box()
    corners = [(0.4, 0.4), (0.6, 0.4), (0.6, 0.6)]
    for x, y in corners:
        page.mouse.click(box["x"] + box["width"] * x, box["y"] + box["height"] * y)
        page.wait_for_timeout(300)
    page.mouse.dblclick(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.6)
    page.locator("#results-charts", has_text="mean and deviation").wait_for()
    assert not seen.faults
    assert all(re.match(r"http://127\.0\.0\.1:\d+/|data:|blob:", address) for address in seen.asked), seen.asked


def test_order_opacity_and_swipe(planted_jobs: tuple[str, str, str], seen: Seen) -> None:
    url, job, _ = planted_jobs
    page = seen.open(f"{url}/results/{job}/view?layer=outputs/ndvi.tif")
    page.get_by_label("true_colour.tif", exact=True).check()
    page.wait_for_load_state("networkidle")
    names = page.locator("section.card").evaluate_all("all => all.map((each) => each.getAttribute('aria-label'))")
    for _ in range(names.index("Layer true_colour.tif")):
        page.get_by_role("button", name="Raise true_colour.tif").click()
    first = page.locator("section.card").first
    assert first.get_attribute("aria-label") == "Layer true_colour.tif"
    page.wait_for_timeout(500)
    left, right = colour(page, 0.3), colour(page, 0.7)
    first.get_by_label("Swipe").check()
    page.wait_for_timeout(500)
    assert colour(page, 0.3) == left, "left of the divider the upper layer is shown"
    assert colour(page, 0.7) != right, "right of it the lower one"
    assert not seen.faults


def test_attributes_of_a_feature_are_text(planted_jobs: tuple[str, str, str], seen: Seen) -> None:
    url, job, _ = planted_jobs
    page = seen.open(f"{url}/results/{job}/view/outputs/lakes.parquet")
    page.wait_for_timeout(500)
    box = page.locator("#results-map").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector(".popup dl")
    assert "A <i>lake</i>" in page.inner_text(".popup")
    assert not seen.faults


@pytest.mark.parametrize("name", ["evil.ipynb", "evil.csv", "evil.html", "evil.svg"])
def test_nothing_of_theirs_runs(planted_jobs: tuple[str, str, str], seen: Seen, name: str) -> None:
    url, _, job = planted_jobs
    page = seen.open(f"{url}/results/{job}/view/outputs/{name}")
    for link in page.get_by_role("link", name=re.compile("click|go")).all():
        link.click(no_wait_after=True)
    page.wait_for_timeout(300)
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("getComputedStyle(document.body).display") != "none"
    assert all(address.startswith((url, "data:")) for address in seen.asked), seen.asked
    page.goto(f"{url}/api/jobs/{job}/files/outputs/{name}") if name in {"evil.html", "evil.svg"} else None
    assert page.evaluate("window.hacked") is None


def test_without_scripts_the_content_is_there(planted_jobs: tuple[str, str, str], browser: Any) -> None:
    url, job, _ = planted_jobs
    seen = Seen(browser, java_script_enabled=False)
    page = seen.page
    page.goto(f"{url}/results/{job}/view")
    assert page.locator(".previews img").count() == 4 and page.get_by_text("stations.csv").count()
    page.goto(f"{url}/results/{job}/view/outputs/ndvi.tif")
    assert page.locator(".whole img").bounding_box()["width"] > 200
    seen.context.close()


@pytest.mark.parametrize("width", [390, 1440])
def test_no_page_is_wider_than_its_window_and_all_are_accessible(
    planted_jobs: tuple[str, str, str], browser: Any, width: int
) -> None:
    url, job, _ = planted_jobs
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    for path in ("", "/outputs/sst.zarr", "/outputs/stations.parquet", "/outputs/report.ipynb", "/outputs/ndvi.tif"):
        page.goto(f"{url}/results/{job}/view{path}")
        page.wait_for_timeout(500)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        accessible(page)
    context.close()
