"""What this platform supports, so that others can tell before they send work whether it would run here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from terrafair import __version__
from terrafair.execution.command import Limits
from terrafair.workflows.package import MEDIA_TYPES
from terrafair.workflows.workflow import WorkflowType

WORKFLOWS: Mapping[str, Mapping[str, Any]] = {
    "openeo": {
        "title": "openEO process graph",
        "mediaTypes": ["application/json"],
        "standards": ["openEO 1.2", "openEO processes 2.0"],
        "software": ("xarray", "dask", "odc-geo"),
    },
    "cwl": {
        "title": "CWL: OGC EO Application Package",
        "mediaTypes": ["application/cwl+yaml", "application/cwl+json"],
        "standards": ["CWL 1.0", "CWL 1.1", "CWL 1.2", "OGC 20-089"],
        "software": ("cwltool",),
    },
    "notebook": {
        "title": "Jupyter notebook",
        "mediaTypes": ["application/x-ipynb+json"],
        "standards": ["nbformat 4"],
        "software": ("nbclient", "papermill"),
    },
    "command": {
        "title": "Command line in a git repository",
        "mediaTypes": [],
        "standards": [],
        "software": (),
    },
    "mlflow": {
        "title": "MLflow model",
        "mediaTypes": [],
        "standards": ["MLflow 2"],
        "software": ("onnxruntime",),
    },
}
DATA = (
    {"name": "GeoTIFF, Cloud Optimized GeoTIFF", "mediaType": "image/tiff; application=geotiff"},
    {"name": "NetCDF", "mediaType": "application/x-netcdf"},
    {"name": "Zarr", "mediaType": "application/vnd+zarr"},
    {"name": "GeoJSON", "mediaType": "application/geo+json"},
    {"name": "GeoParquet", "mediaType": "application/vnd.apache.parquet"},
    {"name": "STAC 1.0 and 1.1 (Item, Collection, Catalog, ItemCollection)", "mediaType": "application/geo+json"},
)
REQUIREMENTS = (
    "G5",
    "E5",
    "E6",
    "E7",
    "O2",
    "O5",
    "O6",
    "I2",
    "I3",
    "I4",
    "I5a",
    "I5c",
    "I5d",
    "I6",
    "I8",
    "I12",
    "A2",
    "A4",
    "A5",
)
"""Ids of EarthCODE's requirements on platforms that these interfaces serve."""
SLA = "https://github.com/terrafair/terrafair/blob/main/docs/sla.md"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Facts of one platform."""

    types: Iterable[WorkflowType]
    """Those with an engine here."""
    limits: Limits
    workers: int
    body: int
    """Bytes of one request."""
    isolation: str
    """What jobs are isolated by; empty: nothing."""
    targets: tuple[str, ...] = ()
    """Names of platforms that jobs can be handed on to."""

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        here = {str(kind) for kind in self.types}
        return {
            "title": "Capabilities",
            "platform": "terrafair",
            "version": __version__,
            "workflowTypes": [_workflow(name, WORKFLOWS[name]) for name in WORKFLOWS if name in here],
            "dataTypes": {"inputs": list(DATA), "outputs": list(DATA)},
            "references": ["https", "http", "s3 (this platform's own bucket)", "upload"],
            "deployment": sorted({kind for kind in MEDIA_TYPES.values() if kind}),
            "limits": {
                "jobSeconds": self.limits.seconds,
                "jobMemoryBytes": self.limits.memory,
                "jobFileBytes": self.limits.file_size,
                "jobDiskBytes": self.limits.disk,
                "jobFiles": self.limits.files,
                "jobProcesses": self.limits.processes,
                "jobsAtOnce": self.workers,
                "requestBytes": self.body,
                "network": False,
            },
            "isolation": self.isolation or "none",
            "targets": list(self.targets),
            "requirements": list(REQUIREMENTS),
            "sla": SLA,
        }


def _workflow(name: str, about: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: _version(name) for name in about["software"]}
    return {
        "type": name,
        "title": about["title"],
        "mediaTypes": about["mediaTypes"],
        "standards": about["standards"],
        "engine": {name: version for name, version in known.items() if version},
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
