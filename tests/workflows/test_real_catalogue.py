"""The verdicts on the real Open Science Catalog, without network: what its authors would have to mend."""

from pathlib import Path

import pytest

from terrafair.catalogue.catalogue import Catalogue
from terrafair.repositories import Repositories
from terrafair.web import PlannedWeb
from terrafair.workflows.resolve import Resolver
from terrafair.workflows.workflow import Resolution

# (type, codes of the reasons) with nothing but the catalogue at hand.
BARE = {
    "experiment downscaling-land-surface-temperature-over-kinshasa": ("notebook", {"code-unreachable"}),
    "experiment earthcare-marine-stratocumulus-transitions-experiment": (
        "command",
        {"command-missing", "input-is-repository", "environment-is-repository"},
    ),
    "experiment esa-cci-permafrost": (
        "notebook",
        {"code-unreachable", "input-not-found", "environment-not-found", "environment-unreachable"},
    ),
    "experiment esa-world-cereal-extent-experiment": ("openeo", {"code-missing", "input-empty"}),
    "experiment glambie-v1.0.190-experiment": (
        "command",
        {"command-missing", "input-is-collection", "environment-is-repository"},
    ),
    "experiment lightning2earthcare-experiment": (
        "command",
        {"command-missing", "input-is-repository", "environment-is-repository"},
    ),
    "experiment polaris": ("argo", {"type-unsupported"}),
    "experiment polarwarp": ("argo", {"type-unsupported"}),
    "experiment sss-cci-global-anomalies": (
        "notebook",
        {"code-unreachable", "input-not-found", "environment-not-found", "environment-unreachable"},
    ),
    "workflow arceme-datacube-workflow": ("command", {"command-missing"}),
    "workflow delta-nbr-workflow-example": ("notebook", {"code-unreachable"}),
    "workflow downscaling-land-surface-temperature-over-kinshasa": ("notebook", {"code-unreachable"}),
    "workflow eradiate-radiative-transfer-workflow": ("command", {"command-missing"}),
    "workflow esa-cci-permafrost": ("notebook", {"code-unreachable"}),
    "workflow esa-world-cereal-extent-workflow": ("openeo", {"code-missing"}),
    "workflow fairsendd": ("cwl", {"code-unreachable"}),
    "workflow glambie-workflow-v1.0.190": ("command", {"command-missing"}),
    "workflow land-biosphere-society": ("notebook", {"code-unreachable"}),
    "workflow lightning2earthcare-workflow": ("command", {"command-missing"}),
    "workflow mesoscale-structure": ("command", {"command-missing"}),
    "workflow pca-on-ocean-data-cube": ("notebook", {"code-unreachable"}),
    "workflow polar-lakes-workflow": ("unknown", {"code-archive"}),
    "workflow polaris": ("argo", {"type-unsupported"}),
    "workflow polarwarp": ("argo", {"type-unsupported"}),
    "workflow sgl-time-series-reproduction": ("unknown", {"code-archive"}),
    "workflow sss-cci-global-anomalies": ("notebook", {"code-unreachable"}),
}


@pytest.fixture(scope="module")
def catalogue(osc: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    found = Catalogue(tmp_path_factory.mktemp("home"))
    found.sync(str(osc))
    return found


def table(catalogue: Catalogue, folder: Path, copies: Path | None = None) -> dict[str, Resolution]:
    repositories = Repositories(folder, offline_only=True)
    resolver = Resolver(catalogue, repositories, PlannedWeb({}), copies, lambda _: ())
    return {f"{row.kind} {row.id}": row for row in resolver.table()}


def test_every_record_has_its_verdict(catalogue: Catalogue, tmp_path: Path) -> None:
    rows = table(catalogue, tmp_path)
    found = {name: (row.type.value, {reason.code for reason in row.reasons}) for name, row in rows.items()}
    assert found == BARE


def test_every_reason_can_be_acted_upon(catalogue: Catalogue, tmp_path: Path) -> None:
    for name, row in table(catalogue, tmp_path).items():
        for reason in row.reasons:
            assert reason.what and reason.remedy and reason.where and reason.code, (name, reason)


def test_copies_of_documents_bring_it_further(catalogue: Catalogue, tmp_path: Path, shared: Path) -> None:
    rows = table(catalogue, tmp_path, shared / "published-workflows")
    cereal = rows["experiment esa-world-cereal-extent-experiment"]
    assert cereal.application is not None
    assert [spec.name for spec in cereal.inputs if spec.required][:2] == ["spatial_extent", "temporal_extent"]
    assert {reason.code for reason in cereal.reasons} == {"input-empty", "input-required"}
    assert rows["workflow esa-world-cereal-extent-workflow"].executable
    permafrost = rows["experiment esa-cci-permafrost"].environment
    assert (permafrost.kind, permafrost.python) == ("python", "3.11")
    assert "xcube==1.8.3.*" in permafrost.requirements


def test_products_by_every_spelling(catalogue: Catalogue, tmp_path: Path) -> None:
    rows = table(catalogue, tmp_path)
    products = {row.id: row.products for row in rows.values() if row.kind == "experiment"}
    assert products["esa-world-cereal-extent-experiment"] == ("esa-world-cereal-extent-product",)
    assert products["polaris"] == ("polaris",)
    assert products["glambie-v1.0.190-experiment"] == ("glambie-dataset",)
    assert all(products.values())
