"""The text editor by its routes: commits to a linked repository, and what nobody may do with it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from terrafair.development.links import Links
from terrafair.development.new import create
from terrafair.errors import Conflict, Refused
from terrafair.repositories import Repository
from terrafair.repositories.commits import Change, commit

from .world import World, world

__all__ = ["world"]
Git = Callable[..., str]
URL = "https://git.example.org/ada/water"


@dataclass
class Linked:
    """A bare repository that Ada's project has linked."""

    path: Path
    id: str
    git: Git

    def head(self, what: str = "%H", branch: str = "main") -> str:
        return self.git(self.path, "log", "-1", f"--format={what}", branch)

    def form(self, **given: str) -> dict[str, str]:
        about = {"origin": "source", "id": self.id, "file": "workflow.cwl", "action": "commit", "message": "Say more"}
        return {
            **about,
            "commit": self.head(),
            "text": self.git(self.path, "show", "main:workflow.cwl") + "\n",
            **given,
        }


@pytest.fixture
def linked(world: World, tmp_path: Path, git: Git) -> Linked:
    work = create("python", "water", tmp_path, "Ada")
    git(work, "init", "-q")
    git(work, "add", "-A")
    git(work, "commit", "-q", "--allow-empty", "-m", "First")
    git(work, "branch", "-M", "main")
    git(tmp_path, "clone", "-q", "--bare", str(work), str(tmp_path / "water.git"))
    world.parts.repositories._mirrors[URL] = str(tmp_path / "water.git")
    source = Links(world.engine).add(URL, "main", "glaciers", world.ids["ada"])
    return Linked(tmp_path / "water.git", source.id, git)


def sent(client: TestClient, form: dict[str, str]) -> tuple[int, str]:
    reply = client.post("/develop/text", data=form, follow_redirects=False)
    return reply.status_code, reply.text


def test_a_person_commits_and_is_the_author(world: World, linked: Linked) -> None:
    ada, before = world.client("ada"), linked.head()
    form = linked.form()
    form["text"] = form["text"].replace("class: Workflow", "class: Workflow\r\n    # Größe", 1)
    reply = ada.post("/develop/text", data=form, follow_redirects=False)
    assert reply.status_code == 303, reply.text
    assert linked.head("%an|%ae|%cn|%s|%P") == f"Ada|ada@example.org|Ada|Say more|{before}"
    assert linked.git(linked.path, "diff", "--stat", before, "main").count("|") == 1
    shown = ada.get(reply.headers["location"]).text
    assert linked.head()[:12] in shown and "# Größe" in shown
    made = linked.form(file='steps/a "new" one.cwl', text="class: CommandLineTool\n")
    assert sent(ada, made)[0] == 303
    assert linked.git(linked.path, "show", 'main:steps/a "new" one.cwl') == "class: CommandLineTool"
    assert linked.git(linked.path, "for-each-ref", "refs/terrafair") == ""


def test_what_somebody_else_changed_stays_and_nothing_typed_is_lost(world: World, linked: Linked) -> None:
    ada, mine = world.client("ada"), linked.form()
    mine["text"] += "# mine\n"
    assert sent(ada, linked.form(file="README.md", text="other file\n"))[0] == 303
    theirs = linked.form()
    theirs["text"] += "# theirs\n"
    assert sent(ada, theirs)[0] == 303
    head = linked.head()
    status, page = sent(ada, mine)
    assert status == 400 and "has been changed on the branch main since you opened it" in page
    assert "# mine" in page and "Say more" in page and "# theirs" not in page
    assert linked.head() == head
    # Another file's change is no conflict.
    assert sent(ada, {**mine, "commit": head, "file": "LICENSE", "text": "None.\n"})[0] == 303


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"message": "  "}, "no message"),
        ({}, "Nothing has been changed"),
        ({"file": "../../outside", "text": "x"}, "no name of a file"),
        ({"file": ".git/config", "text": "x"}, "no name of a file"),
        ({"text": "x" * 400_001}, "At most"),
        ({"ref": "v1.0.0", "text": "x"}, "no branch"),
        ({"ref": "--upload-pack=x", "text": "x"}, "no branch"),
        ({"commit": "--help", "text": "x"}, "no branch, tag or commit"),
        ({"origin": "template", "id": "cwl", "text": "x"}, "Only texts of a linked repository"),
    ],
)
def test_what_cannot_be_committed_is_told_and_kept(
    world: World, linked: Linked, given: dict[str, str], says: str
) -> None:
    head = linked.head()
    status, page = sent(world.client("ada"), linked.form(**given))
    assert status == 400 and says in page, page[:3000]
    assert linked.head() == head


