"""The record of a workflow, with the link to its code at a commit."""

import re

from terrafair.publishing.entries import APPLICATION, RECORD_CORE, Facts, edited
from terrafair.publishing.links import Document, Link, link
from terrafair.publishing.made import Made
from terrafair.publishing.prefill import commit_link
from terrafair.workflows.workflow import WorkflowType

TYPES = {
    WorkflowType.OPENEO: ("openeo-process", "application/vnd.openeo+json;type=process", "openEO process"),
    WorkflowType.CWL: ("cwl", "application/cwl", "OGC Application Package"),
    WorkflowType.NOTEBOOK: ("jupyter-notebook", "application/x-ipynb+json", "Jupyter Notebook"),
    WorkflowType.COMMAND: ("script", "text/html", "Program"),
}
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_FORMATS = {
    "image/tiff": "GeoTIFF",
    "application/vnd+zarr": "Zarr",
    "application/vnd.zarr": "Zarr",
    "application/netcdf": "NetCDF",
    "application/x-netcdf": "NetCDF",
    "application/vnd.apache.parquet": "GeoParquet",
    "application/geo+json": "GeoJSON",
    "text/csv": "CSV",
    "application/geopackage+sqlite3": "GeoPackage",
}


def workflow(facts: Facts) -> Document | None:
    """The record of a new workflow; a published one with the link back to the experiment."""
    answers, made = facts.answers, facts.made
    back = facts.child("experiments", answers.experiment)
    existing = facts.present.entry("workflows", answers.workflow)
    if existing is not None:
        return edited(existing, {"links": [back]})
    fields = languages(made)
    properties: Document = {
        "created": facts.time,
        "updated": facts.time,
        "type": "workflow",
        "title": facts.title("workflows", answers.workflow),
        "description": answers.workflow_description,
        "keywords": list(answers.keywords),
        "contacts": [facts.contact],
        "themes": facts.themes,
        "formats": formats(made),
        "license": answers.workflow_licence or answers.licence,
        "version": "1",
        "osc:project": answers.project,
        **fields,
    }
    if (found := kernel(made)) is not None:
        env_file = f"{facts.present.site()}experiments/{answers.experiment}/environment.yaml"
        properties["jupyter_kernel_info"] = {**found, "env_file": env_file}
    between = [
        facts.related("projects", answers.project),
        *(facts.related("themes", theme) for theme in answers.themes),
        back,
        *_code(facts),
    ]
    return {
        "id": answers.workflow,
        "type": "Feature",
        "conformsTo": [RECORD_CORE, APPLICATION],
        "geometry": None,
        "properties": properties,
        "linkTemplates": [],
        "links": facts.framed("workflows", answers.workflow, between),
    }


def _code(facts: Facts) -> list[Link]:
    made, href = facts.made, facts.answers.code or commit_link(facts.made)
    _, media_type, word = TYPES.get(made.resolution.type, ("", "text/html", "Code"))
    found = re.match(r"(https?://[^/]+/[^/]+/[^/]+)/(?:-/)?(?:blob|tree|raw)/([0-9a-f]{40}|[^/]+)/?(.*)", href)
    extra: Document = {"file:local_path": found[3]} if found and found[3] else {}
    title = f"{word}: {facts.title('workflows', facts.answers.workflow)}"
    links = [link("application", href, title, media_type, **extra, **languages(made))]
    if found:
        vcs: Link = {"rel": "vcs", "title": "Git source repository", "href": found[1], "vcs:type": "git"}
        links.append(vcs)
    for image, digest in made.images.items():
        if digest:
            href = f"docker://{image}@sha256:{digest.removeprefix('sha256:')}"
            links.append(link("container", href, "Container image by its digest", OCI_MANIFEST))
    return links


def languages(made: Made) -> Document:
    """The fields of the application extension."""
    kind = made.resolution.type
    word = TYPES.get(kind, ("", "", ""))[0]
    return {
        "application:type": word or "other",
        "application:container": bool(made.images) or made.resolution.environment.kind == "container",
        "application:language": "openEO" if kind is WorkflowType.OPENEO else "Python",
    }


def kernel(made: Made) -> Document | None:
    """The kernel of a notebook."""
    if made.resolution.type is not WorkflowType.NOTEBOOK:
        return None
    return {"name": "python3", "python_version": python_of(made)}


def python_of(made: Made) -> str:
    """`3.11`, by the published environment or the platform's own Python."""
    import platform

    found = re.search(r"3\.\d+", made.resolution.environment.python)
    return found[0] if found else ".".join(platform.python_version_tuple()[:2])


def formats(made: Made) -> list[Document]:
    """Names and media types of the result's files."""
    kinds = dict.fromkeys(asset.media_type for asset in made.job.results.assets if asset.role == "data")
    named = [(_FORMATS.get(kind.split(";")[0].strip(), ""), kind) for kind in kinds]
    return [{"name": name, "mediaType": kind} for name, kind in named if name]
