"""Wires what operators watch the platform with; part of the composition root."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response

from terrafair import __version__
from terrafair.api import operation as operation_api
from terrafair.api import service_levels as service_levels_api
from terrafair.api.intake import Intake
from terrafair.catalogue.items.search import ItemStore
from terrafair.catalogue.items.sqlite.store import SqliteItems
from terrafair.catalogue.query import Query
from terrafair.config import Config
from terrafair.data.objects import S3Access, S3Objects
from terrafair.data.project_buckets import bucket_of
from terrafair.data.seaweedfs import ObjectServer, remembered
from terrafair.database import migrate, open_engine, reading
from terrafair.errors import DATABASE_AWAY, NotFound, Refused, Unreachable
from terrafair.execution.job import Job
from terrafair.execution.jobs import ended_of
from terrafair.execution.leases import living
from terrafair.execution.relay import Fetcher, Turns
from terrafair.identity.access import Action, Kind, Thing, require
from terrafair.identity.asking import actor
from terrafair.identity_parts import beside
from terrafair.operations import backup, copied_items, metrics, own_bucket, service_levels
from terrafair.operations.durability import Durability
from terrafair.operations.intake import ReadOnly, Room, floor_bytes
from terrafair.operations.migration import move_items
from terrafair.operations.observed import Observed
from terrafair.operations.probes import Probes, facts
from terrafair.operations.readiness import Readiness
from terrafair.operations.scrub import Rounds, Scrub
from terrafair.portal import status
from terrafair.portal.desk import Desk
from terrafair.portal.page import Pages
from terrafair.publishing.standins.embedded import STAGE_BUCKET

if TYPE_CHECKING:
    from terrafair.app import Parts

WORKER = "worker-0.lock"
EMBEDDED_ITEMS = "catalogue/items.db"


def install(
    app: FastAPI, parts: "Parts", engine: sa.Engine, stack: ExitStack, pages: Pages, job: Callable[[str], Job]
) -> None:
    """`/health`, `/health/ready`, `/metrics`, `/status` and the service levels; `job` finds anybody's."""
    readiness = Readiness(_checks(parts, engine))
    report = partial(service_report, parts.config, engine)
    app.include_router(service_levels_api.router(report))
    desk = Desk(pages)
    app.include_router(status.router(desk, lambda: {part.name: part.works for part in readiness.parts()}, report))
    probes = Probes(engine, readiness)
    if parts.seat == 0:
        stack.callback(probes.stop)
        probes.start()
        _from_other_hosts(parts, engine, stack, job)
        if parts.config.scrub_days:
            scrub = scrub_of(parts, engine, rate=parts.config.scrub_rate)
            beside(stack, "scrub", Rounds(scrub, parts.config.scrub_days).run)
    counts = metrics.Counts()
    observed = Observed(engine, lambda: documents(parts), readiness, parts.config.home, __version__)
    durability = Durability(app.state.read_only, room(parts), scrub_of(parts, engine))
    app.add_middleware(metrics.Requests, counts=counts)

    @app.get("/health", tags=["operations"])
    def health() -> dict[str, Any]:
        """Whether the platform lives, and what it is."""
        return {
            "status": "ok",
            "version": __version__,
            "isolation": parts.sandbox.reason if parts.sandbox.isolated else "none",
            "catalogue": parts.catalogue.commit,
        }

    @app.get("/health/ready", tags=["operations"])
    def ready() -> Response:
        """Whether each part can do its work at this moment; 503 when one cannot."""
        found = readiness.parts()
        # The reasons name hosts and files: they are in the log and in `/admin`, not here for everybody.
        document = {"ready": readiness.ready, "parts": {part.name: part.works for part in found}}
        return JSONResponse(document, 200 if readiness.ready else 503, {"Cache-Control": "no-store"})

    @app.get("/metrics", tags=["operations"], response_class=Response)
    def scrape() -> Response:
        """Prometheus' text format; for operators (a personal token of theirs), or for all by the setting `metrics`."""
        if parts.config.metrics != "open":
            require(actor(), Action.READ, Thing(Kind.PLATFORM))
        return Response(counts.text(observed, durability), media_type="text/plain; version=0.0.4; charset=utf-8")


def admit_changes(app: FastAPI, parts: "Parts", engine: sa.Engine) -> None:
    """Refuse changes while the platform is read-only, and uploads while its disk is full."""
    read_only = app.state.read_only = ReadOnly(engine, parts.config.read_only)
    app.add_middleware(Intake, closed=read_only.refusal, full=room(parts).refusal)
    app.include_router(operation_api.router(read_only.state, read_only.set, scrub_of(parts, engine).report))


