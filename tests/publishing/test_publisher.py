"""A result walks into the catalogue: step by step, twice, killed at every step, edited, declined."""

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from terrafair.catalogue.rules import Documents, validate
from terrafair.catalogue.schemas import Store as Schemas
from terrafair.data.objects import MemoryObjects, S3Access
from terrafair.database import migrate, open_engine
from terrafair.errors import Conflict, InvalidInputs, NotFound, Problem
from terrafair.execution.job import Job
from terrafair.execution.job import State as JobState
from terrafair.publishing.answers import Answers
from terrafair.publishing.archive import Addresses, Receipt
from terrafair.publishing.draft import Draft
from terrafair.publishing.git_files import GitFiles
from terrafair.publishing.proposal import PullRequest, Verdict
from terrafair.publishing.publication import (
    Answered,
    Checked,
    Delivered,
    Failed,
    Proposed,
    Publication,
    Seen,
    State,
    Step,
    step,
)
from terrafair.publishing.publication import (
    Tested as WasTested,
)
from terrafair.publishing.publisher import Publisher, Services
from terrafair.publishing.store import Store
from terrafair.publishing.validation import Rules
from terrafair.repositories import Repository

from ..databases import control_database
from .archive_site import ArchiveSite
from .faults import Fault
from .forge_site import PRODUCTION, TESTING, Site, commit
from .results import JOB, TIF, files, finished, resolution

BASE = "https://archive.example"
DEFAULTS = Answers(contract="4000123456/21/I-EF")


def check(base: Mapping[str, bytes], changes: Mapping[str, bytes | None]) -> tuple[list[Problem], list[Problem]]:
    errors, warnings = Rules(Schemas())(base, changes)
    return errors, [warning for warning in warnings if warning.code != "rule-schemas-missing"]


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Platform:
    """All that publishing needs, with the demo's catalogue in the forge."""

    site: Site
    archive: ArchiveSite
    engine: sa.Engine
    folder: Path
    outputs: dict[str, bytes]
    job: Job | None = None

    def __post_init__(self) -> None:
        self.objects, job, _ = finished(MemoryObjects(), outputs=self.outputs)
        self.job = self.job or job
        for repository in (self.site.production, self.site.testing):
            commit(repository, {**files(), "a.txt": None, "b.txt": None})
        self.store = Store(self.engine)

    def catalogue(self) -> Mapping[str, bytes]:
        repository = self.site.production
        return GitFiles(Repository(repository.path), repository.ref("refs/heads/main"))

    def publisher(self, store: Any = None, **changes: Any) -> Publisher:
        def job(id: str) -> Job:
            if id != JOB or self.job is None:
                raise NotFound(f"There is no job {id!r}.")
            return self.job

        services = Services(
            store=store or self.store,
            objects=self.objects,
            job=job,
            resolve=lambda _: resolution(),
            catalogue=self.catalogue,
            check=check,
            archive=self.archive.archive,
            addresses=Addresses(BASE),
            review=self.site.review,
            production=PRODUCTION,
            testing=TESTING,
            folder=self.folder,
            defaults=DEFAULTS,
        )
        return Publisher(replace(services, **changes))

    def walk(self, publisher: Publisher, until: State = State.PROPOSED) -> Publication:
        publication = publisher.begin(JOB, {})
        deadline = time.monotonic() + 60
        while publication.state is not until and time.monotonic() < deadline:
            publication = publisher.advance(publication.id)
            assert not publication.problems, publication.problems
        return publication

    def merge(self, publication: Publication) -> None:
        assert publication.production is not None
        self.site.forge.merge(PRODUCTION, publication.production.number, "esa")


@pytest.fixture
def platform(site: Site, s3: S3Access, tmp_path: Path) -> Iterator[Platform]:
    engine = open_engine(control_database(tmp_path))
    migrate(engine)
    archive = ArchiveSite(s3, BASE)
    yield Platform(site, archive, engine, tmp_path / "publications", {"ndvi.tif": TIF})
    for opened in archive.opened:
        opened.close()
    archive.serving.stop()
    engine.dispose()


