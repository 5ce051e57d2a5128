"""Signing in and out through the pages, at the certified local provider and at a second one, as a browser does it."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from starlette.testclient import TestClient

from terrafair.api.rates import Rate
from terrafair.app import Parts
from terrafair.config import Config
from terrafair.database import migrate, open_engine
from terrafair.execution import queue
from terrafair.identity.oidc_provider import LocalProvider, available
from terrafair.identity.sessions import COOKIE
from terrafair.interfaces import build

from ..databases import elsewhere, objects
from ..identity.issuers import Issuer, serving

HOME = "http://127.0.0.1"


@dataclass
class Place:
    platform: TestClient
    local: LocalProvider
    issuer: Issuer

    def browser(self) -> TestClient:
        return TestClient(self.platform.app, base_url=HOME, raise_server_exceptions=False)

    def back(self, browser: TestClient, provider: str, person: str = "", next: str = "/projects") -> str:
        """Where the provider sends the browser back to."""
        reply = browser.get(f"/account/sign-in/{provider}?next={next}", follow_redirects=False)
        assert reply.status_code == 303, reply.text
        with httpx2.Client(timeout=30) as outside:
            found = outside.get(reply.headers["location"])
            for _ in range(8):
                target = found.headers.get("location", "")
                if target.startswith(f"{HOME}/account/callback"):
                    return target.removeprefix(HOME)
                if found.is_redirect:
                    found = outside.get(found.url.join(target))
                else:
                    found = outside.post(found.url, data={"person": person})
        raise AssertionError(found.text)

    def sign_in(self, provider: str, person: str = "") -> TestClient:
        browser = self.browser()
        reply = browser.get(self.back(browser, provider, person), follow_redirects=False)
        assert (reply.status_code, reply.headers["location"]) == (303, "/projects"), reply.text
        return browser


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if not available():
        pytest.skip("the local identity provider is not installed: make assets")
    issuer, home = Issuer(), tmp_path_factory.mktemp("platform")
    with ExitStack() as stack:
        local = stack.enter_context(LocalProvider())
        issuer.url = stack.enter_context(serving(issuer.answer))
        second = {"issuer": issuer.url, "client": "platform", "secret": "s3cret", "claims": {"name": "display_name"}}
        config = Config(
            home=home, **elsewhere(home), anonymous="visitor",
            issuers={"local": local.issuer}, clients={"local": local.client},
            providers={"institute": second}, operators=frozenset({f"{local.issuer}#grace"}),
        )  # fmt: skip
        engine = open_engine(config.database_url)
        migrate(engine)
        engine.dispose()
        queue.prepare(config.database_url)
        parts = Parts(config)
        vars(parts).update(objects=objects(home))
        stack.callback(parts.catalogue.close)
        yield Place(TestClient(build(parts, stack), base_url=HOME), local, issuer)


def test_one_sign_in_for_all(place: Place) -> None:
    browser = place.sign_in("local", "ada")
    [cookie] = [each for each in browser.cookies.jar if each.name == COOKIE]
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "lax"
    me = browser.get("/api/me").json()
    assert (me["name"], me["operator"]) == ("Ada Demo", False)
    assert me["projects"] == {me["id"]: "owner"}
    assert "Ada Demo" in browser.get("/account").text
    assert place.sign_in("local", "grace").get("/api/me").json()["operator"] is True


def test_both_providers_are_offered_and_are_different_people(place: Place) -> None:
    place.issuer.claims = {"display_name": "Lin Wu"}
    page = place.browser().get("/account/sign-in").text
    assert "/account/sign-in/local" in page
    assert "/account/sign-in/institute" in page
    lin = place.sign_in("institute").get("/api/me").json()
    assert lin["name"] == "Lin Wu"
    assert lin["id"] != place.sign_in("local", "ada").get("/api/me").json()["id"]


def test_a_callback_counts_once_and_in_its_own_browser(place: Place) -> None:
    browser, other = place.browser(), place.browser()
    callback = place.back(browser, "local", "ada")
    stolen = other.get(callback)
    assert stolen.status_code == 403
    assert other.get("/api/me").json()["id"] == ""
    # The attempt has used it up.
    assert browser.get(callback).status_code == 403


def test_a_sign_in_makes_a_new_session(place: Place) -> None:
    browser = place.browser()
    browser.cookies.set(COOKIE, "planted")
    browser.get(place.back(browser, "local", "ada"), follow_redirects=False)
    values = {each.value for each in browser.cookies.jar if each.name == COOKIE}
    assert values - {"planted"}


def test_signing_out_goes_to_the_provider(place: Place) -> None:
    browser = place.sign_in("local", "ada")
    csrf = re.search(r'name="csrf" value="([^"]+)"', browser.get("/account").text)
    assert csrf
    out = browser.post("/account/sign-out", data={"csrf": csrf[1]}, follow_redirects=False)
    assert out.headers["location"].startswith(f"{place.local.issuer}/session/end?id_token_hint=")
    assert browser.get("/api/me").json()["id"] == ""


def test_the_provider_ends_a_session(place: Place) -> None:
    place.issuer.claims = {"sid": "s-1"}
    one = place.sign_in("institute")
    place.issuer.claims = {"sid": "s-2"}
    two = place.sign_in("institute")
    events = {"http://schemas.openid.net/event/backchannel-logout": {}}
    bad = place.platform.post("/account/back-channel", data={"logout_token": "a.b.c"})
    assert bad.status_code == 400
    token = place.issuer.token(sid="s-1", sub=None, exp=None, events=events)
    assert place.platform.post("/account/back-channel", data={"logout_token": token}).status_code == 200
    assert one.get("/api/me").json()["id"] == ""
    assert two.get("/api/me").json()["id"] != ""
    token = place.issuer.token(exp=None, events=events)
    assert place.platform.post("/account/back-channel", data={"logout_token": token}).status_code == 200
    assert two.get("/api/me").json()["id"] == ""


def test_a_plain_token_of_a_trusted_issuer(place: Place) -> None:
    # Somebody whom no other test has signed out within this second.
    token = place.issuer.token(name="Lin Wu", sub="43")
    reply = place.platform.get("/api/me", headers={"Authorization": f"Bearer {token}"})
    assert reply.status_code == 200, reply.text
    assert reply.json()["name"] in {"Lin Wu", "43"} or reply.json()["id"]
    for wrong in ({"aud": "another"}, {"iss": "https://evil.example"}, {"exp": 1_700_000_000}):
        bad = place.issuer.token(**wrong)
        assert place.platform.get("/api/me", headers={"Authorization": f"Bearer {bad}"}).status_code == 401


def test_a_provider_that_refuses(place: Place) -> None:
    browser = place.browser()
    callback = place.back(browser, "institute")
    state = parse_qs(urlsplit(callback).query)["state"][0]
    reply = browser.get(f"/account/callback?error=access_denied&state={state}")
    assert reply.status_code == 403
    assert "did not sign you in" in reply.text
    assert place.browser().get("/account/sign-in/unknown").status_code == 404


def test_rates() -> None:
    moment = [0.0]
    rate = Rate(2, 3, now=lambda: moment[0])
    assert [rate.wait("ada") for _ in range(4)] == [0, 0, 0, 0.5]
    assert rate.wait("ben") == 0
    moment[0] = 0.5
    assert rate.wait("ada") == 0
    assert rate.wait("ada") == 0.5


def test_too_many_attempts_to_sign_in(tmp_path: Path, place: Place) -> None:
    # From an address of its own: other tests have tried from theirs.
    client = TestClient(place.platform.app, base_url=HOME, client=("192.0.2.7", 50_000))
    statuses = [client.get("/account/sign-in").status_code for _ in range(40)]
    assert statuses[0] == 200
    assert statuses[-1] == 429
