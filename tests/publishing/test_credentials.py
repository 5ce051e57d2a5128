"""Signing in as a person, a bot or a GitHub App; secrets show nowhere."""

import time
from pathlib import Path

import pytest
from joserfc.jwk import RSAKey

from terrafair.errors import InvalidInput, Refused
from terrafair.publishing.credentials import AppCredentials, TokenCredentials, secret
from terrafair.publishing.github import GitHub, exchange
from terrafair.publishing.review import GitHubReview

from .forge_site import PRODUCTION, QUICK, Site
from .test_review import proposal


def test_a_token_from_environment_file_or_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text("from-file\n")
    credentials = TokenCredentials(file, "A_TOKEN")
    assert credentials.authorization() == "Bearer from-file"
    file.write_text("exchanged\n")
    assert credentials.authorization() == "Bearer exchanged"
    monkeypatch.setenv("A_TOKEN", "from-environment")
    assert credentials.authorization() == "Bearer from-environment"
    assert "given" not in repr(TokenCredentials(value="given"))


@pytest.mark.parametrize("content", ["", "two words", "ümlaut"])
def test_a_wrong_secret_is_told_without_showing_it(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(InvalidInput) as caught:
        secret(file, "", "a GitHub token")
    assert not content or content not in str(caught.value)
    with pytest.raises(InvalidInput, match="cannot be read"):
        secret(tmp_path / "none", "", "a GitHub token")


@pytest.fixture
def app(site: Site, tmp_path: Path) -> Path:
    key = RSAKey.generate_key(2048)
    site.forge._apps = {"4711": (key.as_pem(private=False).decode(), "anna")}
    file = tmp_path / "app.pem"
    file.write_bytes(key.as_pem(private=True))
    return file


def test_an_app_publishes(site: Site, app: Path) -> None:
    clock = [time.time()]
    site.forge._clock = lambda: clock[0]
    credentials = AppCredentials("4711", app, "7", lambda path, auth: exchange(site.url, path, auth), lambda: clock[0])
    with GitHub(site.url, credentials, QUICK) as github:
        pull = GitHubReview(github, "anna", sleep=lambda _: None).propose(PRODUCTION, proposal())
        assert pull.branch == "anna:terrafair/pub-1"
        assert site.faults.count("POST", "access_tokens") == 1
        clock[0] += 3500
        github.get("/user")
        assert site.faults.count("POST", "access_tokens") == 2


def test_an_app_renews_a_token_that_was_taken_back(site: Site, app: Path) -> None:
    credentials = AppCredentials("4711", app, "7", lambda path, auth: exchange(site.url, path, auth))
    with GitHub(site.url, credentials, QUICK) as github:
        github.get("/user")
        site.forge._tokens.clear()
        assert github.get("/user")["login"] == "anna"


def test_an_app_that_is_not_known_is_refused(site: Site, app: Path, tmp_path: Path) -> None:
    for name, key in (("4712", app), ("4711", tmp_path / "other.pem")):
        (tmp_path / "other.pem").write_bytes(RSAKey.generate_key(2048).as_pem(private=True))
        credentials = AppCredentials(name, key, "7", lambda path, auth: exchange(site.url, path, auth))
        with GitHub(site.url, credentials, QUICK) as github, pytest.raises(Refused):
            github.get("/user")
    (tmp_path / "broken.pem").write_text("no key")
    for broken in (tmp_path / "broken.pem", tmp_path / "none.pem"):
        with pytest.raises(InvalidInput):
            AppCredentials("4711", broken, "7", lambda path, auth: {}).authorization()
