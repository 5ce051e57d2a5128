"""What a program tracked, for its job's page: a chart over steps for each metric, and the last values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from terrafair.portal.usage_chart import BOTTOM, HEIGHT, LEFT, RIGHT, ROWS, TOP, WIDTH, Chart

CHARTS = 12


@dataclass(frozen=True, slots=True)
class Tracked:
    """One run of a program."""

    name: str
    parameters: Mapping[str, str]
    last: Mapping[str, str]
    charts: tuple[Chart, ...]


def tracked(runs: Sequence[Mapping[str, Any]]) -> list[Tracked]:
    """What is shown of each run."""
    return [
        Tracked(
            run["name"],
            run["parameters"],
            {name: f"{points[-1][1]:.5g}" for name, points in run["metrics"].items() if points},
            tuple(_chart(name, points) for name, points in run["metrics"].items() if _steps(points) > 1)[:CHARTS],
        )
        for run in runs
    ]


def _steps(points: Sequence[Sequence[float]]) -> int:
    return len({point[0] for point in points})


def _chart(name: str, points: Sequence[Sequence[float]]) -> Chart:
    steps, values = [point[0] for point in points], [point[1] for point in points]
    low, high = _range(values)
    across, down, base = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM, HEIGHT - BOTTOM
    first, span = steps[0], max(steps[-1] - steps[0], 1)
    places = [
        (LEFT + (step - first) / span * across, base - (value - low) / (high - low) * down)
        for step, value in zip(steps, values, strict=True)
    ]
    line = "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in places)
    words = f"{name} over steps {first:g} to {steps[-1]:g}: from {values[0]:.4g} to {values[-1]:.4g}, "
    thin = max(len(points) // ROWS, 1)
    return Chart(
        name,
        f"{words}at least {min(values):.4g}, at most {max(values):.4g}.",
        line,
        f"{line}L{places[-1][0]:.1f},{base}L{places[0][0]:.1f},{base}Z",
        tuple((base - share * down, f"{low + (high - low) * share:.3g}") for share in (0, 0.5, 1)),
        tuple((LEFT + share * across, f"step {first + span * share:.4g}") for share in (0, 0.5, 1)),
        tuple((f"{step:g}", f"{value:.5g}") for step, value in list(zip(steps, values, strict=True))[::thin]),
    )


def _range(values: Sequence[float]) -> tuple[float, float]:
    """From zero where all lie above it and come near; else from the least to the most."""
    low, high = min(values), max(values)
    if 0 <= low < high / 2:
        low = 0.0
    if math.isclose(low, high):
        low, high = low - 0.5, high + 0.5
    return low, high
