"""Walks publications from step to step; each may be interrupted anywhere and is done again without harm."""

import fcntl
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from terrafair.data.objects import ObjectStore
from terrafair.errors import Conflict, Problem, TerrafairError
from terrafair.execution.job import Job
from terrafair.publishing import made as made_module
from terrafair.publishing import prr_rules
from terrafair.publishing.amendment import Texts, amend, entry_of, faults
from terrafair.publishing.answers import Answers, read
from terrafair.publishing.archive import Addresses, Archive
from terrafair.publishing.delivery import Delivery, plan
from terrafair.publishing.draft import Draft, Place, draft
from terrafair.publishing.links import path
from terrafair.publishing.made import Made
from terrafair.publishing.packing import ToZarr2, pack
from terrafair.publishing.prefill import prefill, questions
from terrafair.publishing.present import Present
from terrafair.publishing.proposal import Proposal, Reader, Review
from terrafair.publishing.publication import (
    Checked,
    Delivered,
    Failed,
    Proposed,
    Publication,
    Seen,
    State,
    Step,
    Tested,
)
from terrafair.publishing.store import Store
from terrafair.publishing.validation import Check
from terrafair.workflows.workflow import Resolution

UPLOADS = "/uploads/"


@dataclass(frozen=True)
class Services:
    """What publishing works with."""

    store: Store
    objects: ObjectStore
    job: Callable[[str], Job]
    resolve: Callable[[Job], Resolution]
    catalogue: Callable[[], Mapping[str, bytes]]
    """The files of the catalogue that the platform shows."""
    check: Check
    archive: Callable[[], Archive]
    addresses: Addresses
    review: Callable[[], Review]
    production: str
    """`owner/name` of the catalogue's repository."""
    testing: str = ""
    """Where it is tried first; empty: nowhere."""
    folder: Path = Path()
    """Deliveries are packed below it."""
    author: str = "terrafair <publishing@terrafair.example>"
    to_zarr2: ToZarr2 | None = None
    defaults: Answers = field(default_factory=Answers)
    """The site's own answers, e.g. the number of its contract."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A draft with all that was found about it."""

    answers: Answers
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()
    draft: Draft | None = None


