"""Pictures of every page of a running platform, wide and narrow, light and dark, on one sheet.

    python tools/contact_sheet.py http://127.0.0.1:8080 docs/pictures/portal.webp

Where the demo's identity provider is there (`TERRAFAIR_LOCAL_PROVIDER=yes`), Ada looks at them: each page is as it is
for her, with what she has run and published. Needs playwright and the system's chromium. Each page's accessibility
faults (axe) and console errors are printed.
"""

import io
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
AXE = ROOT / "src/terrafair/portal/static/vendor/axe.min.js"
SCHEMES = ("light", "dark")
WIDTHS = (1440, 390)
HEIGHT = 1000
SHOWN = 0.25
"""Size on the sheet."""


Ask = Callable[[str], Any]
"""The JSON at a path, as whoever is signed in sees it."""


def pages(ask: Ask) -> list[str]:
    """The fixed pages, and one of each kind that has an id."""
    found = ["/find", "/find?text=ndvi", "/find/theme/none"]
    entries = ask("/api/experiments")
    found += [f"/find/{row['kind']}/{row['id']}" for row in entries[:1]]
    products = [hit["id"] for hit in ask("/api/find?kind=product&limit=1")["items"]]
    found += [f"/find/product/{id_}" for id_ in products]
    found += ["/develop", "/develop/activity"]
    found += [f"/develop/workflows/{each['name']}" for each in ask("/api/releases")[:1]]
    found += ["/develop/new", "/develop/text", "/develop/text?origin=template&id=cwl"]
    found += ["/develop/graph?origin=template&id=openeo", "/develop/notebook?origin=template&id=notebook"]
    found += ["/run"]
    for runs in (True, False):
        chosen = [row for row in entries if row["executable"] is runs]
        found += [f"/run/{row['kind']}/{row['id']}" for row in chosen[:1]]
    found += ["/results", *_of_jobs(ask), "/publish", *_of_a_publication(ask)]
    found += [f"/publish/edit/product/{id_}" for id_ in products]
    return [*found, "/account/sign-in", "/status", "/patterns"]


def _of_jobs(ask: Ask) -> list[str]:
    """What came out of a job, one that failed, and two beside each other."""
    jobs = ask("/api/jobs")
    good = [job["id"] for job in jobs if job["status"] == "successful"]
    bad = [job["id"] for job in jobs if job["status"] == "failed"]
    found = [path for id_ in good[:1] for path in (f"/results/{id_}", f"/results/{id_}/view")]
    found += [f"/results/{id_}" for id_ in bad[:1]]
    return [*found, f"/jobs/compare?a={good[0]}&b={good[1]}" if len(good) > 1 else "/jobs/compare"]


def _of_a_publication(ask: Ask) -> list[str]:
    begun = [row["job"] for row in ask("/api/publications") if row["state"] != "draft" and row["kind"] == "result"]
    return [f"/publish/{job}{step}" for job in begun[:1] for step in ("", "/review", "/follow")]


def signed_in(browser: Browser, url: str) -> tuple[Ask, Any]:
    """How to ask, and the session, of somebody who has signed in at the demo's provider; None where there is none."""
    page = browser.new_context().new_page()

    def ask(path: str) -> Any:
        return page.context.request.get(url + path, timeout=60_000).json()

    page.goto(f"{url}/account/sign-in?next=/account")
    if not page.locator("main a", has_text="Continue with").count():
        return ask, None
    page.locator("main a", has_text="Continue with").first.click()
    page.get_by_role("button", name="Ada").click()
    page.wait_for_url(f"{url}/account")
    return ask, page.context.storage_state()


def own_pages(ask: Ask) -> list[str]:
    """The pages that only somebody who has signed in has."""
    named = sorted(ask("/api/projects"), key=lambda each: str(each["title"] != "Lakes"))
    found = ["/account", "/account/kept", "/projects", *(f"/projects/{each['id']}" for each in named[:1])]
    return [*found, "/projects/join/of-nobody", "/develop/workspaces", "/admin"]


def faults(page: Page) -> list[str]:
    """What axe finds by WCAG 2.2 A and AA."""
    page.evaluate(AXE.read_text("utf-8"))
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    run = "tags => axe.run(document, {runOnly: tags}).then(found => found.violations)"
    found: list[dict[str, Any]] = page.evaluate(run, tags)
    return [f"{each['id']}: {each['nodes'][0]['html'][:160]}" for each in found]


def take(browser: Browser, url: str, path: str, scheme: Any, session: Any) -> tuple[dict[int, Image.Image], list[str]]:
    """One picture for each width, and what is wrong on the page."""
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": WIDTHS[0], "height": HEIGHT}, storage_state=session
    )
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda fault: said.append(str(fault)))
    page.goto(url + path, wait_until="load", timeout=120_000)
    if page.locator("#results-mapping:visible").count():
        page.locator("#results-mapping[data-ready=yes]").wait_for(timeout=40_000)
        page.wait_for_timeout(1500)
    if page.locator(".map:visible").count():
        page.locator(".map:visible").first.scroll_into_view_if_needed()
        page.locator(".map[data-ready=yes]").first.wait_for(timeout=120_000)
        page.wait_for_timeout(2500)
        page.evaluate("window.scrollTo(0, 0)")
    wrong = [*faults(page), *(text for text in said if "404" not in text)]
    pictures = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        page.wait_for_timeout(300)
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            wrong.append(f"it scrolls sideways at {width}")
        pictures[width] = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    context.close()
    return pictures, wrong


def main(url: str, target: Path, whole: Path | None = None) -> int:
    """Make the sheet; 1 where a page is faulty."""
    faulty, rows = 0, []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        ask, session = signed_in(browser, url)
        for path in [*pages(ask), *(own_pages(ask) if session else ["/admin"])]:
            taken = {}
            for scheme in SCHEMES:
                taken[scheme], wrong = take(browser, url, path, scheme, session)
                for text in wrong:
                    print(f"{path} {scheme}: {text}", flush=True)
                faulty += len(wrong)
            row = []
            for width, scheme in product(WIDTHS, SCHEMES):
                picture = taken[scheme][width]
                if whole:
                    name = path.strip("/").replace("/", "_").replace("?", "_")
                    picture.save(whole / f"{name}.{scheme}.{width}.png")
                row.append(picture.resize((int(picture.width * SHOWN), int(picture.height * SHOWN))))
            rows.append(row)
        browser.close()
    sheet = Image.new("RGB", (sum(each.width + 8 for each in rows[0]), len(rows) * (rows[0][0].height + 8)), "#888")
    for number, row in enumerate(rows):
        across = 0
        for picture in row:
            sheet.paste(picture, (across, number * (picture.height + 8)))
            across += picture.width + 8
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(target, quality=70)
    print(f"{len(rows)} pages, {faulty} faults, {target} of {target.stat().st_size / 1000:.0f} kB")
    return int(faulty > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].rstrip("/"), Path(sys.argv[2]), *(Path(each) for each in sys.argv[3:4])))
