"""STAC documents against the official schemas: pystac carries those of the core, a folder may hold extensions'."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema_rs
import pystac
import pystac.validation

PLACES = {
    "stac-extensions.github.io": "ext",
    "schemas.stacspec.org": "stac",
    "geojson.org": "geojson",
    "proj.org": "proj",
}
"""Host -> folder of the store; below `/schema` the paths are the same."""


def check(document: Mapping[str, Any], store: Path | None = None) -> list[str]:
    """The extensions that were checked; raises where the document is invalid against one of them or the core."""
    kind = pystac.STACObjectType(document["type"])
    pystac.validation.validate_dict(dict(document), kind, "1.1.0", extensions=[])
    found = []
    for url in document["stac_extensions"]:
        file = _file(url, store) if store else None
        if file is None or store is None or not file.is_file():
            continue
        try:
            _validator(file, store).validate(json.loads(json.dumps(document)))
        except jsonschema_rs.ValidationError as fault:
            message = f"{document['id']}: {url}: {fault.message[:500]} at {list(fault.instance_path)}"
            raise AssertionError(message) from None
        found.append(url)
    return found


@cache
def _validator(file: Path, store: Path) -> Any:
    def retrieve(url: str) -> Any:
        found = _file(url, store)
        if found is None or not found.is_file():
            raise LookupError(f"{url} is not in the store")
        return json.loads(found.read_bytes())

    return jsonschema_rs.validator_for(json.loads(file.read_bytes()), retriever=retrieve)


def _file(url: str, store: Path) -> Path | None:
    parts = urlsplit(url)
    folder = PLACES.get(parts.hostname or "")
    if folder is None:
        return None
    path = parts.path.strip("/").removeprefix("schema/").removeprefix("schemas/")
    return store / folder / path
