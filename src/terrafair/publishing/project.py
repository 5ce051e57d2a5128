"""The collection of a new project."""

from terrafair.publishing.entries import CONTACTS, OSC, THEMES, Facts
from terrafair.publishing.links import Document, link
from terrafair.publishing.product import extent


def new_project(facts: Facts) -> Document:
    """A project that the catalogue does not have; links to its parts are added as back-links."""
    answers, made = facts.answers, facts.made
    officer = {
        "name": answers.officer_name,
        "emails": [{"value": answers.officer_email}],
        "roles": ["technical_officer"],
    }
    return {
        "type": "Collection",
        "id": answers.project,
        "stac_version": "1.0.0",
        "description": answers.project_description,
        "links": facts.framed(
            "projects",
            answers.project,
            [
                link("via", answers.project_website, "Website", "text/html"),
                *(facts.related("themes", theme) for theme in answers.themes),
            ],
        ),
        "stac_extensions": [OSC, THEMES, CONTACTS],
        "osc:type": "project",
        "osc:status": "ongoing",
        "themes": facts.themes,
        "contacts": [officer, facts.contact | {"roles": ["consortium_member"]}],
        "created": facts.time,
        "updated": facts.time,
        "title": answers.project_title,
        "extent": extent(made.collection, made.job.created, facts.time),
        "license": answers.licence,
        "keywords": list(answers.keywords),
    }
