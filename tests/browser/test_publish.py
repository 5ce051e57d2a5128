"""Find, reproduce, publish and find again in a browser, by people who sign in; and what may go wrong on the way."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from terrafair.config import load
from terrafair.database import open_engine, transaction
from terrafair.development.releases import Release, Releases
from terrafair.identity.oidc_provider import LocalProvider, available
from terrafair.identity.sessions import COOKIE
from terrafair.workspaces.store import Store as Workspaces
from terrafair.workspaces.workspace import Seed, State, Workspace

from ..conftest import SHARED, Platform
from .conftest import Seen, watched
from .every_page import PAGES

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.journey, pytest.mark.timeout(600)]
LATER = r"vendor/(eox-map|ol|countries|material|openeo|ace|ext-|mode-|theme-|fa-|fontawesome)"
"""Maps and editors."""
TYPED = "A composite that I have described myself"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform of its own, since these journeys change the catalogue; visitors only look."""
    if not available():
        pytest.skip("the local identity provider is not installed: make assets")
    schemas = SHARED / "data/schemas"
    settings = {"TERRAFAIR_SCHEMAS": str(schemas)} if schemas.is_dir() else {}
    with LocalProvider() as provider:
        settings |= {
            "TERRAFAIR_ISSUERS": f"local={provider.issuer}",
            "TERRAFAIR_CLIENTS": f"local={provider.client}",
            "TERRAFAIR_OPERATORS": f"{provider.issuer}#ada",
            "TERRAFAIR_ANONYMOUS": "visitor",
        }
        found = Platform(tmp_path_factory.mktemp("portal") / "home", settings)
        try:
            yield found.start()
        finally:
            found.stop()


def sign_in(seen: Seen, person: str) -> None:
    """As somebody does it at the provider."""
    page = seen.page
    page.get_by_role("link", name="Continue with").click()
    # The provider remembers who has been there with this browser.
    page.wait_for_url(re.compile("/interaction/|/(run|projects|publish|account|find)"))
    if "/interaction/" in page.url:
        page.get_by_role("button", name=person).click()
        page.wait_for_url(lambda url: url.startswith(seen.url))