def once(platform: Platform) -> None:
    """Nothing is there twice."""
    assert len(platform.site.forge.pulls(PRODUCTION)) == 1
    assert len(platform.site.forge.pulls(TESTING)) == 1
    assert len(platform.site.forge.forks(PRODUCTION)) == 1
    assert len(list(platform.archive.library.items("demo-ndvi-composite-20260715-abcd"))) == 1
    assert len(platform.store.listing()) == 1
    document = platform.site.github().get(f"/repos/{PRODUCTION}/pulls/1")
    assert (document["commits"], document["changed_files"]) == (1, 11)


def test_walks_from_job_to_catalogue(platform: Platform) -> None:
    publisher = platform.publisher()
    publication = platform.walk(publisher)
    once(platform)
    assert publication.testing is not None and publication.testing.verdict is Verdict.GREEN
    assert publication.receipt is not None and publication.receipt.items == ("demo-ndvi-composite-20260715-abcd-ndvi",)
    assert publication.warnings == ()
    platform.merge(publication)
    assert publisher.advance(publication.id).state is State.MERGED
    assert publisher.advance(publication.id).state is State.PUBLISHED
    assert publisher.advance(publication.id).state is State.PUBLISHED
    merged = platform.catalogue()
    report = validate(Documents(merged), store=Schemas())
    assert [problem for problem in report.problems if problem.rule != "schemas-missing"] == []
    with platform.engine.connect() as connection:
        kinds = [row.kind for row in connection.execute(sa.text("SELECT kind FROM events"))]
    assert kinds[0] == "PublicationOpened" and kinds.count("PublicationMoved") >= 6


def test_publishing_twice_is_one_pull_request(platform: Platform) -> None:
    platform.walk(platform.publisher())
    again = platform.walk(platform.publisher())
    platform.publisher().advance(again.id)
    once(platform)


class KillingStore(Store):
    """Dies instead of writing down what happened."""

    def __init__(self, engine: sa.Engine, kind: type) -> None:
        super().__init__(engine)
        self._kind = kind

    def apply(self, id: str, happening: Any) -> Publication:
        if isinstance(happening, self._kind):
            raise Killed
        return super().apply(id, happening)


@pytest.mark.parametrize("kind", [Checked, Delivered, WasTested, Proposed])
def test_killed_after_each_step_and_started_again(platform: Platform, kind: type) -> None:
    dying = platform.publisher(KillingStore(platform.engine, kind))
    with pytest.raises(Killed):
        platform.walk(dying)
    with pytest.raises(Killed):
        platform.walk(dying)
    publication = platform.walk(platform.publisher())
    once(platform)
    assert publication.state is State.PROPOSED


