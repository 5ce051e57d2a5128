"""A PostgreSQL cluster of one's own."""

import os
import pwd
import shlex
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


def missing() -> str:
    """Why no cluster can be made here; empty: it can."""
    if binaries() is None:
        return "no PostgreSQL with PostGIS here: see tools/system_packages.sh"
    if os.geteuid() == 0 and (_user() is None or shutil.which("runuser") is None):
        return "root, and no other user to run PostgreSQL as"
    return ""


@contextmanager
def cluster(kept: Path | None = None) -> Iterator[str]:
    """The address of its empty database; in a folder that is kept, or in one that goes with it."""
    programs = binaries()
    assert programs is not None, missing()
    # Not below a folder that is closed to the user that PostgreSQL runs as.
    folder = kept or Path(tempfile.mkdtemp(prefix="terrafair-postgres-"))
    folder.mkdir(parents=True, exist_ok=True)
    before: list[str] = []
    if os.geteuid() == 0:
        user = _user()
        assert user is not None, missing()
        before = ["runuser", "-u", user, "--"]
        shutil.chown(folder, user)
        if kept is not None:
            folder.parent.chmod(folder.parent.stat().st_mode | 0o011)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    data = folder / "data"

    def run(program: str, *arguments: str) -> None:
        command = [*before, str(programs / program), *arguments]
        # Its output must not be a pipe: the server would keep it open.
        with (folder.parent / f"{folder.name}.log").open("a") as log:
            done = subprocess.run(command, cwd="/", stdout=log, stderr=log, check=False)
        assert done.returncode == 0, log.name

    if not data.exists():
        run("initdb", "-D", str(data), "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
    settings = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c max_connections=400"
    )
    settings += " -c shared_buffers=512MB -c work_mem=32MB" if kept else ""
    run("pg_ctl", "-D", str(data), "-o", settings, "-l", str(folder / "log"), "-w", "start")
    try:
        yield f"postgresql://tester@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-D", str(data), "-m", "fast" if kept else "immediate", "stop")
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)
            (folder.parent / f"{folder.name}.log").unlink(missing_ok=True)


def data_of(url: str) -> Path:
    """The folder in which a running server keeps its data."""
    import psycopg

    with psycopg.connect(url) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    return Path(row[0])


def control(data: Path, *arguments: str) -> None:
    """`pg_ctl` on a cluster, as the owner of its data: `-m fast restart` and the like."""
    programs = binaries()
    assert programs is not None, missing()
    before = ["runuser", "-u", data.owner(), "--"] if os.geteuid() == 0 else []
    command = [*before, str(programs / "pg_ctl"), "-D", str(data), "-w", *arguments]
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(command, cwd="/", stdout=said, stderr=said, check=False)
        said.seek(0)
        assert done.returncode == 0, said.read().decode("utf-8", "replace")


def options(data: Path) -> str:
    """With which a cluster was started last."""
    words = shlex.split((data / "postmaster.opts").read_text())[1:]
    return shlex.join(words[2:] if words[:1] == ["-D"] else words)


def _user() -> str | None:
    return next((name for name in ("postgres", "nobody") if _known(name)), None)


def _known(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
