"""The public `openeo` Python client, unchanged, against a running platform."""

import contextlib
import io
import json
import re
import struct
import threading
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import rasterio

from terrafair.identity import oidc_provider

pytestmark = [
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:openeo"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:openeo"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:oschmod"),
]
AREA = {"west": 11.43, "south": 48.08, "east": 11.44, "north": 48.09}
SUMMER = ["2024-06-01", "2024-08-15"]


@pytest.fixture(scope="module")
def connection(platform: Any) -> Any:
    import openeo

    found = openeo.connect(platform.url)
    found.authenticate_basic("demo", "demo")
    return found


@pytest.fixture(scope="module")
def ndvi(connection: Any) -> Any:
    cube = connection.load_collection("demo-s2-l2a", AREA, SUMMER, ["B04", "B08"])
    return cube.ndvi(nir="B08", red="B04").reduce_dimension("t", "mean")


def test_connects_by_the_well_known_document(connection: Any) -> None:
    assert connection.root_url.endswith("/openeo")
    assert connection.capabilities().api_version() == "1.2.0"
    assert connection.describe_account()["name"] == "demo"


def test_signs_in_by_device_code(platform: Any) -> None:
    """A person opens the address that the client shows, chooses who they are and confirms the code."""
    import openeo

    if not oidc_provider.available():
        pytest.skip("the local identity provider is not installed: make assets")
    connection = openeo.connect(platform.url)
    [about] = connection.list_oidc_providers() if hasattr(connection, "list_oidc_providers") else _providers(platform)
    assert about["id"] == "local"
    shown: list[str] = []
    browsers: list[threading.Thread] = []

    def display(text: Any, **_: Any) -> None:
        found = re.search(r"http\S+user_code=[\w-]+", str(text))
        if found and not browsers:
            shown.append(found[0])
            browsers.append(threading.Thread(target=_browse, args=(found[0], "grace")))
            browsers[0].start()

    connection.authenticate_oidc_device(provider_id="local", display=display, store_refresh_token=False)
    for each in browsers:
        each.join(30)
    assert shown
    assert connection.describe_account()["name"] == "Grace Demo"
    assert connection.list_jobs() == []


def _providers(platform: Any) -> Any:
    return httpx2.get(f"{platform.url}/openeo/credentials/oidc").json()["providers"]


def _browse(address: str, person: str) -> None:
    """Follow pages and press their buttons, as a person without scripts would."""
    with httpx2.Client(follow_redirects=True, timeout=30) as browser:
        page = browser.get(address)
        for _ in range(6):
            action = re.search(r'<form[^>]*action="([^"]+)"', page.text)
            if "Who are you?" in page.text:
                page = browser.post(page.url, data={"person": person})
            elif action:
                fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
                page = browser.post(page.url.join(action[1]), data=fields)
            else:
                break
        assert "Signed in" in page.text, page.text


def test_lists_what_there_is(connection: Any) -> None:
    assert "demo-s2-l2a" in connection.list_collection_ids()
    about = connection.collection_metadata("demo-s2-l2a")
    assert about.band_names == ["B02", "B03", "B04", "B08", "B11", "SCL"]
    assert {"load_collection", "ndvi", "save_result"} <= {each["id"] for each in connection.list_processes()}
    assert "GTiff" in connection.list_file_formats()["output"] and "Python" in connection.list_udf_runtimes()


def test_downloads_at_once(ndvi: Any, tmp_path: Path) -> None:
    assert ndvi.validate() == []
    ndvi.download(tmp_path / "ndvi.tif")
    with rasterio.open(tmp_path / "ndvi.tif") as image:
        values = image.read(1)
        assert image.crs.to_epsg() == 32632 and image.res == (10, 10)
    assert values.shape == (113, 76) or values.size > 5000
    assert -0.2 < float(np.nanmean(values)) < 1