@pytest.mark.parametrize("number", range(40))
def test_killed_at_each_request_and_started_again(platform: Platform, number: int) -> None:
    """The process ends at the nth request to forge or archive; the next one ends up where it would have."""
    count = 0

    class Counting:
        def __init__(self, inner: Any) -> None:
            self._inner = inner

        def request(self, *arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == number:
                raise Killed
            reply = self._inner.request(*arguments, **options)
            if count == number + 1:
                raise Killed
            return reply

        def close(self) -> None:
            self._inner.close()

    def review() -> Any:
        found = platform.site.review()
        found._github._http = Counting(found._github._http)
        return found

    def archive() -> Any:
        found = platform.archive.archive()
        found._http = Counting(found._http)
        return found

    with suppress(Killed):
        platform.walk(platform.publisher(review=review, archive=archive))
    publication = platform.walk(platform.publisher())
    once(platform)
    assert publication.state is State.PROPOSED


def test_a_red_check_stops_before_the_catalogue(platform: Platform) -> None:
    publisher = platform.publisher()
    publication = publisher.begin(JOB, {"product_description": "This is wrong."})
    for _ in range(60):
        publication = publisher.advance(publication.id)
        if publication.problems:
            break
        time.sleep(0.05)
    assert publication.state is State.TESTING
    assert publication.problems[0].code == "check-red"
    assert platform.site.forge.pulls(PRODUCTION) == []
    publisher.begin(JOB, {"product_description": "This is right."})
    assert platform.walk(publisher).state is State.PROPOSED
    once(platform)


def test_an_edit_updates_both_pull_requests(platform: Platform) -> None:
    publisher = platform.publisher()
    platform.walk(publisher)
    publication = publisher.begin(JOB, {"keywords": "new,words"})
    assert publication.state is State.DRAFT
    publication = platform.walk(publisher)
    once(platform)
    entry = f"products/{publication.answers['product']}/collection.json"
    assert publication.production is not None
    content = platform.site.production.content(platform.site.production.ref(f"{publication.production.commit}:{entry}"))
    assert b'"new",\n    "words"' in content


def test_an_edit_after_the_merge_is_a_second_pull_request(platform: Platform) -> None:
    publisher = platform.publisher()
    platform.merge(platform.walk(publisher))
    publication = platform.walk(publisher, State.PUBLISHED)
    publisher.begin(JOB, {"product_title": "A better title"})
    publication = platform.walk(publisher)
    assert publication.revision == 2 and publication.production is not None
    assert publication.production.number == 2
    changed = platform.site.github().pages(f"/repos/{PRODUCTION}/pulls/2/files")
    assert {each["status"] for each in changed} == {"modified"}
    assert len(changed) <= 8


def test_the_catalogue_moving_on_is_no_conflict(platform: Platform) -> None:
    publisher = platform.publisher()
    publication = platform.walk(publisher)
    name = "products/catalog.json"
    other = platform.catalogue()[name].replace(b"demo-ndvi-composite", b"demo-ndvi-composed")
    commit(platform.site.production, {name: other})
    for _ in range(4):
        publication = publisher.advance(publication.id)
    once(platform)
    platform.merge(publication)
    assert platform.walk(publisher, State.PUBLISHED).state is State.PUBLISHED
    assert b"demo-ndvi-composed" in platform.catalogue()[name]


def test_a_declined_publication_can_be_mended(platform: Platform) -> None:
    publisher = platform.publisher()
    publication = platform.walk(publisher)
    platform.site.github("t-esa").write("PATCH", f"/repos/{PRODUCTION}/pulls/1", {"state": "closed"})
    assert publisher.advance(publication.id).state is State.DECLINED
    assert publisher.advance(publication.id).next is Step.NONE
    publisher.begin(JOB, {"keywords": "better"})
    publication = platform.walk(publisher)
    assert publication.production is not None and publication.production.number == 2
    assert [pull.open for pull in platform.site.forge.pulls(PRODUCTION)] == [False, True]


def test_sync_finds_what_was_merged_without_asking(platform: Platform) -> None:
    publisher = platform.publisher()
    publication = platform.walk(publisher)
    assert publisher.seen(platform.catalogue()) == []
    platform.merge(publication)
    assert [each.state for each in publisher.seen(platform.catalogue())] == [State.PUBLISHED]


def test_what_is_missing_is_kept_as_questions(platform: Platform) -> None:
    publisher = platform.publisher(defaults=Answers())
    publication = publisher.begin(JOB, {})
    publication = publisher.advance(publication.id)
    assert publication.state is State.DRAFT and publication.waiting
    assert ["--set contract=" in problem.remedy for problem in publication.problems] == [True]
    publisher.begin(JOB, {"contract": "1"})
    assert publisher.advance(publication.id).state is State.CHECKED


def test_a_preview_keeps_nothing(platform: Platform) -> None:
    prepared = platform.publisher().preview(JOB, {"product": "p"})
    assert isinstance(prepared.draft, Draft) and "+++ b/products/p/collection.json" in prepared.draft.diff()
    assert platform.store.listing() == [] and platform.site.faults.seen == []


def test_what_cannot_be_published_is_refused(platform: Platform) -> None:
    publisher = platform.publisher()
    with pytest.raises(NotFound):
        publisher.begin("none", {})
    with pytest.raises(InvalidInputs):
        publisher.begin(JOB, {"product": "a b"})
    assert platform.job is not None
    platform.job = replace(platform.job, state=JobState.FAILED)
    with pytest.raises(Conflict, match="failed"):
        publisher.begin(JOB, {})
    assert platform.store.listing() == []


@pytest.mark.parametrize(
    ("plan", "where"),
    [
        (("POST", "/items", Fault(401)), "archive"),
        (("POST", "/items", Fault(422)), "archive"),
        (("POST", "/pulls", Fault(403)), "site"),
        (("POST", "/git/trees", Fault(409)), "site"),
    ],
)
def test_a_refusal_is_kept_and_tried_again(platform: Platform, plan: Any, where: str) -> None:
    getattr(platform, where).faults.plan(*plan)
    publisher = platform.publisher()
    publication = publisher.begin(JOB, {})
    for _ in range(4):
        publication = publisher.advance(publication.id)
        if publication.problems:
            break
    assert publication.problems
    for _ in range(60):
        publication = publisher.advance(publication.id)
        if publication.state is State.PROPOSED:
            break
        time.sleep(0.05)
    once(platform)


def test_a_workflow_that_changed_since_is_refused(platform: Platform) -> None:
    platform.objects.put(f"jobs/{JOB}/application/graph.json", b"{}")
    with pytest.raises(Conflict, match="not the one that ran"):
        platform.publisher().begin(JOB, {})


def test_two_at_once_do_not_meet(platform: Platform) -> None:
    publisher = platform.publisher()
    publication = publisher.begin(JOB, {})
    with publisher._alone(publication.id), pytest.raises(Conflict, match="worked on"):
        publisher.advance(publication.id)


# The lifecycle alone

PULL = PullRequest("a/b", 1, "u", "x:y", "c", "b")
START = Publication("p", "j", "2026-01-01T00:00:00Z")


def after(*happenings: Any) -> Publication:
    publication = START
    for happening in happenings:
        publication = step(publication, happening)
    return publication


CHECK = Checked({"a": "1"}, ("x",))
GREEN = WasTested(replace(PULL, verdict=Verdict.GREEN))


@pytest.mark.parametrize(
    ("happenings", "state"),
    [
        ((), State.DRAFT),
        ((CHECK,), State.CHECKED),
        ((Checked({}, (), (Problem("x"),)),), State.DRAFT),
        ((CHECK, Delivered(Receipt("machine", "c"))), State.ARCHIVED),
        ((Delivered(Receipt("machine", "c")),), State.DRAFT),
        ((CHECK, Delivered(Receipt("m", "c")), WasTested(PULL)), State.TESTING),
        ((CHECK, Delivered(Receipt("m", "c")), WasTested(replace(PULL, verdict=Verdict.NONE))), State.TESTING),
        ((CHECK, Delivered(Receipt("m", "c")), WasTested(None)), State.TESTED),
        ((CHECK, Delivered(Receipt("m", "c")), GREEN), State.TESTED),
        ((CHECK, Delivered(Receipt("m", "c")), Proposed(PULL)), State.ARCHIVED),
        ((CHECK, Delivered(Receipt("m", "c")), GREEN, Proposed(PULL)), State.PROPOSED),
        ((CHECK, Delivered(Receipt("m", "c")), GREEN, Proposed(replace(PULL, state="closed"))), State.DECLINED),
        ((CHECK, Delivered(Receipt("m", "c")), GREEN, Proposed(replace(PULL, state="merged"))), State.MERGED),
        ((CHECK, Delivered(Receipt("m", "c")), GREEN, Proposed(PULL), Seen()), State.PUBLISHED),
        ((CHECK, Seen()), State.CHECKED),
        ((CHECK, Answered({"a": "1"})), State.CHECKED),
        ((CHECK, Answered({"a": "2"})), State.DRAFT),
        ((CHECK, Failed((Problem("x"),))), State.CHECKED),
    ],
)
def test_lifecycle(happenings: tuple[Any, ...], state: State) -> None:
    found = after(*happenings)
    assert found.state is state
    assert Publication.read(found.json()) == found


def test_every_state_says_what_comes_next() -> None:
    assert {replace(START, state=state).next for state in State} == set(Step)
