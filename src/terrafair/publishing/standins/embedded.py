"""The embedded default: a forge and an archive of the platform's own, so that publishing works from the start.

HOME/review/
  tokens.json       accounts of the forge: the scientist's and the reviewer's
  ports.json        where both listen; kept, so that addresses stay good over restarts
  catalogue.git     the catalogue's repository, where the platform shows one that is not a local bare repository
  testing.git       the testing repository
"""

import json
import os
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from terrafair.data.objects import ObjectStore, S3Access, S3Objects
from terrafair.errors import Conflict, TerrafairError, Unreachable
from terrafair.publishing.git_files import GitFiles
from terrafair.publishing.standins.archive import routes as archive_routes
from terrafair.publishing.standins.archive.library import Library
from terrafair.publishing.standins.forge import routes as forge_routes
from terrafair.publishing.standins.forge.forge import CheckCommit, Forge, Upstream
from terrafair.publishing.standins.forge.objects import Bare
from terrafair.publishing.standins.serving import Serving
from terrafair.publishing.validation import Check
from terrafair.repositories import Repository

ARCHIVE_BASE = "https://archive.terrafair.example"
"""Where the embedded archive says it is; the platform's own web client answers for it."""
STAGE_BUCKET = "sg-terrafair-generic"
TOKENS = "tokens.json"
SCIENTIST, REVIEWER = "scientist", "earthcode"
PRODUCTION, TESTING = f"{REVIEWER}/open-science-catalog-metadata", f"{REVIEWER}/open-science-catalog-metadata-testing"


class Reviewer(Protocol):
    """Who plays the catalogue's reviewer."""

    def merge(self, name: str, number: int, login: str) -> Any:
        """Merge a pull request."""
        ...


@dataclass(frozen=True, slots=True)
class ReviewerElsewhere:
    """Merges in the forge of another process of this platform."""

    url: str
    token: str = field(repr=False)

    def merge(self, name: str, number: int, login: str) -> None:  # noqa: ARG002 - the token says who it is
        """By the forge's own interface; raises what it says against it."""
        import httpx2

        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            reply = httpx2.put(
                f"{self.url}/repos/{name}/pulls/{number}/merge", headers=headers, json={}, timeout=60, trust_env=False
            )
        except httpx2.HTTPError as fault:
            raise Unreachable("The embedded forge does not answer.", str(fault)) from None
        if reply.is_error:
            raise Conflict(str(reply.json().get("message", "The pull request was not merged."))[:300])


@dataclass(frozen=True, slots=True)
class ForgeAccess:
    """How to reach the forge."""

    url: str
    token: str = field(repr=False)
    forge: Reviewer


@dataclass(frozen=True, slots=True)
class ArchiveAccess:
    """How to reach the archive."""

    url: str
    user: str
    password: str = field(repr=False)
    stage_in: S3Access


class Embedded:
    """Both, on one home folder, for as long as a stack is open."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self._folder = home / "review"
        self._stack = stack
        self._folder.mkdir(parents=True, exist_ok=True)

    def forge(self, catalogue: str, mirror: Path, check: CheckCommit) -> ForgeAccess:
        """Start the forge on the catalogue that the platform shows; raises `Unreachable` without git."""
        production = self._production(catalogue, mirror)
        testing = self._testing(production)
        tokens = self._tokens()
        people = {tokens[name]: name for name in (SCIENTIST, REVIEWER)}
        upstreams = {PRODUCTION: Upstream(production, check), TESTING: Upstream(testing, check)}
        forge = Forge(self._folder, upstreams, people)
        self._stack.callback(forge.close)
        return ForgeAccess(self._serve("forge", forge_routes.application(forge)), tokens[SCIENTIST], forge)

    def archive(self, objects: ObjectStore, access: S3Access) -> ArchiveAccess:
        """Start the archive on the platform's object store, with a stage-in bucket beside the platform's own."""
        stage = S3Access(access.endpoint, access.key, access.secret, STAGE_BUCKET, access.region)
        _make_bucket(stage)
        password = self._tokens()["archive"]
        library = Library(ARCHIVE_BASE, objects, S3Objects(stage))
        url = self._serve("archive", archive_routes.application(library, {SCIENTIST: password}))
        return ArchiveAccess(url, SCIENTIST, password, stage)

    def _production(self, catalogue: str, mirror: Path) -> Path:
        """The catalogue's own repository where it is a bare one here: then a merge flows back by `catalogue sync`."""
        place = Path(catalogue)
        if (place / "HEAD").is_file() and (place / "objects").is_dir():
            return place
        copy = self._folder / "catalogue.git"
        if not (copy / "HEAD").exists():
            if (mirror / "HEAD").exists():
                Repository.clone(str(mirror), copy)
            else:
                _from_folder(place, Bare.make(copy))
        return copy

    def _testing(self, production: Path) -> Path:
        """Begins as the production repository is now, and goes its own way."""
        place = self._folder / "testing.git"
        if not (place / "HEAD").exists():
            source = Bare(production)
            made = Bare.make(self._folder / "testing.partial.git", branch=source.branch)
            made.fetch(source, source.ref(f"refs/heads/{source.branch}"), f"refs/heads/{source.branch}")
            made.path.replace(place)
        return place

    def _tokens(self) -> dict[str, str]:
        file = self._folder / TOKENS
        try:
            known: dict[str, str] = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError):
            known = {name: secrets.token_urlsafe(24) for name in (SCIENTIST, REVIEWER, "archive")}
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as out:
                json.dump(known, out)
        return known

    def _serve(self, name: str, application: object) -> str:
        file = self._folder / "ports.json"
        try:
            ports: dict[str, int] = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError):
            ports = {}
        try:
            serving = Serving(application, ports.get(name, 0))
        except Unreachable:
            serving = Serving(application)
        ports[name] = int(serving.url.rpartition(":")[2])
        file.write_text(json.dumps(ports), "utf-8")
        serving.start()
        self._stack.callback(serving.stop)
        return serving.url


