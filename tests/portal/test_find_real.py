"""Find over the real catalogue, as a browser asks: counts against the documents, and what scientists look for."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from terrafair.catalogue.catalogue import Catalogue
from terrafair.portal import find
from terrafair.portal.page import Pages, Surroundings

CHOICE = re.compile(r'<li><a href="([^"]*)"[^>]*><span>[^<]*</span><span class="number">([\d,]+)</span></a></li>')
HIT = re.compile(r'<h2><a href="/find/([^"]+)">')
SEARCHES = {
    "permafrost": "product/esa-cci-permafrost",
    "permafrots": "product/esa-cci-permafrost",
    "sea surface salinity SMOS": "product/sea-surface-salinity-europe-smos-med",
    "Greenland elevation change CryoSat": "product/ice-sheet-topography-elevation-change-cryotop-evolution",
    "antarctic ice shelf melt": "product/antarctic-ice-shelf-melt-rates",
    "supraglacial lakes antarctica": "product/supraglacial-lakes-west-4dantarctica",
    "soil moisture": "variable/soil-moisture",
    "crop type": "product/esa-world-cereal-extent-product",
    "wetland methane": "product/eowetmet-pan-arctic-average-wetland-methane-flux",
    "lightning": "product/earthcare-frame-lightning",
    "river discharge amazon": "product/simulated-river-discharge-amazon-manacapuru-ridesat",
    "chlorophyll ocean colour": "product/monthly-global-chlorophyll-a-dataset-9-km-oc-cci-v42",
    "snow water equivalent alps": "product/snow-water-equivalent-europe-alps-alpsnow",
    "biomass africa": "product/biomass-s3-africa-albiom",
    "sea ice thickness southern ocean": "product/southern-ocean-sit-from-cryosat-2",
    "urban land surface temperature": "experiment/downscaling-land-surface-temperature-over-kinshasa",
    "stratospheric ozone": "product/stratospheric-ozone-column-limb-sunlit",
    "vegetation optical depth": "product/vod-africa-smos-vegetation",
    "phytoplankton carbon": "product/global-marine-phytoplankton-carbon-bicep",
    "lake ice sweden": "product/eowetmet-annual-lake-ice-regime-classification-nwt-sweden",
    "core magnetic field model": "product/chaos-field-model-core-4d-earth-swarm",
    "seasonal fire": "product/seasfire-cube",
    "SMOS": "mission/smos",
    "Sentinel 3": "mission/sentinel-3",
    "chlorophyl": "variable/chlorophyll-concentration",
    "NO2": "variable/no2-tropospheric-column",
    "Grönland": "product/broadband-albedo-greenland-s34science-snow",
    "océan": "variable/ocean-currents",
    "worldcereal": "product/esa-world-cereal-extent-product",
    "esa-cci-permafrost": "workflow/esa-cci-permafrost",
    "glacier mass balance": "experiment/glambie-v1.0.190-experiment",
    "flood": "variable/floods",
    "sst": "variable/sea-surface-temperature",
    "SWE alps": "product/snow-water-equivalent-europe-alps-alpsnow",
    "seaice": "variable/sea-ice",
    "soilmoisture": "variable/surface-soil-moisture",
    "landcover": "variable/land-cover",
    "greenland icesheet": "product/ice-sheet-topography-elevation-change-cryotop-evolution",
}
"""What is typed -> what has to be on the first page."""


@pytest.fixture(scope="module")
def web(osc: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with Catalogue(tmp_path_factory.mktemp("find")) as catalogue:
        catalogue.sync(str(osc))
        app = FastAPI()
        frame = Pages(Surroundings(lambda: catalogue.commit, "", lambda _: 500))
        app.include_router(find.router(frame, catalogue))
        with TestClient(app) as client:
            yield client


@pytest.fixture(scope="module")
def products(osc: Path) -> list[dict[str, Any]]:
    found = (json.loads(path.read_text("utf-8")) for path in osc.glob("products/**/collection.json"))
    return list({document["id"]: document for document in found}.values())


def choices(page: str, facet: str) -> dict[str, int]:
    """The values of one facet as the page shows them, by the id that a click asks for."""
    part = page.partition(f'<section aria-labelledby="facet-{facet}">')[2].partition("</section>")[0]
    found = {}
    for href, count in CHOICE.findall(part):
        asked = parse_qs(urlsplit(unescape(href)).query).get(facet, [])
        if asked:
            found[asked[0]] = int(count.replace(",", ""))
    return found


def linked(document: dict[str, Any], folder: str, own: list[str]) -> set[str]:
    pattern = re.compile(rf"{folder}/([^/]+)/(?:catalog|collection)\.json$")
    return set(own) | {match[1] for link in document["links"] if (match := pattern.search(link["href"]))}


@pytest.mark.parametrize(("facet", "folder"), [("mission", "eo-missions"), ("variable", "variables")])
def test_a_page_shows_the_counts_of_the_documents(
    web: TestClient, products: list[dict[str, Any]], facet: str, folder: str
) -> None:
    expected: Counter[str] = Counter()
    for document in products:
        expected.update(linked(document, folder, document.get(f"osc:{facet}s", [])))
    shown = choices(web.get("/find?kind=product").text, facet)
    assert len(shown) > 20
    assert {name: expected[name] for name in shown} == shown
    # What is left out for want of room is never more frequent than what is shown.
    assert min(shown.values()) >= max((count for name, count in expected.items() if name not in shown), default=0)


def test_a_click_on_a_count_finds_as_many(web: TestClient) -> None:
    shown = choices(web.get("/find?kind=product&text=ice").text, "mission")
    for mission, count in list(shown.items())[:5]:
        page = web.get("/find", params={"kind": "product", "text": "ice", "mission": mission}).text
        total = re.search(r'role="status"><strong>([\d,]+)</strong> found', page)
        assert total is not None and int(total[1].replace(",", "")) == count, mission


@pytest.mark.parametrize(("typed", "wanted"), SEARCHES.items())
def test_what_a_scientist_expects_is_on_the_first_page(web: TestClient, typed: str, wanted: str) -> None:
    hits = HIT.findall(web.get("/find", params={"text": typed}).text)
    assert wanted in hits, hits


def test_a_search_takes_less_than_a_tenth_of_a_second(web: TestClient) -> None:
    """Of processor time, since others may use the machine; at the 95th percentile."""
    taken = []
    for typed in [*SEARCHES, "", "ice"] * 2:
        start = time.process_time()
        web.get("/find", params={"text": typed}).raise_for_status()
        taken.append(time.process_time() - start)
    assert sorted(taken)[int(len(taken) * 0.95)] < 0.1