class Publisher:
    """Publishing as a service."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def preview(self, job: str, given: Mapping[str, Any]) -> Prepared:
        """The draft of a job's result and what is wrong with it; nothing is kept."""
        known: Mapping[str, Any] = {}
        for publication in self._services.store.listing(limit=10_000):
            if publication.job == job:
                known = publication.answers
        return self._prepare(self._made(job), read({**known, **given}))

    def begin(self, job: str, given: Mapping[str, Any]) -> Publication:
        """The publication of a job with these answers; raises for a job that cannot be published at all."""
        answers = read(given)
        self._made(job)
        taken_back = {name: "" for name in given if not getattr(answers, name)}
        return self._services.store.begin(job, {**taken_back, **answers.document()})

    def advance(self, id: str, say: Callable[[str], None] = lambda _: None) -> Publication:  # noqa: A002
        """Do the next step, once; a step that fails leaves its problems behind and the state as it was.

        Raises `Conflict` while somebody else is at it.
        """
        with self._alone(id):
            publication = self._services.store.get(id)
            try:
                return self._steps[publication.next](self, publication, say)
            except TerrafairError as error:
                return self._services.store.apply(publication.id, Failed(error.problems))

    def seen(self, files: Mapping[str, bytes]) -> list[Publication]:
        """Mark what the catalogue now has as published."""
        store = self._services.store
        open_ones = [p for p in store.listing(limit=10_000) if p.state in {State.PROPOSED, State.MERGED}]
        return [store.apply(each.id, Seen()) for each in open_ones if self._is_there(each, files.get)]

    def diff(self, publication: Publication) -> str:
        """What it changes in the catalogue as that is now."""
        prepared = self._prepared(publication)
        return prepared.draft.diff() if prepared.draft else ""

    def amended(self, entry: tuple[str, str], fields: Texts, was: Texts) -> Prepared:
        """What changed fields of an entry lead to, and what the rules say of it; nothing is kept."""
        services, files = self._services, self._services.catalogue()
        wrong = faults(fields, Present(files.get))
        if wrong:
            return Prepared(Answers(), wrong)
        try:
            made = amend(*entry, fields, was, files.get)
        except TerrafairError as error:
            return Prepared(Answers(), error.problems)
        errors, warnings = services.check(files, made.files) if made.files else ([], [])
        return Prepared(Answers(), tuple(errors), tuple(warnings), made)

    def begin_amendment(self, name: str, answers: Mapping[str, Any]) -> Publication:
        """The publication of a changed entry: one for each entry, and so one pull request at a time."""
        return self._services.store.begin(name, dict(answers))

    # Steps

    def _check(self, publication: Publication, say: Callable[[str], None]) -> Publication:
        del say
        prepared = self._prepared(publication)
        entries = tuple(path(*entry) for entry in prepared.draft.entries) if prepared.draft else ()
        answers = publication.answers if publication.amends else prepared.answers.document()
        happening = Checked(answers, entries, prepared.problems, prepared.warnings)
        return self._services.store.apply(publication.id, happening)

    def _deliver(self, publication: Publication, say: Callable[[str], None]) -> Publication:
        services, made = self._services, self._made(publication.job)
        planned = self._plan(made, read(publication.answers))
        folder = services.folder / publication.id / str(planned.collection["id"])
        packed = pack(planned, services.objects, folder, say, services.to_zarr2)
        receipt = services.archive().deliver(packed, say)
        delivered = services.store.apply(publication.id, Delivered(receipt))
        if receipt.route == "machine":
            # The archive has them; documents and manifest stay for whoever asks what was delivered.
            shutil.rmtree(folder / "data", ignore_errors=True)
        return delivered

    def _test(self, publication: Publication, say: Callable[[str], None]) -> Publication:
        services = self._services
        pull = None
        if services.testing:
            say(f"Proposing to {services.testing}.")
            pull = services.review().propose(services.testing, self._proposal(publication))
        return services.store.apply(publication.id, Tested(pull))

    def _follow_test(self, publication: Publication, say: Callable[[str], None]) -> Publication:
        del say
        assert publication.testing is not None  # noqa: S101 - of this state
        pull = self._services.review().follow(publication.testing)
        return self._services.store.apply(publication.id, Tested(pull))

    def _propose(self, publication: Publication, say: Callable[[str], None]) -> Publication:
        services = self._services
        say(f"Proposing to {services.production}.")
        pull = services.review().propose(services.production, self._proposal(publication))
        return services.store.apply(publication.id, Proposed(pull))

    def _follow(self, publication: Publication, say: Callable[[str], None]) -> Publication:
        assert publication.production is not None  # noqa: S101 - of this state
        pull = self._services.review().follow(publication.production)
        if pull.state == "open" and pull.mergeable is False:
            say("The catalogue has moved on; our change is made anew on top of it.")
            pull = self._services.review().propose(self._services.production, self._proposal(publication))
        return self._services.store.apply(publication.id, Proposed(pull))

    def _sync(self, publication: Publication, say: Callable[[str], None]) -> Publication:
        say("Merged. `terrafair catalogue sync` brings it into this platform's catalogue.")
        self.seen(self._services.catalogue())
        return self._services.store.get(publication.id)

    def _rest(self, publication: Publication, say: Callable[[str], None]) -> Publication:
        del say
        return publication

    _steps: Mapping[Step, Callable[["Publisher", Publication, Callable[[str], None]], Publication]] = {
        Step.CHECK: _check,
        Step.DELIVER: _deliver,
        Step.TEST: _test,
        Step.FOLLOW_TEST: _follow_test,
        Step.PROPOSE: _propose,
        Step.FOLLOW: _follow,
        Step.SYNC: _sync,
        Step.NONE: _rest,
    }

    # Parts

    def _made(self, job: str) -> Made:
        found = self._services.job(job)
        resolution = self._services.resolve(found)
        return made_module.read(self._services.objects, found, resolution)

    def _prepared(self, publication: Publication) -> Prepared:
        if publication.amends:
            return self.amended(*_amendment(publication))
        return self._prepare(self._made(publication.job), read(publication.answers))

    def _prepare(self, made: Made, given: Answers) -> Prepared:
        services, files = self._services, self._services.catalogue()
        present = Present(files.get)
        answers = prefill(given.over(services.defaults), made, present)
        problems = questions(answers, present, made)
        planned = self._plan(made, answers)
        if not problems:
            found = prr_rules.collection_problems(planned.collection)
            problems = [replace(problem, remedy=_remedy(problem)) for problem in found]
        if problems:
            return Prepared(answers, tuple(problems))
        made_draft = self._draft(made, answers, planned, files.get)
        errors, warnings = services.check(files, made_draft.files)
        return Prepared(answers, tuple(errors), tuple(warnings), made_draft)

    def _plan(self, made: Made, answers: Answers) -> Delivery:
        return plan(made, answers, dict(_uploads(made, self._services.objects)))

    def _draft(self, made: Made, answers: Answers, planned: Delivery, read_file: Reader) -> Draft:
        where, name = self._services.addresses, answers.product
        first = planned.items[0] if planned.items else None
        crate = where.file(name, first, "ro-crate-metadata.json") if first else where.collection(name)
        uploads = {ref: where.file(name, first, file) for ref, file in planned.uploads.items()} if first else {}
        place = Place(where.collection(name), where.page(name), crate, uploads)
        found = made.resolution.application
        return draft(made, answers, place, found.content if found else b"", read_file)

    def _proposal(self, publication: Publication) -> Proposal:
        if publication.amends:
            return self._amending(publication)
        made, answers = self._made(publication.job), read(publication.answers)
        planned = self._plan(made, answers)

        def files(read_file: Reader) -> Mapping[str, bytes | None]:
            return self._draft(made, answers, planned, read_file).files

        author = self._services.author
        if answers.contact_name and answers.contact_email:
            author = f"{answers.contact_name} <{answers.contact_email}>"
        title = f"Publish {answers.product_title} with its experiment"
        return Proposal(
            publication.name, title, _body(publication, answers), title, author, f"{publication.created[:19]}Z", files
        )

    def _amending(self, publication: Publication) -> Proposal:
        (kind, identifier), fields, was = _amendment(publication)
        title = f"Change {path(kind, identifier)}"
        said = "\n".join(f"- {name.replace('_', ' ')}" for name in fields)
        body = (
            f"Changed in `{path(kind, identifier)}`:\n\n{said}\n\n"
            "All else of the record is as it was. "
            "All rules of the catalogue's validator have been applied before this was opened.\n"
        )
        return Proposal(
            publication.name, title, body, title, self._services.author, f"{publication.created[:19]}Z",
            lambda read_file: amend(kind, identifier, fields, was, read_file).files,
        )  # fmt: skip

    def _is_there(self, publication: Publication, read_file: Reader) -> bool:
        """All entries are in the catalogue, and drafting on it changes nothing more or reviewers have merged it."""
        if not publication.entries or any(read_file(entry) is None for entry in publication.entries):
            return False
        if publication.state is State.MERGED:
            return True
        try:
            if publication.amends:
                (kind, identifier), fields, was = _amendment(publication)
                return not amend(kind, identifier, fields, was, read_file).files
            made, answers = self._made(publication.job), read(publication.answers)
            return not self._draft(made, answers, self._plan(made, answers), read_file).files
        except TerrafairError:
            # The object store is away, or the job's workflow has changed: whoever follows the pull request will tell.
            return False

    @contextmanager
    def _alone(self, id: str) -> Iterator[None]:  # noqa: A002
        folder = self._services.folder
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{self._services.store.get(id).id}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Conflict(
                    f"The publication {id} is being worked on.", remedy="Wait for it.", code="busy"
                ) from None
            try:
                yield
            finally:
                # Not by closing alone: a program that is being started meanwhile has the file open until it runs.
                fcntl.flock(lock, fcntl.LOCK_UN)