def room(parts: "Parts") -> Room:
    """What is left on the home folder's disk."""
    floor_bytes(parts.config.disk_floor, 1)
    return Room(parts.config.home, parts.config.disk_floor)


def scrub_of(parts: "Parts", engine: sa.Engine, *, rate: int = 0) -> Scrub:
    """What looks at stored results."""
    return Scrub(engine, parts.objects, rate)


def scrub_now(parts: "Parts", say: Callable[[str], None], *, rate: int, anew: bool) -> dict[str, Any]:
    """Look at all stored results on this machine, whether the platform runs or rests: `{look, damaged}`."""
    config = parts.config
    if not config.database and not (config.home / "platform.db").exists():
        raise NotFound(f"There is no platform at {config.home}.", remedy="Set TERRAFAIR_HOME.")
    engine = open_engine(config.database_url)
    try:
        migrate(engine)
        with _store(config, say) as access:
            scrub = Scrub(engine, S3Objects(access), rate)
            scrub.run(anew=anew)
            return scrub.report()
    finally:
        engine.dispose()


def _from_other_hosts(parts: "Parts", engine: sa.Engine, stack: ExitStack, job: Callable[[str], Job]) -> None:
    """Bring logs and layers of jobs that run on other hosts, where there may be any."""
    if engine.dialect.name != "postgresql" or not parts.config.store_url:
        return
    fetcher = Fetcher(parts.objects, parts.config.home / "jobs", partial(ended_of, engine))
    collector = parts.shelves.collector(job)
    for name, turn in (("logs", fetcher.turn), ("layers", collector.turn)):
        turns = Turns(name, turn)
        stack.callback(turns.stop)
        turns.start()


def service_report(config: Config, engine: sa.Engine, month: str = "") -> dict[str, Any]:
    """A month's service levels, as far as it has gone; empty: this month."""
    now = datetime.now(UTC)
    month = month or now.strftime("%Y-%m")
    start, end = service_levels.month_of(month)
    own = config.home / "objectives.toml"
    objectives = service_levels.Objectives.read(own if own.exists() else service_levels.DEFAULT)
    # The minute that runs has not been looked at yet.
    until = min(end, now.replace(second=0, microsecond=0))
    kept = service_levels.measure(objectives, facts(engine, start, end), start, until)
    return service_levels.document(kept, month, until)


def documents(parts: "Parts") -> int:
    """How many entries the catalogue has."""
    return parts.catalogue.search(Query(limit=1)).total


def _checks(parts: "Parts", engine: sa.Engine) -> dict[str, Callable[[], object]]:
    return {
        "database": lambda: _select(engine),
        "objects": lambda: next(iter(parts.objects.list("health")), None),
        "catalogue": lambda: _indexed(parts),
        "workers": lambda: _working(parts, engine),
    }


def _select(engine: sa.Engine) -> None:
    with reading(engine) as connection:
        connection.execute(sa.text("SELECT 1")).scalar()


def _indexed(parts: "Parts") -> None:
    if not parts.catalogue.commit:
        raise Unreachable("There is no catalogue yet.", remedy="Bring one in with `terrafair catalogue sync`.")


def _working(parts: "Parts", engine: sa.Engine) -> None:
    """A worker holds its lock for as long as it lives; one on another host its lease."""
    if not parts.config.workers:
        if not living(engine, parts.config.lease_seconds):
            raise Unreachable("No worker runs on any host.", remedy="Start one: `terrafair worker`.")
        return
    try:
        with (parts.config.home / WORKER).open("r") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    except OSError:
        pass
    raise Unreachable("No worker runs.", remedy="See worker.log in the home folder.")


def back_up(config: Config, folder: Path, say: Callable[[str], None]) -> backup.Manifest:
    """Copy a platform that runs or rests."""
    if not config.home.is_dir():
        raise NotFound(f"There is no platform at {config.home}.", remedy="Set TERRAFAIR_HOME.")
    with _store(config, say) as access, ExitStack() as stack:
        names = bucket_names(access)
        if config.store_url:
            # Others may use it too, with the same key.
            names = sorted({config.store_bucket, *buckets_of_others(config.database_url)}.intersection(names))
        buckets = {name: S3Objects(replace(access, bucket=name)) for name in names}
        items = stack.enter_context(closing(_items(config))) if config.items_database else None
        source = backup.Source(config.home, config.database_url, buckets, __version__, items, config.store_bucket)
        return backup.create(source, folder, say)


