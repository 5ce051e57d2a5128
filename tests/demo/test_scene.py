"""The scene is the same everywhere and looks like the Earth."""

import hashlib

import numpy as np
import pytest

from terrafair.demo import noise, scene, spectra
from terrafair.demo.landscape import SIZE, Cover
from terrafair.demo.scene import BANDS, NODATA, OFFSET, SCALE, Image, SceneClass, Season

WATER = (Cover.LAKE, Cover.RIVER)


def digest(season: Season) -> str:
    total = hashlib.sha256()
    for image in season.images:
        for name in BANDS:
            total.update(image.bands[name].astype("<u2").tobytes())
        total.update(image.classes.tobytes() + image.cover.tobytes())
    return total.hexdigest()


def reflectance(image: Image, band: str) -> np.ndarray:
    return image.bands[band] * SCALE + OFFSET


def difference(image: Image, one: str, other: str) -> np.ndarray:
    first, second = reflectance(image, one), reflectance(image, other)
    return (first - second) / (first + second)


def clear(image: Image, *covers: Cover) -> np.ndarray:
    return np.isin(image.classes, SceneClass.CLEAR) & np.isin(image.cover, covers)


def test_bits_are_the_same_on_every_machine(season: Season) -> None:
    # A changed scene is a new dataset: then this digest changes in the same commit, and nowhere else.
    assert digest(season) == "e666f436506cf6bb6e779533fa85eda073706e74086fb724b58ed351c49138ee"


def test_twice_is_equal(season: Season) -> None:
    assert digest(scene.build_season()) == digest(season)


def test_hash_is_splitmix_like() -> None:
    places = np.arange(20000)
    values = noise.uniform(places, places // 7, 3)
    assert values.min() >= 0.0
    assert values.max() < 1.0
    assert abs(values.mean() - 0.5) < 0.01
    assert len(np.unique(values)) == 20000
    normal = noise.bell(places, places, 5)
    assert abs(normal.mean()) < 0.05
    assert abs(normal.std() - 1.0) < 0.05


def test_noise_goes_on_beyond_the_edge() -> None:
    x, y = np.meshgrid(np.arange(-40, 40), np.arange(5))
    field = noise.smooth(x, y, 16, 9)
    assert np.abs(np.diff(field, axis=1)).max() < 0.15


def test_shape_types_and_times(season: Season) -> None:
    assert len(season.images) == 8
    assert [image.id for image in season.images][:2] == ["demo-s2-l2a-20240406", "demo-s2-l2a-20240501"]
    for image in season.images:
        assert set(image.bands) == set(BANDS)
        assert all(band.shape == (SIZE, SIZE) and band.dtype == np.uint16 for band in image.bands.values())
        assert image.classes.dtype == np.uint8
    days = np.diff([image.time.timestamp() for image in season.images]) / 86400
    assert np.all(days % 5 == 0), "Sentinel-2 comes back every five days"


def test_every_cover_is_there(season: Season) -> None:
    shares = {cover: float(np.mean(season.landscape.cover == cover)) for cover in Cover}
    assert all(share > 0.015 for share in shares.values()), shares
    assert 0.05 < shares[Cover.LAKE] < 0.12
    assert len(season.landscape.parcels) > 50


def test_reflectances_are_physical(season: Season) -> None:
    for image in season.images:
        seen = image.classes != SceneClass.NODATA
        for name in BANDS:
            values = reflectance(image, name)[seen]
            assert values.min() >= 0.0
            assert values.max() <= 1.0
            assert np.all(image.bands[name][seen] > NODATA)
            assert np.all(image.bands[name][~seen] == NODATA)


def test_water_is_dark_and_blue_and_not_green(season: Season) -> None:
    for image in season.images:
        water = clear(image, *WATER)
        assert np.all(difference(image, "B08", "B04")[water] < 0.0)
        assert np.all(difference(image, "B03", "B08")[water] > 0.0)
        assert np.median(reflectance(image, "B11")[water]) < 0.02
        land = np.isin(image.classes, SceneClass.CLEAR) & ~np.isin(image.cover, WATER)
        assert np.all(difference(image, "B03", "B08")[land] < 0.0)


def test_forest_is_greener_than_soil(season: Season) -> None:
    for image in season.images:
        ndvi = difference(image, "B08", "B04")
        forest, soil = ndvi[clear(image, Cover.FOREST)], ndvi[clear(image, Cover.BARE)]
        assert np.median(forest) > 0.65
        assert 0.1 < np.median(soil) < 0.35


@pytest.mark.parametrize(
    ("cover", "greenest", "least"),
    [
        (Cover.WHEAT, "20240521", "20240730"),
        (Cover.MAIZE, "20240730", "20240406"),
        (Cover.RAPESEED, "20240521", "20240730"),
    ],
)
def test_crops_follow_their_season(season: Season, cover: Cover, greenest: str, least: str) -> None:
    means = {}
    for image in season.images[:7]:
        means[f"{image.time:%Y%m%d}"] = float(np.median(difference(image, "B08", "B04")[clear(image, cover)]))
    assert max(means, key=lambda day: means[day]) == greenest
    assert means[least] < 0.35
    assert means[greenest] > 0.7


def test_lake_shrinks(season: Season) -> None:
    areas = [int(np.count_nonzero(image.cover == Cover.LAKE)) for image in season.images]
    assert areas == sorted(areas, reverse=True)
    assert 0.7 < areas[-1] / areas[0] < 0.95


def test_scene_classes_are_those_of_sen2cor(season: Season) -> None:
    for image in season.images:
        assert set(np.unique(image.classes)) <= {0, 3, 4, 5, 6, 8, 9, 10}
        assert np.all(np.isin(image.cover[image.classes == SceneClass.WATER], WATER))
        cloud = image.classes == SceneClass.CLOUD_HIGH
        if cloud.any():
            assert np.median(reflectance(image, "B04")[cloud]) > 0.45
    assert np.mean(season.images[2].classes >= SceneClass.CLOUD_MEDIUM) == 0.0
    assert season.images[7].cloud_cover > 60
    assert np.count_nonzero(season.images[3].classes == SceneClass.NODATA) > 3000


def test_shadows_are_darker_and_north_of_their_cloud(season: Season) -> None:
    image = season.images[3]
    red = reflectance(image, "B08")
    forest = image.cover == Cover.FOREST
    shade, lit = forest & (image.classes == SceneClass.SHADOW), clear(image, Cover.FOREST)
    assert np.median(red[shade]) < 0.6 * np.median(red[lit])
    rows, columns = np.nonzero(image.classes == SceneClass.SHADOW)
    inside = (rows + 14 < SIZE) & (columns + 6 < SIZE)
    below = image.classes[rows[inside] + 14, columns[inside] + 6]
    assert np.all(np.isin(below, (0, SceneClass.CLOUD_MEDIUM, SceneClass.CLOUD_HIGH)))


def test_every_pixel_is_seen_at_least_three_times(season: Season) -> None:
    seen = np.sum([np.isin(image.classes, SceneClass.CLEAR) for image in season.images], axis=0)
    assert seen.min() >= 3


def test_green_fraction_stays_a_fraction() -> None:
    days = np.arange(1.0, 367.0)
    for cover in Cover:
        green = spectra.green_fraction(cover, days)
        assert green.min() >= 0.0
        assert green.max() <= 1.0


def test_parcels_are_whole(season: Season) -> None:
    for parcel in season.landscape.parcels:
        part = season.landscape.cover[parcel.top : parcel.bottom, parcel.left : parcel.right]
        assert part.size > 50
        assert np.all(part == parcel.cover)
