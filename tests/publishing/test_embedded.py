"""The platform's own forge and archive: on any catalogue, found again, open to nobody else."""

import json
import stat
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from terrafair.catalogue.schemas import Store
from terrafair.data.objects import MemoryObjects, S3Access
from terrafair.errors import Unreachable
from terrafair.publishing.credentials import TokenCredentials
from terrafair.publishing.github import GitHub
from terrafair.publishing.proposal import Proposal, Reader, Verdict
from terrafair.publishing.review import GitHubReview
from terrafair.publishing.standins.embedded import PRODUCTION, TESTING, Embedded, ForgeCheck, begin
from terrafair.publishing.standins.forge.objects import Bare
from terrafair.publishing.validation import Rules

from .forge_site import QUICK, commit
from .results import files

CHECK = ForgeCheck(Rules(Store()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "catalogue"
    for name, content in files().items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return place


def proposal(name: str, content: bytes) -> Proposal:
    def changed(read: Reader) -> Mapping[str, bytes | None]:
        return {name: content} if read(name) != content else {}

    return Proposal("p1", "Title", "", "Change", "A <a@example.org>", "2026-01-01T00:00:00Z", changed)


def test_a_plain_folder_is_published_to_in_a_copy(tmp_path: Path, folder: Path) -> None:
    path = "themes/land/catalog.json"
    document = json.loads((folder / path).read_bytes())
    with ExitStack() as stack:
        access = Embedded(tmp_path, stack).forge(str(folder), tmp_path / "none.git", CHECK)
        with GitHub(access.url, TokenCredentials(value=access.token), QUICK) as github:
            review = GitHubReview(github, sleep=time.sleep)
            good = json.dumps({**document, "description": "Another one."}).encode()
            for name, text, verdict in (
                (PRODUCTION, good, Verdict.GREEN),
                (TESTING, json.dumps({**document, "id": "sea"}).encode(), Verdict.RED),
            ):
                pull = review.propose(name, proposal(path, text))
                for _ in range(200):
                    if (pull := review.follow(pull)).verdict is not Verdict.PENDING:
                        break
                    time.sleep(0.05)
                assert pull.verdict is verdict, pull.remarks
        url = access.url
    assert (folder / path).read_bytes() == files()[path]
    with ExitStack() as stack:
        again = Embedded(tmp_path, stack).forge(str(folder), tmp_path / "none.git", CHECK)
        assert (again.url, again.token) == (url, access.token)
        assert len(again.forge.pulls(PRODUCTION)) == 1
    tokens = tmp_path / "review/tokens.json"
    assert stat.S_IMODE(tokens.stat().st_mode) == 0o600


def test_a_bare_repository_is_published_to_itself(tmp_path: Path) -> None:
    repository = Bare.make(tmp_path / "catalogue.git")
    commit(repository, dict(files()))
    with ExitStack() as stack:
        access = Embedded(tmp_path / "home", stack).forge(str(repository.path), tmp_path / "none.git", CHECK)
        assert access.forge.bare(PRODUCTION).path == repository.path
        before = repository.ref("refs/heads/main")
        assert access.forge.bare(TESTING).ref("refs/heads/main") == before


def test_a_name_that_was_made_to_lead_here_is_refused(tmp_path: Path, folder: Path) -> None:
    with ExitStack() as stack:
        access = Embedded(tmp_path, stack).forge(str(folder), tmp_path / "none.git", CHECK)
        reply = httpx2.get(f"{access.url}/{PRODUCTION}/pull/1", headers={"Host": "evil.example"}, trust_env=False)
        assert reply.status_code == 400


def test_the_archive_makes_its_bucket_once(tmp_path: Path, s3: S3Access) -> None:
    for _ in range(2):
        with ExitStack() as stack:
            access = Embedded(tmp_path, stack).archive(MemoryObjects(), s3)
            assert access.stage_in.bucket == "sg-terrafair-generic" and access.password not in repr(access)


def test_a_stand_in_that_does_not_start_is_told() -> None:
    said: list[str] = []

    def fails() -> int:
        raise Unreachable("The program git is not installed.")

    assert begin(said.append, fails) is None
    assert "git is not installed" in said[0]