def test_runs_a_batch_job(connection: Any, ndvi: Any, tmp_path: Path) -> None:
    job = ndvi.save_result("GTiff").create_job(title="Summer's green", log_level="debug")
    assert job.status() == "created" and job.estimate()["costs"] == 0
    job.start_and_wait(print=lambda _: None, max_poll_interval=0.5)
    about = job.describe()
    assert (about["status"], about["title"], about["progress"]) == ("finished", "Summer's green", 100)
    assert any("Evaluating" in entry.message for entry in job.logs())
    assert job.logs(level="error") == []
    results = job.get_results()
    assert results.get_metadata()["openeo:status"] == "finished"
    [image] = [path for path in results.download_files(tmp_path) if path.suffix == ".tif"]
    ndvi.download(tmp_path / "again.tif")
    with rasterio.open(image) as one, rasterio.open(tmp_path / "again.tif") as two:
        assert np.array_equal(one.read(1), two.read(1), equal_nan=True)
    assert job.job_id in {each["id"] for each in connection.list_jobs()}
    first = results.get_assets()[0].href
    with rasterio.open(f"/vsicurl/{first}") as remote, rasterio.open(image) as one:
        # By parts, as readers of cloud-optimised files do.
        assert np.array_equal(remote.read(1), one.read(1), equal_nan=True)
    # What it made is data for the next graph.
    following = connection.load_stac_from_job(job).reduce_dimension("bands", "mean")
    following.download(tmp_path / "following.nc")
    # Started again, its old links end and new ones come.
    job.start_and_wait(print=lambda _: None, max_poll_interval=0.5)
    assert httpx2.get(first).status_code == 403
    assert httpx2.get(job.get_results().get_assets()[0].href).status_code == 200
    job.delete_job()
    assert job.job_id not in {each["id"] for each in connection.list_jobs()}


def test_says_why_a_job_fails(connection: Any, ndvi: Any) -> None:
    from openeo.rest import JobFailedException

    cube = connection.load_collection("demo-s2-l2a", AREA, SUMMER, ["B04", "B08"])
    job = cube.save_result("PNG").create_job()
    with pytest.raises(JobFailedException):
        job.start_and_wait(print=lambda _: None, max_poll_interval=0.5)
    assert any("PNG" in entry.message for entry in job.logs(level="error"))


def test_keeps_and_calls_own_processes(connection: Any, platform: Any) -> None:
    from openeo.api.process import Parameter

    graph = {
        "twice": {"process_id": "multiply", "arguments": {"x": {"from_parameter": "x"}, "y": 2}, "result": True},
    }
    connection.save_user_defined_process("double", graph, parameters=[Parameter.number("x", "A number")], public=True)
    outer = {
        "a": {"process_id": "double", "arguments": {"x": {"from_parameter": "x"}}},
        "b": {"process_id": "double", "arguments": {"x": {"from_node": "a"}}, "result": True},
    }
    connection.save_user_defined_process("fourfold", outer, parameters=[Parameter.number("x", "A number")])
    assert {"double", "fourfold"} <= {each["id"] for each in connection.list_user_defined_processes()}
    assert connection.datacube_from_process("fourfold", x=5).execute() == 20
    about = connection.user_defined_process("double").describe()
    [address] = [link["href"] for link in about["links"] if link["rel"] == "canonical"]
    assert httpx2.get(address).json()["process_graph"] == graph
    for namespace in ("user", address, address.rpartition("/")[0]):
        assert connection.datacube_from_process("double", namespace=namespace, x=4).execute() == 8
    for name in ("double", "fourfold"):
        connection.user_defined_process(name).delete()
    assert httpx2.get(address).status_code == 404


def test_runs_workflows_of_the_catalogue_by_their_ids(connection: Any, tmp_path: Path) -> None:
    arguments = {"spatial_extent": AREA, "temporal_extent": SUMMER}
    written: list[bytes] = []
    for process, namespace in (("demo_ndvi_workflow", "osc"), ("demo_ndvi", "demo-ndvi-workflow")):
        cube = connection.datacube_from_process(process, namespace=namespace, **arguments)
        assert cube.validate() == []
        cube.download(tmp_path / "composite.tif", auto_add_save_result=False)
        with rasterio.open(tmp_path / "composite.tif") as image:
            written.append(image.read(1).tobytes())
    assert written[0] == written[1]


