"""The collection of a product."""

from typing import Any

from terrafair.publishing.entries import CF, OSC, SCIENTIFIC, THEMES, Facts, edited
from terrafair.publishing.links import Document, Link, link

CRATE_TITLE = "Provenance: Workflow Run RO-Crate"
WORLD = [-180.0, -90.0, 180.0, 90.0]


def product(facts: Facts) -> Document:
    """The product's entry: new, or the published one edited."""
    answers, made = facts.answers, facts.made
    extensions = [OSC, THEMES, CF, *([SCIENTIFIC] if answers.doi or answers.citation else [])]
    fresh: Document = {
        "type": "Collection",
        "id": answers.product,
        "stac_version": "1.0.0",
        "description": answers.product_description,
        "links": facts.framed("products", answers.product, _links(facts)),
        "stac_extensions": extensions,
        "osc:project": answers.project,
        "osc:status": answers.status,
        "osc:type": "product",
        "osc:variables": list(answers.variables),
        "osc:missions": list(answers.missions),
        "osc:experiment": answers.experiment,
        "cf:parameter": [_parameter(text) for text in answers.parameters],
        "themes": facts.themes,
        "created": facts.time,
        "updated": facts.time,
        "title": answers.product_title,
        "extent": extent(made.collection, made.job.created, facts.time),
        "license": answers.licence,
        "keywords": list(answers.keywords),
    }
    if answers.region:
        fresh["osc:region"] = answers.region
    if answers.doi:
        fresh["sci:doi"] = answers.doi
    if answers.citation:
        fresh["sci:citation"] = answers.citation
    return edited(facts.present.entry("products", answers.product), fresh)


def _links(facts: Facts) -> list[Link]:
    answers = facts.answers
    found = [
        facts.related("projects", answers.project),
        *(facts.related("themes", theme) for theme in answers.themes),
        *(facts.related("eo-missions", mission) for mission in answers.missions),
        *(facts.related("variables", variable) for variable in answers.variables),
        facts.related("experiments", answers.experiment),
        link("via", facts.page, "Access", ""),
    ]
    if answers.documentation:
        found.append(link("via", answers.documentation, "Documentation", ""))
    if answers.doi:
        found.append(link("cite-as", f"https://doi.org/{answers.doi}", "DOI", ""))
    found.append(link("describedby", facts.crate, CRATE_TITLE, "application/ld+json"))
    found.append(link("child", facts.data, "Items"))
    return found


def _parameter(text: str) -> Document:
    name, _, unit = text.partition(":")
    return {"name": name, "unit": unit} if unit else {"name": name}


def extent(collection: Document, start: str, end: str) -> Document:
    """Where and when, as the described files say; the run's own time where they say nothing."""
    known: Any = collection.get("extent") or {}
    boxes = (known.get("spatial") or {}).get("bbox") or [WORLD]
    intervals = (known.get("temporal") or {}).get("interval") or [[None, None]]
    first, last = (*intervals[0], None, None)[:2]
    box = [round(float(number), 6) for number in boxes[0]]
    return {
        "spatial": {"bbox": [box]},
        "temporal": {"interval": [[first or start, last or end]]},
    }
