"""What a scientist does in a browser, from the search box to a result on the map."""

from typing import Any

import pytest

pytestmark = pytest.mark.journey


def test_from_the_search_to_a_result_on_the_map(seen: Any) -> None:
    page = seen.page
    seen.open("/find")
    page.get_by_role("searchbox").fill("ndvi composite growing season")
    page.get_by_role("button", name="Find", exact=True).click()
    page.get_by_role("link", name="NDVI composite of the growing season 2024").first.click()
    seen.accessible()
    page.get_by_role("link", name="Run this experiment").click()
    page.get_by_label("Start").fill("2024-05-01")
    seen.accessible()
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/results/*")
    page.locator("#job[data-ended=yes]").wait_for(timeout=200_000)
    assert page.locator(".status").first.inner_text() == "successful"
    assert page.locator("#log span").count() > 2
    assert page.locator(".stages .done").count() >= 4 and page.locator(".usage svg").count() == 2
    assert page.locator("svg.graph .output").count() == 1 and "credits" in page.locator(".aside").inner_text()
    assert "2024-05-01" in page.locator(".aside").inner_text()
    seen.accessible()
    page.get_by_role("link", name="Show on the map").click()
    with page.expect_response(lambda reply: reply.url.split("?")[0].endswith(".png") and reply.ok):
        page.locator("#results-mapping[data-ready=yes]").wait_for()
        page.locator("section.card").first.get_by_label("Colours").select_option("ndvi")
    page.locator(".key .ramp").wait_for()
    seen.accessible()


@pytest.mark.parametrize(
    "path", ["/find", "/develop", "/run", "/results", "/jobs/compare", "/publish", "/patterns", "/find/theme/land"]
)
def test_every_page_is_accessible_and_narrow_screens_do_not_scroll_sideways(seen: Any, path: str) -> None:
    seen.open(path)
    seen.accessible()
    seen.page.set_viewport_size({"width": 390, "height": 900})
    assert seen.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_footprints_appear_when_the_map_is_opened(seen: Any) -> None:
    seen.open("/find?kind=product")
    seen.page.get_by_text("Map of this page's results").click()
    seen.page.locator("#footprints-map[data-ready=yes]").wait_for()
    seen.page.get_by_role("button", name="Search in this view").click()
    seen.page.wait_for_url("**west=*")


def test_without_javascript_a_search_and_a_form_work(plain: Any) -> None:
    page = plain.page
    plain.open("/find?text=ndvi")
    page.locator(".facets a", has_text="experiment").first.click()
    assert "kind=experiment" in page.url
    plain.open("/run/experiment/demo-phenology")
    page.locator("[name='in:min_clear']").fill("many")
    page.get_by_role("button", name="Run", exact=True).click()
    assert page.locator("[name='in:min_clear']").input_value() == "many"
    plain.errors.clear()  # the browser notes the 400 of the form that came back
    assert page.locator("p.wrong").inner_text()


READ_ONLY = [
    "/find",
    "/find/product/demo-ndvi-composite",
    "/find/theme/land",
    "/develop",
    "/run",
    "/results",
    "/publish",
]


@pytest.mark.parametrize("path", [*READ_ONLY, "/publish", "/jobs/compare", "/status", "/projects", "/account/sign-in"])
def test_every_page_is_complete_without_javascript(plain: Any, path: str) -> None:
    """Title, heading, where one is, ways on; no button that only a script would answer."""
    plain.open(path)
    page = plain.page
    assert page.locator("h1").count() == 1 and page.title().endswith(" · terrafair")
    if path.count("/") > 2:
        assert page.get_by_role("navigation", name="Breadcrumbs").count() == 1
    assert page.get_by_role("navigation", name="Main").get_by_role("link").count() == 5
    assert page.locator("button:visible").evaluate_all("all => all.filter((each) => !each.form).length") == 0


def reach(page: Any, words: str) -> None:
    """Move on by the Tab key alone until something of that name has the focus, and shows it."""
    name = "(() => { const at = document.activeElement; return (at.labels?.[0] ?? at).textContent.trim(); })()"
    for _ in range(200):
        page.keyboard.press("Tab")
        if str(page.evaluate(name)).startswith(words):
            shown = "(() => { const it = getComputedStyle(document.activeElement); return it.outlineStyle; })()"
            assert page.evaluate(shown) != "none", f"{words}: the focus is not seen"
            return
    raise AssertionError(f"{words} is not reached by keyboard at {page.url}")


def test_from_find_to_reproduce_by_keyboard_alone(seen: Any) -> None:
    page = seen.page
    seen.open("/find")
    reach(page, "Words")
    page.keyboard.type("ndvi composite growing season")
    page.keyboard.press("Enter")
    page.wait_for_url("**text=ndvi*")
    reach(page, "NDVI composite of the growing season 2024")
    page.keyboard.press("Enter")
    page.wait_for_url("**/find/experiment/demo-ndvi")
    reach(page, "Run this experiment")
    page.keyboard.press("Enter")
    page.wait_for_url("**/run/experiment/demo-ndvi")
    reach(page, "Compare the result with the published product")
    page.keyboard.press("Space")
    assert page.get_by_label("Compare the result with the published product").is_checked()
    page.keyboard.press("Enter")
    page.wait_for_url("**/results/*")
    page.locator("#job[data-ended=yes]").wait_for(timeout=200_000)
    assert page.locator(".status").first.inner_text() == "successful"
