"""The schema store: JSON Schemas in a folder, found by the address that documents name them by, compiled once."""

from pathlib import Path


class Store:
    """Schemas of one folder; `Store(config.schemas)`. Keep it: compiled schemas stay with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
