"""Search: what scientists type gives what they expect, and what nobody should type does no harm."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from terrafair.catalogue.catalogue import Catalogue
from terrafair.catalogue.query import Query, parse_box, parse_time
from terrafair.catalogue.spelling import distance
from terrafair.errors import InvalidInput


@pytest.fixture(scope="module")
def real(osc: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    with Catalogue(tmp_path_factory.mktemp("home")) as catalogue:
        catalogue.sync(str(osc))
        yield catalogue


@pytest.mark.parametrize(
    ("text", "kinds", "expected"),
    [
        ("permafrots", (), "experiment:esa-cci-permafrost"),
        ("permafrost", (), "product:esa-cci-permafrost"),
        ("sea surface salinity", ("variable",), "variable:sea-surface-salinity"),
        ("salinty anomalies", ("experiment",), "experiment:sss-cci-global-anomalies"),
        ("glaceir mass balance", ("workflow",), "workflow:glambie-workflow-v1.0.190"),
        ("lightning", (), "experiment:lightning2earthcare-experiment"),
        ("polar lakes", (), "workflow:polar-lakes-workflow"),
        ("supraglacial lakes deep learning", (), "workflow:polar-lakes-workflow"),
        ("crop type belgium", (), "experiment:esa-world-cereal-extent-experiment"),
        ("worldcereal", (), "project:worldcereal"),
        ("urban heat kinshasa", (), "experiment:downscaling-land-surface-temperature-over-kinshasa"),
        ("burnt area wildfire notebook", ("workflow",), "workflow:delta-nbr-workflow-example"),
        ("sentinel-1", ("mission",), "mission:sentinel-1"),
        ("deforestation julia", (), "workflow:fairsendd"),
        ("cryosphere", ("theme",), "theme:cryosphere"),
        ("antarctic ice velocity", ("product",), "product:ice-sheet-velocity-antarctic-2021"),
        ("soil moistur", ("variable",), "variable:surface-soil-moisture"),
        ("radiative transfer simulation", ("workflow",), "workflow:eradiate-radiative-transfer-workflow"),
        ("sea ice risk", (), "workflow:polaris"),
        ("methane", ("variable",), "variable:methane"),
    ],
)
def test_scientists_find_it_on_the_first_page(
    real: Catalogue, text: str, kinds: tuple[str, ...], expected: str
) -> None:
    found = real.search(Query.parse(text=text, kinds=kinds, limit=10))
    assert expected in [f"{hit.kind.value}:{hit.id}" for hit in found.items]


def test_all_words_come_before_some(real: Catalogue) -> None:
    found = real.search(Query(text="sea surface salinity smos", limit=1000))
    scores = [hit.score for hit in found.items]
    assert scores == sorted(scores, reverse=True)
    assert found.total == len(found.items) > 100


def test_pages_do_not_overlap(real: Catalogue) -> None:
    whole = real.search(Query(text="ice", limit=60)).items
    parts = [real.search(Query(text="ice", limit=20, offset=start)).items for start in (0, 20, 40)]
    assert [hit for part in parts for hit in part] == list(whole)


def test_filters_by_id_and_by_title(real: Catalogue) -> None:
    by_id = real.search(Query.parse(kinds=("product",), mission="sentinel-1"))
    by_title = real.search(Query.parse(kinds=("product",), mission="Sentinel-1"))
    assert by_id.total == by_title.total > 5
    products = {
        record.id for record in real.records("product") if "sentinel-1" in record.document.get("osc:missions", ())
    }
    named = {hit.id for hit in real.search(Query.parse(kinds=("product",), mission="sentinel-1", limit=1000)).items}
    assert named >= products
    assert real.search(Query.parse(theme="cryosphere", project="worldcereal")).total == 0


def test_box_and_time(real: Catalogue) -> None:
    everywhere = real.search(Query.parse(kinds=("product",), bbox="-180,-90,180,90")).total
    pacific = real.search(Query.parse(kinds=("product",), bbox="170,-20,-170,20")).total
    alps = real.search(Query.parse(kinds=("product",), bbox="6,45,14,48")).total
    assert everywhere > alps > 0
    assert everywhere > pacific > 0
    late = real.search(Query.parse(kinds=("product",), time="2030/..")).total
    assert late < real.search(Query.parse(kinds=("product",), time="../2030")).total


@pytest.mark.parametrize("name", ["theme", "variable", "mission", "project"])
def test_an_unknown_filter_names_the_nearest(real: Catalogue, name: str) -> None:
    with pytest.raises(InvalidInput, match=f"no {name}"):
        real.search(Query.parse(**{name: "sentinnel-1"}))
    with pytest.raises(InvalidInput, match="sentinel-1"):
        real.search(Query.parse(mission="sentinnel-1"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200))
def test_no_text_is_syntax(real: Catalogue, text: str) -> None:
    real.search(Query(text=text))


@pytest.mark.parametrize(
    "text", ['" OR 1=1 --', "NEAR(a b, 5)", "title: x", "a AND NOT b", "*", "^ice", "🛰️", "ice" * 4000, "\0", "'); DROP"]
)
def test_hostile_text(real: Catalogue, text: str) -> None:
    real.search(Query(text=text))
    assert real.record("experiment", "polaris")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020", ("2020-01-01T00:00:00Z", "2020-12-31T23:59:59Z")),
        ("2020-02", ("2020-02-01T00:00:00Z", "2020-02-29T23:59:59Z")),
        ("2020-02-03", ("2020-02-03T00:00:00Z", "2020-02-03T23:59:59Z")),
        ("2020-01-01/..", ("2020-01-01T00:00:00Z", "")),
        ("/2020", ("", "2020-12-31T23:59:59Z")),
        ("2020-01-01T12:00:00+02:00/2021", ("2020-01-01T10:00:00Z", "2021-12-31T23:59:59Z")),
    ],
)
def test_times(text: str, expected: tuple[str, str]) -> None:
    assert parse_time(text) == expected


@pytest.mark.parametrize("text", ["soon", "2020-13", "2020-02-30", "2021/2020", "2020/2021/2022", "20", "2020-1-1"])
def test_wrong_times(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_time(text)
    assert caught.value.problem.where == "time"


def test_boxes() -> None:
    assert parse_box("170, -10, -170, 10") == (170.0, -10.0, -170.0, 10.0)
    assert parse_box("1,2,0,3,4,9") == (1.0, 2.0, 3.0, 4.0)


@pytest.mark.parametrize("text", ["1,2,3", "a,b,c,d", "0,50,10,40", "-200,0,10,10", "0,0,0,100", "nan,0,1,1", ""])
def test_wrong_boxes(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_box(text)


@pytest.mark.parametrize(("limit", "offset"), [(0, 0), (1001, 0), (10, -1)])
def test_wrong_pages(limit: int, offset: int) -> None:
    with pytest.raises(InvalidInput):
        Query.parse(limit=limit, offset=offset)


def test_wrong_kind() -> None:
    with pytest.raises(InvalidInput, match="experiment"):
        Query.parse(kinds=("experimnt",))


@pytest.mark.parametrize(
    ("one", "other", "errors"),
    [("ab", "ba", 1), ("", "abc", 3), ("ice", "ice", 0), ("glaceir", "glacier", 1), ("a", "b", 1)],
)
def test_distance(one: str, other: str, errors: int) -> None:
    assert distance(one, other) == errors == distance(other, one)
