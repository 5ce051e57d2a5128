"""Fills a schema store from the places where the schemas are published: each pinned by its content.

`schemas.lock.json` has the pins: path in the store, address, and the SHA-256 of the document's canonical form, so that
white space and line ends may differ. What comes from a git repository is named by its commit.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

from terrafair.catalogue.rules.versions import LATEST, rule_set
from terrafair.catalogue.schemas import OFFICIAL_FOLDER, place_of
from terrafair.errors import Damaged, InvalidInput, Problem, TerrafairError
from terrafair.web import Web

LOCK = "schemas.lock.json"
OWN_PINS = "pins.json"
"""In the store: what `--add` brought, pinned by what it was at first."""
SCHEMA_LIMIT = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Pin:
    """One schema file."""

    path: str
    """In the store."""
    url: str
    sha256: str
    """Of the canonical form; empty: not known yet."""


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did."""

    written: tuple[str, ...]
    kept: int
    """Files that were there already, with the right content."""
    failed: tuple[Problem, ...]

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        failed = [problem.document() for problem in self.failed]
        return {"written": list(self.written), "kept": self.kept, "failed": failed}


def digest(document: Any) -> str:
    """SHA-256 of a JSON document's canonical form: sorted keys, no white space."""
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()


def pins(rules: Iterable[str] = (LATEST,)) -> list[Pin]:
    """The shipped pins: everything shared, and the own schemas of these rule sets."""
    found = orjson.loads(files("terrafair.catalogue").joinpath(LOCK).read_bytes())
    folders = {rule_set(name).schemas for name in rules}
    every = [Pin(**pin) for pin in found["files"]]
    return [pin for pin in every if not pin.path.startswith(OFFICIAL_FOLDER) or pin.path.partition("/")[0] in folders]


def sync(
    folder: Path,
    web: Web,
    *,
    rules: Iterable[str] = (LATEST,),
    add: Iterable[str] = (),
    mirror: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> SyncReport:
    """Bring the store in a folder up to date; what is there with the right content is not fetched again.

    `add` are addresses of more schemas; they and what they refer to are pinned by what they are now. `mirror` is an
    address that serves the same files as `MIRROR/HOST/PATH`, for machines without a way out. A file that cannot be had
    is reported, and the others are brought all the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = _own_pins(folder)
    wanted = [*pins(rules), *own.values(), *_added(add, own)]
    seen = {pin.path for pin in wanted}
    written, kept, failed = [], 0, []
    number = 0
    while number < len(wanted):
        pin = wanted[number]
        number += 1
        if progress is not None:
            progress(number, len(wanted))
        try:
            document = _present(folder / pin.path, pin)
            if document is None:
                document = _fetch(web, pin, mirror)
                _write(folder / pin.path, document)
                written.append(pin.path)
            else:
                kept += 1
        except TerrafairError as error:
            failed.append(error.problem)
            continue
        if not pin.sha256 or pin.path in own:
            own[pin.path] = Pin(pin.path, pin.url, digest(document))
            more = [Pin(place_of(url), url, "") for url in _references(document, pin.url)]
            wanted += [one for one in more if one.path and one.path not in seen]
            seen.update(one.path for one in more)
    if own:
        _write(folder / OWN_PINS, {path: {"url": pin.url, "sha256": pin.sha256} for path, pin in sorted(own.items())})
    return SyncReport(tuple(written), kept, tuple(failed))


def _added(addresses: Iterable[str], own: Mapping[str, Pin]) -> Iterator[Pin]:
    for address in addresses:
        path = place_of(address.partition("#")[0])
        if not path:
            raise InvalidInput(f"{address!r} is no address of a schema.", "It takes an http address.", where="--add")
        if path not in own:
            yield Pin(path, address.partition("#")[0], "")


def _own_pins(folder: Path) -> dict[str, Pin]:
    try:
        found = orjson.loads((folder / OWN_PINS).read_bytes())
        return {path: Pin(path, pin["url"], pin["sha256"]) for path, pin in found.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise Damaged(
            f"{folder / OWN_PINS} cannot be read: {fault}.", remedy="Delete it, and add the schemas again."
        ) from None


def _present(path: Path, pin: Pin) -> Any:
    """What the store has, if it is what it should be."""
    try:
        document = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return document if not pin.sha256 or digest(document) == pin.sha256 else None


def _fetch(web: Web, pin: Pin, mirror: str) -> Any:
    address = f"{mirror.rstrip('/')}/{pin.url.partition('://')[2]}" if mirror else pin.url
    content = web.get(address, limit=SCHEMA_LIMIT).content
    try:
        document = orjson.loads(content)
    except ValueError as fault:
        raise InvalidInput(f"{address} gives no JSON: {fault}.", where=pin.path) from None
    found = digest(document)
    if pin.sha256 and found != pin.sha256:
        raise InvalidInput(
            f"{address} gives another schema than the pinned one.",
            f"Its digest is {found}, and {pin.sha256} is pinned: somebody changed a published version.",
            "Look at what changed; a newer terrafair may have a new pin.",
            pin.path,
        )
    return document


def _write(path: Path, document: Any) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _references(document: Any, base: str) -> Iterator[str]:
    """Addresses of other schemas that a schema refers to."""
    from urllib.parse import urljoin

    start = document.get("$id") if isinstance(document, dict) else None
    base = start if isinstance(start, str) and "://" in start else base
    todo = [document]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            reference = node.get("$ref")
            if isinstance(reference, str) and not reference.startswith("#"):
                address = urljoin(base, reference).partition("#")[0]
                if address != base.partition("#")[0] and "json-schema.org" not in address:
                    yield address
            todo += node.values()
        elif isinstance(node, list):
            todo += node
