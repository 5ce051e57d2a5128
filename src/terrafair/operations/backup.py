"""Copies of everything that a platform keeps, made while it runs, and their way back into an empty home folder.

The order makes a copy whole: first the databases, each in one consistent state, then files and objects. Whatever a
database names was stored before it was named, so it is in the copy; what came later is left over and harms nothing.
"""

import hashlib
import json
import re
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

import sqlalchemy as sa

from terrafair import events
from terrafair.catalogue.items.search import ItemStore
from terrafair.data.objects import OWN, ObjectStore, sha256_of
from terrafair.database import tables
from terrafair.errors import Conflict, InvalidInput, NotFound, Unreachable
from terrafair.operations import copied_items

MANIFEST = "manifest.json"
FORMAT = 1
REMADE = frozenset({"environments", "sandbox", "painters", "near", "described", "metrics", "objects"})
"""Folders of the home that the platform makes again by itself; objects are copied through S3."""
SCHEMAS = ("public", "dbos")
"""Of the control database: tables and queue."""
OTHERS = re.compile(r" SCHEMA (- )?public | FUNCTION public pgstac_| TABLE DATA public spatial_ref_sys ")
"""What a dump has that a database has before us: its own schema, and what pgSTAC and PostGIS have left there."""
MOMENTARY = (".lock", ".db-wal", ".db-shm", ".log", "serving.json", "worker.json", ".sock", ".partial")
SQLITE = b"SQLite format 3\0"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a copy."""

    path: str
    """Relative to the copy: `home/...`, `objects/BUCKET/...`, `control.dump` or `items.ndjson`."""
    size: int
    """Bytes."""
    sha256: str
    key: str = ""
    """Of an object."""
    media_type: str = ""
    modified: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a copy holds."""

    version: str
    """Of the platform that made it."""
    created: str
    home: str
    """Where the copied platform lived."""
    entries: tuple[Entry, ...]
    bucket: str = OWN
    """The platform's own, as it was called."""

    def write(self, folder: Path) -> None:
        """Put it last: a copy without it was interrupted."""
        document = {"format": FORMAT, **asdict(self)}
        partial = folder / f"{MANIFEST}.partial"
        partial.write_text(json.dumps(document, indent=1), "utf-8")
        partial.replace(folder / MANIFEST)

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Raises `NotFound` where no finished copy is, `InvalidInput` for one of another format."""
        try:
            document = json.loads((folder / MANIFEST).read_text("utf-8"))
            if document.pop("format") != FORMAT:
                raise InvalidInput(f"The copy in {folder} has another format.", remedy="Use the release that made it.")
            entries = tuple(Entry(**entry) for entry in document.pop("entries"))
            return cls(entries=entries, **document)
        except FileNotFoundError:
            raise NotFound(
                f"{folder} holds no finished copy.", "It has no manifest.json.", "Make one: `terrafair backup create`."
            ) from None
        except (ValueError, KeyError, TypeError) as fault:
            raise InvalidInput(f"{folder / MANIFEST} is damaged: {fault}.", where=str(folder)) from fault


@dataclass(frozen=True, slots=True)
class Source:
    """The platform that is copied."""

    home: Path
    database: str
    """SQLAlchemy URL of the control database."""
    buckets: Mapping[str, ObjectStore]
    version: str
    items: ItemStore | None = None
    """STAC items, where they are not in the home."""
    bucket: str = OWN
    """The platform's own among them."""


def create(source: Source, folder: Path, say: Say = lambda _: None) -> Manifest:
    """Copy everything into a folder; into an earlier copy only what is new is written.

    Raises `Conflict` for a folder that holds something else, `Unreachable` when a part does not answer.
    """
    folder = folder.absolute()
    if folder.exists() and any(folder.iterdir()) and not (folder / "home").is_dir():
        raise Conflict(f"{folder} is not empty and holds no copy.", remedy="Name an empty or new folder.")
    if folder.is_relative_to(source.home):
        raise InvalidInput("A copy inside the home folder is lost with it.", remedy="Name a folder elsewhere.")
    known = {entry.path: entry for entry in _earlier(folder)}
    (folder / MANIFEST).unlink(missing_ok=True)
    (folder / "home").mkdir(parents=True, exist_ok=True)
    entries = []
    for number, entry in enumerate(_copy(source, folder, known, say), 1):
        entries.append(entry)
        if not number % 1000:
            say(f"{number} files ...")
    _forget(folder, {entry.path for entry in entries})
    made = Manifest(source.version, events.now(), str(source.home), tuple(entries), source.bucket)
    made.write(folder)
    return made


