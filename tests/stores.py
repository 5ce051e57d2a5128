"""The S3 of a test's platform where the session is on PostgreSQL: a server beside its home, not below it.

One for each home: the buckets of projects and of the archive have the same names everywhere. Its objects outlive its
process, so it rests whenever the platform does.
"""

import atexit
from pathlib import Path

from terrafair.data.seaweedfs import ObjectServer

BUCKET = "elsewhere"
_running: dict[Path, ObjectServer] = {}


def settings(home: Path) -> dict[str, str]:
    """Values of the settings by which the platform at this home reaches it; it runs."""
    if (server := _running.get(home)) is None:
        server = _running[home] = ObjectServer(home.parent / f"{home.name}-s3", BUCKET)
        server.start()
    access = server.access
    return {
        "store_url": access.endpoint,
        "store_key": access.key,
        "store_secret": access.secret,
        "store_bucket": access.bucket,
    }


def rest(home: Path) -> None:
    """End it, if it runs."""
    if (server := _running.pop(home, None)) is not None:
        server.stop()


@atexit.register
def rest_all() -> None:
    """End all that tests left."""
    for home in list(_running):
        rest(home)
