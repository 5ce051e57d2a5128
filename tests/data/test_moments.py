"""Dates and times as files write them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from terrafair.data.moments import Span, from_name, from_tags, parse, text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2020", "2020-01-01T00:00:00Z"),
        ("2020-06", "2020-06-01T00:00:00Z"),
        ("2020-06-01", "2020-06-01T00:00:00Z"),
        ("20200601", "2020-06-01T00:00:00Z"),
        ("20200601T101530", "2020-06-01T10:15:30Z"),
        ("2020-06-01T10:15:30Z", "2020-06-01T10:15:30Z"),
        ("2020-06-01 10:15:30.25 UTC", "2020-06-01T10:15:30.25Z"),
        ("2020-06-01T10:15:30+02:00", "2020-06-01T08:15:30Z"),
        ("2020-06-01T00:15:30-0130", "2020-06-01T01:45:30Z"),
        ("2020:06:01 10:15:30", "2020-06-01T10:15:30Z"),
        ("14-APR-2017 10:27:50.183264", "2017-04-14T10:27:50.183264Z"),
        ("1 June 2020", "2020-06-01T00:00:00Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        ("0850-01-01", "0850-01-01T00:00:00Z"),
        (datetime(2020, 1, 1, tzinfo=UTC), "2020-01-01T00:00:00Z"),
        (datetime(2020, 1, 1), "2020-01-01T00:00:00Z"),  # noqa: DTZ001 - files say no zone
        (datetime(2020, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), "2020-01-01T00:00:00Z"),
    ],
)
def test_parsing(value: object, expected: str) -> None:
    moment = parse(value)
    assert moment is not None
    assert text(moment) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "now",
        "2020-13-01",
        "2020-02-30",
        "2020-01-01T25:00",
        "20",
        "32-JAN-2020",
        "1-XYZ-2020",
        None,
        2020,
        "9999-99-99",
    ],
)
def test_what_is_no_time(value: object) -> None:
    assert parse(value) is None


def test_the_edge_of_all_times_is_none() -> None:
    assert parse("0001-01-01T00:00:00+12:00") is None


class TestTags:
    def test_start_and_end_win(self) -> None:
        tags = {"DATE": "2019-01-01", "NC_GLOBAL#time_coverage_start": "2020-01-01", "time_coverage_end": "2020-02-01"}
        found = from_tags(tags)
        assert found and (text(found.start), text(found.end)) == ("2020-01-01T00:00:00Z", "2020-02-01T00:00:00Z")

    @pytest.mark.parametrize("name", ["TIFFTAG_DATETIME", "ACQUISITION_DATE", "datetime"])
    def test_a_single_time(self, name: str) -> None:
        found = from_tags({name: "2020:01:01 10:00:00"})
        assert found and found.start == found.end

    def test_an_end_before_the_start_is_not_believed(self) -> None:
        found = from_tags({"start_time": "2020-02-01", "end_time": "2020-01-01"})
        assert found and found.start == found.end

    def test_nothing(self) -> None:
        assert from_tags({"datetime": "n/a", "other": "2020-01-01"}) is None


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("ndvi_2020-06-01.tif", "2020-06-01", "2020-06-01"),
        ("S2A_MSIL2A_20200601T101530_N0214.tif", "2020-06-01T10:15:30", "2020-06-01T10:15:30"),
        ("mean_20200101_20201231.nc", "2020-01-01", "2020-12-31"),
        ("mean_20201231_20200101_20210101.nc", "2020-01-01", "2020-12-31"),
    ],
)
def test_dates_in_names(name: str, start: str, end: str) -> None:
    assert from_name(name) == Span.over([moment for moment in (parse(start), parse(end)) if moment])


@pytest.mark.parametrize("name", ["ndvi.tif", "tile_20209999.tif", "id120200601.tif", "v1.2020.tif"])
def test_names_without_dates(name: str) -> None:
    assert from_name(name) is None


def test_a_span_as_stac_writes_it() -> None:
    one, two = datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)
    assert Span(one, one).properties() == {"datetime": "2020-01-01T00:00:00Z"}
    assert Span(one, two).properties()["datetime"] is None
    assert Span.over([two, one]) == Span(one, two)
    assert Span.over([]) is None
