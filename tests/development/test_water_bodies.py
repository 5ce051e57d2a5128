"""An application package of the kind that is public: checked as it is, run with environments in its images' place."""

import json
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from tests.execution.engines.contract import FolderStager, MemoryRepositories, execute

from terrafair.development.checks.check import Checks, Here
from terrafair.development.findings import Report, Severity, Verdict
from terrafair.errors import InvalidInput
from terrafair.execution.command import Limits
from terrafair.execution.containers import Containers
from terrafair.execution.engines.cwl.engine import CwlEngine
from terrafair.execution.engines.software import Software
from terrafair.execution.environments import Environments
from terrafair.web import PlannedWeb, SafeWeb
from terrafair.workflows import cwl
from terrafair.workflows.content import load
from terrafair.workflows.workflow import Application, CodeLocation, Resolution, WorkflowType

FOLDER = Path(__file__).with_name("water_bodies")
PACKAGE = FOLDER / "water-bodies.cwl"
IMAGES = "registry.example.org/eo/water-bodies"
COMMON = ("red", "green", "blue")
WEST, NORTH, PIXEL = 699960.0, 3600000.0, 100.0


def stand_in(folder: Path, program: Path) -> Path:
    """An environment whose `app` is one program, beside the packages of this Python."""
    inside = folder / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    (inside / "app").mkdir(parents=True)
    (inside / "app/__main__.py").write_bytes(program.read_bytes())
    (inside / "more.pth").write_text(sysconfig.get_paths()["purelib"])
    (folder / "bin").mkdir()
    (folder / "bin/python").symlink_to(Path(sys.executable).resolve())
    (folder / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).resolve().parent}\n")
    return folder


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Containers:
    place = tmp_path_factory.mktemp("images")
    steps = {name: stand_in(place / name, FOLDER / f"programs/{name}.py") for name in ("crop", "norm_diff", "otsu")}
    steps["stac"] = stand_in(place / "stac", FOLDER / "programs/stac.py")
    return Containers({f"{IMAGES}/{name}:*": str(path) for name, path in steps.items()}, "none")


def checked(containers: Containers, file: Path = PACKAGE, **options: bool) -> Report:
    here = Here(containers.check, Limits(), frozenset({"cwl"}))
    return Checks(SafeWeb(), here=here, reach=False, **{"second_opinion": False, **options}).document(file)


def test_the_document_alone_is_checked(containers: Containers) -> None:
    report = checked(containers)
    assert report.verdict is Verdict.RUNS, report.findings
    without = checked(Containers({}, "none"))
    assert without.verdict is Verdict.CANNOT
    missing = [each for each in without.findings if each.rule == "image-unavailable"]
    assert len(missing) == 4 and all("substitutes" in each.remedy for each in missing)


@pytest.mark.parametrize(
    ("old", "new", "rule", "severity"),
    [
        ("source: index/ndwi", "source: index/ndvi", "cwl-invalid", Severity.ERROR),
        ("norm_diff:1.0.0", "norm_diff", "cwl-image-version", Severity.CHANGE),
        ('run: "#otsu"', 'run: "#ostu"', "cwl-invalid", Severity.ERROR),
        (
            "- class: ScatterFeatureRequirement",
            "- class: StepInputExpressionRequirement",
            "cwl-invalid",
            Severity.ERROR,
        ),
    ],
)
def test_faults_of_a_public_package(
    containers: Containers, tmp_path: Path, old: str, new: str, rule: str, severity: Severity
) -> None:
    text = PACKAGE.read_text("utf-8")
    assert old in text
    (tmp_path / "app.cwl").write_text(text.replace(old, new))
    report = checked(containers, tmp_path / "app.cwl")
    assert [each for each in report.findings if each.rule == rule and each.severity is severity], report.findings


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n\0\0", b"name: no workflow\n", b"<html></html>"])
def test_what_is_no_workflow_is_told(containers: Containers, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "app.cwl").write_bytes(content)
    with pytest.raises(InvalidInput, match="no CWL document, process graph or notebook"):
        checked(containers, tmp_path / "app.cwl")


