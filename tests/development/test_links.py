"""A forge's call is believed by its signature, and asks for one build."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from terrafair.database import migrate, open_engine
from terrafair.development.links import Links, Push, Source, pushed, verify, wishes
from terrafair.development.polling import Poller
from terrafair.development.releases import Release, Releases
from terrafair.errors import Conflict, InvalidInput, NotFound, Refused, Unreachable

from ..databases import control_database

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_only_the_secret_signs() -> None:
    body = json.dumps({"ref": "refs/heads/main", "after": COMMIT}).encode()
    good = "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    verify("s3cret", body, {"x-hub-signature-256": good})
    verify("s3cret", body, {"x-gitlab-token": "s3cret"})
    for headers in (
        {},
        {"x-hub-signature-256": good[:-1] + "0"},
        {"x-gitlab-token": "other"},
        {"x-hub-signature": good},
    ):
        with pytest.raises(Refused, match="signature"):
            verify("s3cret", body, headers)
    with pytest.raises(Refused, match="signature"):
        verify("s3cret", body + b" ", {"x-hub-signature-256": good})


def test_branches_build_and_tags_release() -> None:
    assert pushed({"ref": "refs/heads/main", "after": COMMIT}, "main") == Push(COMMIT)
    assert pushed({"ref": "refs/heads/other", "after": COMMIT}, "main") is None
    assert pushed({"ref": "refs/tags/v1.2.3", "after": COMMIT}, "main") == Push(COMMIT, "1.2.3")
    assert pushed({"ref": "refs/tags/nightly", "after": COMMIT}, "main") is None
    assert pushed({"ref": "refs/heads/main", "after": "0" * 40}, "main") is None
    assert pushed({"ref": "refs/heads/main", "after": "; rm -rf"}, "main") is None
    with pytest.raises(InvalidInput, match="no push event"):
        pushed({"zen": "Keep it simple."}, "main")


def test_a_commit_is_built_once(tmp_path: Path) -> None:
    url = control_database(tmp_path)
    engine = open_engine(url)
    migrate(engine)
    links = Links(engine)
    source = links.add("https://example.org/ada/water", "main", "project", "person")
    assert "secret" not in source.document()
    assert len(source.secret) == 64
    assert source.secret not in repr(source)
    assert links.built(source.id, COMMIT)
    assert not links.built(source.id, COMMIT)
    assert links.get(source.id).revision == COMMIT
    links.remove(source.id)
    with pytest.raises(NotFound, match="no linked repository"):
        links.get(source.id)
    engine.dispose()


def test_a_version_never_changes_and_a_name_has_one_project(tmp_path: Path) -> None:
    url = control_database(tmp_path)
    engine = open_engine(url)
    migrate(engine)
    releases = Releases(engine)

    def release(version: str, project: str) -> Release:
        return Release(
            "water", version, project, "ada", "job", "sha256:1", COMMIT, f"water-{version}", "", {"type": "cwl"}
        )

    kept = releases.add(release("1.0.0", "lakes"))
    assert kept.created
    assert kept.about == {"type": "cwl"}
    with pytest.raises(Conflict, match=r"water 1\.0\.0 has been released"):
        releases.add(release("1.0.0", "lakes"))
    with pytest.raises(Refused, match="another project's"):
        releases.admit("water", "2.0.0", "rivers")
    releases.add(release("1.1.0", "lakes"))
    assert {each.version for each in releases.history("water")} == {"1.0.0", "1.1.0"}
    with pytest.raises(NotFound, match=r"no release water 3\.0\.0"):
        releases.get("water", "3.0.0")
    engine.dispose()


class Forge:
    """A repository of which the test says how it is now."""

    def __init__(self) -> None:
        self.head, self.found = COMMIT, dict[str, str]()

    def resolve(self, reference: str = "") -> str:
        assert reference == "main"
        if not self.head:
            raise Unreachable("The forge does not answer.")
        return self.head

    def tags(self) -> dict[str, str]:
        return self.found


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_engine(control_database(tmp_path))
    migrate(engine)
    yield engine
    engine.dispose()


def test_looking_finds_what_a_forge_did_not_tell(engine: sa.Engine) -> None:
    links, forge = Links(engine), Forge()
    source = links.add("https://example.org/ada/water", "main", "project", "person")
    asked: list[Push] = []

    def build(_: Source, push: Push) -> str:
        asked.append(push)
        return f"job-{len(asked)}"

    poller = Poller(links, lambda _: forge, lambda _, push: push in asked, build, 60)
    assert poller.look() == ["job-1"]
    assert poller.look() == []
    forge.found = {"v0.9.0": "a" * 40, "v0.10.0": "b" * 40, "nightly": "c" * 40, "v0.2.0": "d" * 40}
    assert poller.look() == ["job-2"]
    assert asked[-1] == Push("b" * 40, "0.10.0")
    assert wishes(source, asked[-1])["release"]
    forge.head = ""
    assert poller.look() == []
    forge.head = "e" * 40
    assert poller.look() == ["job-3"]
    assert asked[-1] == Push("e" * 40)
