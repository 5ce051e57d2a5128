"""The records of workflows and experiments (OGC API - Records, as the Open Science Catalog writes them)."""

from typing import Any

from terrafair.demo import stac
from terrafair.demo.entries import CODE, INTERVAL, PROJECT, PROJECT_TITLE, THEME, THEME_TITLE, THEMES, Product, Workflow
from terrafair.demo.links import child, framed, link, related

Document = dict[str, Any]

_RECORD_CORE = "http://www.opengis.net/spec/ogcapi-records-1/1.0/req/record-core"
_APPLICATION = "https://stac-extensions.github.io/application/v0.1.0/schema.json"
_CONTACT = {
    "name": "terrafair demo",
    "organization": "The terrafair developers",
    "links": [{"rel": "about", "type": "text/html", "href": CODE}],
    "contactInstructions": "Write an issue in the code repository",
    "roles": ["host"],
}


def _application(workflow: Workflow, commit: str) -> Document:
    fields: Document = {
        "application:type": workflow.application,
        "application:container": workflow.container,
        "application:language": "Python" if workflow.application != "openeo-process" else "openEO",
    }
    if workflow.notebook:
        environment = f"{CODE}/blob/{commit}/{workflow.path.rpartition('/')[0]}/environment.yml"
        fields["jupyter:kernel"] = {"name": "python3", "pythonVersion": "3.11", "envFile": environment}
    return fields


def _properties(workflow: Workflow, kind: str, title: str, description: str, commit: str) -> Document:
    fields = _application(workflow, commit)
    kernel = fields.pop("jupyter:kernel", None)
    properties: Document = {
        "created": stac.CREATED,
        "updated": stac.CREATED,
        "type": kind,
        "title": title,
        "description": description,
        "keywords": list(workflow.keywords),
        "contacts": [_CONTACT],
        "themes": THEMES,
        "formats": [{"name": name, "mediaType": media_type} for name, media_type in workflow.formats],
        "license": "MIT" if kind == "workflow" else stac.LICENCE,
        "version": "1",
        "osc:project": PROJECT,
        **fields,
    }
    if kernel:
        names = {"name": "name", "pythonVersion": "python_version", "envFile": "env_file"}
        properties["jupyter_kernel_info"] = {names[key]: value for key, value in kernel.items()}
    return properties


def workflow_record(workflow: Workflow, commit: str) -> Document:
    """Give the record of a workflow whose code lies at a commit of the code repository."""
    application = link(
        "application",
        f"{CODE}/blob/{commit}/{workflow.path}",
        workflow.application_title,
        workflow.media_type,
        **{"file:local_path": workflow.path},
        **_application(workflow, commit),
    )
    return {
        "id": workflow.id,
        "type": "Feature",
        "conformsTo": [_RECORD_CORE, _APPLICATION],
        "geometry": None,
        "properties": _properties(workflow, "workflow", workflow.title, workflow.description, commit),
        "linkTemplates": [],
        "links": framed(
            "workflows",
            workflow.id,
            [
                related("projects", PROJECT, PROJECT_TITLE),
                related("themes", THEME, THEME_TITLE),
                child("experiments", workflow.experiment, workflow.experiment_title),
                application,
                {
                    "rel": "vcs",
                    "title": "Git source repository",
                    "href": CODE,
                    "vcs:type": "git",
                    "vcs:branch": "main",
                },
            ],
        ),
    }


def experiment_record(workflow: Workflow, product: Product, commit: str) -> Document:
    """Give the record of a workflow's experiment, which made the product."""
    geometry, bbox = stac.footprint(product.frame)
    title, description = workflow.experiment_title, workflow.experiment_description
    properties = _properties(workflow, "experiment", title, description, commit)
    return {
        "id": workflow.experiment,
        "type": "Feature",
        "conformsTo": [_RECORD_CORE],
        "geometry": geometry,
        "bbox": bbox,
        "time": {"interval": INTERVAL},
        "properties": properties | {"osc:workflow": workflow.id},
        "linkTemplates": [],
        "links": framed(
            "experiments",
            workflow.experiment,
            [
                related("workflows", workflow.id, workflow.title),
                related("projects", PROJECT, PROJECT_TITLE),
                related("themes", THEME, THEME_TITLE),
                child("products", product.id, product.title),
                link("input", "./input.yaml", "Input parameters", "application/yaml"),
                link("environment", "./environment.yaml", "Execution environment", "application/yaml"),
            ],
        ),
    }
