"""A season of Sentinel-2-like images over the demo's landscape, the same bytes on every machine.

Only single additions, multiplications, divisions and comparisons of float64 are used, which IEEE 754 rounds alike
everywhere; no sums over arrays, no transcendental functions, no linear algebra. The last step rounds to integers.

A vegetated pixel is a linear mixture of canopy and ground by the green fraction of its date; shadows, cirrus and clouds
lie over it, then noise. There is no terrain and no dependence on the view angle.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from terrafair.demo import noise, spectra
from terrafair.demo.landscape import SIZE, Cover, Landscape, build, grid
from terrafair.demo.noise import Grid

BANDS = ("B02", "B03", "B04", "B08", "B11")
SCALE, OFFSET, NODATA = 0.0001, -0.1, 0
"""Reflectance = DN * SCALE + OFFSET, the convention of processing baseline 04.00 and later (BOA_ADD_OFFSET -1000)."""

EPSG = 32632
WEST, NORTH, PIXEL = 680000.0, 5330000.0, 10.0
"""Upper left corner and pixel size in metres, in UTM zone 32 north: Upper Bavaria, with an invented landscape."""

DAYS = (0, 25, 45, 65, 90, 115, 140, 165)
"""Days after the first image: multiples of the five days after which Sentinel-2 comes back on the same orbit."""
FIRST = datetime(2024, 4, 6, 10, 10, 31, tzinfo=UTC)

_CLOUDINESS = (0.10, 0.34, 0.0, 0.42, 0.14, 0.05, 0.24, 0.55)
"""How cloudy each date is, from 0 to 1."""
_WATER_LEVEL = (0.0, 0.01, 0.02, 0.05, 0.10, 0.16, 0.20, 0.22)
"""How much of the lake's radius has fallen dry on each date."""
_SHADOW = (6, 14)
"""Columns east and rows south of a shadow where its cloud stands: before noon the sun is in the south-south-east."""
_PARTIAL = 3
"""Number of the date on which the edge of the swath cuts the scene's south-eastern corner."""


class SceneClass:
    """Codes of Sen2Cor's scene classification (SCL)."""

    NODATA, SHADOW, VEGETATION, BARE, WATER = 0, 3, 4, 5, 6
    CLOUD_MEDIUM, CLOUD_HIGH, CIRRUS = 8, 9, 10
    CLEAR = (4, 5, 6, 7)


@dataclass(frozen=True, slots=True)
class Image:
    """One date."""

    number: int
    """Position in the season, from 0."""
    time: datetime
    bands: dict[str, npt.NDArray[np.uint16]]
    """Digital numbers by band name; `NODATA` outside the swath."""
    classes: npt.NDArray[np.uint8]
    """Scene classification."""
    cover: npt.NDArray[np.uint8]
    """The true `Cover` of the date, below any cloud; for tests."""

    @property
    def id(self) -> str:
        """The id of the STAC item."""
        return f"demo-s2-l2a-{self.time:%Y%m%d}"

    @property
    def cloud_cover(self) -> float:
        """Clouds in per cent of the valid pixels, with two decimals."""
        valid = int(np.count_nonzero(self.classes != SceneClass.NODATA))
        return round(100.0 * int(np.count_nonzero(self.classes >= SceneClass.CLOUD_MEDIUM)) / valid, 2)


@dataclass(frozen=True, slots=True)
class Season:
    """All images of the landscape."""

    landscape: Landscape
    images: tuple[Image, ...]


@dataclass(frozen=True, slots=True)
class _Ground:
    """What each image needs of the landscape; made once."""

    landscape: Landscape
    bare: Grid
    """Reflectance without canopy; bands, rows, columns."""
    mud: Grid
    """Reflectance of lake bed that has fallen dry."""
    canopy: Grid
    """Reflectance where canopy hides the ground."""
    shift: Grid
    """Days that the pixel's field runs early or late."""
    vigour: Grid
    """Factor on the green fraction."""


def build_season() -> Season:
    """Make the landscape and its eight images; about a second."""
    ground = _prepare(build())
    return Season(ground.landscape, tuple(_image(ground, number) for number in range(len(DAYS))))


