"""Input values as a target can take them: what only this platform can read is handed over with the request."""

import base64
import json
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terrafair.errors import InvalidInput
from terrafair.execution.engines.remote.server import OPENEO, Server
from terrafair.execution.engines.report import Report

INLINE_LIMIT = 8 * 2**20
"""Bytes that go into a request where the target takes no uploads."""


@dataclass(frozen=True, slots=True)
class Handover:
    """The values of one job."""

    server: Server
    sources: Mapping[str, str]
    """Reference -> local path of what was staged for it."""
    stac: frozenset[str]
    """Those references that lead to STAC documents with data of their own."""
    report: Report
    data: frozenset[str]
    """Inputs that take data: their addresses go as links."""

    def values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """All of them; raises `InvalidInput` for what cannot be handed over."""
        return {name: self._value(name, value) for name, value in values.items() if value is not None}

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, list) and any(self._known(each) for each in value):
            return [self._value(name, each) for each in value]
        reference = value.get("href") if isinstance(value, Mapping) else value
        if isinstance(reference, str) and (path := self.sources.get(reference)):
            return self._stac(name, Path(path)) if reference in self.stac else self._file(name, Path(path))
        link = isinstance(value, str) and name in self.data and value.startswith(("http://", "https://"))
        return {"href": value} if link and self.server.kind != OPENEO else value

    def _known(self, value: Any) -> bool:
        reference = value.get("href") if isinstance(value, Mapping) else value
        return isinstance(reference, str) and reference in self.sources

    def _file(self, name: str, path: Path) -> Any:
        if path.is_dir():
            what = f"The input {name!r} is a folder, which cannot be handed over."
            raise InvalidInput(what, remedy="Give its address on the web.", where=name)
        self.report.say(f"Handing over {path.name} ({path.stat().st_size} bytes).")
        content = path.read_bytes()
        if reference := self.server.upload(path.name, content):
            return {"href": reference} if name in self.data else reference
        if self.server.kind == OPENEO or len(content) > INLINE_LIMIT:
            what = f"The input {name!r} lies on this platform only, and the target takes no uploads."
            raise InvalidInput(what, remedy="Put it where the target can read it, and give its address.", where=name)
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return {"value": base64.b64encode(content).decode(), "encoding": "base64", "mediaType": kind}

    def _stac(self, name: str, path: Path) -> Any:
        """A STAC document whose assets are brought there first."""
        document = json.loads(path.read_text("utf-8"))
        for item in document.get("features") or [document]:
            for asset in (item.get("assets") or {}).values():
                local = Path(str(asset.get("href", "")))
                if not local.is_file():
                    continue
                self.report.say(f"Handing over {local.name} ({local.stat().st_size} bytes).")
                reference = self.server.upload(local.name, local.read_bytes())
                if reference is None:
                    what = f"The data of the input {name!r} lie on this platform only, and the target takes no uploads."
                    raise InvalidInput(what, remedy="Publish the data, and give its address.", where=name)
                asset["href"] = reference
        if name in self.data:
            return {"value": document, "mediaType": "application/geo+json"}
        return self.server.upload(f"{name}.json", json.dumps(document).encode())
