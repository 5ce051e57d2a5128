"""The schema store, and its sync against a real web server on this machine."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from terrafair.catalogue import schema_sync
from terrafair.catalogue.rules.versions import RULE_SETS
from terrafair.catalogue.schema_sync import digest, pins, sync
from terrafair.catalogue.schemas import OFFICIAL, Store, Unavailable, place_of
from terrafair.errors import Damaged, InvalidInput
from terrafair.web import SafeWeb

THEMES = "https://stac-extensions.github.io/themes/v1.0.0/schema.json"
DRAFT = "http://json-schema.org/draft-07/schema#"


def test_a_store_compiles_once_and_knows_what_it_lacks(shared: Path) -> None:
    store = Store(shared / "schemas")
    assert store.validator(THEMES) is store.validator(THEMES)
    assert store.has_official() and not store.has_official("osc-validation-rc.1")
    for address in ("https://stac-extensions.github.io/nope/v1.0.0/schema.json", "ftp://x/y", "https://x.org/../../y"):
        with pytest.raises(Unavailable, match="not in the schema store"):
            store.validator(address)
    assert store.validator(f"{OFFICIAL}products/children.json").is_valid({}) is False


def test_without_a_folder_there_is_what_pystac_carries() -> None:
    store = Store()
    assert not store.complete
    core = "https://schemas.stacspec.org/v1.1.0/catalog-spec/json-schema/catalog.json"
    assert not store.validator(core).is_valid({"type": "Catalog"})
    with pytest.raises(Unavailable):
        store.validator(core.replace("1.1.0", "9.9.9"))


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b'{"$schema": "https://json-schema.org/draft/2020-12/schema"}',
        b'{"$ref": "https://example.org/nowhere.json"}',
        b'{"type": 5}',
        b'{"pattern": "("}',
    ],
)
def test_a_schema_that_the_official_validator_cannot_use_is_unavailable(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / place_of(THEMES)
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    with pytest.raises(Unavailable, match="themes"):
        Store(tmp_path).validator(THEMES)


def test_what_stands_beside_a_reference_counts_as_it_does_officially(tmp_path: Path) -> None:
    place = tmp_path / place_of(THEMES)
    place.parent.mkdir(parents=True)
    place.write_text(
        json.dumps({"$schema": DRAFT, "$ref": "#/definitions/a", "required": ["x"], "definitions": {"a": {}}})
    )
    assert not Store(tmp_path).validator(THEMES).is_valid({})
    assert Store(tmp_path).validator(THEMES).is_valid({"x": 1})


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="terrafair schemas sync"):
        Store(tmp_path / "nope")


def test_places_stay_inside_the_store() -> None:
    assert place_of(THEMES) == "ext/themes/v1.0.0/schema.json"
    assert place_of("https://example.org/a/b.json") == "other/example.org/a/b.json"
    for address in ("https://x/../y", "https://x//y", "file:///etc/passwd", "https://x/a\\b", "", "https://"):
        assert place_of(address) == ""


def test_shipped_pins_are_those_of_the_shared_store(shared: Path) -> None:
    found = {pin.path: pin for pin in pins()}
    for path, pin in found.items():
        assert digest(json.loads((shared / "schemas" / path).read_bytes())) == pin.sha256, path
    there = {file.relative_to(shared / "schemas").as_posix() for file in (shared / "schemas").rglob("*.json")}
    assert there == set(found)
    for rules in RULE_SETS.values():
        own = [pin for pin in pins([rules.name]) if pin.path.startswith(rules.schemas + "/")]
        assert len(own) == 21
        assert all(rules.commit in pin.url for pin in own)


class Site:
    """A web server that serves `MIRROR/HOST/PATH` from a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[str] = []
        site = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                super().do_GET()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def publish(self, url: str, document: Any) -> None:
        place = self.root / url.partition("://")[2]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(document if isinstance(document, str) else json.dumps(document, indent=4), "utf-8")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "site").mkdir()
    site = Site(tmp_path / "site")
    yield site
    site.close()


