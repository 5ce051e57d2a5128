"""What is missing from an entity for others to find, trust and use it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from terrafair.catalogue.rules.findings import Finding
from terrafair.catalogue.rules.official.place import Role
from terrafair.catalogue.rules.official.references import THEMES_SCHEME
from terrafair.catalogue.rules.subject import DOWNWARD, Subject

_DATA_RELATIONS = frozenset({"child", "item", "items", "enclosure", "data", "download"})
_DATA_TYPES = re.compile(
    r"zarr|netcdf|geotiff|image/tiff|parquet|hdf|zip|tar|csv|geojson|grib|octet-stream|geopackage|flatgeobuf|json", re.I
)
_DATA_ENDINGS = re.compile(
    r"\.(zarr|nc4?|cdf|tiff?|zip|tar|tgz|gz|csv|parquet|geojson|gpkg|fgb|h5|hdf5?|grib2?|laz|json)/?(?:[?#].*)?$", re.I
)
_DATA_PLACES = re.compile(
    r"^(s3|gs|ftps?|sftp)://|//ftp\.|/ndownloader/files/|/thredds/|/opendap/|/erddap/|[?&]download=1", re.I
)


def content(subject: Subject) -> Iterator[Finding]:
    """By kind of entity."""
    if subject.role in {Role.PRODUCT, Role.PROJECT, Role.VARIABLE}:
        yield from _one_theme_entry(subject, subject.data, "")
    if subject.role is Role.PRODUCT:
        yield from _product(subject)
    elif subject.role in {Role.WORKFLOW, Role.EXPERIMENT}:
        yield from _record(subject)


def _product(subject: Subject) -> Iterator[Finding]:
    data = subject.data
    for field, rule, what in (
        ("osc:variables", "no-variables", "variables"),
        ("osc:missions", "no-missions", "EO missions"),
    ):
        value = data.get(field)
        if not isinstance(value, list) or not value:
            yield subject.finding(rule, f"/{field}" if field in data else "", f"It names no {what}.")
    if not data.get("osc:experiment") and (experiment := _maker(subject)):
        message = f"It has no `osc:experiment`, and the experiment {experiment!r} is linked with it."
        yield subject.finding("no-experiment", "", message, f"Set `osc:experiment` to {experiment!r} and link to it.")
    if not _has_data(subject):
        yield subject.finding("no-data-link", "/links", "No link or asset leads to its data, only to pages for people.")


def _maker(subject: Subject) -> str:
    """The experiment that links to a product, or that the product links to; empty where there is none."""
    for target in subject.targets:
        if target.startswith("experiments/") and target.count("/") == 2 and subject.snapshot.exists(target):
            return target.split("/")[1]
    return _made(subject).get(subject.path, "")


def _made(subject: Subject) -> Mapping[str, str]:
    """Document -> the first experiment that lists it or is related to it."""
    key = "made by experiments"
    known: dict[str, str] | None = subject.snapshot.notes.get(key)
    if known is None:
        known = subject.snapshot.notes[key] = {}
        for folder in subject.snapshot.folders("experiments"):
            other = subject.around(f"experiments/{folder}/record.json")
            if other is not None:
                for (_, link), target in zip(other.links, other.targets, strict=True):
                    if link.get("rel") in DOWNWARD:
                        known.setdefault(target, folder)
    return known


def _has_data(subject: Subject) -> bool:
    assets = subject.data.get("assets")
    if isinstance(assets, dict) and any(_is_data_asset(asset) for asset in assets.values()):
        return True
    return any(_leads_to_data(link) for _, link in subject.links)


def _is_data_asset(asset: Any) -> bool:
    roles = asset.get("roles") if isinstance(asset, dict) else None
    pictures = {"thumbnail", "overview", "metadata", "preview"}
    return isinstance(asset, dict) and not (isinstance(roles, list) and roles and pictures.issuperset(map(str, roles)))


def _leads_to_data(link: dict[str, Any]) -> bool:
    rel, href = str(link.get("rel")).lower(), link["href"]
    if rel in _DATA_RELATIONS:
        return True
    if rel not in {"via", "alternate", "describedby", "related", "access", "service"} or "://" not in href:
        return False
    media_type = str(link.get("type") or "")
    return any(
        pattern.search(text)
        for pattern, text in ((_DATA_TYPES, media_type), (_DATA_ENDINGS, href), (_DATA_PLACES, href))
    )


def _record(subject: Subject) -> Iterator[Finding]:
    about = subject.properties
    for field, rule in (
        ("title", "record-title"),
        ("description", "record-description"),
        ("license", "record-licence"),
    ):
        value = about.get(field)
        if not isinstance(value, str) or not value.strip():
            yield subject.finding(
                rule, f"/properties/{field}" if field in about else "/properties", f"It has no {field}."
            )
    yield from _one_theme_entry(subject, about, "/properties")
    entries = about.get("themes")
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        concepts = entry.get("concepts") if isinstance(entry, dict) and entry.get("scheme") == THEMES_SCHEME else None
        for place, concept in enumerate(concepts if isinstance(concepts, list) else ()):
            name = concept.get("id") if isinstance(concept, dict) else None
            if isinstance(name, str) and not subject.snapshot.exists(f"themes/{name}/catalog.json"):
                pointer = f"/properties/themes/{number}/concepts/{place}/id"
                yield subject.finding("record-theme", pointer, f"It names the theme {name!r}, which does not exist.")


def _one_theme_entry(subject: Subject, holder: Any, prefix: str) -> Iterator[Finding]:
    entries = holder.get("themes")
    own = [
        number
        for number, entry in enumerate(entries if isinstance(entries, list) else ())
        if isinstance(entry, dict) and entry.get("scheme") == THEMES_SCHEME
    ]
    for number in own[1:]:
        message = f"Themes entry {number} has the same scheme as entry {own[0]}; only the first is read."
        yield subject.finding("second-themes", f"{prefix}/themes/{number}", message)