def scene(shared: Path, folder: Path) -> Path:
    """A real Sentinel-2 scene as a STAC item with one file for each band."""
    import rasterio

    with rasterio.open(shared / "samples/s2_tci_34R_cog.tif") as source:
        values = source.read()
        profile = source.profile | {"count": 1, "driver": "GTiff", "photometric": "minisblack", "interleave": "band"}
    assets: dict[str, Any] = {}
    for name, band in zip(COMMON, values, strict=True):
        with rasterio.open(folder / f"{name}.tif", "w", **profile) as target:
            target.write(band, 1)
        assets[name] = {"href": f"./{name}.tif", "bands": [{"name": name, "eo:common_name": name}]}
    about = {"type": "Feature", "stac_version": "1.1.0", "id": "s2-34R", "geometry": None, "links": []}
    item = about | {"properties": {"datetime": "2018-03-29T09:00:29Z"}, "assets": assets}
    (folder / "item.json").write_text(json.dumps(item))
    return folder / "item.json"


def package(text: str) -> Resolution:
    document = load(text)
    application = Application(WorkflowType.CWL, CodeLocation("water-bodies.cwl"), text.encode(), "water-bodies")
    return Resolution(
        "x", "process", type=WorkflowType.CWL, application=application, inputs=cwl.inputs(document, "water-bodies")
    )


def test_it_finds_the_sea_in_a_real_scene(containers: Containers, shared: Path, tmp_path: Path) -> None:
    """The sample has no near infrared: over this coast blue against red tells water from land just so."""
    import rasterio

    engine = CwlEngine(
        MemoryRepositories({}), PlannedWeb({}), FolderStager(), Software(Environments(tmp_path / "e"), containers)
    )
    box = (WEST + 400 * PIXEL, NORTH - 900 * PIXEL, WEST + 1000 * PIXEL, NORTH - 100 * PIXEL)
    values = {"item": str(scene(shared, tmp_path)), "aoi": ",".join(map(str, box)), "epsg": "EPSG:32634"}
    done = execute(engine, package(PACKAGE.read_text("utf-8")), values | {"bands": ["blue", "red"]}, tmp_path / "j")
    assert done.outcome and done.outcome.successful, (done.outcome, done.stderr)
    steps = {each["image"].rpartition("/")[2].partition("@")[0] for each in done.outcome.details["steps"]}
    assert len(done.outcome.details["steps"]) == 5 and {"crop", "norm_diff:1.0.0"} < steps
    (file,) = (tmp_path / "j/outputs").rglob("water.tif")
    with rasterio.open(file) as source:
        assert source.shape == (800, 600) and source.crs.to_epsg() == 32634
        mask = source.read(1, masked=True)
    assert mask[0:200, 100:600].mean() > 0.9, "the sea"
    assert mask[500:800, :].mean() < 0.1, "the desert"
    (catalogue,) = (tmp_path / "j/outputs").rglob("catalog.json")
    assert json.loads(catalogue.read_text())["links"][0]["href"] == "./s2-34R/s2-34R.json"


@pytest.mark.skipif(not shutil.which("eoap-validator"), reason="eoap-validator is not installed: pip install it")
def test_the_public_validator_warns_and_decides_nothing(containers: Containers) -> None:
    """It wants coresMin and ramMin, which the official packages do not give."""
    report = checked(containers, second_opinion=True)
    theirs = [each for each in report.findings if each.rule.startswith("eoap-")]
    assert theirs and {each.severity for each in theirs} == {Severity.WARNING}
    assert any("coresMin" in each.what for each in theirs) and all(each.file == PACKAGE.name for each in theirs)
    assert report.verdict is Verdict.RUNS


@pytest.mark.parametrize("said", ["echo no json", "exit 3", "echo '{\"findings\": 1}'", "echo '[]'"])
def test_a_validator_that_breaks_stops_nothing(
    containers: Containers, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (Path(sys.executable).parent / "eoap-validator").exists():
        pytest.skip("the validator is installed beside this Python")
    (tmp_path / "eoap-validator").write_text(f"#!/bin/sh\n{said}\n")
    (tmp_path / "eoap-validator").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    report = checked(containers, second_opinion=True)
    assert report.verdict is Verdict.RUNS and not [each for each in report.findings if each.rule.startswith("eoap-")]
