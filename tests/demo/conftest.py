"""The demo's scene and files, made once for all tests of this folder."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from terrafair.demo import dataset, products, scene

_SITES = {
    "https://stac-extensions.github.io/": "ext/",
    "https://schemas.stacspec.org/": "stac/",
    "https://geojson.org/schema/": "geojson/",
    "https://proj.org/schemas/": "proj/",
    "https://validation.example/": "osc-validation/",
}


@pytest.fixture(scope="session")
def season() -> scene.Season:
    return scene.build_season()


@pytest.fixture(scope="session")
def store(season: scene.Season, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what seeding puts into the object store."""
    folder = tmp_path_factory.mktemp("store")
    dataset.write(folder / "datasets" / dataset.ID, season)
    products.write(folder / "products", season)
    return folder


@pytest.fixture(scope="session")
def schemas() -> Path:
    root = Path(os.environ.get("TERRAFAIR_SHARED", Path(__file__).parents[2] / "../shared/data")) / "schemas"
    if not root.is_dir():
        pytest.skip("the shared schema store is not here")
    return root


Check = Callable[[dict[str, Any], str], list[str]]


@pytest.fixture(scope="session")
def check(schemas: Path) -> Check:
    """Validate a document against a schema by its address; gives the messages, or skips an unknown schema."""
    import jsonschema_rs

    def retrieve(uri: str) -> Any:
        place = uri.partition("#")[0]
        for site, folder in _SITES.items():
            if place.startswith(site):
                return json.loads((schemas / folder / place.removeprefix(site)).read_text("utf-8"))
        raise ValueError(f"no schema at {uri}")

    validators: dict[str, Any] = {}

    def validate(document: dict[str, Any], uri: str) -> list[str]:
        if uri not in validators:
            validators[uri] = jsonschema_rs.validator_for(
                {"$schema": "http://json-schema.org/draft-07/schema#", "allOf": [{"$ref": uri}]},
                retriever=retrieve,
                validate_formats=True,
            )
        return [
            f"{uri} {'/'.join(map(str, e.instance_path))}: {e.message[:300]}"
            for e in validators[uri].iter_errors(document)
        ]

    return validate
