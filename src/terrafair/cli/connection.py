"""Which platform the command line talks to: `TERRAFAIR_URL`, else the one that runs on this home folder."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from terrafair.config import Config
from terrafair.credentials import token_for
from terrafair.errors import Unreachable

if TYPE_CHECKING:
    from terrafair.client import Client

SERVING = "serving.json"
"""In the home folder while a platform runs on it: `{"url": ..., "pid": ...}`."""


def running_url(config: Config) -> str:
    """The address of the platform to talk to; empty when none is known to run."""
    if config.url:
        return config.url
    try:
        serving = json.loads((config.home / SERVING).read_text("utf-8"))
        os.kill(serving["pid"], 0)
        return str(serving["url"])
    except PermissionError:
        return str(serving["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


@contextmanager
def connect(config: Config) -> Iterator["Client"]:
    """A client on the running platform; raises `Unreachable` with the way to start one."""
    from terrafair.client import Client

    url = running_url(config)
    if not url:
        raise Unreachable(
            f"No platform runs on {config.home}.",
            remedy="Start one with `make run` (or `terrafair serve`), or set TERRAFAIR_URL to one elsewhere.",
            code="no-platform",
        )
    with Client(url, token=token_for(url), project=os.environ.get("TERRAFAIR_PROJECT", "")) as client:
        yield client
