"""One document under the official rules: which schemas, which rules, in the official order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from terrafair.catalogue.rules.document import Document, without_mark
from terrafair.catalogue.rules.findings import Finding, Rewrite
from terrafair.catalogue.rules.official.entities import RULES_OF
from terrafair.catalogue.rules.official.place import Role, own_schema
from terrafair.catalogue.rules.official.versions import CHECKED, Reading, reading
from terrafair.catalogue.rules.schema_faults import faults, shown
from terrafair.catalogue.rules.snapshot import Snapshot
from terrafair.catalogue.rules.subject import Subject, subject_of
from terrafair.catalogue.rules.versions import RuleSet
from terrafair.catalogue.schemas import OFFICIAL, Store, Unavailable

STAC_TYPES = {"Catalog": "catalog", "Collection": "collection", "Feature": "item"}
_RECORD_SCHEMAS = {Role.WORKFLOW: "workflows/children.json", Role.EXPERIMENT: "experiments/children.json"}


@dataclass(frozen=True)
class Official:
    """The official validator of one release, with the schemas that are at hand."""

    rules: RuleSet
    store: Store
    unchecked: set[str] = field(default_factory=set)
    """Addresses of schemas that were needed and are not at hand."""

    def check(self, document: Document, snapshot: Snapshot) -> Iterator[Finding]:
        """Every finding about a document; without one the official validator accepts it, too."""
        subject = subject_of(document, snapshot)
        if (fault := document.fault) is not None:
            edits = [Rewrite(document.path, plain)] if (plain := _mended(document)) else []
            yield subject.finding(fault.rule, "", fault.message, fault.fix, *edits)
        elif not isinstance(document.data, dict):
            yield subject.finding("not-an-object", "", f"It is {shown(document.data)}, not an object.")
        elif "stac_version" in document.data:
            yield from self._stac(subject)
        else:
            yield from self._record(subject)

    def _extended(self, subject: Subject) -> dict[str, Any]:
        """With the release's own schema among the extensions; what is no array there is replaced by one."""
        own = own_schema(subject.path, every_file=self.rules.schemas_for_every_file)
        if not own:
            return subject.data
        declared = subject.data.get("stac_extensions")
        return {**subject.data, "stac_extensions": [*(declared if isinstance(declared, list) else ()), OFFICIAL + own]}

    def _record(self, subject: Subject) -> Iterator[Finding]:
        role = subject.role
        if subject.data.get("type") in ("Catalog", "Collection"):
            message = f"It is a {subject.data['type']} without `stac_version`, so it counts as a record."
            yield subject.finding("stac-version", "", message)
        schemas = ["records.json"] + ([_RECORD_SCHEMAS[role]] if role in _RECORD_SCHEMAS else [])
        addresses = [OFFICIAL + schema for schema in schemas]
        yield from self._schemas(subject, self._extended(subject), addresses, "schema-record", set())
        yield from RULES_OF[role](subject)

    def _stac(self, subject: Subject) -> Iterator[Finding]:
        data, version = subject.data, subject.data["stac_version"]
        verdict = reading(version)
        if verdict is Reading.UNREADABLE:
            yield subject.finding("stac-version", "/stac_version", f"Its `stac_version` is {shown(version)}.")
            return
        if verdict is Reading.SKIPPED or data.get("type") == "FeatureCollection":
            seen = f"`stac_version` {shown(version)}" if verdict is Reading.SKIPPED else "the type 'FeatureCollection'"
            yield subject.finding(
                "skipped", "/stac_version" if verdict is Reading.SKIPPED else "/type", f"It has {seen}."
            )
            return
        if not isinstance(data.get("type"), str) or data["type"] not in STAC_TYPES:
            yield subject.finding("type", "/type", f"Its type is {shown(data.get('type'))}, which STAC does not know.")
            return
        yield from self._stac_schemas(subject)
        if version not in CHECKED:
            yield subject.finding("stac-version", "/stac_version", f"Its `stac_version` is {shown(version)}.")
        title = data.get("title")
        if data["type"] != "Feature" and not (isinstance(title, str) and title):
            yield subject.finding("title", "/title" if "title" in data else "", f"Its title is {shown(title)}.")
        yield from RULES_OF[subject.role](subject)

    def _stac_schemas(self, subject: Subject) -> Iterator[Finding]:
        data = self._extended(subject)
        name, told = STAC_TYPES[data["type"]], set[tuple[str, str]]()
        version = data["stac_version"]
        core = f"https://schemas.stacspec.org/v{version}/{name}-spec/json-schema/{name}.json"
        if version in CHECKED and not self._accepts(data, core):
            yield from self._schemas(subject, data, [core], "schema-core", told)
        declared = data.get("stac_extensions")
        for number, address in enumerate(declared if isinstance(declared, list) else ()):
            if isinstance(address, str) and address.startswith("https://") and self._accepts(data, address):
                continue
            if not isinstance(address, str) or not address.lower().startswith(("http://", "https://")):
                message = f"The extension {shown(address)} is no http address."
                yield subject.finding("extension-address", f"/stac_extensions/{number}", message)
                continue
            rule = "schema-osc" if address.startswith(OFFICIAL) else "schema-extension"
            yield from self._schemas(subject, data, [address], rule, told, f"/stac_extensions/{number}")

    def _accepts(self, data: dict[str, Any], address: str) -> bool:
        """Whether nothing needs to be said; `_schemas` says it."""
        try:
            return self.store.accepts(data, address, self.rules.schemas)
        except (Unavailable, ValueError):
            return False

    def _schemas(
        self,
        subject: Subject,
        data: dict[str, Any],
        addresses: Sequence[str],
        rule: str,
        told: set[tuple[str, str]],
        pointer: str = "",
    ) -> Iterator[Finding]:
        for address in addresses:
            try:
                if self.store.accepts(data, address, self.rules.schemas):
                    continue
                validator = self.store.validator(address, self.rules.schemas)
            except Unavailable as reason:
                if self.store.complete:
                    yield subject.finding("schema-unknown", pointer, str(reason))
                else:
                    self.unchecked.add(address)
                continue
            except ValueError as fault:
                yield subject.finding(rule, "", f"It cannot be checked against {address}: {fault}")
                continue
            for found in faults(validator, data):
                if (found.pointer, found.message) in told:
                    continue
                told.add((found.pointer, found.message))
                yield subject.finding(rule, found.pointer, f"{found.message} (Schema {_named(address)})", found.fix)


def _named(address: str) -> str:
    return address.removeprefix("https://").removeprefix("testing.earthcode.eox.at/schemas/")


def _mended(document: Document) -> bytes | None:
    """The text without its byte order mark, where that is all that was wrong."""
    from terrafair.catalogue.rules.document import read

    plain = without_mark(document.raw)
    return plain if plain != document.raw and read(document.path, plain).fault is None else None
