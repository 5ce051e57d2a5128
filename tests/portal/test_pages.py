"""The pages' routes over a real small catalogue and a backend that the test holds."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from terrafair.catalogue.catalogue import Catalogue
from terrafair.database import migrate, open_engine
from terrafair.demo.catalogue import catalogue_files
from terrafair.errors import Conflict, InvalidInput, InvalidInputs, NotFound, Problem, TerrafairError
from terrafair.identity.access import Actor
from terrafair.identity.asking import Asker, asking
from terrafair.portal import pages
from terrafair.portal.kept import Kept
from terrafair.portal.link_check import LinkCheck
from terrafair.portal.page import Pages, project

from ..databases import control_database

Document = dict[str, Any]
NUMBER = {"name": "cloud", "schema": {"type": "number"}, "required": True, "default": None, "title": "Cloud"}
FILE = {"name": "parcels", "schema": {"type": "string", "format": "file"}, "required": False, "default": None}
ENTRY: Document = {
    "id": "demo-ndvi", "kind": "experiment", "title": "NDVI <b>", "type": "openeo", "executable": True, "reasons": [],
    "workflow": "w", "application": None, "inputs": [NUMBER, FILE], "values": {"cloud": 20}, "remarks": [],
    "environment": {"kind": "platform", "image": ""}, "products": ["p"],
}  # fmt: skip
JOB: Document = {
    "id": "j1", "subject": "demo-ndvi", "kind": "experiment", "type": "openeo", "status": "running", "progress": 0.4,
    "message": "", "created": "2026-01-01T00:00:00Z", "started": "", "finished": "", "seconds": None, "restarts": 0,
    "project": "ice", "target": "",
    "inputs": {"cloud": 33}, "problems": [], "collection": "", "usage": {"cpu_seconds": 1.0, "peak_memory": 5},
}  # fmt: skip


class Backend:
    """Answers from attributes, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.entry, self.job_now, self.asked = dict(ENTRY), dict(JOB), dict[str, Any]()
        self.files: dict[str, bytes] = {}
        self.wrong: list[Problem] = []
        self.fault: TerrafairError | None = None
        self.elsewhere: dict[str, Document] = {}
        self.quote: Document = {"cost": 1500, "runs": 2, "project": "p", "metered": True, "free": 500}

    def experiments(self) -> list[Document]:
        return [self.entry]

    def explain(self, id: str, kind: str) -> Document:
        if id != "demo-ndvi":
            raise NotFound(f"There is no {id!r}.")
        return self.entry

    def run(self, id: str, kind: str, inputs: Mapping[str, Any], *, reproduce: bool = False, target: str = "") -> str:
        if self.wrong:
            raise InvalidInputs(self.wrong)
        if self.fault:
            raise self.fault
        self.asked = {"id": id, "inputs": dict(inputs), "reproduce": reproduce}
        self.target = target
        return "j1"

    def estimate(self, id: str) -> Document:
        return self.quote

    def targets(self) -> tuple[str, ...]:
        return tuple(self.elsewhere)

    def verdict(self, target: str, id: str, kind: str) -> Document:
        return self.elsewhere[target]

    def upload(self, path: Path, name: str, digest: str) -> str:
        self.files[name] = path.read_bytes()
        return f"s3://uploads/{name}"

    def jobs(self, wanted: Mapping[str, str], limit: int) -> list[Document]:
        if wanted.get("after") == "soon":
            raise InvalidInput("'soon' is no time.")
        self.asked = dict(wanted)
        return [self.job_now] if wanted.get("status", "") in {"", self.job_now["status"]} else []

    def known(self) -> Document:
        return {"types": ["openeo"], "projects": ["<b>ice"]}

    def record(self, id: str) -> Document:
        step = {"title": "Ran its program", "ended": "", "failed": False, "seconds": None}
        samples = [{"second": n / 4, "cpu_seconds": n / 8, "memory": n * 10**6, "processes": 1} for n in range(9)]
        return {
            "steps": [{**step, "marks": [["2026-01-01T00:00:00Z", "<i>half"]]}],
            "samples": samples,
            "usage": {"cpu_seconds": 1.0, "peak_memory": 5},
            "cost": {"cost": 1500, "reserved": 4000, "charged": None},
        }

    def compare(self, first: str, second: str, *, values: bool) -> Document:
        if first == second:
            raise InvalidInput("A run is always like itself.")
        same = [{"name": "<b>cloud", "first": "1", "second": "2", "same": False}]
        verdict = {"name": "a.tif", "verdict": "different", "where": "band 1: <i>2 of 9 values"}
        return {"inputs": same, "environment": [], "metrics": [], "outputs": [verdict]}

    def job(self, id: str) -> Document:
        if id not in {"j1", "j2"}:
            raise NotFound(f"There is no job {id!r}.")
        return {**self.job_now, "id": id}

    def log(self, id: str, since: int, limit: int) -> Document:
        self.job(id)
        lines = [{"line": n, "time": "2026-01-01T00:00:00Z", "level": "info", "message": f"<i>{n}"} for n in range(3)]
        return {"lines": lines[since:], "next": 3, "job": self.job_now}

    def results(self, id: str) -> Document | None:
        if self.job_now["status"] != "successful":
            return None
        rows = [{"name": name, "href": f"/api/jobs/j1/files/{name}", "size": len(content), "sha256": "ab" * 32,
                 "type": "", "role": "data", "s3": ""} for name, content in self.files.items()]  # fmt: skip
        return {"files": rows}

    def content(self, id: str, name: str, limit: int) -> bytes:
        return self.files[name][:limit]

    def reproduction(self, id: str) -> Document | None:
        return None

    def cancel(self, id: str) -> None:
        self.job_now["status"] = "dismissed"


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    folder = tmp_path_factory.mktemp("pages")
    for name, content in catalogue_files("0" * 40).items():
        file = folder / "catalogue" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    with Catalogue(folder / "home") as catalogue:
        catalogue.sync(str(folder / "catalogue"))
        yield catalogue


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    engine = open_engine(control_database(tmp_path_factory.mktemp("kept")))
    migrate(engine)
    yield Kept(engine)
    engine.dispose()


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
def web(catalogue: Catalogue, backend: Backend, kept: Kept) -> TestClient:
    app = FastAPI()
    about = pages.Surroundings(lambda: "abc", "", lambda error: 404 if isinstance(error, NotFound) else 400)
    app.include_router(pages.router(catalogue, backend, backend, Pages(about), kept))
    return TestClient(app, follow_redirects=False)


