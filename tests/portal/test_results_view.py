"""Pages of results on a whole platform: complete without JavaScript, and harmless whatever the files hold."""

import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import nbformat
import pytest

from .conftest import Planted

pytestmark = pytest.mark.journey


class Markup(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def harmless(page: str) -> None:
    """Nothing on the page executes but our own files, and nothing is loaded from elsewhere."""
    for tag, attributes in Markup(page).tags:
        assert tag not in {"iframe", "object", "embed", "base", "form" if attributes.get("action") else "-"}, tag
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert not str(attributes.get("href") or "").lower().lstrip().startswith(("javascript:", "data:")), attributes
        if tag == "script":
            ours = str(attributes.get("src", "")).startswith("/static/")
            assert ours or attributes.get("type") == "application/json", attributes
        if tag == "img":
            source = str(attributes["src"])
            assert source.startswith(("/static/", "/tiles/", "/api/jobs/", "data:image/png;base64,")), source


def test_the_page_lists_files_layers_and_provenance(results: Planted) -> None:
    page = results.page(f"/results/{results.good}/view")
    harmless(page)
    for said in ("ndvi.tif", "sst.zarr", "Planted workflow", "2025 &lt;b&gt;bold", "terrafair results", "parts"):
        assert said in page
    assert "sst.zarr/sst" not in page, "the parts of a store are no files of their own"
    picture = results.web.get(re.findall(r'src="(/tiles/[^"]*ndvi\.tif/preview[^"]*)"', page)[0])
    assert picture.headers["content-type"] == "image/png" and picture.content.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ndvi.tif", ["Values", "band 1", "/preview", "QGIS"]),
        ("sst.zarr", ["Sea surface temperature", "time = 24", "A planted cube", "&lt;b&gt;made"]),
        ("sst.nc", ["Sea surface temperature", "time = 3", "open_dataset"]),
        ("stations.csv", ["Rows 1 to 50", "s49", "?start=50"]),
        ("stations.parquet", ["Rows 1 to 50 of 120", "double", "s49"]),
        ("lakes.parquet", ["results-mapping", "A &lt;i&gt;lake"]),
        ("report.ipynb", ["<em>greenest</em>", "red words", "<td>0.41</td>", "ZeroDivisionError", "data:image/png"]),
        ("settings.json", ["&#34;alpha&#34;: 1"]),
        ("notes.txt", ["All went well."]),
        ("chart.png", ['class="picture"', "90 pixels", "RGB"]),
        ("report.pdf", ["are not shown here", "Download", "PDF 1.4"]),
    ],
)
def test_each_kind_has_its_view(results: Planted, name: str, said: list[str]) -> None:
    page = results.page(f"/results/{results.good}/view/outputs/{name}")
    harmless(page)
    for words in said:
        assert words in page, words


def test_later_rows(results: Planted) -> None:
    for name in ("stations.csv", "stations.parquet"):
        page = results.page(f"/results/{results.good}/view/outputs/{name}?start=100")
        assert "Rows 101 to 120" in page and "s119" in page and "<td>s99</td>" not in page and "Later rows" not in page
    reply = results.web.get(f"/results/{results.good}/view/outputs/stations.csv?start=-1")
    assert "There is no row -1" in reply.text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("evil.ipynb", "Not shown here"),
        ("evil.svg", 'class="picture"'),
        ("evil.html", "&lt;script&gt;"),
        ("evil.csv", "=HYPERLINK"),
        ("broken.tif", "cannot be read"),
        ("broken.parquet", "broken.parquet"),
        ("<img src=x onerror=window.hacked=4>.txt", "&lt;script&gt;"),
    ],
)
def test_hostile_files_are_shown_and_do_nothing(results: Planted, name: str, said: str) -> None:
    page = results.page(f"/results/{results.bad}/view/outputs/{quote(name)}")
    harmless(page)
    assert said in page and "window.hacked=8" not in "".join(re.findall(r'href="[^"]*"', page))
    assert len(page) < 200_000, "huge cells are cut"


def test_a_million_features_are_bounded(results: Planted) -> None:
    reply = results.web.get(f"/tiles/jobs/{results.bad}/outputs/million.geojson/features")
    found: dict[str, Any] = reply.json()
    assert found["total"] == 1_000_000 and found["shown"] == len(found["features"]) == 5000
    assert len(reply.content) < 2_000_000


def test_vectors_come_in_degrees(results: Planted) -> None:
    for name in ("lakes.geojson", "lakes.parquet"):
        found = results.web.get(f"/tiles/jobs/{results.good}/outputs/{name}/features").json()
        assert found["bounds"] == pytest.approx([8.5, 46, 10, 47], abs=0.02)
        assert found["features"][0]["properties"]["name"] == "A <i>lake</i>"


