"""The verdict on a reproduction: exact, within tolerance, different, or not comparable, each with its reason."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from terrafair.data.objects import MemoryObjects
from terrafair.errors import Unreachable
from terrafair.execution.comparison.findings import Compared, Match
from terrafair.execution.job import Asset, Job, JobRequest, Results
from terrafair.execution.reproduction import Reproduction, judge
from terrafair.execution.sandbox import Sandbox, probe
from terrafair.workflows.workflow import Resolution

JOB = Job("20260101-bbbbbbbbbb", JobRequest("ndvi-run", reproduce=True), "2026-01-01T00:00:00.000Z")
REFERENCE = "s3://terrafair/products/ndvi/collection.json"


def raster(path: Path, values: Any, **tags: str) -> bytes:
    profile: dict[str, Any] = {"driver": "GTiff", "width": 8, "height": 8, "count": 1, "dtype": "float32"}
    with rasterio.open(path, "w", crs="EPSG:32632", transform=Affine(10, 0, 6e5, 0, -10, 5.3e6), **profile) as out:
        out.write(np.asarray(values, "float32"), 1)
        out.update_tags(**tags)
    return path.read_bytes()


class Published:
    """Stands for the stager: one product with one file."""

    def __init__(self, folder: Path, content: bytes) -> None:
        self._file = folder / "published.tif"
        self._file.write_bytes(content)

    def stac(self, reference: str, into: Path) -> Path:
        assert reference == REFERENCE
        into.mkdir(parents=True, exist_ok=True)
        document = into / "items.json"
        item = {"type": "Feature", "id": "ndvi", "assets": {"ndvi": {"href": str(self._file)}}}
        document.write_text(json.dumps({"type": "FeatureCollection", "features": [item]}))
        return document


class Away:
    def stac(self, reference: str, into: Path) -> Path:
        raise Unreachable(f"{reference} does not answer.")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return probe(tmp_path_factory.mktemp("sandbox"), "auto")


Compare = Callable[..., dict[str, Any]]


@pytest.fixture
def compare(tmp_path: Path, sandbox: Sandbox) -> Compare:
    def run(published: bytes, made: bytes, *, away: bool = False, products: tuple[str, ...] = ("ndvi",)) -> Any:
        store = MemoryObjects()
        prefix = f"jobs/{JOB.id}"
        store.put(f"{prefix}/outputs/save.tif", made)
        asset = Asset("save.tif", f"{prefix}/outputs/save.tif", "image/tiff", len(made), "")
        results = Results(prefix, assets=(asset,))
        stager = Away() if away else Published(tmp_path, published)
        known = {"ndvi": ("NDVI", REFERENCE), "bare": ("Bare", "")}
        found = Reproduction(store, stager, sandbox, known.get, tmp_path / "jobs")
        found.compare(JOB, Resolution("ndvi-run", "experiment", products=products), results)
        assert not (tmp_path / "jobs" / JOB.id / "comparison").exists()
        return json.loads(store.get(f"{prefix}/reproduction.json"))

    return run


def test_the_same_bytes(compare: Compare, tmp_path: Path) -> None:
    content = raster(tmp_path / "a.tif", np.eye(8))
    report = compare(content, content)
    assert report["verdict"] == "reproduced exactly"
    assert report["assets"][0]["verdict"] == "identical bytes"


def test_equal_values_in_other_bytes(compare: Compare, tmp_path: Path) -> None:
    one, two = raster(tmp_path / "a.tif", np.eye(8)), raster(tmp_path / "b.tif", np.eye(8) * (1 + 1e-7), made="later")
    report = compare(one, two)
    assert report["verdict"] == "reproduced within tolerance"
    assert report["tolerance"] == {"relative": 1e-5, "absolute": 1e-8}


def test_where_values_differ_is_told(compare: Compare, tmp_path: Path) -> None:
    values = np.eye(8)
    values[3, 4] = 7
    report = compare(raster(tmp_path / "a.tif", np.eye(8)), raster(tmp_path / "b.tif", values))
    assert report["verdict"] == "differs"
    assert "1 of 64" in report["assets"][0]["where"]


@pytest.mark.parametrize(
    ("products", "away", "said"),
    [
        ((), False, "names no product"),
        (("gone",), False, "no product 'gone'"),
        (("bare",), False, "no link to a STAC document"),
        (("ndvi",), True, "does not answer"),
    ],
)
def test_what_cannot_be_compared_says_why(
    compare: Compare, tmp_path: Path, products: tuple[str, ...], away: bool, said: str
) -> None:
    content = raster(tmp_path / "a.tif", np.eye(8))
    report = compare(content, content, away=away, products=products)
    assert report["verdict"] == "not comparable"
    assert said in report["summary"]


@pytest.mark.parametrize(
    ("matches", "verdict"),
    [
        ((Match.IDENTICAL, Match.ADDITIONAL), "reproduced exactly"),
        ((Match.IDENTICAL, Match.EQUAL), "reproduced within tolerance"),
        ((Match.IDENTICAL, Match.MISSING), "differs"),
        ((Match.NOT_COMPARABLE, Match.DIFFERENT), "differs"),
        ((Match.IDENTICAL, Match.NOT_COMPARABLE), "not comparable"),
        ((Match.ADDITIONAL,), "not comparable"),
        ((), "not comparable"),
    ],
)
def test_judgement(matches: tuple[Match, ...], verdict: str) -> None:
    assert judge([Compared(f"file {number}", match) for number, match in enumerate(matches)])[0] == verdict
