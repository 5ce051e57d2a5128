"""Cuts a run's GeoTIFF into PNG tiles, inside the sandbox: `python -m terrafair.api.openeo.tile_child ORDER ANSWER`.

Files that people's processes have made are opened here, not in the server.
"""

import base64
import json
import sys
import warnings
from pathlib import Path
from typing import Any

SIZE = 256


def main(order: str, answer: str) -> int:
    """Cut, and write the tiles that show anything: `{"X/Y": PNG in base64}`."""
    warnings.simplefilter("ignore")
    asked = json.loads(Path(order).read_text("utf-8"))
    values, known = _warped(asked)
    shown = _pixels(values, known, asked["minimum"], asked["maximum"])
    tiles: dict[str, str] = {}
    for row in range(asked["count"]):
        for column in range(asked["count"]):
            part = shown[:, row * SIZE : (row + 1) * SIZE, column * SIZE : (column + 1) * SIZE]
            if part[-1].any():
                tiles[f"{asked['x'] + column}/{asked['y'] + row}"] = base64.b64encode(_png(part)).decode()
    Path(answer).write_text(json.dumps(tiles), "utf-8")
    return 0


def _warped(asked: dict[str, Any]) -> tuple[Any, Any]:
    """Values and where they are known, on the block's own grid."""
    import numpy as np
    import rasterio
    from rasterio.enums import Resampling
    from rasterio.transform import from_bounds
    from rasterio.warp import reproject

    side = asked["count"] * SIZE
    grid = {"dst_transform": from_bounds(*asked["bounds"], side, side), "dst_crs": "EPSG:3857"}
    method = {"near": "nearest"}.get(asked["resampling"], asked["resampling"])
    # This driver alone: others would follow what a file says about other files.
    with rasterio.open(asked["file"], driver="GTiff", sharing=False) as source:
        bands = [1, 2, 3] if source.count >= 3 else [1]
        values = np.full((len(bands), side, side), np.nan, np.float32)
        for number, band in enumerate(bands):
            plane = source.read(band, masked=True).astype(np.float32).filled(np.nan)
            reproject(
                plane,
                values[number],
                src_transform=source.transform,
                src_crs=source.crs,
                src_nodata=np.nan,
                dst_nodata=np.nan,
                resampling=Resampling[method],
                **grid,
            )
    return values, np.isfinite(values).all(0)


def _pixels(values: Any, known: Any, minimum: float, maximum: float) -> Any:
    """Grey or colours, with transparency as the last plane."""
    import numpy as np

    scaled = np.clip((np.nan_to_num(values) - minimum) / (maximum - minimum) * 255, 0, 255).round().astype(np.uint8)
    return np.concatenate([scaled, np.where(known, 255, 0).astype(np.uint8)[None]])


def _png(planes: Any) -> bytes:
    from rasterio.io import MemoryFile

    profile = {"driver": "PNG", "width": SIZE, "height": SIZE, "count": len(planes), "dtype": "uint8"}
    with MemoryFile() as memory:
        with memory.open(**profile) as target:
            target.write(planes)
        return bytes(memory.read())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