def _amendment(publication: Publication) -> tuple[tuple[str, str], Texts, Texts]:
    """Entry, changed fields and what they were, of a publication that amends."""
    entry, answers = entry_of(publication.job), publication.answers
    if entry is None:
        raise Conflict(f"{publication.job[:100]!r} is no entry that can be changed.")
    fields, was = ({name: tuple(each) for name, each in answers.get(part, {}).items()} for part in ("fields", "was"))
    return entry, fields, was


def _uploads(made: Made, objects: ObjectStore) -> Iterator[tuple[str, str]]:
    """(reference, key) of inputs that somebody uploaded: nobody else could get them."""
    todo: list[Any] = [dict(made.job.request.inputs)]
    while todo:
        part = todo.pop()
        if isinstance(part, dict):
            todo += part.values()
        elif isinstance(part, list):
            todo += part
        elif isinstance(part, str) and UPLOADS in part and (key := objects.key_of(part)):
            yield part, key


def _remedy(problem: Problem) -> str:
    field = {"contract-number": "contract", "initiative": "initiative"}.get(problem.code.rpartition(":")[2], "")
    return f"Give it: --set {field}=..." if field else problem.remedy


def _body(publication: Publication, answers: Answers) -> str:
    entries = "\n".join(f"- `{entry}`" for entry in publication.entries)
    return (
        f"{answers.product_description}\n\nEntries:\n\n{entries}\n\n"
        f"The experiment holds its inputs and its environment and can be run again by its id, `{answers.experiment}`. "
        "The data are archived; the product links to the provenance of the run (Workflow Run RO-Crate).\n"
        "All rules of the catalogue's validator have been applied before this was opened.\n"
    )