@pytest.mark.parametrize("who", ["", "dee", "cy"])
def test_others_commit_nothing(world: World, linked: Linked, who: str) -> None:
    """A stranger, somebody of another project, and one who may only look."""
    head, client = linked.head(), world.client(who)
    status, _ = sent(client, linked.form(text="class: Mine\n"))
    assert status in {400, 401, 403, 404} and linked.head() == head
    seen = client.get("/develop/text", params={"origin": "source", "id": linked.id}).status_code
    assert seen == (200 if who == "cy" else 404), seen


def test_only_repositories_that_the_operator_names(world: World, linked: Linked) -> None:
    """A host's key would write to any repository there that somebody links."""
    other = "https://git.example.org/dee/other"
    world.parts.repositories._mirrors[other] = str(linked.path)
    source, ada = Links(world.engine).add(other, "main", "glaciers", world.ids["ada"]), world.client("ada")
    head = linked.head()
    status, page = sent(ada, linked.form(id=source.id, text="x\n"))
    assert status == 400 and "editor_repositories" in page and linked.head() == head
    shown = ada.get("/develop/text", params={"origin": "source", "id": source.id}).text
    assert "Commit and push" not in shown and "git push" in shown


@pytest.mark.parametrize("file", ["w.cwl", "g.json", "n.ipynb", "p.py", "workflow.toml", "a b", "../x", ""])
def test_any_text_gives_a_report(world: World, file: str) -> None:
    client = world.client("ada")
    for text in ("", "\0\0", "[" * 5000, "a: *b", "%YAML 9", "<script>alert(1)</script>", "x" * 400_001):
        reply = client.post("/develop/text/check", data={"text": text, "file": file})
        assert reply.status_code == 200, reply.text[:400]
        assert set(reply.json()) >= {"verdict", "findings", "kind"}


def test_two_commit_at_once_and_an_origin_that_refuses(tmp_path: Path, git: Git) -> None:
    """Through a mirror, as with a forge: what was pushed meanwhile stays."""
    origin, work = tmp_path / "origin.git", tmp_path / "work"
    git(tmp_path, "init", "-q", "--bare", str(origin))
    git(tmp_path, "clone", "-q", str(origin), str(work))
    (work / "a.txt").write_text("one\n")
    git(work, "add", "-A")
    git(work, "commit", "-qm", "First")
    git(work, "push", "-q", "origin", "HEAD:main")
    mirror = Repository.clone(str(origin), tmp_path / "mirror.git")
    base = mirror.resolve("main")
    change = Change("main", base, "a.txt", b"mine\n", "Mine", "Ada <\n", "ada@example.org")
    (work / "b.txt").write_text("meanwhile\n")
    git(work, "add", "-A")
    git(work, "commit", "-qm", "Meanwhile")
    git(work, "push", "-q", "origin", "HEAD:main")
    made = commit(mirror, change)
    with pytest.raises(Conflict, match=r"a\.txt has been changed"):
        commit(mirror, change)
    assert git(origin, "rev-parse", "main") == made and mirror.resolve("main") == made
    assert git(origin, "log", "-1", "--format=%an") == "Ada"
    (origin / "hooks/pre-receive").write_text("#!/bin/sh\necho Protected. >&2\nexit 1\n")
    (origin / "hooks/pre-receive").chmod(0o755)
    with pytest.raises(Refused, match="cannot be pushed"):
        commit(mirror, Change("main", made, "a.txt", b"more\n", "More", "Ada", "ada@example.org"))
    assert mirror.resolve("main") == made == git(origin, "rev-parse", "main")
