"""The small pictures of docs/guide/, taken of a running platform that shows the demo.

    python tools/guide_pictures.py http://127.0.0.1:8080

Needs playwright and the system's chromium. What the pictures show is made first, where it is not there: one run of the
demo's experiment and of its notebook, and a description of the first one's result that waits to be published.
"""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from terrafair.client import Client

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs/guide/pictures"
SIZE = {"width": 1160, "height": 760}
SHOWN = 960
"""Width of a picture, in pixels."""
LARGEST = 60_000
"""Bytes that a picture may have."""


@dataclass(frozen=True)
class Picture:
    """One picture of the guide."""

    name: str
    path: str
    at: str = ""
    """Selector of what stands at its top; empty: the page's beginning."""
    before: Callable[[Page], None] | None = None
    """What is done on the page first."""


def pictures(ndvi: str, notebook: str) -> list[Picture]:
    """All of them; the arguments are jobs."""
    return [
        Picture("find", "/find?text=ndvi"),
        Picture("product", "/find/product/demo-ndvi-composite"),
        Picture("run", "/run/experiment/demo-ndvi"),
        Picture("job", f"/results/{ndvi}"),
        Picture("map", f"/results/{ndvi}/view", "#results-mapping"),
        Picture("notebook", f"/results/{notebook}/view"),
        Picture("develop", "/develop"),
        Picture("publish", f"/publish/{ndvi}"),
        Picture("review", f"/publish/{ndvi}/review"),
        Picture("projects", "/projects"),
        Picture("sign-in", "/account/sign-in"),
        Picture("operate", "/admin"),
        Picture("status", "/status"),
    ]


def job(platform: Client, experiment: str) -> str:
    """The last successful job of an experiment, or a new one."""
    done = [row for row in platform.jobs(subject=experiment) if row["status"] == "successful"]
    if done:
        return str(done[0]["id"])
    begun = str(platform.run(experiment)["id"])
    for _ in platform.follow(begun):
        pass
    return begun


def settled(page: Page) -> None:
    """Maps have drawn themselves."""
    if page.locator("#results-mapping:visible").count():
        page.locator("#results-mapping[data-ready=yes]").wait_for(timeout=60_000)
        page.wait_for_timeout(1500)
    if page.locator(".map:visible").count():
        page.locator(".map:visible").first.scroll_into_view_if_needed()
        page.locator(".map[data-ready=yes]").first.wait_for(timeout=60_000)
        page.wait_for_timeout(2500)
        page.evaluate("window.scrollTo(0, 0)")


def take(browser: Browser, url: str, picture: Picture) -> bytes:
    """One picture as WebP, no larger than allowed."""
    context: Any = browser.new_context(viewport=SIZE, color_scheme="light", reduced_motion="reduce")
    page = context.new_page()
    page.goto(url + picture.path, wait_until="load", timeout=60_000)
    settled(page)
    if picture.before:
        picture.before(page)
    if picture.at:
        page.locator(picture.at).first.evaluate("element => window.scrollTo(0, element.offsetTop - 24)")
        page.wait_for_timeout(300)
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    context.close()
    image = image.resize((SHOWN, SHOWN * image.height // image.width), Image.Resampling.LANCZOS)
    for quality in (86, 78, 70, 60, 50, 40):
        file = io.BytesIO()
        image.save(file, "webp", quality=quality, method=6)
        if file.tell() <= LARGEST:
            return file.getvalue()
    raise SystemExit(f"{picture.name} has more than {LARGEST} bytes at the lowest quality")


def main(url: str, *names: str) -> int:
    """Take all pictures, or those that are named."""
    with Client(url, timeout=120) as platform:
        jobs = job(platform, "demo-ndvi"), job(platform, "demo-phenology")
        platform.publish(jobs[0])
    TARGET.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for picture in pictures(*jobs):
            if not names or picture.name in names:
                content = take(browser, url, picture)
                (TARGET / f"{picture.name}.webp").write_bytes(content)
                print(f"{picture.name}.webp {len(content) / 1000:.0f} kB", flush=True)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].rstrip("/"), *sys.argv[2:]))
