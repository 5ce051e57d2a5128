"""The record of an experiment, and the two files that make it executable again."""

from collections.abc import Mapping
from typing import Any

import yaml

from terrafair.publishing.entries import RECORD_CORE, Facts, edited
from terrafair.publishing.links import Document, link
from terrafair.publishing.product import CRATE_TITLE, extent
from terrafair.publishing.workflow_record import formats, kernel, languages


def experiment(facts: Facts) -> Document:
    """The experiment's entry: new, or the published one edited."""
    answers, made = facts.answers, facts.made
    where = extent(made.collection, made.job.created, facts.time)
    box = where["spatial"]["bbox"][0]
    properties: Document = {
        "created": facts.time,
        "updated": facts.time,
        "type": "experiment",
        "title": answers.experiment_title,
        "description": answers.experiment_description or answers.product_description,
        "keywords": list(answers.keywords),
        "contacts": [facts.contact],
        "themes": facts.themes,
        "formats": formats(made),
        "license": answers.licence,
        "version": "1",
        "osc:project": answers.project,
        "osc:workflow": answers.workflow,
        **languages(made),
    }
    if (found := kernel(made)) is not None:
        env_file = f"{facts.present.site()}experiments/{answers.experiment}/environment.yaml"
        properties["jupyter_kernel_info"] = {**found, "env_file": env_file}
    fresh: Document = {
        "id": answers.experiment,
        "type": "Feature",
        "conformsTo": [RECORD_CORE],
        "geometry": _ring(box),
        "bbox": box,
        "time": {"interval": where["temporal"]["interval"][0]},
        "properties": properties,
        "linkTemplates": [],
        "links": facts.framed(
            "experiments",
            answers.experiment,
            [
                facts.related("workflows", answers.workflow),
                facts.related("projects", answers.project),
                *(facts.related("themes", theme) for theme in answers.themes),
                facts.child("products", answers.product),
                link("input", "./input.yaml", "Input parameters", "application/yaml"),
                link("environment", "./environment.yaml", "Execution environment", "application/yaml"),
                link("describedby", facts.crate, CRATE_TITLE, "application/ld+json"),
            ],
        ),
    }
    return edited(facts.present.entry("experiments", answers.experiment), fresh)


def _ring(box: list[float]) -> Document:
    west, south, east, north = box if len(box) == 4 else (box[0], box[1], box[3], box[4])
    corners = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    if west > east:
        halves = [(west, 180.0), (-180.0, east)]
        rings = [[[[a, south], [b, south], [b, north], [a, north], [a, south]]] for a, b in halves]
        return {"type": "MultiPolygon", "coordinates": rings}
    return {"type": "Polygon", "coordinates": [corners]}


def inputs(values: Mapping[str, Any], note: str = "") -> bytes:
    """`input.yaml`: every value that the run had, defaults included."""
    document = ({"$comment": note} if note else {}) | {"parameters": dict(values)}
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110).encode()
