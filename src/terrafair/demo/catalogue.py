"""The test catalogue, shaped like the Open Science Catalog: one project with three experiments that can be run again.

Back-links follow the real catalogue: product <-> project, theme, variable, mission, experiment; workflow and
experiment <-> project; workflow <-> experiment. Themes list their products alone, as they do there.
"""

import json
from collections.abc import Iterable
from typing import Any

from terrafair.demo import dataset, entries, experiments, records, stac
from terrafair.demo.entries import (
    CODE,
    INTERVAL,
    MISSION,
    MISSION_TITLE,
    PROJECT,
    PROJECT_TITLE,
    THEME,
    THEME_TITLE,
    THEMES,
    VARIABLES,
    WORKFLOWS,
    Product,
    Variable,
)
from terrafair.demo.links import KINDS, ROOT_TITLE, SITE, Link, child, framed, link, path, related

Document = dict[str, Any]

BUCKET = "s3://terrafair/"
_EXTENSION = "https://stac-extensions.github.io/"
_OSC = f"{_EXTENSION}osc/v1.0.0/schema.json"
_THEMES = f"{_EXTENSION}themes/v1.0.0/schema.json"
_CONTACTS = f"{_EXTENSION}contacts/v0.1.1/schema.json"
_CF = f"{_EXTENSION}cf/v0.2.0/schema.json"


