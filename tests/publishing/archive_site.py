"""The archive's stand-in with faults in front of it."""

from dataclasses import replace
from typing import Any

from terrafair.data.objects import MemoryObjects, S3Access, S3Objects
from terrafair.publishing.archive import PrrAccess, PrrArchive
from terrafair.publishing.standins.archive.library import Library
from terrafair.publishing.standins.archive.routes import application
from terrafair.publishing.standins.serving import Serving

from .faults import Faulty


class ArchiveSite:
    """One archive, served."""

    def __init__(self, s3: S3Access, base: str) -> None:
        self.library = Library(base, MemoryObjects(), S3Objects(s3))
        self.faults = Faulty(application(self.library, {"anna": "secret"}))
        self.serving = Serving(self.faults).start()
        self.s3 = s3
        self.opened: list[PrrArchive] = []

    def archive(self, password: str = "secret", **changes: Any) -> PrrArchive:
        stage = replace(self.s3, endpoint=changes.pop("endpoint", self.s3.endpoint))
        access = PrrAccess(self.serving.url, "anna", password, stage, part=5 * 2**20, timeout=5)
        self.opened.append(PrrArchive(replace(access, **changes), sleep=lambda _: None))
        return self.opened[-1]