def _earlier(folder: Path) -> tuple[Entry, ...]:
    try:
        return Manifest.read(folder).entries
    except (NotFound, InvalidInput):
        return ()


def _copy(source: Source, folder: Path, known: Mapping[str, Entry], say: Say) -> Iterator[Entry]:
    if not source.database.startswith("sqlite"):
        say("Copying the control database ...")
        yield _dump(source.database, folder / "control.dump")
    if source.items is not None:
        yield _entry(copied_items.write(source.items, folder, say))
    files = sorted(_files(source.home), key=lambda path: not _is_database(path))
    say(f"Copying {len(files)} files ...")
    for path in files:
        relative = path.relative_to(source.home)
        target = folder / "home" / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if _is_database(path):
                _copy_database(path, target)
            else:
                shutil.copy2(path, target)
        except FileNotFoundError:
            # Gone between listing and copying: a job has tidied up.
            continue
        yield Entry(f"home/{relative.as_posix()}", target.stat().st_size, sha256_of(target))
    for bucket, store in source.buckets.items():
        say(f"Copying the objects of {bucket} ...")
        yield from _objects(bucket, store, folder, known)


def _files(home: Path) -> Iterator[Path]:
    for top in sorted(home.iterdir()):
        if top.name in REMADE:
            continue
        for path in sorted(top.rglob("*")) if top.is_dir() and not top.is_symlink() else [top]:
            if path.is_file() and not path.is_symlink() and not path.name.endswith(MOMENTARY):
                yield path


def _is_database(path: Path) -> bool:
    if path.suffix != ".db":
        return False
    with path.open("rb") as file:
        return file.read(len(SQLITE)) == SQLITE


def _copy_database(path: Path, target: Path) -> None:
    """SQLite's online copy: one consistent state, while others write."""
    target.unlink(missing_ok=True)
    there = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=60)
    with closing(there), closing(sqlite3.connect(target)) as here:
        # In one step: page by page, each write by another process would begin the copy anew.
        there.backup(here)
        here.execute("PRAGMA journal_mode = DELETE")


def _dump(url: str, target: Path) -> Entry:
    # Items may be in the same database; they are copied by themselves.
    schemas = [f"--schema={name}" for name in SCHEMAS]
    _postgres("pg_dump", url, "--format=custom", "--no-owner", *schemas, f"--file={target}")
    return _entry(target)


def _undump(url: str, source: Path) -> None:
    """Into a database where pgSTAC may be already."""
    listed = _called(["pg_restore", "--list", str(source)])
    wanted = [line for line in listed.splitlines() if not OTHERS.search(line)]
    with tempfile.NamedTemporaryFile("w", suffix=".list") as file:
        file.write("\n".join(wanted))
        file.flush()
        choice = f"--use-list={file.name}"
        _postgres("pg_restore", url, "--no-owner", "--exit-on-error", choice, str(source))


def _entry(path: Path) -> Entry:
    return Entry(path.name, path.stat().st_size, sha256_of(path))


