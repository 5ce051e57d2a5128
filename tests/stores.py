"""The S3 of a test's platform where the session is on PostgreSQL: a server beside its home, not below it.

One for each home: the buckets of projects and of the archive have the same names everywhere. Its objects outlive its
process, so it rests whenever the platform does.
"""

import atexit
from pathlib import Path

from terrafair.data.objects import OWN, S3Access
from terrafair.data.seaweedfs import ObjectServer, remembered

BUCKET = "elsewhere"
_running: dict[Path, ObjectServer] = {}


def settings(home: Path) -> dict[str, str]:
    """Values of the settings by which the platform at this home reaches it; it runs."""
    if (server := _running.get(home)) is None:
        server = _running[home] = ObjectServer(_beside(home), BUCKET)
        server.start()
    where = server.access
    return {
        "store_url": where.endpoint,
        "store_key": where.key,
        "store_secret": where.secret,
        "store_bucket": where.bucket,
    }


def folder(home: Path) -> Path:
    """Where the server of the platform at this home writes down its process: its own one, or the one beside it."""
    return (_beside(home) if home in _running else home) / "objects"


def access(home: Path) -> S3Access:
    """How that server is reached."""
    return _running[home].access if home in _running else remembered(home, OWN)


def _beside(home: Path) -> Path:
    return home.parent / f"{home.name}-s3"


def rest(home: Path) -> None:
    """End it, if it runs."""
    if (server := _running.pop(home, None)) is not None:
        server.stop()


@atexit.register
def rest_all() -> None:
    """End all that tests left."""
    for home in list(_running):
        rest(home)
