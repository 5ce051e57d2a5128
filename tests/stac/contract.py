"""What every item store does; the expected answers come from plain Python over the same documents."""

import json
from dataclasses import replace
from typing import Any

import pytest
import shapely
from shapely.geometry import shape

from terrafair.catalogue.items import cql2
from terrafair.catalogue.items.instants import parse_interval
from terrafair.catalogue.items.search import ItemStore, Search, Sort
from terrafair.errors import Conflict, InvalidInput, NotFound

from .documents import Document, archive, collection, diamond, item, square


def ids(store: ItemStore, search: Search) -> list[str]:
    return [entry.id for entry in store.search(search).items]


def found(store: ItemStore, text: str, **more: Any) -> set[str]:
    return set(ids(store, Search(filter=cql2.parse_text(text), limit=1000, **more)))


def paged(store: ItemStore, search: Search) -> list[str]:
    """All ids by following `next`, checking on the way that `prev` leads back."""
    seen: list[str] = []
    page = store.search(search)
    before: list[str] = []
    while True:
        now = [entry.id for entry in page.items]
        if before:
            back = store.search(replace(search, token=page.previous))
            assert [entry.id for entry in back.items] == before
            assert back.matched == page.matched
        else:
            assert page.previous == ""
        seen += now
        if not page.next:
            return seen
        before = now
        page = store.search(replace(search, token=page.next))


def newest_first(documents: list[Document]) -> list[str]:
    ordered = sorted(documents, key=lambda one: (one["properties"]["datetime"], one["collection"], one["id"]))
    return [one["id"] for one in reversed(ordered)]


