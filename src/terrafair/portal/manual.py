"""The documents as a site, where `make docs` has written it or the wheel brought it."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from terrafair.portal.page import HERE

SITE = HERE / "documents"
PREFIX = "/documents"


def is_there(site: Path = SITE) -> bool:
    """Whether there is something to read."""
    return (site / "index.html").is_file()


def mount(app: FastAPI, site: Path = SITE) -> None:
    """Serve it, if it is there."""
    if is_there(site):
        app.mount(PREFIX, StaticFiles(directory=site, html=True))
