"""GRIB as a cube: its messages, which lie in any order, by parameter, level and time.

GDAL decodes (https://gdal.org/drivers/raster/grib.html); units stay those of the message.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terrafair.data.classify import Kind
from terrafair.data.cube_source import Array, Block, Group
from terrafair.data.facts import plain
from terrafair.data.rasters import DRIVERS, crs_of, translated
from terrafair.errors import InvalidInput

MAPPING = "crs"
TIME = {"standard_name": "time", "units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian"}


@dataclass(frozen=True, slots=True)
class Message:
    """One band of the file."""

    band: int
    element: str
    time: int
    """Seconds since 1970 that it is valid at."""
    level: str
    """GDAL's short name, e.g. `850-ISBL`."""
    comment: str
    unit: str
    nodata: float | None

    @property
    def height(self) -> float:
        """The level's number; 0 where it is none."""
        try:
            return float(self.level.split("-", 1)[0])
        except ValueError:
            return 0.0

    @property
    def surface(self) -> str:
        """The kind of level, e.g. `ISBL`."""
        return self.level.rpartition("-")[2]


@contextmanager
def opened(path: Path) -> Iterator[tuple[Group, ...]]:
    """The file as one group; raises `InvalidInput` for one that cannot be read."""
    import rasterio

    _check_whole(path)
    options = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO", "GRIB_NORMALIZE_UNITS": "NO"}
    with translated(path), rasterio.Env(**options), rasterio.open(path, driver=DRIVERS[Kind.GRIB]) as source:
        messages = [_message(source, index) for index in source.indexes]
        if not messages:
            raise InvalidInput(f"{path.name} holds no message.", "There is nothing to convert.", where=path.name)
        cube = _Cube(source)
        for name, members in _variables(messages).items():
            cube.add(name, members)
        attributes = {"Conventions": "CF-1.11", "source": f"GRIB messages of {path.name}"}
        yield (Group("", attributes, (*_grid(source), *cube.axes.values(), *cube.variables)),)


def _check_whole(path: Path) -> None:
    """Raise `InvalidInput` for a file that breaks off: GDAL would give the messages before the break only."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 4096, 0))
        end = file.read().rstrip(b"\0")
    if not end.endswith(b"7777"):
        raise InvalidInput(
            f"{path.name} breaks off: its last message has no end.",
            "The file was not written or copied to its end.",
            "Write or copy it again.",
            path.name,
        )


def _message(source: Any, index: int) -> Message:
    tags = source.tags(index)
    seconds = str(tags.get("GRIB_VALID_TIME", "0")).split() or ["0"]
    return Message(
        index,
        tags.get("GRIB_ELEMENT") or f"band_{index}",
        int(float(seconds[0])),
        tags.get("GRIB_SHORT_NAME", ""),
        tags.get("GRIB_COMMENT", ""),
        tags.get("GRIB_UNIT", "").strip("[]"),
        source.nodatavals[index - 1],
    )


def _variables(messages: Sequence[Message]) -> dict[str, list[Message]]:
    """Name -> messages; a parameter on several kinds of level is several variables."""
    groups: dict[tuple[str, str], list[Message]] = {}
    for message in messages:
        groups.setdefault((message.element, message.surface), []).append(message)
    elements = [element for element, _ in groups]
    return {
        element if elements.count(element) == 1 else f"{element}_{surface}": members
        for (element, surface), members in groups.items()
    }


class _Cube:
    """Variables and the axes that they share."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self.axes: dict[tuple[str, tuple[float, ...]], Array] = {}
        self.variables: list[Array] = []

    def add(self, name: str, members: list[Message]) -> None:
        """Place messages on a grid of times and levels; those that fill none follow each other as they lie."""
        times = sorted({message.time for message in members})
        heights = sorted({message.height for message in members})
        found = {(message.time, message.height): message.band for message in members}
        if len(found) == len(members) == len(times) * len(heights):
            bands = [found[time, height] for time in times for height in heights]
        else:
            bands, times, heights = [message.band for message in members], [each.time for each in members], heights[:1]
        dims, shape = [self._axis("time", times, TIME)], [len(times)]
        if len(heights) > 1:
            dims.append(self._axis(f"level_{members[0].surface}", heights, {"long_name": members[0].surface}))
            shape.append(len(heights))
        shape += [self._source.height, self._source.width]
        first = members[0]
        said = {"long_name": first.comment, "units": first.unit, "GRIB_element": first.element}
        said |= {"GRIB_level": first.level} if len(heights) == 1 else {}
        attributes = {key: value for key, value in said.items() if value} | {"grid_mapping": MAPPING}
        if self._source.crs is None:
            attributes.pop("grid_mapping")
        dtype = _type(self._source, bands)
        read = _reader(self._source, bands, tuple(shape), dtype)
        self.variables.append(
            Array(name, (*dims, *_names(self._source)), tuple(shape), dtype, attributes, read, first.nodata)
        )

    def _axis(self, name: str, values: Sequence[float], attributes: dict[str, Any]) -> str:
        """The name of an axis with these values; a new one where there is none yet."""
        import numpy as np

        key = (name, tuple(values))
        if key not in self.axes:
            taken = sum(other == name for other, _ in self.axes)
            label = f"{name}_{taken + 1}" if taken else name
            dtype = np.int64 if name == "time" else np.float64
            self.axes[key] = _coordinate(label, np.asarray(values, dtype=dtype), attributes)
        return self.axes[key].name


def _coordinate(name: str, values: Any, attributes: dict[str, Any]) -> Array:
    return Array(name, (name,) * values.ndim, values.shape, values.dtype, attributes, lambda block: values[block])


def _names(source: Any) -> tuple[str, str]:
    geographic = source.crs is not None and source.crs.is_geographic
    return ("latitude", "longitude") if geographic else ("y", "x")


def _grid(source: Any) -> Iterator[Array]:
    """Coordinates of cells' centres, and the coordinate system."""
    import numpy as np

    step = source.transform
    y, x = _names(source)
    units = {"x": "m", "y": "m", "latitude": "degrees_north", "longitude": "degrees_east"}
    standard = {"x": "projection_x_coordinate", "y": "projection_y_coordinate"}
    axes = {
        y: step.f + step.e * (np.arange(source.height) + 0.5),
        x: step.c + step.a * (np.arange(source.width) + 0.5),
    }
    for name, values in axes.items():
        yield _coordinate(name, values, {"standard_name": standard.get(name, name), "units": units[name]})
    if source.crs is not None:
        described = plain(crs_of(source.crs.to_wkt()).to_cf())
        yield _coordinate(MAPPING, np.array(0, dtype=np.int32), described)


def _type(source: Any, bands: Sequence[int]) -> Any:
    """Single precision where every value keeps its exact number in it; messages pack 24 bits and less as a rule."""
    import numpy as np

    values = (source.read(band) for band in bands)
    return np.dtype(np.float32 if all((each == each.astype(np.float32)).all() for each in values) else np.float64)


def _reader(source: Any, bands: Sequence[int], shape: tuple[int, ...], dtype: Any) -> Callable[[Block], Any]:
    import numpy as np

    numbers = np.asarray(bands).reshape(shape[:-2])

    def read(block: Block) -> Any:
        wanted = numbers[block[:-2]]
        layers = [source.read(int(band))[block[-2:]].astype(dtype) for band in wanted.ravel()]
        return np.stack(layers).reshape(*wanted.shape, *layers[0].shape)

    return read