@pytest.mark.parametrize("path", ["preview", "about", "features", "5/16/11.png"])
def test_a_picture_is_not_made_twice_for_who_has_it(results: Planted, path: str) -> None:
    name = "lakes.geojson" if path == "features" else "ndvi.tif"
    address = f"/tiles/jobs/{results.good}/outputs/{name}/{path}"
    first = results.web.get(address)
    assert first.status_code == 200 and "max-age" in first.headers["cache-control"]
    again = results.web.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304 and not again.content and again.headers["etag"] == first.headers["etag"]
    assert results.web.get(address, headers={"If-None-Match": '"other"'}).status_code == 200
    if path != "features":
        assert results.web.get(f"{address}?ramp=ndvi").headers["etag"] != first.headers["etag"]


def test_the_policy_lets_only_our_scripts_run(results: Planted) -> None:
    policy = results.web.get(f"/results/{results.good}/view").headers["content-security-policy"]
    assert "default-src 'self'" in policy and "unsafe-eval" not in policy and "script-src" not in policy
    assert "'unsafe-inline'" not in policy.replace("style-src 'self' 'unsafe-inline'", "")
    reply = results.web.get(f"/api/jobs/{results.bad}/files/outputs/evil.html")
    assert reply.headers["content-security-policy"].startswith("sandbox;")


@pytest.mark.parametrize("path", ["view/outputs/nothing.tif", "view/../../etc/passwd", "view/outputs/sst.zarr/.zgroup"])
def test_what_is_not_there(results: Planted, path: str) -> None:
    assert results.web.get(f"/results/{results.good}/{path}").status_code == 404
    assert results.web.get("/results/20990101-nothing/view").status_code == 404


def test_a_broken_file_has_a_clear_dot_for_a_picture(results: Planted) -> None:
    address = f"/tiles/jobs/{results.bad}/outputs/broken.tif/preview"
    assert results.web.get(address).status_code == 400
    dot = results.web.get(f"{address}?blank=yes")
    assert dot.status_code == 200 and len(dot.content) < 100 and "cannot be read" in dot.headers["x-tile-note"]


def test_an_answer_from_the_cache_is_the_same(results: Planted) -> None:
    for path in ("outputs/ndvi.tif/9/269/179.png", "outputs/sst.zarr/3/4/2.png", "outputs/sst.zarr/0/0/0.png"):
        first, again = (results.web.get(f"/tiles/jobs/{results.good}/{path}") for _ in range(2))
        assert first.status_code == 200 and first.content == again.content
        assert first.headers["etag"] == again.headers["etag"] and first.headers["content-type"] == "image/png"
    beside = results.web.get(f"/tiles/jobs/{results.good}/outputs/ndvi.tif/9/0/0.png")
    assert beside.headers["x-tile-note"] == "The data does not reach here."


@pytest.mark.parametrize(("file", "opened"), [("", ""), ("outputs/sst.zarr", "open_zarr"), ("outputs/report.pdf", "")])
def test_a_notebook_that_opens_the_results(results: Planted, file: str, opened: str) -> None:
    reply = results.web.get(f"/results/{results.good}/notebook", params={"file": file} if file else {})
    assert reply.headers["content-type"].startswith("application/x-ipynb+json")
    assert "attachment" in reply.headers["content-disposition"]
    notebook = nbformat.reads(reply.text, as_version=4)
    nbformat.validate(notebook)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    for source in code:
        compile(source, "cell", "exec")
    assert results.good in code[0] and (opened in code[-1] if opened else len(code) == 1)


def test_the_way_into_a_notebook_leads_to_workspaces_where_they_are_offered(results: Planted) -> None:
    page = results.page(f"/results/{results.good}/view")
    way = f"/develop/workspaces?kind=job&amp;id={results.good}"
    if "not offered here" in results.web.get("/develop/workspaces").text:
        assert way not in page and f'href="/results/{results.good}/notebook"' in page
    else:
        assert way in page
        asked = results.web.get(way.replace("&amp;", "&"))
        # It takes a person to own the workspace; nobody has signed in at this platform.
        assert asked.status_code == 200 or "sign" in asked.text.lower()


def test_a_notebook_of_what_is_not_there(results: Planted) -> None:
    assert results.web.get(f"/results/{results.good}/notebook", params={"file": "outputs/none"}).status_code == 404
    assert results.web.get("/results/none/notebook").status_code == 404