def code_files() -> dict[str, bytes]:
    """Give the files of the code repository."""
    root = experiments.WORKFLOWS
    return {
        file.relative_to(root).as_posix(): file.read_bytes()
        for file in sorted(root.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    }


def catalogue_files(commit: str) -> dict[str, bytes]:
    """Give the files of the catalogue; its workflows point at `commit` of the code repository."""
    products = entries.all_products()
    documents: dict[str, Document] = {}
    titles = {
        "projects": {PROJECT: PROJECT_TITLE},
        "themes": {THEME: THEME_TITLE},
        "variables": {variable.id: variable.title for variable in VARIABLES},
        "eo-missions": {MISSION: MISSION_TITLE},
        "products": {product.id: product.title for product in products},
        "workflows": {workflow.id: workflow.title for workflow in WORKFLOWS},
        "experiments": {workflow.experiment: workflow.experiment_title for workflow in WORKFLOWS},
    }
    documents["catalog.json"] = _root()
    for kind, found in titles.items():
        documents[f"{kind}/catalog.json"] = _folder(kind, found)
    documents[path("projects", PROJECT)] = _project(products)
    documents[path("themes", THEME)] = _theme(products)
    documents[path("eo-missions", MISSION)] = _mission(products)
    for variable in VARIABLES:
        documents[path("variables", variable.id)] = _variable(variable, products)
    for product in products:
        documents[path("products", product.id)] = _product(product, products, commit)
    for workflow in WORKFLOWS:
        product = next(entry for entry in products if entry.id == workflow.product)
        documents[path("workflows", workflow.id)] = records.workflow_record(workflow, commit)
        documents[path("experiments", workflow.experiment)] = records.experiment_record(workflow, product, commit)
    files = {
        file: (json.dumps(entry, indent=2, ensure_ascii=False) + "\n").encode() for file, entry in documents.items()
    }
    for workflow in WORKFLOWS:
        for name in ("input.yaml", "environment.yaml"):
            content = (experiments.FOLDER / workflow.experiment / name).read_bytes()
            files[f"experiments/{workflow.experiment}/{name}"] = content
    files[f"themes/{THEME}/EO_Land.webp"] = (experiments.FOLDER.parent / "pictures" / "land.webp").read_bytes()
    return files


def _text(document: Document) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _root() -> Document:
    children = [link("child", f"./{kind}/catalog.json", title) for kind, (title, _, _) in KINDS.items()]
    return {
        "type": "Catalog",
        "id": "osc",
        "stac_version": "1.0.0",
        "description": "A test catalogue in the shape of ESA's Open Science Catalog, with experiments on simulated "
        "data that can be run again by their id",
        "links": [link("root", "./catalog.json", ROOT_TITLE), *children, link("self", f"{SITE}catalog.json")],
        "updated": stac.CREATED,
        "title": ROOT_TITLE,
    }


_FOLDERS = {
    "projects": "Activities funded by ESA",
    "themes": "Earth Science topics linked to the grand science challenges set in the ESA strategy",
    "variables": "Geoscience, climate and environmental variables",
    "eo-missions": "Earth Observation Satellite Missions by ESA",
    "products": "Geoscience products representing the measured or inferred values of one or more variables over a "
    "given time range and spatial area",
    "workflows": "Geoscience workflows for experiments",
    "experiments": "Geoscience experiments",
}


def _folder(kind: str, titles: dict[str, str]) -> Document:
    title, _, name = KINDS[kind]
    relation = "item" if name == "record.json" else "child"
    return {
        "type": "Catalog",
        "id": kind,
        "stac_version": "1.0.0",
        "description": _FOLDERS[kind],
        "links": [
            link("root", "../catalog.json", ROOT_TITLE),
            link("parent", "../catalog.json", ROOT_TITLE),
            *(link(relation, f"./{identifier}/{name}", titles[identifier]) for identifier in sorted(titles)),
            link("self", f"{SITE}{kind}/catalog.json"),
        ],
        "updated": stac.CREATED,
        "title": title,
    }


def _children(products: Iterable[Product]) -> list[Link]:
    return [child("products", product.id, product.title) for product in products]


_PREVIEW = {"proj:epsg": None, "proj:shape": [1080, 1920]}
_LAND = (
    "A specified geographical tract of the Earth's surface including all its attributes, comprising its geology, "
    "superficial deposits, topography, hydrology, soils, flora and fauna, together with the results of past and "
    "present human activity, to the extent that these attributes exert a significant influence on the present and "
    "future land utilization. (source: https://www.eionet.europa.eu/gemet/en/concept/4599)"
)


def _theme(products: Iterable[Product]) -> Document:
    return {
        "type": "Catalog",
        "id": THEME,
        "stac_version": "1.0.0",
        "description": _LAND,
        "links": framed(
            "themes",
            THEME,
            [
                link(
                    "preview",
                    "./EO_Land.webp",
                    "Image",
                    "image/webp",
                    **{"proj:epsg": None, "proj:shape": [1080, 1920]},
                ),
                link("via", "https://www.eionet.europa.eu/gemet/en/concept/4599", "Description", "text/html"),
                *_children(products),
            ],
        ),
        "updated": stac.CREATED,
        "keywords": [],
        "title": THEME_TITLE,
    }


def _mission(products: Iterable[Product]) -> Document:
    about = "https://database.eohandbook.com/database/missionsummary.aspx?missionID=552"
    return {
        "type": "Catalog",
        "id": MISSION,
        "stac_version": "1.0.0",
        "description": "Sentinel-2 is a constellation of two optical imaging satellites, which are a part of "
        "Copernicus - the European Union's Earth observation program.",
        "links": framed(
            "eo-missions",
            MISSION,
            [link("via", about, "Description", "text/html"), *_children(products)],
        ),
        "updated": stac.CREATED,
        "keywords": [],
        "title": MISSION_TITLE,
    }


def _variable(variable: Variable, products: Iterable[Product]) -> Document:
    theirs = [product for product in products if variable.id in product.variables]
    return {
        "type": "Catalog",
        "id": variable.id,
        "stac_version": "1.0.0",
        "description": variable.description,
        "links": framed(
            "variables",
            variable.id,
            [
                link("via", variable.about, "Description", "text/html"),
                *_children(theirs),
                related("themes", THEME, THEME_TITLE),
            ],
        ),
        "stac_extensions": [_THEMES],
        "themes": THEMES,
        "updated": stac.CREATED,
        "keywords": [],
        "title": variable.title,
    }


def _extent(bbox: list[float]) -> Document:
    return {"spatial": {"bbox": [bbox]}, "temporal": {"interval": [INTERVAL]}}


def _project(products: Iterable[Product]) -> Document:
    return {
        "type": "Collection",
        "id": PROJECT,
        "stac_version": "1.0.0",
        "description": "Three small experiments on a simulated growing season, one for each kind of workflow that the "
        "platform runs: an openEO process, an OGC application package and a notebook.",
        "links": framed(
            "projects",
            PROJECT,
            [
                link("via", CODE, "Website", "text/html"),
                related("themes", THEME, THEME_TITLE),
                *_children(products),
                *(related("workflows", entry.id, entry.title) for entry in WORKFLOWS),
                *(related("experiments", entry.experiment, entry.experiment_title) for entry in WORKFLOWS),
            ],
        ),
        "stac_extensions": [_OSC, _THEMES, _CONTACTS],
        "osc:type": "project",
        "osc:status": "completed",
        "osc:workflows": [entry.id for entry in WORKFLOWS],
        "themes": THEMES,
        "contacts": [
            {
                "name": "Demo Officer",
                "emails": [{"value": "officer@terrafair.example"}],
                "roles": ["technical_officer"],
            },
            {
                "name": "The terrafair developers",
                "emails": [{"value": "demo@terrafair.example"}],
                "roles": ["consortium_member"],
            },
        ],
        "updated": stac.CREATED,
        "title": PROJECT_TITLE,
        "extent": _extent(stac.footprint(stac.WHOLE)[1]),
        "license": stac.LICENCE,
        "keywords": ["demonstration", "simulated", "Sentinel-2"],
    }


def _person(name: str, address: str, role: str) -> Document:
    return {"name": name, "emails": [{"value": address}], "roles": [role]}


def _product(product: Product, products: Iterable[Product], commit: str) -> Document:
    source = not product.experiment
    others = [entry for entry in products if (entry.id == dataset.ID) != source]
    owner = next((entry for entry in WORKFLOWS if entry.experiment == product.experiment), None)
    document = {
        "type": "Collection",
        "id": product.id,
        "stac_version": "1.0.0",
        "description": product.description,
        "links": framed(
            "products",
            product.id,
            [
                related("projects", PROJECT, PROJECT_TITLE),
                related("themes", THEME, THEME_TITLE),
                related("eo-missions", MISSION, MISSION_TITLE),
                *(related("variables", v.id, v.title) for v in VARIABLES if v.id in product.variables),
                *([related("experiments", owner.experiment, owner.experiment_title)] if owner else []),
                *(related("products", entry.id, entry.title) for entry in others),
                link("via", BUCKET + product.data, "Access"),
                link("via", f"{CODE}/blob/{commit}/README.md", "Documentation", "text/html"),
                link("child", BUCKET + product.data, "Items"),
            ],
        ),
        "stac_extensions": [_OSC, _THEMES, _CF],
        "osc:project": PROJECT,
        "osc:status": "completed",
        "osc:region": "Upper Bavaria (simulated)",
        "osc:type": "product",
        "osc:variables": list(product.variables),
        "osc:missions": [MISSION],
        "cf:parameter": [{"name": name, "unit": unit} for name, unit in product.parameters],
        "themes": THEMES,
        "created": stac.CREATED,
        "updated": stac.CREATED,
        "title": product.title,
        "extent": _extent(stac.footprint(product.frame)[1]),
        "license": stac.LICENCE,
        "keywords": list(product.keywords),
    }
    return document | ({"osc:experiment": product.experiment} if product.experiment else {})
