"""Charts of what a run takes over time: points and ticks for an SVG, with the same in words."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

WIDTH, HEIGHT = 520, 150
LEFT, RIGHT, TOP, BOTTOM = 64, 10, 12, 24
ROWS = 24
"""Of the table that says the same as the charts."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One line over time."""

    title: str
    words: str
    """What the chart says, for who does not see it."""
    line: str
    """The `d` of its path."""
    area: str
    ticks: tuple[tuple[float, str], ...]
    """(height from the top, label)."""
    times: tuple[tuple[float, str], ...]
    """(distance from the left, label)."""
    rows: tuple[tuple[str, str], ...]
    """(time, value), thinned out."""


def charts(samples: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Busy cores and memory; nothing before there are two moments."""
    if len(samples) < 2:
        return []
    cores = [
        (late["second"], max(late["cpu_seconds"] - early["cpu_seconds"], 0) / (late["second"] - early["second"]))
        for early, late in pairwise(samples)
        if late["second"] > early["second"]
    ]
    memory = [(each["second"], each["memory"] / 1e6) for each in samples]
    # CPU time is counted in hundredths: over a short while that is a rough measure.
    return [_chart("CPU", "cores", _settled(cores)), _chart("Memory", "MB", memory)]


def _settled(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Means over neighbours that lie within two hundredths of the whole, at least a tenth of a second."""
    if not points:
        return []
    span = max(points[-1][0] / 50, 0.1)
    found: list[tuple[float, float]] = []
    begun, total, last = 0.0, 0.0, 0.0
    for second, value in points:
        total += value * (second - last)
        last = second
        if second - begun >= span:
            found.append((second, total / (second - begun)))
            begun, total = second, 0.0
    return found or [(points[-1][0], total / max(points[-1][0], 1e-9))]


def _chart(title: str, unit: str, points: Iterable[tuple[float, float]]) -> Chart:
    known = list(points)
    last = max(known[-1][0], 1e-9)
    top = nice(max(value for _, value in known) or 1.0)
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    places = [(LEFT + second / last * across, HEIGHT - BOTTOM - value / top * down) for second, value in known]
    line = "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in places)
    base = HEIGHT - BOTTOM
    most = max(known, key=lambda point: point[1])
    mean = sum(value for _, value in known) / len(known)
    step = max(len(known) // ROWS, 1)
    return Chart(
        f"{title} in {unit}",
        f"{title} over {last:.1f} s: at most {most[1]:.3g} {unit} after {most[0]:.1f} s, {mean:.3g} on average.",
        line,
        f"{line}L{places[-1][0]:.1f},{base}L{places[0][0]:.1f},{base}Z",
        tuple((HEIGHT - BOTTOM - share * down, f"{top * share:g}") for share in (0, 0.5, 1)),
        tuple((LEFT + share * across, f"{last * share:.3g} s") for share in (0, 0.5, 1)),
        tuple((f"{second:.1f} s", f"{value:.3g} {unit}") for second, value in known[::step]),
    )


def nice(value: float) -> float:
    """The next round number."""
    power = 10 ** math.floor(math.log10(value))
    return next(float(step * power) for step in (1, 2, 2.5, 5, 10) if step * power >= value * 0.999)