def test_runs_code_and_data_from_own_files(connection: Any, tmp_path: Path) -> None:
    place = tmp_path / "field.geojson"
    ring = [[11.432, 48.082], [11.436, 48.082], [11.436, 48.086], [11.432, 48.086], [11.432, 48.082]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    place.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    connection.upload_file(place, "areas/field.geojson")
    takes = "cube: xarray.DataArray, context: dict"
    code = f"import xarray\ndef apply_datacube({takes}) -> xarray.DataArray:\n    return cube * 0 + 7\n"
    (tmp_path / "seven.py").write_text(code)
    connection.upload_file(tmp_path / "seven.py", "seven.py")
    assert {str(each.path) for each in connection.list_files()} == {"areas/field.geojson", "seven.py"}
    graph = {
        "load": {
            "process_id": "load_collection",
            "arguments": {"id": "demo-s2-l2a", "spatial_extent": AREA, "temporal_extent": SUMMER, "bands": ["B04"]},
        },
        "seven": {
            "process_id": "apply",
            "arguments": {
                "data": {"from_node": "load"},
                "process": {
                    "process_graph": {
                        "u": {
                            "process_id": "run_udf",
                            "arguments": {"data": {"from_parameter": "x"}, "udf": "seven.py", "runtime": "Python"},
                            "result": True,
                        }
                    }
                },
            },
        },
        "fields": {
            "process_id": "load_uploaded_files",
            "arguments": {"paths": ["areas/field.geojson"], "format": "GeoJSON"},
        },
        "mean": {
            "process_id": "aggregate_spatial",
            "arguments": {
                "data": {"from_node": "seven"},
                "geometries": {"from_node": "fields"},
                "reducer": {
                    "process_graph": {
                        "m": {"process_id": "mean", "arguments": {"data": {"from_parameter": "data"}}, "result": True}
                    }
                },
            },
        },
        "save": {
            "process_id": "save_result",
            "arguments": {"data": {"from_node": "mean"}, "format": "JSON"},
            "result": True,
        },
    }
    connection.download(graph, tmp_path / "out.json")
    document = json.loads((tmp_path / "out.json").read_text())
    assert set(_numbers(document["data"])) == {7.0}
    for each in connection.list_files():
        each.delete()


def test_serves_tiles(connection: Any, ndvi: Any, tmp_path: Path) -> None:
    ndvi.download(tmp_path / "ndvi.tif")
    looks = {"configuration": {"minimum": -1, "maximum": 1}}
    service = connection.create_service(ndvi.save_result("PNG").flat_graph(), "XYZ", **looks)
    template = service.describe_service()["url"]
    inside, outside = httpx2.get(template.format(z=14, x=8712, y=5689), timeout=120), template.format(z=14, x=1, y=1)
    assert inside.status_code == 200 and inside.headers["content-type"] == "image/png"
    grey, alpha = _png(inside.content)
    assert alpha.any()
    with rasterio.open(tmp_path / "ndvi.tif") as image:
        mean = float(np.nanmean(image.read(1)))
    assert abs(float(grey[alpha > 0].mean()) / 127.5 - 1 - mean) < 0.1
    empty = httpx2.get(outside, timeout=120)
    assert empty.status_code == 200 and not _png(empty.content)[1].any()
    assert httpx2.get(template.format(z=2, x=4, y=0)).status_code == 404
    changed = {"configuration": {"minimum": 0, "maximum": 1}}
    connection.patch(f"/services/{service.service_id}", json=changed, expected_status=204)
    brighter = _png(httpx2.get(template.format(z=14, x=8712, y=5689), timeout=120).content)[0]
    assert not np.array_equal(brighter, grey)
    service.delete_service()
    assert httpx2.get(template.format(z=14, x=8712, y=5689)).status_code == 404


def _numbers(value: Any) -> Any:
    if isinstance(value, list):
        for each in value:
            yield from _numbers(each)
    else:
        yield value


def _png(content: bytes) -> tuple[Any, Any]:
    """Grey and transparency, read with another decoder than wrote them."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    assert (width, height) == (256, 256) and zlib.crc32(content[12:29]) == struct.unpack(">I", content[29:33])[0]
    with warnings.catch_warnings(), rasterio.open(io.BytesIO(content)) as image:
        return image.read(1), image.read(image.count)


def test_stops_what_runs(connection: Any, platform: Any) -> None:
    """Cancelled means that nothing computes any more, not only that the status says so."""
    import openeo

    takes = "cube: xarray.DataArray, context: dict"
    code = f"import time\nimport xarray\ndef apply_datacube({takes}) -> xarray.DataArray:\n    time.sleep(600)\n"
    cube = connection.load_collection("demo-s2-l2a", AREA, SUMMER, ["B04"])
    job = cube.apply_dimension(openeo.UDF(code), dimension="t").create_job(title="Sleeps")
    job.start()
    _wait(lambda: job.status() == "running" and _children(platform.home))
    job.stop()
    _wait(lambda: job.status() == "canceled" and not _children(platform.home))


def _children(home: Path) -> list[int]:
    """The processes in which this platform evaluates graphs."""
    found: list[int] = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = place.read_bytes()
            if str(home).encode() in line and b"openeo.child" in line:
                found.append(int(place.parent.name))
    return found


def _wait(until: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)
