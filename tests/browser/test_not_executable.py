"""What cannot run here, in a browser over the real catalogue: why, and what would help."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ..conftest import Platform
from .conftest import watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.journey


def test_what_does_not_run_says_why_and_what_would_help(browser: "Browser", osc: Path, own_platform: Platform) -> None:
    own_platform.cli("catalogue", "sync", str(osc))
    seen = watched(browser, own_platform.start("--no-demo").url, viewport={"width": 1440, "height": 1000})
    seen.open("/find/experiment/polaris")
    seen.accessible()
    seen.open("/run/experiment/polaris")
    verdict = seen.page.locator(".verdict.no")
    told = seen.page.request.get(f"{seen.url}/api/experiments/polaris").json()
    assert "Not executable here, because" in verdict.inner_text() and told["reasons"]
    for reason in told["reasons"]:
        assert reason["what"] in verdict.inner_text()
    assert verdict.locator(".remedy").count() > 0
    assert seen.page.get_by_role("button", name="Run", exact=True).count() == 0
    seen.accessible()
    refused = seen.page.request.post(f"{seen.url}/run/experiment/polaris", headers={"Origin": seen.url})
    assert refused.status == 400 and told["reasons"][0]["what"] in seen.page.content()
    seen.page.context.close()
    assert seen.errors == [] and seen.abroad == []
