"""What a program tracked with MLflow while it ran: parameters, metrics over steps, artefacts.

Jobs have no network, so MLflow writes into its file store in the job: `mlruns/EXPERIMENT/RUN` with `meta.yaml`
and the folders `params`, `metrics`, `tags` and `artifacts`. `collect` runs in the sandbox, after the program; `read`
bounds what comes out of it.
"""

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from terrafair.errors import TerrafairError
from terrafair.workflows.content import load

FOLDER = "mlruns"
RUNS, NAMES, POINTS, TEXT = 50, 200, 2000, 500
"""The most that is kept: runs, names in each, points of a metric, characters of a parameter."""


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """One run as its program described it."""

    name: str
    experiment: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, Sequence[tuple[int, float, int]]] = field(default_factory=dict)
    """Name -> (step, value, Unix time in milliseconds), in the order of the steps."""

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def surroundings(work: Path) -> dict[str, str]:
    """The variables by which MLflow tracks into the job's own folder."""
    return {
        "MLFLOW_TRACKING_URI": (work / FOLDER).as_uri(),
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }


def collect(work: Path, outputs: Path) -> list[dict[str, Any]]:
    """The runs of a program that has ended; their artefacts become results, below `artifacts/RUN`."""
    found = []
    for folder in sorted((work / FOLDER).glob("*/*/meta.yaml"))[:RUNS]:
        run = _run(folder.parent)
        found.append(run.document())
        made = folder.parent / "artifacts"
        if made.is_dir() and any(made.iterdir()):
            shutil.copytree(made, outputs / "artifacts" / run.name, symlinks=True, dirs_exist_ok=True)
    return found


def read(said: Any) -> list[TrackedRun]:
    """What `collect` left, as far as it is well formed: the program could have written anything in its place."""
    return [run for each in (said if isinstance(said, list) else ())[:RUNS] if (run := _told(each))]


def _told(each: Any) -> TrackedRun | None:
    if not isinstance(each, Mapping):
        return None
    parameters, metrics = each.get("parameters"), each.get("metrics")
    if not isinstance(parameters, Mapping) or not isinstance(metrics, Mapping):
        return None
    kept = {str(name)[:TEXT]: list(_points(metrics[name])) for name in list(metrics)[:NAMES]}
    texts = {str(name)[:TEXT]: str(parameters[name])[:TEXT] for name in list(parameters)[:NAMES]}
    return TrackedRun(str(each.get("name"))[:TEXT], str(each.get("experiment") or "")[:TEXT], texts, kept)


def _points(said: Any) -> Iterator[tuple[int, float, int]]:
    for point in _thinned(said if isinstance(said, list | tuple) else ()):
        try:
            step, value, moment = int(point[0]), float(point[1]), int(point[2])
        except (TypeError, ValueError, IndexError, OverflowError):
            continue
        if math.isfinite(value):
            yield step, value, moment


def _run(folder: Path) -> TrackedRun:
    meta = _meta(folder / "meta.yaml")
    parameters = {path.name: path.read_text("utf-8", "replace")[:TEXT] for path in _files(folder / "params")}
    metrics = {path.relative_to(folder / "metrics").as_posix(): _metric(path) for path in _files(folder / "metrics")}
    name = str(meta.get("run_name") or folder.name).replace("/", "_").lstrip(".") or folder.name
    experiment = str(_meta(folder.parent / "meta.yaml").get("name") or "")
    return TrackedRun(name[:TEXT], experiment[:TEXT], parameters, metrics)


def _metric(path: Path) -> list[tuple[int, float, int]]:
    """Lines of `TIME VALUE STEP`; older ones have no step."""
    points: list[tuple[int, float, int]] = []
    for line in path.read_text("utf-8", "replace").splitlines():
        parts = line.split()
        try:
            points.append((int(parts[2]) if len(parts) > 2 else len(points), float(parts[1]), int(parts[0])))
        except (ValueError, IndexError):
            continue
    return list(_thinned(sorted(points)))


def _thinned(points: Sequence[Any]) -> Sequence[Any]:
    """Evenly fewer, first and last among them."""
    if len(points) <= POINTS:
        return points
    return [points[round(index * (len(points) - 1) / (POINTS - 1))] for index in range(POINTS)]


def _files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) if folder.is_dir() else ()
    return sorted(found)[:NAMES]


def _meta(path: Path) -> Mapping[str, Any]:
    try:
        document = load(path.read_text("utf-8", "replace"))
    except (OSError, TerrafairError):
        return {}
    return document if isinstance(document, Mapping) else {}
