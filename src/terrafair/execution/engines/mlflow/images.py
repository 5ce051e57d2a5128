"""The bands of a STAC item as blocks on one grid: floats, NaN where a band has no data."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from terrafair.errors import InvalidInput, Problem


@dataclass(frozen=True, slots=True)
class Block:
    """One block of an image: what is read (with its surroundings, outside the image too) and what is kept."""

    row: int
    column: int
    height: int
    width: int


def blocks(height: int, width: int, side: int) -> Iterator[Block]:
    """Cover an image once, in the order of its rows."""
    for row in range(0, height, side):
        for column in range(0, width, side):
            yield Block(row, column, min(side, height - row), min(side, width - column))


def items(document: Path) -> list[dict[str, Any]]:
    """The items of what the stager has left; hrefs are absolute paths."""
    content = json.loads(document.read_text("utf-8"))
    return [content] if content.get("type") == "Feature" else list(content.get("features") or ())


def asset(item: Mapping[str, Any], name: str) -> tuple[str, int, Mapping[str, Any]]:
    """(path, band number from 1, what is said of it) by the key of an asset, or the name of a band in one.

    Raises `InvalidInput` with the names that there are.
    """
    known: dict[str, None] = {}
    assets = {key: each for key, each in (item.get("assets") or {}).items() if isinstance(each, Mapping)}
    if name in assets:
        bands = _bands(assets[name])
        return str(assets[name].get("href")), 1, {**assets[name], **(bands[0] if bands else {})}
    for key, each in assets.items():
        known[key] = None
        for number, band in enumerate(_bands(each), 1):
            names = [band.get("name"), band.get("eo:common_name"), band.get("common_name")]
            if name in names:
                return str(each.get("href")), number, {**each, **band}
            known |= {str(one): None for one in names if one}
    what = f"The item {item.get('id')} has no asset or band {name!r}."
    raise InvalidInput(what, remedy=f"It has: {', '.join(known)}.", where="bands", code="band-unknown")


def _bands(entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """STAC 1.1's `bands`; before it `eo:bands` and `raster:bands` side by side."""
    said = [entry.get(name) for name in ("bands", "eo:bands", "raster:bands")]
    lists = [[band for band in each if isinstance(band, Mapping)] for each in said if isinstance(each, list)]
    count = max((len(each) for each in lists), default=0)
    return [
        {key: value for each in reversed(lists) if index < len(each) for key, value in each[index].items()}
        for index in range(count)
    ]


@dataclass(slots=True)
class Image:
    """The bands of one item, open; belongs to one thread."""

    sources: list[tuple[Any, int, float, float]] = field(default_factory=list)
    """Dataset on the common grid, band number, scale, offset."""
    _open: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def open(cls, item: Mapping[str, Any], names: Sequence[str], *, scale: bool) -> Self:
        """Open all bands on the finest one's grid; raises `InvalidInput` for what is no image."""
        image = cls()
        found = [asset(item, name) for name in names]
        opened = []
        for path, number, about in found:
            try:
                dataset = image._keep(rasterio.open(path))
            except rasterio.errors.RasterioIOError as fault:
                what = f"{Path(path).name} of {item.get('id')} cannot be read as an image."
                raise InvalidInput(what, str(fault)[:300], where="stac", code="image-unreadable") from None
            if number > dataset.count:
                what = f"{Path(path).name} has {dataset.count} bands; the item speaks of band {number}."
                raise InvalidInput(what, where="bands", code="band-unknown")
            opened.append((dataset, number, about))
        grid = min((dataset for dataset, *_ in opened), key=lambda dataset: abs(dataset.transform.a))
        for dataset, number, about in opened:
            factor, offset = _scaling(about, dataset, number) if scale else (1.0, 0.0)
            image.sources.append((image._on(dataset, grid), number, factor, offset))
        return image

    def _on(self, dataset: Any, grid: Any) -> Any:
        same = dataset.crs == grid.crs and dataset.transform.almost_equals(grid.transform)
        if same and dataset.shape == grid.shape:
            return dataset
        if dataset.crs is None or grid.crs is None:
            what = "The bands have different sizes, and no reference system to bring them together."
            raise InvalidInput(what, where="bands", code="image-unreferenced")
        options = {"crs": grid.crs, "transform": grid.transform, "width": grid.width, "height": grid.height}
        return self._keep(WarpedVRT(dataset, resampling=Resampling.bilinear, **options))

    def _keep(self, dataset: Any) -> Any:
        # Not entered as a context: that is bound to the thread, and the last to close is another one.
        self._open.callback(dataset.close)
        return dataset

    @property
    def grid(self) -> Any:
        """A dataset on the common grid."""
        return self.sources[0][0]

    def read(self, block: Block, side: int, overlap: int) -> np.ndarray[Any, Any]:
        """(bands, side + 2 overlap, the same) float32; outside the image its edge is repeated, no data is NaN."""
        top, left = block.row - overlap, block.column - overlap
        height, width = self.grid.shape
        total = side + 2 * overlap
        first, west = max(top, 0), max(left, 0)
        window = Window(west, first, min(left + total, width) - west, min(top + total, height) - first)
        made = np.empty((len(self.sources), int(window.height), int(window.width)), "float32")
        for index, (source, number, factor, offset) in enumerate(self.sources):
            values = source.read(number, window=window, masked=True)
            made[index] = np.ma.filled(values.astype("float32"), np.nan) * np.float32(factor) + np.float32(offset)
        before = (first - top, west - left)
        around = ((0, 0), *((start, total - start - size) for start, size in zip(before, made.shape[1:], strict=True)))
        return np.pad(made, around, mode="edge") if any(map(any, around)) else made

    def close(self) -> None:
        """Give the files back."""
        self._open.close()


def _scaling(about: Mapping[str, Any], dataset: Any, number: int) -> tuple[float, float]:
    said = [about.get(f"raster:{name}", about.get(name)) for name in ("scale", "offset")]
    own = (dataset.scales[number - 1], dataset.offsets[number - 1])
    values = [mine if each is None else each for each, mine in zip(said, own, strict=True)]
    try:
        return float(values[0]), float(values[1])
    except (TypeError, ValueError):
        problem = Problem(f"The item's scale {values[0]!r} or offset {values[1]!r} is no number.", where="stac")
        raise InvalidInput(problem.what, where="stac", code="image-unreadable") from None