def restore(config: Config, folder: Path, say: Callable[[str], None]) -> tuple[backup.Manifest, int]:
    """Bring a copy into an empty home; gives what it held, and how many objects were placed."""
    own = backup.Manifest.read(folder).bucket
    own_bucket.require_found(own, config.store_bucket)
    if config.items_database:
        prepare_items(config)
        with closing(_items(config)) as items:
            copied_items.require_empty(items)
    manifest = backup.place(folder, config.home, config.database_url, say)
    _restore_items(config, folder, manifest)
    with _store(config, say) as access:
        known = set(bucket_names(access))

        def bucket(name: str) -> S3Objects:
            name = config.store_bucket if name == own else name
            if name not in known:
                client(access).create_bucket(Bucket=name)
                known.add(name)
            return S3Objects(replace(access, bucket=name))

        count = backup.fill(folder, manifest, bucket, say)
    _find_again(config, manifest, say)
    return manifest, count


def prepare_items(config: Config) -> None:
    """The tables of the items where they are to be, which `items prepare` makes too."""
    if not config.items_database:
        return
    from terrafair.catalogue.items.pgstac.connections import check, prepare

    try:
        # What a superuser has made ready is left alone: the platform's own role may not install pgSTAC.
        check(config.items_database)
    except Unreachable as fault:
        # pgSTAC's own client tries a dead address for long.
        if fault.problem.code == DATABASE_AWAY:
            raise
        prepare(config.items_database)


def _items(config: Config) -> ItemStore:
    if config.items_database:
        from terrafair.catalogue.items.pgstac.store import PgstacItems

        return PgstacItems(config.items_database)
    return SqliteItems(config.home / EMBEDDED_ITEMS)


def _restore_items(config: Config, folder: Path, manifest: backup.Manifest) -> None:
    """Items lie in a file of the copy, or in the copied home; they go to where the settings have them."""
    written = any(entry.path == copied_items.FILE for entry in manifest.entries)
    if written:
        with closing(_items(config)) as items:
            copied_items.read(folder, items)
    elif config.items_database:
        with closing(SqliteItems(config.home / EMBEDDED_ITEMS)) as source, closing(_items(config)) as items:
            move_items(source, items, lambda _: None)


def buckets_of_others(database: str) -> set[str]:
    """What the buckets of projects and people and the archive's are called, whether there are any or not."""
    engine = open_engine(database)
    try:
        with reading(engine) as connection:
            owners = connection.scalars(sa.text("SELECT id FROM projects UNION SELECT id FROM people")).all()
    finally:
        engine.dispose()
    return {STAGE_BUCKET, *(bucket_of(owner) for owner in owners)}


def _find_again(config: Config, manifest: backup.Manifest, say: Callable[[str], None]) -> None:
    """A catalogue that lay in the old home lies in the new one."""
    from terrafair.catalogue.catalogue import Catalogue

    with Catalogue(config.home) as catalogue:
        old = Path(catalogue.source or "/nowhere")
        if catalogue.source and old.is_relative_to(manifest.home) and str(config.home) != manifest.home:
            catalogue.sync(str(config.home / old.relative_to(manifest.home)), catalogue.branch)
            say(f"The catalogue is read from {catalogue.source} now.")


@contextmanager
def _store(config: Config, say: Callable[[str], None]) -> Iterator[S3Access]:
    """The object store, started for so long where no platform has it running."""
    if config.store_url:
        yield S3Access(config.store_url, config.store_key, config.store_secret, config.store_bucket)
        return
    with (config.home / "platform.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield remembered(config.home, config.store_bucket)
            return
        server = ObjectServer(config.home, config.store_bucket, say)
        try:
            server.start()
            yield server.access
        finally:
            server.stop()


def bucket_names(access: S3Access) -> list[str]:
    """All buckets that a key sees."""
    with answering(access):
        return [str(entry["Name"]) for entry in client(access).list_buckets()["Buckets"]]


@contextmanager
def answering(target: S3Access) -> Iterator[None]:
    """The plain client's errors as ours."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, ValueError) as fault:
        answer = fault.response if isinstance(fault, ClientError) else {}
        if 400 <= answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) < 500:
            what = f"The object store at {target.endpoint} refuses us."
            raise Refused(what, str(fault), "See `store_key` and `store_secret`.") from fault
        what = f"The object store at {target.endpoint} does not answer."
        raise Unreachable(what, str(fault), "See `store_url`.") from fault


def client(access: S3Access) -> Any:
    """A plain S3 client, for what is about buckets."""
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=access.endpoint,
        aws_access_key_id=access.key,
        aws_secret_access_key=access.secret,
        region_name=access.region,
    )
