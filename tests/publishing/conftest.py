"""The forge over HTTP, every message checked against GitHub's own description."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import pytest

from terrafair.data.objects import S3Access
from terrafair.data.seaweedfs import ObjectServer
from terrafair.publishing.standins.forge.forge import Forge, Upstream
from terrafair.publishing.standins.forge.objects import Bare
from terrafair.publishing.standins.forge.routes import application
from terrafair.publishing.standins.serving import Serving

from .faults import Faulty
from .forge_site import PRODUCTION, TESTING, Site, commit, judge
from .github_spec import Specification, Watched

# PyGithub sends the plain list, which the description's prose allows and its schema does not.
_LABELS = "POST /repos/{owner}/{repo}/issues/{issue_number}/labels 200 request at /: "
FORGIVEN = {f"""{_LABELS}["product"] is not valid under any of the schemas listed in the 'anyOf' keyword"""}
SHARED = Path(os.environ.get("TERRAFAIR_SHARED") or Path(__file__).parents[2].parent / "shared")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    files = {"catalog.json": b'{\n  "links": []\n}\n', "a.txt": b"one\n", "b.txt": b"two\n"}
    for name in ("production", "testing"):
        commit(Bare.make(tmp_path / f"{name}.git"), dict(files), "begin")
    upstreams = {
        PRODUCTION: Upstream(tmp_path / "production.git", judge),
        TESTING: Upstream(tmp_path / "testing.git", judge),
    }
    tokens = {"t-anna": "anna", "t-bert": "bert", "t-esa": "esa"}
    file = SHARED / "data/specs/github-rest-subset.json"
    specification = Specification(file) if file.is_file() else None
    with Forge(tmp_path / "forge", upstreams, tokens) as forge:
        app = application(forge)
        faults = Faulty(Watched(app, specification) if specification else app)
        with Serving(faults) as serving:
            opened = Site(forge, faults, specification, serving.url, tmp_path)
            yield opened
            for github in opened.opened:
                github.close()
    if specification:
        assert [wrong for wrong in specification.wrong if wrong not in FORGIVEN] == []


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Access]:
    server = ObjectServer(tmp_path_factory.mktemp("home"), "terrafair")
    server.start()
    access = server.access
    client = boto3.client(
        "s3",
        endpoint_url=access.endpoint,
        aws_access_key_id=access.key,
        aws_secret_access_key=access.secret,
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="sg-anna-generic")
    client.close()
    yield replace(access, bucket="sg-anna-generic")
    server.stop()
