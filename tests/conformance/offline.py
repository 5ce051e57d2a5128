"""Runs a validator's command line with the internet replaced by a folder of schemas: `offline.py FOLDER MODULE ARGS`.

Loopback is reached as ever; every other address answers from the folder, or with 404, and is told on standard error.
"""

import io
import runpy
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

LOOPBACK = {"127.0.0.1", "localhost"}
PLACES = {
    "schemas.stacspec.org": "stac",
    "stac-extensions.github.io": "ext",
    "geojson.org": "geojson",
    "proj.org": "proj",
}


def schema(folder: Path, url: str) -> bytes | None:
    """The stored document of an address."""
    parts = urlsplit(url)
    place = PLACES.get(parts.hostname or "")
    if place is None:
        return None
    path = parts.path.strip("/").removeprefix("schema/").removeprefix("schemas/")
    found = folder / place / path
    return found.read_bytes() if found.is_file() else None


def main() -> None:
    folder, module = Path(sys.argv[1]), sys.argv[2]
    send, urlopen = requests.Session.send, urllib.request.urlopen

    def answered(session: requests.Session, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        if urlsplit(str(request.url)).hostname in LOOPBACK:
            return send(session, request, **more)
        content = schema(folder, str(request.url))
        if content is None:
            print(f"offline: {request.url}", file=sys.stderr)
        reply = requests.Response()
        reply.status_code = 404 if content is None else 200
        reply.raw = io.BytesIO(content or b"{}")
        reply.url, reply.request = str(request.url), request
        reply.headers["content-type"] = "application/json"
        return reply

    def opened(request: Any, *arguments: Any, **more: Any) -> Any:
        url = request if isinstance(request, str) else request.full_url
        if urlsplit(url).hostname in LOOPBACK:
            return urlopen(request, *arguments, **more)
        content = schema(folder, url)
        if content is None:
            print(f"offline: {url}", file=sys.stderr)
            raise urllib.error.HTTPError(url, 404, "offline", None, None)  # type: ignore[arg-type]
        return io.BytesIO(content)

    requests.Session.send = answered  # type: ignore[method-assign]
    urllib.request.urlopen = opened
    for name in ("stac_validator.utilities", "stac_check.lint"):
        __import__(name)
        found = sys.modules[name]
        if hasattr(found, "urlopen"):
            found.urlopen = opened
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__")


if __name__ == "__main__":
    main()