def test_the_five_words_and_old_addresses(web: TestClient) -> None:
    for word in ("find", "develop", "run", "results", "patterns"):
        reply = web.get(f"/{word}")
        assert reply.status_code == 200 and len(reply.content) < 150_000
        assert re.search(r"<title>[^<·]+ · terrafair</title>", reply.text)
    assert web.get("/jobs").headers["location"] == "/results"
    assert web.get("/jobs/j1").headers["location"] == "/results/j1"


def test_facets_are_links_that_narrow(web: TestClient) -> None:
    page = web.get("/find", params={"text": "ndvi"}).text
    assert "/find?text=ndvi&amp;kind=product" in page
    narrowed = web.get("/find", params={"text": "ndvi", "kind": "product"}).text
    assert 'class="kind product"' in narrowed and 'class="kind experiment"' not in narrowed


@pytest.mark.parametrize(
    "query",
    [
        "west=1",
        "page=0",
        "page=x",
        "kind=nothing",
        "bbox=1,2,3",
        "time=soon",
        "theme=no-such",
        "west=a&south=1&east=2&north=3",
    ],
)
def test_a_wrong_search_says_so_on_its_page(web: TestClient, query: str) -> None:
    reply = web.get(f"/find?{query}")
    if query == "bbox=1,2,3":
        assert reply.status_code == 200  # no box: the form shows that none was understood
    else:
        assert reply.status_code == 400 and 'role="alert"' in reply.text and 'id="text"' in reply.text


def test_what_is_typed_comes_back_as_text(web: TestClient) -> None:
    page = web.get("/find", params={"text": '"><script>alert(1)</script>'}).text
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page


def test_links_are_checked_when_somebody_asks(catalogue: Catalogue, backend: Backend, kept: Kept) -> None:
    asked: list[str] = []

    def get(url: str) -> None:
        asked.append(url)
        if "documentation" in url or len(asked) % 2:
            raise NotFound(f"{url} answers 404.")

    app = FastAPI()
    about = pages.Surroundings(lambda: "abc", "", lambda error: 404)
    app.include_router(pages.router(catalogue, backend, backend, Pages(about), kept, LinkCheck(get)))
    with TestClient(app) as web:
        assert "Check whether they answer" in web.get("/find/product/demo-ndvi-composite").text
        page = web.post("/find/product/demo-ndvi-composite/links").text
        assert asked and "answers 404." in page
        before = len(asked)
        web.post("/find/product/demo-ndvi-composite/links")
        assert len(asked) == before


