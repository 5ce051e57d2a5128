"""Brings what a job made elsewhere into the outputs folder: files, and the data that STAC documents lead to."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from terrafair.errors import TerrafairError
from terrafair.execution.engines.remote.server import Output
from terrafair.execution.engines.remote.target import Connection, absolute
from terrafair.execution.engines.report import Report

DEPTH, FILES = 6, 10_000
STAC = frozenset({"Collection", "Catalog", "Feature", "FeatureCollection"})


@dataclass(slots=True)
class Home:
    """The results of one job; every address is fetched once."""

    connection: Connection
    outputs: Path
    limit: int
    """Bytes of one file; what is larger stays where it is and is named in references.json."""
    report: Report
    paths: dict[str, str] = field(default_factory=dict)
    """Output -> path below the outputs folder."""
    values: dict[str, Any] = field(default_factory=dict)
    referenced: dict[str, str] = field(default_factory=dict)
    """Path -> address of what was too large."""
    _brought: dict[str, str] = field(default_factory=dict)

    def bring(self, outputs: Iterable[Output]) -> None:
        """Everything; called again after a fault it goes on."""
        collections = []
        for output in outputs:
            if not output.href:
                self.values[output.name] = output.value
            elif "json" in output.media_type and (found := self._stac(output.href)):
                collections.append((output.name, output.href, found))
            else:
                self.paths[output.name] = self._file(output.href, output.name)
        # Files that were outputs of their own are known by now.
        for name, href, document in collections:
            for url, key in self._assets(href, document, 0):
                path = self._file(url, key)
                self.paths.setdefault(name, path)
        for name, content in (("values.json", self.values), ("references.json", self.referenced)):
            if content:
                (self.outputs / name).write_text(json.dumps(content, indent=1), "utf-8")
        if self.values:
            self.paths["values"] = "values.json"

    def _stac(self, href: str) -> Any:
        try:
            document = self.connection.document(href)
        except (TerrafairError, ValueError):
            return None
        typed = isinstance(document, dict) and document.get("type") in STAC
        return document if typed and ("stac_version" in document or "features" in document) else None

    def _assets(self, url: str, document: Any, depth: int) -> Iterator[tuple[str, str]]:
        """(address, key) of all data below a STAC document."""
        for key, asset in (document.get("assets") or {}).items():
            roles = set(asset.get("roles") or ()) if isinstance(asset, dict) else set()
            if isinstance(asset, dict) and isinstance(asset.get("href"), str) and not roles & {"metadata", "thumbnail"}:
                yield absolute(url, asset["href"]), str(key)
        for item in document.get("features") or ():
            yield from self._assets(url, item, depth + 1)
        for link in document.get("links") or () if depth < DEPTH else ():
            if isinstance(link, dict) and link.get("rel") in {"item", "child"} and isinstance(link.get("href"), str):
                child = absolute(url, link["href"])
                yield from self._assets(child, self.connection.document(child), depth + 1)

    def _file(self, url: str, name: str) -> str:
        if url in self._brought:
            return self._brought[url]
        if len(self._brought) >= FILES:
            return ""
        path = self._free(_flat(PurePosixPath(unquote(urlsplit(url).path)).name) or _flat(name) or "file")
        if self.connection.download(url, self.outputs / path, self.limit):
            self.report.say(f"Brought {path} ({(self.outputs / path).stat().st_size} bytes).")
        else:
            self.referenced[path] = url
            self.report.say(f"{path} is larger than the limit of {self.limit} bytes: it stays at {url}.", "warning")
        self._brought[url] = path
        return path

    def _free(self, name: str) -> str:
        taken, number, free = set(self._brought.values()), 2, name
        while free in taken:
            free = f"{PurePosixPath(name).stem}-{number}{PurePosixPath(name).suffix}"
            number += 1
        return free


def _flat(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".")[:120]
