"""A PostgreSQL cluster of one's own, and the two item stores."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from terrafair.catalogue.items.search import ItemStore
from terrafair.catalogue.items.sqlite.store import SqliteItems

ROOTS = (Path("/usr/lib/postgresql"), Path("/usr/local/pgsql"), Path("/opt/homebrew/opt"))


def binaries() -> Path | None:
    """The folder of `initdb` and `pg_ctl` of the newest PostgreSQL that has PostGIS."""
    found = sorted((path.parent for root in ROOTS if root.is_dir() for path in root.rglob("bin/initdb")), reverse=True)
    if (other := shutil.which("initdb")) is not None:
        found.append(Path(other).parent)
    for folder in found:
        shared = subprocess.run([folder / "pg_config", "--sharedir"], capture_output=True, text=True, check=False)
        places = [Path(shared.stdout.strip()), Path("/usr/share/postgresql") / folder.parent.name]
        if any((place / "extension/postgis.control").is_file() for place in places):
            return folder
    return None


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a cluster's empty database with pgSTAC; skipped where PostgreSQL or PostGIS is not installed."""
    pytest.importorskip("pypgstac")
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL with PostGIS here: see tools/system_packages.sh")
    # Not below pytest's folder, which is closed to the user that PostgreSQL runs as.
    folder = Path(tempfile.mkdtemp(prefix="terrafair-postgres-"))
    before: list[str] = []
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root.
        user = next((name for name in ("postgres", "nobody") if _known(name)), None)
        if user is None or shutil.which("runuser") is None:
            pytest.skip("root, and no other user to run PostgreSQL as")
        before = ["runuser", "-u", user, "--"]
        shutil.chown(folder, user)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    data = folder / "data"

    def run(program: str, *arguments: str) -> None:
        command = [*before, str(programs / program), *arguments]
        done = subprocess.run(
            command, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        assert done.returncode == 0, done.stdout

    run("initdb", "-D", str(data), "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
    settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    command = [
        *before,
        str(programs / "pg_ctl"),
        "-D",
        str(data),
        "-o",
        settings,
        "-l",
        str(folder / "log"),
        "-w",
        "start",
    ]
    # Its output must not be a pipe: the server would keep it open.
    with (folder / "start.log").open("w") as log:
        assert subprocess.run(command, cwd="/", stdout=log, stderr=log, check=False).returncode == 0
    url = f"postgresql://tester@127.0.0.1:{port}/postgres"
    try:
        from terrafair.catalogue.items.pgstac.connections import prepare

        prepare(url)
        yield url
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def _known(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


@pytest.fixture
def pgstac(postgres: str) -> Iterator[ItemStore]:
    """An empty store on pgSTAC."""
    from terrafair.catalogue.items.pgstac.store import PgstacItems

    store = PgstacItems(postgres)
    for entry in store.collections():
        store.delete_collection(entry.id)
    yield store
    store.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[ItemStore]:
    """An empty embedded store."""
    store = SqliteItems(tmp_path / "items.db")
    yield store
    store.close()
