"""Rasters to COG: every value, type and word of the source, judged by GDAL and by rio-cogeo."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning
from rasterio.rpc import RPC
from rasterio.transform import Affine
from rio_cogeo import cog_validate

from terrafair.data import cog
from terrafair.data.classify import Kind, classify
from terrafair.data.cog_checks import check_cog
from terrafair.data.conversion import Made
from terrafair.errors import InvalidInput

HEIGHT, WIDTH = 700, 900
TRANSFORM = Affine(10, 0, 500_000, 0, -10, 5_000_000)
RANDOM = np.random.default_rng(20260101)
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def noise(kind: str, bands: int = 1, low: float = 0, high: float = 4000) -> Any:
    shape = (bands, HEIGHT, WIDTH)
    if kind.startswith("complex"):
        return (RANDOM.random(shape) + 1j * RANDOM.random(shape)).astype(kind)
    return RANDOM.random(shape).astype(kind) if kind[0] == "f" else RANDOM.integers(low, high, shape).astype(kind)


def make(path: Path, values: Any, after: Callable[[Any], None] = lambda _: None, **profile: Any) -> Path:
    settings = {
        "driver": "GTiff",
        "height": values.shape[1],
        "width": values.shape[2],
        "count": values.shape[0],
        "dtype": values.dtype.name,
        "crs": "EPSG:32633",
        "transform": TRANSFORM,
        **profile,
    }
    with rasterio.open(path, "w", **settings) as file:
        file.write(values)
        after(file)
    return path


def made(source: Path, folder: Path) -> tuple[Made, Path]:
    """Convert, and let the independent judge look at it."""
    target = folder / "made.tif"
    found = cog.write(source, classify(source), target, verify=True)
    assert found.problems == ()
    valid, errors, warned = cog_validate(str(target), strict=True, quiet=True)
    assert valid, (errors, warned)
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []
    return found, target


@pytest.mark.parametrize(
    "kind",
    [
        *("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
        *("float32", "float64", "complex64", "complex128"),
    ],
)
def test_every_type_keeps_its_values_and_place(tmp_path: Path, kind: str) -> None:
    high = 127 if kind == "int8" else 255 if kind == "uint8" else 4000
    values = noise(kind, bands=2, high=high)
    _, target = made(make(tmp_path / "source.tif", values), tmp_path)
    with rasterio.open(target) as file:
        assert file.dtypes == (kind, kind)
        assert file.read().tobytes() == values.tobytes()
        assert file.crs.to_epsg() == 32633 and file.transform == TRANSFORM
        assert file.overviews(1) == [2]
        structure = file.tags(ns="IMAGE_STRUCTURE")
        assert structure["LAYOUT"] == "COG" and structure["COMPRESSION"] == "ZSTD"
        assert structure.get("PREDICTOR") == {"f": "3", "c": None}.get(kind[0], "2")


def test_complex_integers_never_pass_through_reals(tmp_path: Path) -> None:
    values = (RANDOM.integers(-3000, 3000, (1, HEIGHT, WIDTH)) + 7j).astype("complex64")
    _, target = made(make(tmp_path / "slc.tif", values, dtype="complex_int16"), tmp_path)
    with rasterio.open(target) as file:
        assert file.dtypes == ("complex_int16",)
        assert (file.read() == values).all()


@pytest.mark.parametrize("bits", [1, 4, 12])
def test_odd_numbers_of_bits(tmp_path: Path, bits: int) -> None:
    values = noise("uint16" if bits > 8 else "uint8", high=2**bits)
    _, target = made(make(tmp_path / "bits.tif", values, nbits=bits), tmp_path)
    with rasterio.open(target) as file:
        assert (file.read() == values).all()


def test_names_scales_units_tags_and_no_data_stay(tmp_path: Path) -> None:
    def label(file: Any) -> None:
        file.descriptions = ("red edge", "quality")
        file.scales, file.offsets, file.units = (0.0001, 1.0), (-0.1, 0.0), ("1", "")
        file.update_tags(PRODUCT="L2A", AREA_OR_POINT="Point")
        file.update_tags(1, wavelength="705")

    source = make(tmp_path / "labelled.tif", noise("int16", 2, -2000), label, nodata=-9999)
    _, target = made(source, tmp_path)
    with rasterio.open(source) as before, rasterio.open(target) as after:
        for name in ("descriptions", "scales", "offsets", "units", "nodatavals"):
            assert getattr(after, name) == getattr(before, name), name
        assert after.tags()["PRODUCT"] == "L2A" and after.tags()["AREA_OR_POINT"] == "Point"
        assert after.tags(1)["wavelength"] == "705"


@pytest.mark.parametrize("beside", [False, True])
def test_tags_in_namespaces(tmp_path: Path, beside: bool) -> None:
    def label(file: Any) -> None:
        file.update_tags(ns="MISSION", orbit="42")
        if beside:
            file.update_tags(1, wavelength="705")

    found, target = made(make(tmp_path / "tagged.tif", noise("uint16"), label), tmp_path)
    with rasterio.open(target) as after:
        if beside:
            # GDAL copies one or the other; what is lost is told.
            assert after.tags(1)["wavelength"] == "705" and found.remarks[0].code == "tags-lost"
        else:
            assert after.tags(ns="MISSION") == {"orbit": "42"} and not found.remarks


@pytest.mark.parametrize(
    ("bands", "colours"), [(4, "red green blue alpha"), (4, "red green blue nir"), (3, "gray undefined undefined")]
)
def test_what_a_band_shows_stays(tmp_path: Path, bands: int, colours: str) -> None:
    wanted = [ColorInterp[name] for name in colours.split()]

    def label(file: Any) -> None:
        file.colorinterp = wanted

    _, target = made(make(tmp_path / "shown.tif", noise("uint16", bands), label), tmp_path)
    with rasterio.open(target) as file:
        assert list(file.colorinterp) == wanted


def test_classes_are_not_averaged(tmp_path: Path) -> None:
    """An overview of 1s and 9s has no 5s: with a colour table, and without one."""
    values = np.where(RANDOM.random((1, HEIGHT, WIDTH)) > 0.5, 1, 9).astype("uint8")
    colours = {1: (0, 100, 0, 255), 9: (0, 0, 200, 255)}
    for name, label in (("table.tif", lambda file: file.write_colormap(1, colours)), ("plain.tif", lambda _: None)):
        (tmp_path / name[:-4]).mkdir()
        _, target = made(make(tmp_path / name, values, label), tmp_path / name[:-4])
        with rasterio.open(target, OVERVIEW_LEVEL=0) as small:
            assert set(np.unique(small.read())) == {1, 9}
        with rasterio.open(target) as file:
            assert name == "plain.tif" or file.colormap(1)[9] == colours[9]


def test_measurements_are_averaged(tmp_path: Path) -> None:
    values = noise("float32")
    _, target = made(make(tmp_path / "measured.tif", values), tmp_path)
    with rasterio.open(target, OVERVIEW_LEVEL=0) as small:
        first = small.read(1)[0, 0]
    assert first == pytest.approx(values[0, :2, :2].mean(), rel=1e-5)


def test_overviews_written_by_others_are_not_trusted(tmp_path: Path) -> None:
    values = noise("uint16")

    def spoil(file: Any) -> None:
        file.build_overviews([2], rasterio.enums.Resampling.mode)

    _, target = made(make(tmp_path / "spoilt.tif", values, spoil), tmp_path)
    with rasterio.open(target, OVERVIEW_LEVEL=0) as small:
        assert small.read(1)[0, 0] == pytest.approx(values[0, :2, :2].mean(), abs=0.5)


def test_nan_without_a_no_data_value_does_not_spread(tmp_path: Path) -> None:
    values = noise("float32")
    values[0, :, ::2] = np.nan
    found, target = made(make(tmp_path / "nan.tif", values), tmp_path)
    assert [remark.code for remark in found.remarks] == ["nodata-set"]
    with rasterio.open(target) as file:
        assert np.isnan(file.nodata) and np.array_equal(file.read(), values, equal_nan=True)
    with rasterio.open(target, OVERVIEW_LEVEL=0) as small:
        assert not np.isnan(small.read()).any()


def test_masks_inside_stay(tmp_path: Path) -> None:
    mask = RANDOM.random((HEIGHT, WIDTH)) > 0.5
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        source = make(tmp_path / "masked.tif", noise("uint16", 3), lambda file: file.write_mask(mask))
    _, target = made(source, tmp_path)
    with rasterio.open(target) as file:
        assert ((file.read_masks(1) > 0) == mask).all()


def test_control_points_and_polynomials_are_kept_and_told(tmp_path: Path) -> None:
    corners = [(0, 0, 10, 50), (0, WIDTH, 11, 50), (HEIGHT, 0, 10, 49)]
    points = [GroundControlPoint(row, column, x, y, 0) for row, column, x, y in corners]

    def tie(file: Any) -> None:
        file.gcps = (points, rasterio.CRS.from_epsg(4326))

    found, target = made(make(tmp_path / "gcp.tif", noise("uint16"), tie, crs=None, transform=None), tmp_path)
    assert [remark.code for remark in found.remarks] == ["no-grid"]
    with rasterio.open(target) as file:
        assert [(p.row, p.col, p.x, p.y) for p in file.gcps[0]] == corners
        assert file.gcps[1].to_epsg() == 4326

    ones = [1.0, *[0.0] * 19]
    offsets = {"height_off": 50, "lat_off": 45, "line_off": 300, "long_off": 12, "samp_off": 400}
    scales = {"height_scale": 10, "lat_scale": 1, "line_scale": 300, "long_scale": 1, "samp_scale": 400}
    terms = dict.fromkeys(("line_den_coeff", "line_num_coeff", "samp_den_coeff", "samp_num_coeff"), ones)
    rpcs = RPC(**offsets, **scales, **terms)
    (tmp_path / "rpc").mkdir()
    source = make(tmp_path / "rpc.tif", noise("uint16"), rpcs=rpcs, crs=None, transform=None)
    found, target = made(source, tmp_path / "rpc")
    assert [remark.code for remark in found.remarks] == ["no-grid"]
    with rasterio.open(target) as file:
        assert file.rpcs is not None and file.rpcs.height_off == 50


def test_a_world_file_places_its_raster(tmp_path: Path) -> None:
    source = make(tmp_path / "placed.tif", noise("uint16"), transform=None)
    (tmp_path / "placed.tfw").write_text("10\n0\n0\n-10\n500005\n4999995\n")
    found, target = made(source, tmp_path)
    assert [remark.code for remark in found.remarks] == ["world-file"]
    with rasterio.open(target) as file:
        assert file.transform.almost_equals(TRANSFORM)


def test_without_a_place(tmp_path: Path) -> None:
    found, _ = made(make(tmp_path / "nowhere.tif", noise("uint16"), crs=None, transform=None), tmp_path)
    assert [remark.code for remark in found.remarks] == ["no-place"]


def test_rotated_grids_stay_rotated(tmp_path: Path) -> None:
    turned = Affine(10, 2, 500_000, 2, -10, 5_000_000)
    _, target = made(make(tmp_path / "turned.tif", noise("uint16"), transform=turned), tmp_path)
    with rasterio.open(target) as file:
        assert file.transform == turned


def test_each_page_becomes_a_file(tmp_path: Path) -> None:
    pages = [noise("uint8", high=255), noise("uint8", high=255)]
    source = make(tmp_path / "pages.tif", pages[0], APPEND_SUBDATASET="NO")
    make(source, pages[1], APPEND_SUBDATASET="YES")
    found = cog.write(source, Kind.TIFF, tmp_path / "made.tif", verify=True)
    assert [path.name for path in found.files] == ["made.tif", "made-page-2.tif"]
    assert not found.problems and len(found.remarks) == 1
    for path, values in zip(found.files, pages, strict=True):
        with rasterio.open(path) as file:
            assert (file.read() == values).all()


def test_a_cog_is_kept_byte_by_byte(tmp_path: Path) -> None:
    _, target = made(make(tmp_path / "source.tif", noise("uint16")), tmp_path)
    again = cog.write(target, Kind.TIFF, tmp_path / "again.tif")
    assert again.kept and (tmp_path / "again.tif").read_bytes() == target.read_bytes()


def test_jpeg_2000(tmp_path: Path) -> None:
    values = noise("uint16")
    source = make(tmp_path / "tile.jp2", values, driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES")
    _, target = made(source, tmp_path)
    with rasterio.open(target) as file:
        assert (file.read() == values).all() and file.transform == TRANSFORM


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_file_that_breaks_off_is_refused(tmp_path: Path, share: float) -> None:
    whole = make(tmp_path / "whole.tif", noise("uint16")).read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InvalidInput, match=r"cut\.tif (breaks off|is a damaged TIFF)"):
        cog.write(tmp_path / "cut.tif", Kind.TIFF, tmp_path / "made.tif")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.tif", "whole.tif"]


def test_a_damaged_tile_is_refused(tmp_path: Path) -> None:
    source = make(tmp_path / "tiles.tif", noise("uint16"), compress="lzw", tiled=True, blockxsize=256, blockysize=256)
    content = bytearray(source.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 5000] = b"\xff" * 5000
    source.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"tiles\.tif cannot be read as a raster"):
        cog.write(source, Kind.TIFF, tmp_path / "made.tif")
    assert not (tmp_path / "made.tif").exists()


def test_a_vrt_with_the_bytes_of_a_tiff_is_never_opened_as_one(tmp_path: Path) -> None:
    """Only the named driver reads: a VRT would show any file of the machine."""
    make(tmp_path / "secret.tif", noise("uint16"))
    vrt = tmp_path / "posing.tif"
    with rasterio.open(tmp_path / "secret.tif") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        rasterio.shutil.copy(file, vrt, driver="VRT")
    with pytest.raises(InvalidInput, match="damaged TIFF"):
        cog.write(vrt, Kind.TIFF, tmp_path / "made.tif")


def test_the_checks_see_what_is_wrong(tmp_path: Path) -> None:
    striped = make(tmp_path / "striped.tif", noise("uint16"))
    assert "is not tiled" in check_cog(striped)[0].what
    tiled = make(tmp_path / "tiled.tif", noise("uint16"), tiled=True, blockxsize=256, blockysize=256)
    assert "has no overviews" in check_cog(tiled)[0].what
    with rasterio.open(tiled, "r+") as file:
        file.build_overviews([2], rasterio.enums.Resampling.nearest)
    assert "order" in check_cog(tiled)[0].what
    _, target = made(striped, tmp_path)
    assert check_cog(target) == ()
    target.write_bytes(target.read_bytes()[:-100])
    assert "breaks off" in check_cog(target)[0].what