def _prepare(landscape: Landscape) -> _Ground:
    x, y = grid()
    wet = 0.85 + 0.3 * noise.rough(x, y, 28, 97)
    roofs = 0.75 + 0.5 * noise.uniform(x // 2, y // 2, 101)
    own = np.isin(landscape.cover, (Cover.LAKE, Cover.RIVER, Cover.FOREST))
    tone = np.where(landscape.cover == Cover.URBAN, roofs, np.where(own, 1.0, wet))
    grassland = spectra.CANOPY[Cover.GRASSLAND]
    bare = np.moveaxis(spectra.table(spectra.GROUND, spectra.SOIL)[landscape.cover], -1, 0) * tone
    canopy = np.moveaxis(spectra.table(spectra.CANOPY, grassland)[landscape.cover], -1, 0)
    mud = np.array(spectra.MUD)[:, None, None] * wet
    crop = np.isin(landscape.cover, (Cover.WHEAT, Cover.MAIZE, Cover.RAPESEED))
    shift = np.floor(noise.uniform(landscape.parcel.astype(np.int64), np.zeros_like(x), 83) * 19.0) - 9.0
    return _Ground(landscape, bare, mud, canopy, shift * crop, 0.92 + 0.08 * noise.smooth(x, y, 10, 89))


def _image(ground: _Ground, number: int) -> Image:
    x, y = grid()
    landscape = ground.landscape
    time = FIRST + timedelta(days=DAYS[number])
    dry = (landscape.cover == Cover.LAKE) & (landscape.depth <= _WATER_LEVEL[number])
    green = _green(ground, time.timetuple().tm_yday)
    surface = ground.canopy * green + np.where(dry, ground.mud, ground.bare) * (1.0 - green)
    thick, thin = _clouds(number, 0, 0), _cirrus(number)
    shaded = (_clouds(number, *_SHADOW) > 0.0) & (thick == 0.0)
    outside = (x + y > 2 * SIZE - 90) if number == _PARTIAL else np.zeros_like(dry)
    bands = {}
    for index, name in enumerate(BANDS):
        light = np.where(shaded, surface[index] * 0.42, surface[index])
        light = np.where(thin, light * 0.75 + spectra.CIRRUS[index] * 0.25, light)
        light = light * (1.0 - thick) + spectra.CLOUD[index] * (0.85 + 0.15 * thick) * thick
        light = light + noise.bell(x, y, 1000 + 20 * number + index) * (0.0012 + 0.012 * light)
        digital = np.floor((np.clip(light, 0.0005, 1.0) - OFFSET) / SCALE + 0.5)
        bands[name] = np.where(outside, NODATA, digital).astype(np.uint16)
    cover = np.where(dry, Cover.BARE.value, landscape.cover).astype(np.uint8)
    classes = _classify(cover, green, thick, thin, shaded)
    return Image(number, time, bands, np.where(outside, SceneClass.NODATA, classes).astype(np.uint8), cover)


def _green(ground: _Ground, day: int) -> Grid:
    green = np.zeros(ground.vigour.shape)
    for cover in spectra.SEASON:
        here = ground.landscape.cover == cover
        green[here] = spectra.green_fraction(cover, day + ground.shift[here]) * ground.vigour[here]
    return green


def _clouds(number: int, east: int, south: int) -> Grid:
    """Opacity of the clouds from 0 to 1, `east` and `south` pixels away from each pixel."""
    if _CLOUDINESS[number] == 0.0:
        return np.zeros((SIZE, SIZE))
    x, y = grid()
    field = noise.rough(x + east + 5000, y + south + 5000, 72, 300 + 10 * number)
    limit = 0.80 - 0.5 * _CLOUDINESS[number]
    return np.clip((field - limit) / 0.06, 0.0, 1.0)


def _cirrus(number: int) -> npt.NDArray[np.bool_]:
    x, y = grid()
    if _CLOUDINESS[number] < 0.2:
        return np.zeros(x.shape, np.bool_)
    return np.asarray(noise.rough(x + 9000, 2 * y + 9000, 96, 500 + 10 * number) > 0.68)


def _classify(
    cover: npt.NDArray[np.uint8],
    green: Grid,
    thick: Grid,
    thin: npt.NDArray[np.bool_],
    shaded: npt.NDArray[np.bool_],
) -> npt.NDArray[np.uint8]:
    classes = np.where(green > 0.35, SceneClass.VEGETATION, SceneClass.BARE)
    classes = np.where((cover == Cover.LAKE) | (cover == Cover.RIVER), SceneClass.WATER, classes)
    classes = np.where(shaded, SceneClass.SHADOW, classes)
    classes = np.where(thin, SceneClass.CIRRUS, classes)
    classes = np.where(thick > 0.0, SceneClass.CLOUD_MEDIUM, classes)
    return np.where(thick > 0.7, SceneClass.CLOUD_HIGH, classes).astype(np.uint8)
