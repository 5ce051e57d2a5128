"""`terrafair.open` against a real server: what comes out for files of each kind, and what is told where none can."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import xarray
from fastapi import FastAPI, Request
from fastapi.responses import Response
from shapely import Point

import terrafair
from terrafair import opening
from terrafair.api import problems
from terrafair.errors import InvalidInput, NotFound, Refused, Unreachable
from terrafair.identity.person import NotSignedIn
from terrafair.publishing.standins.serving import Serving

TOKEN = "tfp_good"


class Platform:
    """The two routes that `open` asks, with what a test puts there; one token counts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.products: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[str] = []
        self.app = FastAPI()
        problems.install(self.app)
        self.url = ""

        def signed_in(request: Request) -> None:
            said = request.headers.get("authorization", "")
            if said and said != f"Bearer {TOKEN}":
                raise NotSignedIn("The token has expired.", remedy="Make a new one on /account.")

        @self.app.get("/api/products/{id}/files")
        def files(id: str, request: Request) -> dict[str, Any]:
            signed_in(request)
            if id not in self.products:
                raise NotFound(f"There is no product {id!r}.", where="id")
            if not self.products[id]:
                raise NotFound("No data.", where="id", code="data-missing")
            return {"id": id, "title": id, "files": self.products[id]}

        @self.app.get("/api/jobs/{id}/results")
        def results(id: str, request: Request) -> dict[str, Any]:
            signed_in(request)
            raise NotFound(f"There is no job {id!r}.", where="id")

        @self.app.get("/data/{name:path}")
        def data(name: str) -> Response:
            self.asked.append(name)
            return Response((folder / name).read_bytes())

    def put(self, id: str, *names: str, **about: Any) -> None:
        rows = [{"name": name, "href": f"{self.url}/data/{name}", **about} for name in names]
        self.products.setdefault(id, []).extend(rows)

    def path(self, name: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def raster(self, name: str, value: int, left: float = 0.0) -> None:
        shape = {"height": 2, "width": 3, "count": 1, "dtype": "int16", "crs": "EPSG:32632"}
        transform = rasterio.Affine(10, 0, left, 0, -10, 0)
        with rasterio.open(self.path(name), "w", driver="GTiff", transform=transform, **shape) as file:
            file.write(np.full((1, 2, 3), value, "int16"))


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TERRAFAIR_CREDENTIALS", str(tmp_path / "credentials.json"))
    for name in ("TERRAFAIR_TOKEN", "TERRAFAIR_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    made = Platform(tmp_path / "data")
    with Serving(made.app) as serving:
        made.url = serving.url
        monkeypatch.setenv("TERRAFAIR_URL", serving.url)
        yield made


def test_rasters_of_several_times_become_one_dataset_and_are_brought_once(platform: Platform) -> None:
    for day in (2, 1):
        platform.raster(f"{day}/B04.tif", day)
        platform.put("p", f"{day}/B04.tif", asset="B04", datetime=f"2024-05-0{day}T00:00:00Z")
    found = terrafair.open("p")
    assert found["B04"].dims == ("time", "y", "x")
    assert found["B04"].values[:, 0, 0].tolist() == [1, 2]
    assert float(found.x[0]) == 5
    asked = list(platform.asked)
    terrafair.open("p")
    assert platform.asked == asked


def test_grids_with_assets_of_one_name_are_all_there(platform: Platform) -> None:
    for place in (1, 2):
        platform.raster(f"{place}/B04.TIF", place, left=place * 1000.0)
        platform.put("p", f"{place}/B04.TIF", asset="B04", datetime="2024-05-01T00:00:00Z")
    found = terrafair.open("p")
    assert sorted(int(each["B04"].values[0, 0]) for each in found.values()) == [1, 2]


def test_tables_of_one_name_and_a_cube_are_all_there(platform: Platform) -> None:
    for place in ("a", "b"):
        frame = geopandas.GeoDataFrame({"n": [place]}, geometry=[Point(1, 2)], crs=4326)
        frame.to_parquet(platform.path(f"{place}/data.parquet"))
        platform.put("p", f"{place}/data.parquet")
    xarray.Dataset({"t": ("x", [1.0, 2.0])}).to_netcdf(platform.path("cube.nc"), engine="h5netcdf")
    platform.put("p", "cube.nc", "readme.md")
    found = terrafair.open("p")
    assert sorted(found) == ["a/data.parquet", "b/data.parquet", "cube"]
    assert found["b/data.parquet"].n.tolist() == ["b"]
    assert terrafair.open("p", files="*.nc").t.values.tolist() == [1.0, 2.0]


def test_an_unknown_id_is_told_with_the_way_out(platform: Platform) -> None:
    with pytest.raises(NotFound, match="no product and no job 'gone'") as caught:
        terrafair.open("gone")
    assert "terrafair find" in caught.value.problem.remedy


def test_a_product_without_data_is_told_as_such(platform: Platform) -> None:
    platform.products["bare"] = []
    with pytest.raises(NotFound) as caught:
        terrafair.open("bare")
    assert caught.value.problem.code == "data-missing"


def test_no_server_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TERRAFAIR_CREDENTIALS", str(tmp_path / "credentials.json"))
    with (
        pytest.raises(Unreachable, match="No platform answers") as caught,
        opening.connect("http://127.0.0.1:9") as client,
    ):
        terrafair.open("p", client)
    assert caught.value.problem.code == "no-platform"


def test_an_expired_token_is_told_and_a_good_one_counts(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    platform.raster("a.tif", 1)
    platform.put("p", "a.tif")
    monkeypatch.setenv("TERRAFAIR_TOKEN", "tfp_old")
    with pytest.raises(Refused, match="expired") as caught:
        terrafair.open("p")
    assert "/account" in caught.value.problem.remedy
    with terrafair.connect(token=TOKEN) as client:
        assert "a" in terrafair.open("p", client)


def test_formats_that_nothing_opens_are_told(platform: Platform) -> None:
    platform.put("p", "a.docx", "b.png")
    with pytest.raises(InvalidInput, match="can be opened") as caught:
        terrafair.open("p")
    assert "a.docx, b.png" in caught.value.problem.why
    with pytest.raises(InvalidInput, match=r"is called \*\.tif"):
        terrafair.open("p", files="*.tif")


@pytest.mark.parametrize("name", ["a.tif", "a.nc", "a.parquet", "a.geojson", "a.gpkg"])
@pytest.mark.parametrize("content", [b"", b"<html>Sign in first</html>"])
def test_a_file_that_is_not_what_its_name_says_is_told(platform: Platform, name: str, content: bytes) -> None:
    platform.path(name).write_bytes(content)
    platform.put("p", name)
    with pytest.raises(InvalidInput, match=f"{name} cannot be opened") as caught:
        terrafair.open("p")
    assert caught.value.problem.code == "data-unreadable"
    assert "delete it" in caught.value.problem.remedy


@pytest.mark.parametrize("name", ["../../a.tif", "/a.tif"])
def test_a_name_that_leads_out_of_the_folder_is_refused(platform: Platform, name: str) -> None:
    platform.products["p"] = [{"name": name, "href": f"{platform.url}/data/a.tif"}]
    with pytest.raises(InvalidInput, match="outside"):
        terrafair.open("p")
    assert platform.asked == []


def test_an_address_that_no_client_reads_is_told(platform: Platform) -> None:
    platform.products["p"] = [{"name": "a.tif", "href": "s3://somewhere/a.tif"}]
    with pytest.raises(Unreachable, match="cannot be had"):
        terrafair.open("p")