@pytest.fixture(scope="module")
def states(browser: "Browser", place: Platform, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The cookies of two people who have signed in."""
    found = {}
    for person in ("Ada", "Grace"):
        seen = watched(browser, place.url)
        seen.open("/account/sign-in?next=/projects")
        sign_in(seen, person)
        assert person in seen.page.get_by_role("navigation", name="Account").inner_text()
        found[person] = tmp_path_factory.mktemp("state") / "state.json"
        seen.page.context.storage_state(path=found[person])
        seen.page.context.close()
    return found


def somebody(browser: "Browser", place: Platform, state: Path) -> Iterator[Seen]:
    seen = watched(browser, place.url, storage_state=state, viewport={"width": 1440, "height": 1000})
    yield seen
    seen.page.context.close()
    # Forms that come back are answered with 400 or 409, which a browser notes.
    assert [text for text in seen.errors if not re.search("status of (400|401|409)", text)] == []
    assert seen.abroad == []


@pytest.fixture
def ada(browser: "Browser", place: Platform, states: dict[str, Path]) -> Iterator[Seen]:
    yield from somebody(browser, place, states["Ada"])


@pytest.fixture
def grace(browser: "Browser", place: Platform, states: dict[str, Path]) -> Iterator[Seen]:
    yield from somebody(browser, place, states["Grace"])


def run(seen: Seen, experiment: str) -> str:
    """Run it with its published inputs; gives the job's id once that has ended."""
    seen.open(f"/run/experiment/{experiment}")
    seen.page.get_by_role("button", name="Run", exact=True).click()
    seen.page.wait_for_url("**/results/*")
    seen.page.locator("#job[data-ended=yes]").wait_for(timeout=200_000)
    return str(seen.page.url.rpartition("/")[2])


@pytest.fixture(scope="module")
def job(browser: "Browser", place: Platform, states: dict[str, Path]) -> str:
    """A successful one of Ada's, started from the search box."""
    for seen in somebody(browser, place, states["Ada"]):
        page = seen.page
        seen.open("/find")
        page.get_by_role("searchbox").fill("ndvi composite growing season")
        page.get_by_role("button", name="Find", exact=True).click()
        page.get_by_role("link", name="NDVI composite of the growing season 2024").first.click()
        page.get_by_role("link", name="Run this experiment").click()
        assert "credits" in page.locator(".cost").inner_text()
        page.get_by_label("Compare the result with the published product").check()
        page.get_by_role("button", name="Run", exact=True).click()
        page.wait_for_url("**/results/*")
        page.locator("#job[data-ended=yes]").wait_for(timeout=200_000)
        assert page.locator(".status").first.inner_text() == "successful"
        return str(page.url.rpartition("/")[2])
    raise AssertionError


def test_nothing_typed_is_lost_by_mistakes_reload_or_the_session(ada: Seen, job: str) -> None:
    page = ada.page
    ada.open("/publish")
    page.get_by_role("link", name=re.compile("Describe")).first.click()
    ada.accessible()
    page.get_by_label("Product title").fill(TYPED)
    page.get_by_label("Contact email").fill("nobody")
    page.locator("[data-question=contact_email].wrong").wait_for()
    assert "no e-mail address" in page.locator("#q-contact_email-wrong").inner_text()
    ada.accessible()
    page.reload()
    assert page.get_by_label("Product title").input_value() == TYPED
    assert page.get_by_label("Contact email").input_value() == "nobody"

    page.get_by_label("Region").fill("Somewhere else")
    page.context.clear_cookies(name=COOKIE)
    page.get_by_role("button", name="Check and go on").click()
    page.wait_for_url("**/account/sign-in*")
    assert "Your session has ended" in page.locator(".notice").inner_text()
    ada.accessible()
    sign_in(ada, "Ada")
    page.wait_for_url("**/publish/*")
    assert "everything that you typed is here" in page.locator(".notice").inner_text()
    assert page.get_by_label("Region").input_value() == "Somewhere else"
    assert page.get_by_label("Contact email").input_value() == "nobody"
    page.get_by_role("button", name="Check and go on").click()
    assert "to mend" in page.locator(".problem").inner_text()
    assert page.get_by_label("Region").input_value() == "Somewhere else"


def test_two_tabs_do_not_overwrite_each_other_unseen(ada: Seen, job: str) -> None:
    page = ada.page
    ada.open(f"/publish/{job}")
    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_label("Region").fill("From the other tab")
    other.get_by_text("Kept at").wait_for()
    page.get_by_label("Region").fill("From this tab")
    page.get_by_text("was changed in another tab").wait_for()
    page.get_by_role("button", name="Check and go on").click()
    told = page.locator(".problem").inner_text()
    assert "From the other tab" in told and page.get_by_label("Region").input_value() == "From this tab"
    ada.accessible()


def test_published_reviewed_merged_and_found_again(ada: Seen, job: str) -> None:
    page = ada.page
    ada.open(f"/publish/{job}")
    page.get_by_label("Product title").fill(TYPED)
    page.get_by_label("Contact email").fill("ada@example.org")
    page.locator("#verdict .yes").wait_for()
    page.get_by_role("button", name="Check and go on").click()
    page.wait_for_url("**/review")
    assert f'"title": "{TYPED}"' in page.locator(".diff").inner_text()
    assert page.locator(".diff .removed").count() == 0
    ada.accessible()
    page.get_by_role("button", name="Archive the data and open the pull request").click()
    page.get_by_role("button", name="Play the reviewer").wait_for(timeout=200_000)
    assert "green" in page.locator("table").inner_text()
    ada.accessible()
    page.get_by_role("button", name="Play the reviewer").click()
    page.get_by_role("button", name="Bring the catalogue up to date").click()
    page.get_by_role("link", name="See it in the catalogue").wait_for()
    ada.open("/find")
    page.get_by_role("searchbox").fill(TYPED)
    page.get_by_role("button", name="Find", exact=True).click()
    page.get_by_role("link", name=TYPED).first.click()
    ada.accessible()
    assert page.locator(".lineage").inner_text().count("NDVI") > 0
    page.get_by_role("link", name="Propose a change").click()
    page.wait_for_url(f"**/publish/{job}")
    page.get_by_label("Region").fill("Another region")
    page.locator("#verdict .yes").wait_for()
    page.get_by_role("button", name="Check and go on").click()
    page.wait_for_url("**/review")
    changed = page.locator(".diff .added").all_inner_texts()
    assert any("Another region" in line for line in changed) and len(changed) < 8


def test_a_change_of_an_entry_that_was_not_published_here(ada: Seen, browser: "Browser", place: Platform) -> None:
    """Prefilled, checked beside the field, kept, shown as a difference, proposed; and a conflict with another's."""
    page, here = ada.page, "/publish/edit/product/demo-surface-water"
    ada.open("/find/product/demo-surface-water")
    page.get_by_role("link", name="Propose a change").click()
    page.wait_for_url(f"**{here}")
    title = page.get_by_label("Product title").input_value()
    assert title and page.get_by_label("Product description").input_value()
    page.get_by_label("Product title").fill("")
    page.locator("[data-question=product_title] [data-wrong]", has_text="cannot be empty").wait_for()
    page.get_by_label("Product title").fill("<script>alert(1)</script>")
    page.get_by_label("Region").fill("x" * 40_000)
    page.locator("[data-question=region] [data-wrong]", has_text="40,000").wait_for()
    page.get_by_label("Variables: one more").first.fill("no-such-variable")
    page.get_by_role("button", name="Check and see the difference").click()
    page.locator(".problem[role=alert]").wait_for()
    ada.accessible()
    ada.open(here)
    assert page.get_by_label("Product title").input_value() == "<script>alert(1)</script>"
    assert len(page.get_by_label("Region").input_value()) == 40_000
    page.get_by_role("button", name="Forget what I typed").click()
    page.wait_for_load_state()
    assert page.get_by_label("Product title").input_value() == title
    # Somebody opens the form in another window, and sends it when Ada's change has been merged.
    other = page.context.new_page()
    other.goto(ada.url + here)
    page.get_by_label("Region").fill("Another lake")
    page.locator("#kept", has_text=re.compile(r"Kept at \d")).wait_for()
    ada.open(here)
    assert page.get_by_label("Region").input_value() == "Another lake"
    page.get_by_role("button", name="Check and see the difference").click()
    page.wait_for_url("**/review")
    changed = page.locator(".diff .added, .diff .removed").all_inner_texts()
    assert any("Another lake" in line for line in changed) and len(changed) <= 4
    ada.accessible()
    page.get_by_role("button", name="Open the pull request").click()
    page.get_by_role("button", name="Play the reviewer").wait_for(timeout=200_000)
    assert "green" in page.locator("table").inner_text()
    # Nothing is archived where an entry is changed, and programs find the change as well.
    steps = page.locator(".steps")
    assert "Archive" not in steps.inner_text() and "Review" in steps.locator("[aria-current=step]").inner_text()
    rows = page.request.get(f"{ada.url}/api/publications").json()
    assert [row["kind"] for row in rows if row["job"] == "edit:products:demo-surface-water"] == ["change"]
    page.get_by_role("button", name="Play the reviewer").click()
    page.get_by_role("button", name="Bring the catalogue up to date").click()
    page.get_by_role("link", name="See it in the catalogue").click()
    page.get_by_text("Another lake").first.wait_for()
    other.get_by_label("Region").fill("My own lake")
    other.get_by_role("button", name="Check and see the difference").click()
    other.get_by_text("was changed in the catalogue since you began").wait_for()
    assert "Another lake" in other.locator("[data-question=region] [data-wrong]").inner_text()
    assert other.get_by_label("Region").input_value() == "My own lake"
    other.get_by_role("button", name="Check and see the difference").click()
    other.wait_for_url("**/review")
    assert other.locator(".diff .removed").inner_text().count("Another lake") == 1


def test_a_run_form_outlives_the_session(grace: Seen) -> None:
    page = grace.page
    grace.open("/run/experiment/demo-phenology")
    page.locator("[name='in:min_clear']").fill("0.37")
    page.context.clear_cookies(name=COOKIE)
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/account/sign-in*")
    sign_in(grace, "Grace")
    page.wait_for_url("**/run/experiment/*")
    assert page.locator("[name='in:min_clear']").input_value() == "0.37"
    grace.open("/projects")
    page.get_by_label("Id").fill("lost-and-found")
    page.context.clear_cookies(name=COOKIE)
    page.get_by_role("button", name="Create").click()
    page.wait_for_url("**/account/sign-in*")
    sign_in(grace, "Grace")
    assert "lost-and-found" in page.locator("main").inner_text()
    page.get_by_role("button", name="Send it now").click()
    page.wait_for_url("**/projects/lost-and-found")
    grace.accessible()


def test_over_budget_is_told_before_and_after(grace: Seen, ada: Seen) -> None:
    grace.open("/account")
    person = grace.page.get_by_role("link", name=re.compile("^u[0-9a-f]{10}")).first.inner_text()
    with cookies(grace) as web:
        today = datetime.now(UTC).date()
        asked = {"project": person, "credits": 0.001, "start": str(today), "end": str(today + timedelta(days=9))}
        allocation = web.post("/api/allocations", json=asked).raise_for_status().json()["id"]
    with cookies(ada) as web:
        decision = {"decision": "approve", "reference": "NoR-1"}
        web.post(f"/api/allocations/{allocation}/decision", json=decision).raise_for_status()
        web.get("/admin").raise_for_status()
    grace.open("/run/experiment/demo-water")
    assert "0.001 credits left" in grace.page.get_by_role("navigation", name="Account").inner_text()
    assert "are missing" in grace.page.locator(".cost").inner_text()
    grace.accessible()
    grace.page.get_by_role("button", name="Run", exact=True).click()
    grace.page.locator(".problem").wait_for()
    assert "and 0.001 are free" in grace.page.locator(".problem").inner_text()


def cookies(seen: Seen) -> httpx2.Client:
    """A program with somebody's session."""
    held = {each["name"]: each["value"] for each in seen.page.context.cookies(seen.url)}
    client = httpx2.Client(base_url=seen.url, cookies=held, timeout=60, trust_env=False)
    client.headers["Sec-Fetch-Site"] = "same-origin"
    return client


def test_a_job_that_is_cancelled_or_fails_says_so(ada: Seen, tmp_path: Path) -> None:
    page = ada.page
    ada.open("/run/experiment/demo-water")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/results/*")
    page.get_by_role("button", name="Cancel").click()
    page.locator("#job[data-ended=yes]").wait_for(timeout=200_000)
    assert page.locator(".status").first.inner_text() in {"dismissed", "successful"}
    ada.open("/run/experiment/demo-ndvi")
    page.get_by_label("Collection", exact=True).fill("s3://terrafair/datasets/none/collection.json")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/results/*")
    page.locator("#job[data-ended=yes]").wait_for(timeout=200_000)
    assert page.locator(".status").first.inner_text() == "failed"
    assert page.locator("main").inner_text().count("none/collection.json") > 0
    ada.accessible()


def test_the_operators_page_shows_what_is_measured(ada: Seen, job: str) -> None:
    ada.open("/admin")
    ada.accessible()
    shown = ada.page.locator("main").inner_text()
    assert "demo/catalogue.git" in shown and "ended well in the last 30 days" in shown and "No job waits" in shown


def test_every_page_is_small_accessible_and_fits_a_phone(ada: Seen, place: Platform, job: str) -> None:
    """Own transfer without maps and editors: the page, its style sheets, scripts and pictures."""
    invitation = planted(ada, place, job)
    paths = [path.format(job=job, invitation=invitation) for paths in PAGES.values() for path in paths]
    absent = {path for path in paths if path.endswith("/none")}
    page, heavy, titles = ada.page, {}, {}
    sizes: list[int] = []
    page.on("response", lambda reply: sizes.append(_size(reply)))
    for path in paths:
        sizes.clear()
        page.set_viewport_size({"width": 390, "height": 900})
        found = page.goto(ada.url + path, wait_until="load")
        assert found is not None and found.status == (404 if path in absent else 200), path
        if sum(sizes) > 150_000:
            heavy[path] = sum(sizes)
        titles.setdefault(page.title(), []).append(path)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        assert page.locator("h1").count() == 1, path
        assert "Ada Demo" in page.get_by_role("navigation", name="Account").inner_text(), path
        ada.accessible()
    assert heavy == {}
    assert {title: found for title, found in titles.items() if len(found) > 1} == {}
    ada.errors = [text for text in ada.errors if "404" not in text]


def planted(ada: Seen, place: Platform, job: str) -> str:
    """What some pages are about: a project, a release, a workspace, a publication; gives an invitation's secret."""
    with cookies(ada) as web:
        web.post("/api/projects", json={"id": "lakes", "title": "Lakes"}).raise_for_status()
        invited = web.post("/api/projects/lakes/invitations", json={"role": "viewer", "email": "cy@example.org"})
        person = web.get("/api/me").json()["id"]
        under_way(web, job)
    engine = open_engine(load(place.environment).database_url)
    for version in ("1", "2"):
        Releases(engine).add(Release("lakes", version, "lakes", person, "build", f"sha256:{version}", "", "lakes"))
    with transaction(engine) as connection:
        seed = Seed("product", "demo-ndvi-composite")
        Workspaces(engine).add(
            connection, Workspace("w-0123", person, "lakes", "small", 1, State.CLOSED, "2026-01-01T00:00:00Z", seed)
        )
    engine.dispose()
    return str(invited.json()["secret"])


def under_way(web: httpx2.Client, job: str) -> None:
    """The job's publication has been described, so that each of its steps has its page."""
    if all(row["job"] != job for row in web.get("/api/publications").raise_for_status().json()):
        answers = {"product_title": TYPED, "contact_email": "ada@example.org"}
        web.post("/api/publications", json={"job": job, "answers": answers}).raise_for_status()


def _size(reply: Any) -> int:
    """Bytes, without what maps are made of."""
    if re.search(LATER, reply.url) or 300 <= reply.status < 400:
        return 0
    length = reply.headers.get("content-length")
    return int(length) if length else len(reply.body())
