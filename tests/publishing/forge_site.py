"""A forge with two catalogue repositories, and what tests do with it."""

from dataclasses import dataclass, field
from pathlib import Path

from terrafair.errors import TerrafairError
from terrafair.publishing.credentials import TokenCredentials
from terrafair.publishing.github import GitHub, Patience
from terrafair.publishing.review import GitHubReview
from terrafair.publishing.standins.forge.forge import Forge
from terrafair.publishing.standins.forge.objects import Bare, Signature

from .faults import Faulty
from .github_spec import Specification

PRODUCTION, TESTING = "esa/catalogue", "esa/catalogue-testing"
QUICK = Patience(between_writes=0, first_retry=0.01, longest_limit=5, request=2)
TEAM = Signature("Team", "team@example.org", "2026-01-01T00:00:00Z")


def commit(repository: Bare, files: dict[str, bytes | None], message: str = "change", branch: str = "main") -> str:
    """A commit on top of a branch, as somebody else makes it."""
    try:
        parents = [repository.ref(f"refs/heads/{branch}")]
    except TerrafairError:
        parents = []
    entries = [("100644", path, None if c is None else repository.blob(c)) for path, c in files.items()]
    tree = repository.tree(entries, parents[0] if parents else "")
    made = repository.commit(tree, parents, message, TEAM, TEAM)
    repository.set_ref(f"refs/heads/{branch}", made)
    return made


@dataclass
class Site:
    """The forge and what stands between."""

    forge: Forge
    faults: Faulty
    specification: Specification | None
    url: str
    folder: Path
    opened: list[GitHub] = field(default_factory=list)

    @property
    def production(self) -> Bare:
        return Bare(self.folder / "production.git")

    @property
    def testing(self) -> Bare:
        return Bare(self.folder / "testing.git")

    def github(self, token: str = "t-anna") -> GitHub:
        self.opened.append(GitHub(self.url, TokenCredentials(value=token), QUICK))
        return self.opened[-1]

    def review(self, token: str = "t-anna") -> GitHubReview:
        return GitHubReview(self.github(token), sleep=lambda _: None)


def judge(path: Path, base: str, head: str) -> list[str]:
    """The forge's check: no file may contain `wrong`."""
    repository = Bare(path)
    return [
        f"{change.path} is wrong"
        for change in repository.changes(repository.merge_base(base, head), head)
        if change.status != "removed" and b"wrong" in repository.content(change.sha)
    ]