def forge_elsewhere(home: Path, url: str) -> ForgeAccess:
    """The forge that another process of the platform on this home runs."""
    tokens = _known_tokens(home)
    return ForgeAccess(url, tokens[SCIENTIST], ReviewerElsewhere(url, tokens[REVIEWER]))


def archive_elsewhere(home: Path, url: str, access: S3Access) -> ArchiveAccess:
    """The archive that another process of the platform on this home runs."""
    stage = S3Access(access.endpoint, access.key, access.secret, STAGE_BUCKET, access.region)
    return ArchiveAccess(url, SCIENTIST, _known_tokens(home)["archive"], stage)


def _known_tokens(home: Path) -> dict[str, str]:
    known: dict[str, str] = json.loads((home / "review" / TOKENS).read_text("utf-8"))
    return known


def _from_folder(folder: Path, made: Bare) -> None:
    from terrafair.publishing.standins.forge.forge import now
    from terrafair.publishing.standins.forge.objects import Signature

    who = Signature("terrafair", "publishing@terrafair.example", now())
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    entries = [("100644", path.relative_to(folder).as_posix(), made.blob(path.read_bytes())) for path in paths]
    commit = made.commit(made.tree(entries), [], "The catalogue's folder", who, who)
    made.set_ref("refs/heads/main", commit)


def _make_bucket(access: S3Access) -> None:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client(
        "s3",
        endpoint_url=access.endpoint,
        aws_access_key_id=access.key,
        aws_secret_access_key=access.secret,
        region_name=access.region,
    )
    try:
        client.create_bucket(Bucket=access.bucket)
    except ClientError as fault:
        if fault.response.get("Error", {}).get("Code") not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
            raise Unreachable(f"The bucket {access.bucket} cannot be made.", str(fault)) from None
    except BotoCoreError as fault:
        raise Unreachable(f"The bucket {access.bucket} cannot be made.", str(fault)) from None
    finally:
        client.close()


@dataclass(frozen=True)
class ForgeCheck:
    """The forge's automatic check: the catalogue's own rules on what a pull request changes."""

    rules: Check

    def __call__(self, path: Path, base: str, head: str) -> list[str]:
        """What is wrong with the catalogue as it would be after the merge, and was not before."""
        repository = Bare(path)
        tree = repository.merged_tree(base, head) or head
        before, after = GitFiles(Repository(path), base), GitFiles(Repository(path), tree)
        changed = [change.path for change in repository.changes(base, tree)]
        errors, _ = self.rules(before, {name: after.get(name) for name in changed})
        return [str(error) for error in errors]


Started = TypeVar("Started")


def begin(say: Callable[[str], None], start: Callable[[], Started]) -> Started | None:
    """Start a stand-in; a platform without it still finds and runs, so that a failure is told and no more."""
    try:
        return start()
    except TerrafairError as error:
        say(f"Publishing is not ready: {error}")
        return None