@pytest.fixture
def official(site: Site, shared: Path) -> Site:
    """All that is pinned, published in another formatting."""
    for pin in pins():
        site.publish(pin.url, json.loads((shared / "schemas" / pin.path).read_bytes()))
    return site


WEB = SafeWeb(allow_private=True)


def test_a_sync_fills_a_store_that_works_and_fetches_nothing_twice(official: Site, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    seen: list[tuple[int, int]] = []
    report = sync(folder, WEB, mirror=official.address, progress=lambda done, total: seen.append((done, total)))
    assert report.failed == () and report.kept == 0
    assert len(report.written) == len(pins()) == len(official.asked) == seen[-1][0]
    assert Store(folder).has_official()
    assert not Store(folder).validator(f"{OFFICIAL}projects/children.json").is_valid({})
    again = sync(folder, WEB, mirror=official.address)
    assert again.written == () and again.kept == len(pins())
    assert len(official.asked) == len(pins())
    (folder / "ext/themes/v1.0.0/schema.json").write_text("{}")
    mended = sync(folder, WEB, mirror=official.address)
    assert mended.written == ("ext/themes/v1.0.0/schema.json",)


def test_a_published_version_that_changed_is_refused_and_the_rest_comes(official: Site, tmp_path: Path) -> None:
    official.publish(THEMES, {"$schema": DRAFT, "title": "changed"})
    official.publish(THEMES.replace("themes", "osc"), "<html>")
    (official.root / "geojson.org/schema/Feature.json").unlink()
    report = sync(tmp_path / "store", WEB, mirror=official.address)
    told = [problem.what for problem in report.failed]
    assert len(told) == 3 and len(report.written) == len(pins()) - 3
    assert any("another schema than the pinned one" in text for text in told)
    assert any("gives no JSON" in text for text in told)
    assert any("does not exist" in text for text in told)
    assert not (tmp_path / "store/ext/themes/v1.0.0/schema.json").exists()
    assert not list((tmp_path / "store").rglob("*.partial"))


def test_one_more_schema_comes_with_what_it_refers_to_and_is_pinned(official: Site, tmp_path: Path) -> None:
    address = "https://stac-extensions.github.io/eo/v1.1.0/schema.json"
    official.publish(address, {"$schema": DRAFT, "$id": f"{address}#", "$ref": "./more.json", "x": {"$ref": "#/y"}})
    official.publish(address.replace("schema.json", "more.json"), {"$schema": DRAFT, "required": ["eo:x"]})
    folder = tmp_path / "store"
    report = sync(folder, WEB, mirror=official.address, add=[address])
    assert report.failed == ()
    assert {"ext/eo/v1.1.0/schema.json", "ext/eo/v1.1.0/more.json"} < set(report.written)
    assert not Store(folder).validator(address).is_valid({})
    official.publish(address, {"$schema": DRAFT, "title": "changed"})
    assert sync(folder, WEB, mirror=official.address).written == ()
    (folder / "ext/eo/v1.1.0/schema.json").unlink()
    assert "another schema" in sync(folder, WEB, mirror=official.address).failed[0].what
    assert set(json.loads((folder / schema_sync.OWN_PINS).read_text())) == {
        "ext/eo/v1.1.0/schema.json",
        "ext/eo/v1.1.0/more.json",
    }


def test_wrong_words_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no address of a schema"):
        sync(tmp_path / "store", WEB, add=["eo"])
    (tmp_path / "store" / schema_sync.OWN_PINS).write_text("[]")
    with pytest.raises(Damaged, match="Delete it"):
        sync(tmp_path / "store", WEB)


def test_a_server_that_is_not_there_is_reported_file_by_file(tmp_path: Path) -> None:
    report = sync(tmp_path / "store", WEB, mirror="http://127.0.0.1:9")
    assert len(report.failed) == len(pins())
    assert report.document()["written"] == []