def _postgres(program: str, url: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs; the password goes through its environment, never through its arguments."""
    address = sa.make_url(url)
    place = address.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    secret = {"PGPASSWORD": address.password} if address.password else {}
    _called([program, *arguments, f"--dbname={place}"], secret)


def _called(command: list[str], secret: Mapping[str, str] | None = None) -> str:
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", **(secret or {})}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Unreachable(f"{command[0]} is not installed.", remedy="Install PostgreSQL's client programs.") from None
    if done.returncode:
        raise Unreachable(f"{command[0]} failed.", done.stderr.strip()[-500:])
    return done.stdout


def _objects(bucket: str, store: ObjectStore, folder: Path, known: Mapping[str, Entry]) -> Iterator[Entry]:
    for found in store.list(""):
        # Keys are longer than file names may be, and one may be the beginning of another.
        name = hashlib.sha256(found.key.encode()).hexdigest()
        path, modified = f"objects/{bucket}/{name[:2]}/{name}", found.modified.isoformat()
        target, before = folder / path, known.get(path)
        if before and before.modified == modified and before.size == found.size and _same_size(target, before):
            yield before
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            store.get_file(found.key, target)
            _, media_type = store.head(found.key)
        except NotFound:
            continue
        yield Entry(path, target.stat().st_size, sha256_of(target), found.key, media_type, modified)


def _same_size(path: Path, entry: Entry) -> bool:
    return path.exists() and path.stat().st_size == entry.size


def _forget(folder: Path, kept: Collection[str]) -> None:
    """Remove what an earlier copy had and the platform no longer has."""
    for path in folder.rglob("*"):
        if path.is_file() and path.name != MANIFEST and path.relative_to(folder).as_posix() not in kept:
            path.unlink()


def verify(folder: Path) -> list[str]:
    """The files of a copy that are missing or damaged, by checksum; empty: it is whole."""
    wrong = []
    for entry in Manifest.read(folder).entries:
        path = folder / entry.path
        if not _same_size(path, entry) or sha256_of(path) != entry.sha256:
            wrong.append(entry.path)
    return wrong


def place(folder: Path, home: Path, database: str, say: Say = lambda _: None) -> Manifest:
    """Put databases and files of a copy into an empty home; the objects follow with `fill` once a store runs there.

    Raises `Conflict` for a home that is in use, `InvalidInput` for a damaged copy or one of another kind of database.
    """
    manifest = Manifest.read(folder)
    if home.exists() and any(home.iterdir()):
        raise Conflict(
            f"{home} is not empty.", "A copy replaces nothing.", "Set TERRAFAIR_HOME to a new folder, then restore."
        )
    say(f"Checking {len(manifest.entries)} files ...")
    if wrong := verify(folder):
        raise InvalidInput(f"The copy is damaged: {', '.join(wrong[:5])} ({len(wrong)} files).", where=str(folder))
    dumped = any(entry.path == "control.dump" for entry in manifest.entries)
    if dumped == database.startswith("sqlite"):
        kinds = ("PostgreSQL", "SQLite") if dumped else ("SQLite", "PostgreSQL")
        raise InvalidInput(
            f"The copy has its control database in {kinds[0]}, and this platform's is {kinds[1]}.",
            remedy="Restore with the same kind of database (setting `database`).",
        )
    if dumped:
        _require_empty(database)
    home.mkdir(parents=True, exist_ok=True)
    for entry in manifest.entries:
        if entry.path.startswith("home/"):
            target = home / PurePosixPath(entry.path).relative_to("home")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / entry.path, target)
    if dumped:
        _undump(database, folder / "control.dump")
    return manifest


def _require_empty(database: str) -> None:
    """PostgreSQL's own message, after half of the way, would name a type or a table."""
    engine = sa.create_engine(sa.make_url(database).set(drivername="postgresql+psycopg"))
    try:
        found = [name for schema in SCHEMAS for name in tables(engine, schema)]
    except sa.exc.OperationalError as fault:
        raise Unreachable("The control database does not answer.", str(fault.orig), "See `database`.") from None
    finally:
        engine.dispose()
    if found:
        raise Conflict(
            f"The control database is not empty: it has the table {found[0]}.",
            "A copy replaces nothing.",
            "Name an empty database in the setting `database`, then restore.",
        )


def fill(folder: Path, manifest: Manifest, store: Callable[[str], ObjectStore], say: Say = lambda _: None) -> int:
    """Put the objects of a copy into their buckets; gives how many."""
    objects = [entry for entry in manifest.entries if entry.path.startswith("objects/")]
    say(f"Placing {len(objects)} objects ...")
    for entry in objects:
        store(entry.path.split("/")[1]).put_file(entry.key, folder / entry.path, entry.media_type)
    return len(objects)
