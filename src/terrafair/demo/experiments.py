"""The demo's experiments as published: their files, and the input values in them."""

from pathlib import Path
from typing import Any

import yaml

EXPERIMENTS = ("demo-ndvi", "demo-water", "demo-phenology")
FOLDER = Path(__file__).parent / "experiments"
"""One folder for each experiment, with `input.yaml` and `environment.yaml`."""
WORKFLOWS = Path(__file__).parent / "workflows"
"""The files of the code repository."""


def values(experiment: str) -> dict[str, Any]:
    """Read the input values of an experiment."""
    document = yaml.safe_load((FOLDER / experiment / "input.yaml").read_text("utf-8"))
    return dict(document["parameters"])