@pytest.mark.parametrize("path", ["/find/product/nix", "/find/nothing/x", "/run/experiment/nix", "/results/nix"])
def test_unknown_things_are_pages(web: TestClient, path: str) -> None:
    reply = web.get(path)
    assert reply.status_code == 404 and "<h1>" in reply.text


def test_an_entity_shows_where_it_comes_from(web: TestClient) -> None:
    page = web.get("/find/product/demo-ndvi-composite").text
    assert "/find/experiment/demo-ndvi" in page and "/find/workflow/demo-ndvi" in page
    assert '<a class="button" href="/run/experiment/demo-ndvi"' in web.get("/find/experiment/demo-ndvi").text


def test_a_form_runs_with_what_differs(web: TestClient, backend: Backend) -> None:
    reply = web.post("/run/experiment/demo-ndvi", data={"in:cloud": "30", "reproduce": "yes"})
    assert (reply.status_code, reply.headers["location"]) == (303, "/results/j1")
    assert backend.asked == {"id": "demo-ndvi", "inputs": {"cloud": 30}, "reproduce": True}


def test_a_mistake_loses_nothing_not_even_the_file(web: TestClient, backend: Backend) -> None:
    files = {"file:parcels": ("my parcels.geojson", b"{}")}
    reply = web.post("/run/experiment/demo-ndvi", data={"in:cloud": "much"}, files=files)
    assert reply.status_code == 400 and "takes a number" in reply.text and 'value="much"' in reply.text
    assert 'value="s3://uploads/my parcels.geojson"' in reply.text and 'aria-invalid="true"' in reply.text
    assert backend.asked == {}


def test_what_the_platform_finds_wrong_stands_beside_its_field(web: TestClient, backend: Backend) -> None:
    backend.wrong = [Problem("The input 'cloud' is 900.", "It ends at 100.", where="cloud"), Problem("All is wrong.")]
    reply = web.post("/run/experiment/demo-ndvi", data={"in:cloud": "900"})
    assert (
        reply.status_code == 400
        and 'id="f-cloud-wrong"><p class="wrong">The input' in reply.text
        and "All is wrong." in reply.text
    )


def test_not_executable_says_why_and_has_no_button(web: TestClient, backend: Backend) -> None:
    backend.entry |= {"executable": False, "reasons": [{"what": "Its code is gone.", "remedy": "Ask its authors."}]}
    page = web.get("/run/experiment/demo-ndvi").text
    assert "Its code is gone." in page and "<form method" not in page


def test_the_form_says_what_it_costs_and_what_is_missing(web: TestClient, backend: Backend) -> None:
    page = web.get("/run/experiment/demo-ndvi").text
    assert "1.5 credits" in page and "0.5 left: 1 are missing" in page
    backend.quote |= {"free": 5000}
    assert "has 5 left" in web.get("/run/experiment/demo-ndvi").text


def test_over_budget_comes_back_with_the_form(web: TestClient, backend: Backend) -> None:
    backend.fault = Conflict("The job may cost 2 credits, and 1 are free.", remedy="Ask for less.", where="budget")
    reply = web.post("/run/experiment/demo-ndvi", data={"in:cloud": "30"})
    assert reply.status_code == 400 and "and 1 are free. Ask for less." in reply.text and 'value="30"' in reply.text


def test_a_target_is_chosen_where_it_does_not_run_here(web: TestClient, backend: Backend) -> None:
    backend.entry |= {"executable": False, "reasons": [{"what": "No engine."}]}
    backend.elsewhere = {
        "north": {"executable": True, "reasons": []},
        "south": {"executable": False, "reasons": [{"what": "Its <disk> is full.", "why": "", "remedy": "Wait."}]},
    }
    page = web.get("/run/experiment/demo-ndvi").text
    assert "No engine." in page and 'value="north" checked' in page and ">here<" not in page
    where = web.get("/run/experiment/demo-ndvi/where").text
    assert "runs it" in where and "Its &lt;disk&gt; is full." in where
    web.post("/run/experiment/demo-ndvi", data={"in:cloud": "20", "target": "south"})
    assert backend.target == "south"


