"""Whether a run made the published product again: both sides as local files, compared in the sandbox, told in words."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

import orjson

from terrafair.data.objects import ObjectStore
from terrafair.errors import Damaged, TerrafairError
from terrafair.execution.comparison.child import order, read_answer
from terrafair.execution.comparison.findings import Compared, LocalAsset, Match, Tolerance, count
from terrafair.execution.engines.references import local_path
from terrafair.execution.job import Job, Results
from terrafair.execution.program import Program
from terrafair.execution.sandbox import Sandbox
from terrafair.workflows.workflow import Resolution

REPORT = "reproduction.json"
TOLERANCE = Tolerance(relative=1e-5, absolute=1e-8)
"""As `numpy.allclose` has it: single-precision sums come out otherwise on other machines."""
Document = dict[str, Any]


class Stager(Protocol):
    """Brings the published product; `data.stage.Stager` is one."""

    def stac(self, reference: str, into: Path) -> Path:
        """A STAC document with its data as local files."""
        ...


@dataclass(frozen=True, slots=True)
class Reproduction:
    """Compares what a job made with the product that its experiment published."""

    objects: ObjectStore
    stager: Stager
    sandbox: Sandbox
    product: Callable[[str], tuple[str, str] | None]
    """Title and STAC reference of a product; None: there is no such product."""
    folder: Path
    """The jobs' folders."""
    tolerance: Tolerance = TOLERANCE

    def compare(self, job: Job, resolution: Resolution, results: Results) -> None:
        """Write `reproduction.json` beside the results; a product that is out of reach is a finding, no failure."""
        folder = self.folder / job.id / "comparison"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            report = self._report(resolution, results, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        report = {"experiment": resolution.id, "job": job.id, **report}
        self.objects.put(f"{results.prefix}/{REPORT}", orjson.dumps(report), "application/json")

    def _report(self, resolution: Resolution, results: Results, folder: Path) -> Document:
        products: list[str] = []
        reasons: list[str] = []
        expected: list[LocalAsset] = []
        for name in resolution.products:
            try:
                found = self._published(name, folder / "published" / str(len(products)))
            except TerrafairError as fault:
                reasons.append(f"The product {name} cannot be had: {fault}")
                continue
            products.append(name)
            expected += found
        if not resolution.products:
            reasons.append("The experiment's record names no product.")
        frame = {"products": products, "remarks": reasons}
        if not expected:
            return {"verdict": "not comparable", "summary": " ".join(reasons), "assets": [], **frame}
        made = list(self._made(results, folder / "made"))
        program = Program("terrafair.execution.comparison.child", "the comparison", self.sandbox)
        readable = tuple(dict.fromkeys([folder, *(asset.path for asset in expected)]))
        answer = program.run(folder / "program", order(expected, made, self.tolerance), readable)
        compared = read_answer(answer)
        verdict, summary = judge(compared)
        tolerance = {"relative": self.tolerance.relative, "absolute": self.tolerance.absolute}
        assets = [each.document() for each in compared]
        return {"verdict": verdict, "summary": summary, "assets": assets, "tolerance": tolerance, **frame}

    def _published(self, name: str, folder: Path) -> list[LocalAsset]:
        found = self.product(name)
        if found is None:
            raise Damaged(f"The catalogue has no product {name!r}.", "The experiment's record links to it.")
        title, reference = found
        if not reference:
            raise Damaged(
                f"{title} has no link to a STAC document with its data.",
                remedy="Its record needs a `via` or `child` link to the Collection that holds the data.",
            )
        return list(local_assets(orjson.loads(self.stager.stac(reference, folder).read_bytes())))

    def _made(self, results: Results, folder: Path) -> Iterator[LocalAsset]:
        """The job's own files, brought back from the store under their item's and asset's names."""
        names = dict(self._item_names(results))
        for asset in results.assets:
            item, key = names.get(asset.name, ("", ""))
            target = folder / asset.name
            below = [stored.key for stored in self.objects.list(asset.key)]
            for stored_key in below or [asset.key]:
                part = folder / stored_key.removeprefix(f"{results.prefix}/outputs/")
                part.parent.mkdir(parents=True, exist_ok=True)
                self.objects.get_file(stored_key, part)
            yield LocalAsset(asset.name, target, key, item, asset.key)

    def _item_names(self, results: Results) -> Iterator[tuple[str, tuple[str, str]]]:
        for name in results.items:
            item = orjson.loads(self.objects.get(name))
            for key, asset in item.get("assets", {}).items():
                yield unquote(str(asset.get("href", ""))).removeprefix("../outputs/"), (item["id"], key)


def local_assets(document: Document) -> Iterator[LocalAsset]:
    """The files that a staged STAC document names by absolute path."""
    features = document.get("features", [document])
    for item in features if isinstance(features, list) else ():
        for key, asset in (item.get("assets") or {}).items():
            path = local_path(asset.get("href")) if isinstance(asset, dict) else None
            if path is not None:
                name = str(item.get("id", ""))
                yield LocalAsset(f"{name}/{key}", path, key, name, path.name)


def judge(compared: Sequence[Compared], kind: str = "published file", how: str = "as published") -> tuple[str, str]:
    """The verdict over all files and its reason; what is new beside the expected ones counts for nothing."""
    expected = [each for each in compared if each.match is not Match.ADDITIONAL]
    same, equal = count(expected, Match.IDENTICAL), count(expected, Match.EQUAL)
    wrong = [each for each in expected if each.match in {Match.DIFFERENT, Match.MISSING}]
    files = f"{len(expected)} {kind}{'s' * (len(expected) != 1)}"
    if wrong:
        names = ", ".join(each.name for each in wrong[:3])
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        return "differs", f"{len(wrong)} of {files} did not come out {how}: {names}{more}"
    if not expected:
        return "not comparable", f"there is no {kind}"
    if same + equal < len(expected):
        return "not comparable", f"{len(expected) - same - equal} of {files} could not be compared"
    if equal:
        return "reproduced within tolerance", f"{same} of {files} byte for byte, {equal} with equal values"
    return "reproduced exactly", f"{files}, byte for byte"
