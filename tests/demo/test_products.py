"""The published results are what the scene says they must be."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import rasterio

from terrafair.demo import experiments, products
from terrafair.demo.landscape import Cover
from terrafair.demo.scene import Season


def read(file: Path) -> np.ndarray:
    with rasterio.open(file) as source:
        values: np.ndarray = source.read(1)
        return values


def test_ndvi_tells_the_covers_apart(store: Path, season: Season) -> None:
    values = read(store / "products" / products.NDVI / "ndvi-composite" / "openEO.tif")
    assert values.shape == (260, 260)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    cover = season.landscape.cover[20:280, 20:280]
    never_dry = season.landscape.depth[20:280, 20:280] > 0.3
    assert values[(cover == Cover.LAKE) & never_dry].max() < 0
    assert values[cover == Cover.FOREST].min() > 0.6
    assert np.median(values[cover == Cover.BARE]) < 0.3


def test_ndvi_is_the_median_of_one_pixel(store: Path, season: Season) -> None:
    row, column = 150, 60
    series = []
    for image in season.images:
        red, nir = (int(image.bands[name][row, column]) * 0.0001 - 0.1 for name in ("B04", "B08"))
        if image.classes[row, column] in (4, 5, 6, 7):
            series.append((nir - red) / (nir + red))
    series.sort()
    half = len(series) // 2
    expected = series[half] if len(series) % 2 else (series[half - 1] + series[half]) / 2
    values = read(store / "products" / products.NDVI / "ndvi-composite" / "openEO.tif")
    assert values[row - 20, column - 20] == pytest.approx(expected, abs=1e-6)


def test_water_is_the_true_water(season: Season) -> None:
    values = experiments.values("demo-water")
    frame = products.geographic_frame([float(part) for part in values["bbox"].split(",")])
    left, top, columns, rows = frame
    for image in season.images[:3:2]:
        mask = products.water_mask(image, frame)
        truth = np.isin(image.cover[top : top + rows, left : left + columns], (Cover.LAKE, Cover.RIVER))
        known = mask != 255
        assert np.array_equal(mask[known] == 1, truth[known])
        assert 0.3 < truth.mean() < 0.6


def test_water_area_falls(store: Path) -> None:
    files = sorted((store / "products" / products.WATER).glob("water-2*/*.json"))
    areas = [json.loads(file.read_text())["properties"]["water_area_m2"] for file in files]
    assert len(areas) == 4
    assert areas[-1] < 0.9 * areas[0]


def test_occurrence_is_the_mean_of_the_masks(store: Path) -> None:
    folder = store / "products" / products.WATER
    masks = np.stack([read(file).astype(float) for file in sorted(folder.glob("water-2*/*.tif"))])
    masks[masks == 255] = np.nan
    share = read(folder / "water-occurrence" / "water-occurrence.tif")
    assert np.allclose(share, np.nanmean(masks, axis=0))
    assert ((share > 0) & (share < 1)).any(), "the shore falls dry"


def test_otsu_separates_two_heaps() -> None:
    values = np.concatenate([np.linspace(-0.8, -0.3, 500), np.linspace(0.4, 0.6, 100)])
    assert -0.3 < products.otsu_threshold(values) < 0.4


def test_peaks_follow_the_crops(store: Path, season: Season) -> None:
    day = read(store / "products" / products.PHENOLOGY / "crop-phenology" / "peak-day.tif")
    cover = season.landscape.cover
    assert np.median(day[cover == Cover.MAIZE]) > 200
    assert np.median(day[(cover == Cover.WHEAT) & (day > 0)]) < 150
    assert np.all(day[cover == Cover.LAKE][season.landscape.depth[cover == Cover.LAKE] > 0.3] == 0)
    assert set(np.unique(day)) <= {0, *(image.time.timetuple().tm_yday for image in season.images)}


def test_series_has_each_parcel_and_date(store: Path, season: Season) -> None:
    with (store / "products" / products.PHENOLOGY / "crop-phenology" / "ndvi-by-parcel.csv").open() as source:
        rows = list(csv.DictReader(source))
    assert len(rows) == 8 * len(season.landscape.parcels)
    values = [float(row["ndvi"]) for row in rows if row["ndvi"]]
    assert all(-1 < value < 1 for value in values)
    assert all(row["clear_pixels"] == "0" for row in rows if not row["ndvi"])


def test_statistics_are_those_of_the_file(store: Path) -> None:
    item = json.loads((store / "products" / products.NDVI / "ndvi-composite" / "ndvi-composite.json").read_text())
    values = read(store / "products" / products.NDVI / "ndvi-composite" / "openEO.tif")
    found = item["assets"]["openEO.tif"]["statistics"]
    assert math.isclose(found["minimum"], values.min(), abs_tol=1e-5)
    assert math.isclose(found["mean"], values.mean(dtype=float), abs_tol=1e-5)
    assert found["valid_percent"] == 100.0