def test_huge_and_hostile_texts_are_told_beside_their_field(web: TestClient, backend: Backend) -> None:
    huge = web.post("/run/experiment/demo-ndvi", data={"in:cloud": "9" * 1_500_000})
    assert huge.status_code == 400 and "hand in more than 1,000,000 as a file" in huge.text
    hostile = web.post("/run/experiment/demo-ndvi", data={"in:cloud": '"><img src=x onerror=alert(1)>\0'})
    assert hostile.status_code == 400 and "<img src=x" not in hostile.text and "&lt;img src=x" in hostile.text
    names = {"file:parcels": ("../../etc/passwd", b"{}")}
    web.post("/run/experiment/demo-ndvi", data={"in:cloud": "much"}, files=names)
    assert backend.files == {"passwd": b"{}"}


def test_run_again_starts_from_the_jobs_inputs(web: TestClient) -> None:
    assert 'value="33"' in web.get("/run/experiment/demo-ndvi?from=j1").text


def test_the_log_streams_on_from_a_line(web: TestClient, backend: Backend) -> None:
    backend.job_now["status"] = "successful"
    whole = web.get("/results/j1/log").text
    assert [line for line in whole.splitlines() if line.startswith("id:")] == ["id: 1", "id: 2", "id: 3"]
    assert whole.rstrip().endswith('data: {"status": "successful"}')
    rest = web.get("/results/j1/log", headers={"Last-Event-ID": "2"}).text
    assert "<i>2" in rest and "<i>1" not in rest
    assert "&lt;i&gt;2" in web.get("/results/j1").text


def test_cancel_goes_back_to_the_job(web: TestClient, backend: Backend) -> None:
    assert web.post("/results/j1/cancel").headers["location"] == "/results/j1"
    assert backend.job_now["status"] == "dismissed"


def test_old_addresses_of_files_and_maps_lead_to_the_new_ones(web: TestClient) -> None:
    assert web.get("/results/j1/map?file=a b.tif").headers["location"] == "/results/j1/view?layer=a+b.tif"
    assert web.get("/results/j1/files/out/a b.tif").headers["location"] == "/results/j1/view/out/a%20b.tif"


def test_filters_are_kept_and_passed_on(web: TestClient, backend: Backend) -> None:
    query = {"status": "running", "type": "cwl", "project": "p", "text": '"><script>', "after": "2026-01-01"}
    page = web.get("/results", params=query).text
    assert backend.asked == query and "<script>" not in page and "&#34;&gt;&lt;script&gt;" in page
    assert "<option selected>running" in page.replace("  ", " ") and "<option selected>cwl</option>" in page
    assert "&lt;b&gt;ice" in page
    wrong = web.get("/results?after=soon")
    assert wrong.status_code == 400 and "is no time" in wrong.text and 'id="text"' in wrong.text


def test_ones_own_project_is_called_so(web: TestClient, backend: Backend) -> None:
    with asking(Asker(Actor("ada"))):
        assert [project(name) for name in ("ada", "glaciers", "")] == ["your own", "glaciers", ""]
    backend.job_now["project"] = "<glaciers>"
    assert "<dt>Project</dt><dd>&lt;glaciers&gt;</dd>" in web.get("/results/j1").text


def test_a_job_page_tells_steps_use_and_cost(web: TestClient) -> None:
    page = web.get("/results/j1").text
    for said in ("Ran its program", "&lt;i&gt;half", "1.500 credits of 4.000 reserved", "CPU over 2.0 s", "Memory over",
                 "1 input went into this run", "cloud", "Cancel", "from=j1"):  # fmt: skip
        assert said in page, said
    assert page.count("<svg") == 3 and "<i>" not in page


def test_lines_of_the_log_are_paged(web: TestClient) -> None:
    page = web.get("/results/j1?since=2").text
    assert "&lt;i&gt;2" in page and "&lt;i&gt;1" not in page and 'rel="prev"' in page


def test_two_runs_stand_side_by_side(web: TestClient) -> None:
    assert "Choose two runs" in web.get("/jobs/compare").text
    page = web.get("/jobs/compare?a=j1&b=j2").text
    assert "&lt;b&gt;cloud" in page and "1 of 1 differ" in page and "band 1: &lt;i&gt;2 of 9" in page
    same = web.get("/jobs/compare?a=j1&b=j1")
    assert same.status_code == 400 and "like itself" in same.text
    assert web.get("/jobs/compare?a=j1&b=nix").status_code == 404