class ItemStoreContract:
    """Subclasses give a fixture `store`: an empty one."""

    @pytest.fixture
    def filled(self, store: ItemStore) -> list[Document]:
        store.put_collection(collection())
        documents = archive(60)
        assert store.put_items("scenes", documents) == 60
        return documents

    def test_a_document_comes_back_as_it_was(self, store: ItemStore) -> None:
        store.put_collection(collection(**{"summaries": {"gsd": [10]}, "x:y": {"deep": [1, 2.5, None, "ü"]}}))
        given = item("one", **{"a": {"b": [1, {"c": "ß"}]}, "eo:cloud_cover": 12.5, "none": None})
        given["links"] = [{"rel": "self", "href": "x"}, {"rel": "derived_from", "href": "https://example.org/y"}]
        store.put_items("scenes", [given])
        stored = store.item("scenes", "one")
        assert stored is not None
        back = json.loads(stored.document())
        assert back == {**given, "links": given["links"][1:]}, back
        kept = store.collection("scenes")
        assert kept is not None
        assert json.loads(kept.document())["x:y"] == {"deep": [1, 2.5, None, "ü"]}
        assert store.item("scenes", "two") is None and store.item("other", "one") is None
        assert store.collection("other") is None

    def test_pages_forwards_and_backwards_in_every_order(self, store: ItemStore, filled: list[Document]) -> None:
        assert paged(store, Search(limit=7)) == newest_first(filled)
        assert paged(store, Search(limit=7, collections=("scenes",))) == newest_first(filled)
        by_cover = sorted(filled, key=lambda one: (one["properties"]["eo:cloud_cover"], one["id"]))
        ascending = Search(limit=9, sort=(Sort("properties.eo:cloud_cover"),))
        assert paged(store, ascending) == [one["id"] for one in by_cover]
        mixed = (Sort("platform", descending=True), Sort("eo:cloud_cover"), Sort("datetime", descending=True))
        by_platform = sorted(filled, key=lambda one: one["properties"]["datetime"], reverse=True)
        by_platform.sort(key=lambda one: one["properties"]["eo:cloud_cover"])
        by_platform.sort(key=lambda one: one["properties"]["platform"], reverse=True)
        assert paged(store, Search(limit=11, sort=mixed)) == [one["id"] for one in by_platform]

    def test_items_without_a_sort_key_come_last_both_ways(self, store: ItemStore) -> None:
        store.put_collection(collection())
        values = [3, None, 1, "b", None, 2, "a", True]
        documents = [item(f"i{n}", **({} if value is None else {"my:key": value})) for n, value in enumerate(values)]
        store.put_items("scenes", documents)
        up = paged(store, Search(limit=3, sort=(Sort("my:key"),)))
        down = paged(store, Search(limit=3, sort=(Sort("my:key", descending=True),)))
        assert up == ["i2", "i5", "i0", "i6", "i3", "i1", "i4", "i7"]
        assert down == ["i0", "i5", "i2", "i3", "i6", "i7", "i4", "i1"]
        everywhere = ((-180.0, -90.0, 180.0, 90.0),)
        assert paged(store, Search(limit=3, sort=(Sort("my:key"),), boxes=everywhere)) == up
        assert paged(store, Search(limit=3, sort=(Sort("my:key", descending=True),), boxes=everywhere)) == down
        assert paged(store, Search(limit=2, sort=(Sort("eo:cloud_cover"),))) == [f"i{n}" for n in range(8)]

    def test_matches_are_counted_on_the_first_page_and_carried_along(
        self, store: ItemStore, filled: list[Document]
    ) -> None:
        page = store.search(Search(limit=5, collections=("scenes",)))
        assert page.matched == 60
        assert store.search(Search(limit=5, token=page.next, collections=("scenes",))).matched == 60
        assert store.search(Search(limit=5, filter=cql2.parse_text("gsd = 10"))).matched == 20
        assert store.search(Search(limit=5, boxes=((-180, -90, 180, 90),))).matched == 60
        assert store.search(Search(limit=5, collections=("none",))).matched == 0

    def test_a_token_of_another_question_or_a_changed_one_is_refused(
        self, store: ItemStore, filled: list[Document]
    ) -> None:
        token = store.search(Search(limit=5)).next
        for wrong in (token[:-4] + "AAAA", token[5:], "x", "ÿ", token * 500):
            with pytest.raises(InvalidInput, match="token"):
                store.search(Search(limit=5, token=wrong))
        with pytest.raises(InvalidInput, match="token"):
            store.search(Search(limit=5, token=token, ids=("scene-00001",)))
        assert len(ids(store, Search(limit=50, token=token))) == 50

    def test_deep_pages_survive_changes_before_them(self, store: ItemStore, filled: list[Document]) -> None:
        page = store.search(Search(limit=10))
        expected = newest_first(filled)
        store.delete_item("scenes", expected[0])
        store.put_items("scenes", [item("newest", when="2030-01-01T00:00:00Z")])
        assert ids(store, Search(limit=10, token=page.next)) == expected[10:20]

    @pytest.mark.parametrize(
        "box", [(-20, -20, 20, 20), (100, -80, 179, 80), (10, 45, 11, 46), (0, 0, 0, 0), (-180, -90, 180, 90)]
    )
    def test_a_box_finds_what_geometry_says(self, store: ItemStore, filled: list[Document], box: Any) -> None:
        area = shapely.box(*box)
        expected = {one["id"] for one in filled if shape(one["geometry"]).intersects(area)}
        assert set(ids(store, Search(boxes=(box,), limit=1000))) == expected

    def test_shapes_are_exact_not_their_boxes(self, store: ItemStore) -> None:
        store.put_collection(collection())
        store.put_items("scenes", [item("diamond", diamond(0, 0, 10)), item("square", square(20, 20))])
        assert ids(store, Search(boxes=((8, 8, 9, 9),))) == []
        assert ids(store, Search(boxes=((4, 4, 9, 9),))) == ["diamond"]
        assert ids(store, Search(boxes=((-50, -50, 50, 50),))) == ["square", "diamond"]
        triangle = shapely.Polygon([(19, 19), (30, 19), (19, 30)])
        assert ids(store, Search(intersects=shapely.to_wkb(triangle))) == ["square"]
        assert ids(store, Search(intersects=shapely.to_wkb(shapely.Point(6, 6)))) == []
        both = Search(boxes=((-50, -50, 50, 50),), intersects=shapely.to_wkb(triangle))
        assert ids(store, both) == ["square"]

    def test_boxes_either_side_of_the_antimeridian(self, store: ItemStore) -> None:
        store.put_collection(collection())
        far = [item("east", square(178, 0)), item("west", square(-179, 0)), item("middle", square(0, 0))]
        store.put_items("scenes", far)
        assert set(ids(store, Search(boxes=((170, -10, 180, 10), (-180, -10, -170, 10))))) == {"east", "west"}

    def test_an_item_without_geometry_has_no_place(self, store: ItemStore) -> None:
        store.put_collection(collection())
        nowhere = item("nowhere")
        nowhere["geometry"] = None
        del nowhere["bbox"]
        store.put_items("scenes", [nowhere, item("here")])
        stored = store.item("scenes", "nowhere")
        assert stored is not None and json.loads(stored.document())["geometry"] is None
        assert ids(store, Search(boxes=((-180, -90, 180, 90),))) == ["here"]
        assert found(store, "geometry IS NULL") == {"nowhere"}
        assert found(store, "NOT S_INTERSECTS(geometry, POINT(10.5 45.5))") == set()

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2020-03-01T00:00:00Z", {"march", "long"}),
            ("2020-03-01T01:00:00+01:00", {"march", "long"}),
            ("2020-03-01T00:00:00Z/2020-05-01T00:00:00Z", {"march", "april", "long"}),
            ("../2020-02-15T00:00:00Z", {"long"}),
            ("2020-04-01T00:00:00Z/..", {"april", "long", "precise"}),
            ("/2019-12-31T00:00:00Z", set()),
            ("2020-06-01T00:00:00.123456Z", {"precise", "long"}),
            ("2020-06-01T00:00:00.123455Z/2020-06-01T00:00:00.123457Z", {"precise", "long"}),
            ("2020-06-01T00:00:00.123457Z", {"long"}),
        ],
    )
    def test_time(self, store: ItemStore, text: str, expected: set[str]) -> None:
        store.put_collection(collection())
        spans = {"start_datetime": "2020-02-01T00:00:00Z", "end_datetime": "2020-12-01T00:00:00Z"}
        documents = [item("march", when="2020-03-01T00:00:00Z"), item("april", when="2020-04-01T02:00:00+02:00")]
        documents += [item("long", **spans), item("precise", when="2020-06-01T00:00:00.1234567Z")]
        documents[2]["properties"]["datetime"] = None
        store.put_items("scenes", documents)
        assert set(ids(store, Search(interval=parse_interval(text)))) == expected

    def test_ids_and_collections(self, store: ItemStore, filled: list[Document]) -> None:
        store.put_collection(collection("others"))
        store.put_items("others", [item("scene-00001", collection="others", when="2020-06-15T00:00:00Z")])
        pairs = [(entry.collection, entry.id) for entry in store.search(Search(ids=("scene-00001", "none"))).items]
        assert sorted(pairs) == [("others", "scene-00001"), ("scenes", "scene-00001")]
        assert ids(store, Search(collections=("others",))) == ["scene-00001"]
        assert ids(store, Search(collections=("others", "scenes"), ids=("scene-00002",))) == ["scene-00002"]

    def test_words(self, store: ItemStore) -> None:
        store.put_collection(collection())
        texts = [item("a", title="Forêt d'été — Sentinel-2"), item("b", description="Snow on the forest"), item("c")]
        texts.append(item("d", keywords=["sea ice", "foret"]))
        store.put_items("scenes", texts)
        assert set(ids(store, Search(text=("foret",)))) == {"a", "d"}
        assert set(ids(store, Search(text=("sentinel 2",)))) == {"a"}
        assert set(ids(store, Search(text=("the forest", "sea ice")))) == {"b", "d"}
        assert set(ids(store, Search(text=("ice foret",)))) == set()

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("eo:cloud_cover < 10", {"a"}),
            ("eo:cloud_cover >= 10", {"b", "c"}),
            ("properties.eo:cloud_cover = 10", {"b"}),
            ("NOT eo:cloud_cover < 10", {"b", "c"}),
            ("eo:cloud_cover <> 10", {"a", "c"}),
            ("eo:cloud_cover BETWEEN 5 AND 10", {"a", "b"}),
            ("eo:cloud_cover NOT BETWEEN 5 AND 10", {"c"}),
            ("eo:cloud_cover IN (5, 90)", {"a", "c"}),
            ("eo:cloud_cover IS NULL", {"d", "e"}),
            ("eo:cloud_cover IS NOT NULL", {"a", "b", "c"}),
            ("platform = 'Sentinel-2A'", {"a"}),
            ("platform LIKE 'Sent%'", {"a", "b"}),
            ("platform LIKE 'sent%'", set()),
            ("platform LIKE 'Sentinel-2_'", {"a", "b"}),
            ("CASEI(platform) LIKE CASEI('SENT%')", {"a", "b"}),
            ("CASEI(platform) = CASEI('LANDSAT-8')", {"c"}),
            ("ACCENTI(name) = ACCENTI('Zurich')", {"a"}),
            ("CASEI(ACCENTI(name)) LIKE 'z%rich'", {"a"}),
            ("code LIKE '50\\%%'", {"a"}),
            ("code LIKE '[a*?]%'", {"b"}),
            ("code = 'it''s; DROP TABLE items'", {"c"}),
            ("platform > 'M' AND platform < 'T'", {"a", "b"}),
            ("id IN ('a', 'e')", {"a", "e"}),
            ("collection = 'scenes' AND gsd = 10", {"a"}),
            ("eo:cloud_cover + 5 = 10", {"a"}),
            ("eo:cloud_cover * 2 > gsd", {"b", "c"}),
            ("eo:cloud_cover / 4 = 2.5", {"b"}),
            ("eo:cloud_cover % 4 = 1", {"a"}),
            ("eo:cloud_cover div 4 = 2", {"b"}),
            ("eo:cloud_cover ^ 2 = 100", {"b"}),
            ("eo:cloud_cover / (gsd - 10) > 0", {"b", "c"}),
            ("-eo:cloud_cover < -50", {"c"}),
            ("eo:cloud_cover < gsd", {"a", "b"}),
            ("lower_name = other_name", {"b"}),
            ("usable = true", {"a"}),
            ("usable", {"a"}),
            ("NOT usable", {"b"}),
            ("usable = 1", set()),
            ("nested.deep.value = 7", {"c"}),
            ("tags IS NULL", {"c", "d", "e"}),
            ("A_CONTAINS(tags, ('x'))", {"a", "b"}),
            ("A_CONTAINEDBY(tags, ('x', 'y', 'z'))", {"a", "b"}),
            ("A_EQUALS(tags, ('x', 'y'))", {"a"}),
            ("A_OVERLAPS(tags, ('y', 'q'))", {"a"}),
            ("updated > TIMESTAMP('2021-01-01T00:00:00Z')", {"b"}),
            ("updated <= DATE('2020-06-01')", {"a"}),
            ("datetime >= TIMESTAMP('2020-03-01T00:00:00Z')", {"c", "d", "e"}),
            ("datetime < '2020-02-01T00:00:00Z'", {"a"}),
            ("T_AFTER(datetime, TIMESTAMP('2020-03-15T00:00:00Z'))", {"d"}),
            ("T_BEFORE(datetime, DATE('2020-02-01'))", {"a"}),
            ("T_DURING(datetime, INTERVAL('2020-01-15T00:00:00Z', '2020-03-15T00:00:00Z'))", {"b", "c"}),
            ("T_INTERSECTS(datetime, INTERVAL('2020-03-20', '..'))", {"d", "e"}),
            ("T_CONTAINS(datetime, INTERVAL('2020-03-05', '2020-03-06'))", {"e"}),
            ("T_DISJOINT(datetime, INTERVAL('2020-02-01', '..'))", {"a"}),
            ("T_EQUALS(datetime, TIMESTAMP('2020-02-01T00:00:00Z'))", {"b"}),
            ("T_STARTS(datetime, INTERVAL('2020-02-01T00:00:00Z', '2020-12-01T00:00:00Z'))", {"b"}),
            ("T_MEETS(datetime, INTERVAL('2020-02-01T00:00:00Z', '..'))", {"b"}),
            ("S_INTERSECTS(geometry, POLYGON((0 0, 2 0, 2 2, 0 2, 0 0)))", {"a", "b"}),
            ("S_INTERSECTS(geometry, BBOX(0, 0, 0.4, 0.4))", {"a"}),
            ("S_WITHIN(geometry, POLYGON((-1 -1, 3 -1, 3 3, -1 3, -1 -1)))", {"a", "b"}),
            ("S_CONTAINS(geometry, POINT(0.5 0.5))", {"a"}),
            ("S_DISJOINT(geometry, POINT(0.5 0.5))", {"b", "c", "d", "e"}),
            ("S_EQUALS(geometry, POLYGON((0 0, 1 0, 1 1, 0 1, 0 0)))", {"a"}),
            ("S_TOUCHES(geometry, POINT(1 0.5))", {"a"}),
            ("S_CROSSES(geometry, LINESTRING(-1 0.5, 0.5 0.5))", {"a"}),
            ("S_OVERLAPS(geometry, POLYGON((0.5 0.5, 1.2 0.5, 1.2 1.2, 0.5 1.2, 0.5 0.5)))", {"a"}),
            ("S_INTERSECTS(geometry, POINT(0.5 0.5)) OR platform = 'Landsat-8'", {"a", "c"}),
            ("NOT (gsd = 10 OR gsd = 20)", {"b", "c"}),
            ("true", {"a", "b", "c", "d", "e"}),
            ("false", set()),
            ("weird > 5", set()),
            ("absent = 1 OR gsd = 10", {"a"}),
        ],
    )
    def test_filter(self, store: ItemStore, text: str, expected: set[str]) -> None:
        store.put_collection(collection())
        store.put_items("scenes", self.assorted())
        assert found(store, text) == expected
        assert found(store, f"({text}) AND true", collections=("scenes",)) == expected

    def assorted(self) -> list[Document]:
        """Five items, each with something of its own."""
        a = {"eo:cloud_cover": 5, "gsd": 10, "platform": "Sentinel-2A", "name": "Zürich", "code": "50%", "usable": True}
        a |= {
            "tags": ["x", "y"],
            "updated": "2020-05-01T00:00:00Z",
            "weird": "text",
            "lower_name": "n",
            "other_name": "m",
        }
        b = {
            "eo:cloud_cover": 10,
            "gsd": 12.5,
            "platform": "Sentinel-2B",
            "name": "Bern",
            "code": "[a*?]x",
            "usable": False,
        }
        b |= {"tags": ["x"], "updated": "2021-05-01T00:00:00+02:00", "lower_name": "n", "other_name": "n"}
        c = {"eo:cloud_cover": 90.0, "gsd": 30, "platform": "Landsat-8", "code": "it's; DROP TABLE items"}
        c |= {"nested": {"deep": {"value": 7}}}
        days = {"a": ("2020-01-01", square(0, 0), a), "b": ("2020-02-01", square(1.5, 1.5, 0.4), b)}
        days |= {"c": ("2020-03-01", square(50, 50), c), "d": ("2020-04-01", square(60, 60), {})}
        made = [item(name, place, f"{day}T00:00:00Z", **values) for name, (day, place, values) in days.items()]
        e = item("e", square(70, 70), start_datetime="2020-03-01T00:00:00Z", end_datetime="2020-03-31T00:00:00Z")
        return [*made, e]

    @pytest.mark.parametrize(
        "text",
        [
            "a = ",
            "foo(a) = 1",
            "a LIKE 5",
            "eo:cloud_cover = 'x' + 1",
            "geometry = 5",
            "id = 5",
            "T_AFTER(datetime, 5)",
            "S_INTERSECTS(geometry, 5)",
            "datetime > TIMESTAMP('2020-13-01T00:00:00Z')",
            "a = 1 AND",
            "5 = 'x'",
            '"a""b" = 1',
        ],
    )
    def test_a_filter_that_means_nothing_is_refused(self, store: ItemStore, text: str) -> None:
        store.put_collection(collection())
        store.put_items("scenes", [item("one")])
        with pytest.raises(InvalidInput):
            store.search(Search(filter=cql2.parse_text(text)))

    def test_replacing_creating_removing(self, store: ItemStore, filled: list[Document]) -> None:
        changed = item("scene-00001", square(100, 10), when="2025-01-01T00:00:00Z")
        store.put_items("scenes", [changed])
        assert ids(store, Search(limit=1)) == ["scene-00001"]
        assert store.search(Search(limit=1, collections=("scenes",))).matched == 60
        assert "scene-00001" in ids(store, Search(boxes=((100, 10, 100.5, 10.5),), limit=100))
        with pytest.raises(Conflict, match="scene-00001"):
            store.put_items("scenes", [item("new"), changed], replace=False)
        assert store.item("scenes", "new") is None
        assert store.put_items("scenes", [item("twice"), item("twice", when="2021-01-01T00:00:00Z")]) == 1
        store.delete_item("scenes", "twice")
        with pytest.raises(NotFound):
            store.delete_item("scenes", "twice")
        with pytest.raises(NotFound):
            store.put_items("nowhere", [item("a", collection="nowhere")])
        before = store.version()
        store.delete_collection("scenes")
        assert store.version() != before
        assert store.collections() == [] and ids(store, Search()) == []
        with pytest.raises(NotFound):
            store.delete_collection("scenes")

    def test_a_wrong_item_leaves_nothing_of_its_batch(self, store: ItemStore) -> None:
        store.put_collection(collection())
        for fault in ({"type": "Foo"}, {"id": ""}, {"id": "a/b"}, {"id": ".."}, {"properties": None}, {"links": 5}):
            with pytest.raises(InvalidInput):
                store.put_items("scenes", [item("good"), {**item("bad"), **fault}])
        for when in ("yesterday", "2020-02-30T00:00:00Z", "2020-01-01", ""):
            with pytest.raises(InvalidInput, match="datetime"):
                store.put_items("scenes", [item("bad", when=when)])
        for place in (
            {"type": "Point"},
            {"type": "Point", "coordinates": ["x", 1]},
            {"type": "Blob", "coordinates": []},
            5,
        ):
            with pytest.raises(InvalidInput):
                store.put_items("scenes", [{**item("bad"), "geometry": place}])
        with pytest.raises(InvalidInput, match="other"):
            store.put_items("scenes", [item("bad", collection="other")])
        assert ids(store, Search()) == []

    def test_counts(self, store: ItemStore, filled: list[Document]) -> None:
        names = ["total_count", "datetime_min", "datetime_max", "platform_frequency", "datetime_frequency_year"]
        total, first, last, platforms, years = store.aggregate(Search(filter=cql2.parse_text("gsd <= 20")), names)
        kept = [one["properties"] for one in filled if one["properties"]["gsd"] <= 20]
        assert total.value == len(kept)
        assert first.value == min(one["datetime"] for one in kept) and last.value == max(
            one["datetime"] for one in kept
        )
        assert [(bucket.key, bucket.count) for bucket in platforms.buckets] == [
            ("sentinel-2a", 20),
            ("sentinel-2b", 20),
        ]
        assert sum(bucket.count for bucket in years.buckets) == len(kept)
        assert [bucket.key for bucket in years.buckets] == sorted(bucket.key for bucket in years.buckets)
        with pytest.raises(InvalidInput, match="aggregation"):
            store.aggregate(Search(), ["nonsense"])

    def test_properties_and_everything(self, store: ItemStore, filled: list[Document]) -> None:
        known = store.properties(("scenes",))
        assert {"datetime", "eo:cloud_cover", "platform", "gsd", "instruments"} <= set(known)
        assert known == store.properties(())
        assert [entry.id for entry in store.all_items("scenes")] == sorted(one["id"] for one in filled)

    def test_an_extent_that_makes_no_sense_comes_back_as_it_was(self, store: ItemStore) -> None:
        odd = {"spatial": {"bbox": [["a", 0, 1, 1]]}, "temporal": {"interval": [["2020", 5]]}}
        for extent in (odd, collection()["extent"], odd):
            store.put_collection(collection(extent=extent))
            stored = store.collection("scenes")
            assert stored is not None and json.loads(stored.document())["extent"] == extent
            store.put_items("scenes", [item("one")])
            assert ids(store, Search(collections=("scenes",))) == ["one"]

    @pytest.mark.parametrize("text", ["\u0000", "a\u0000b"])
    def test_a_text_that_no_document_has_is_found_nowhere(self, store: ItemStore, text: str) -> None:
        store.put_collection(collection())
        store.put_items("scenes", [item("one", platform="ab")])
        asked = {"op": "=", "args": [{"property": "platform"}, text]}
        assert ids(store, Search(filter=cql2.parse_json(asked))) == []
        within = {"op": "a_containedby", "args": [{"property": "platform"}, [text]]}
        assert ids(store, Search(filter=cql2.parse_json(within))) == []
        assert ids(store, Search(ids=(text,))) == ids(store, Search(collections=(text,))) == []
