"""Small files to compare."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.transform import Affine

from terrafair.execution.comparison.assets import compare
from terrafair.execution.comparison.findings import Compared, LocalAsset, Tolerance

UTM = Affine(10, 0, 500_000, 0, -10, 5_000_000)


def tif(path: Path, values: npt.NDArray[Any], tags: dict[str, str] | None = None, **options: Any) -> Path:
    """A GeoTIFF of one band (rows, columns) or several (band, rows, columns)."""
    bands = values[None] if values.ndim == 2 else values
    profile = {"driver": "GTiff", "crs": "EPSG:32633", "transform": UTM, "dtype": bands.dtype, **options}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", count=len(bands), height=bands.shape[1], width=bands.shape[2], **profile) as file:
        file.write(bands)
        file.update_tags(**(tags or {}))
    return path


def ramp(kind: str = "float32") -> npt.NDArray[Any]:
    """Twelve rows of ten different values."""
    return np.arange(120).reshape(12, 10).astype(kind)


def verdict(expected: Path, found: Path, tolerance: Tolerance | None = None) -> Compared:
    """The comparison of one file with one."""
    (compared,) = compare([LocalAsset("expected", expected, "file")], [LocalAsset("found", found, "file")], tolerance)
    return compared
