"""Moves what a CWL run made to the outputs folder: STAC folders as they are, files under their names."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from terrafair.execution.engines.checkout import file_name


class StageOut:
    """Fills the outputs folder from a CWL output object."""

    def __init__(self, outputs: Path, inside: tuple[Path, ...]) -> None:
        """Take the folders that outputs may come from; a link that leads elsewhere is not followed."""
        self._outputs = outputs
        self._inside = tuple(path.resolve() for path in inside)
        self.paths: dict[str, str] = {}
        """Output name -> path below the outputs folder."""
        self.values: dict[str, Any] = {}
        """Outputs that are neither files nor folders."""
        self.left_out: list[str] = []

    def run(self, produced: Mapping[str, Any]) -> None:
        """Move everything; a single folder with a catalog.json becomes the outputs folder itself."""
        catalogues = [value for value in _objects(produced) if _is_catalogue(value)]
        whole = catalogues[0] if len(catalogues) == 1 else None
        for name, value in produced.items():
            self._place(name, value, whole)
        if self.values:
            target = self._free(self._outputs / "values.json")
            target.write_text(json.dumps(self.values, indent=1), "utf-8")
            self.paths.setdefault("values", target.name)

    def _place(self, name: str, value: Any, whole: Any) -> None:
        if isinstance(value, list) and any(_is_data(each) for each in value):
            for number, each in enumerate(value):
                self._place(f"{name}[{number}]", each, whole)
            return
        if not _is_data(value):
            if value is not None:
                self.values[name] = value
            return
        if value is whole:
            self._fill(value, self._outputs)
            self.paths[name] = "."
            return
        target = self._free(self._outputs / file_name(value.get("basename") or name, name))
        if self._fill(value, target):
            self.paths[name] = str(target.relative_to(self._outputs))
        for beside in value.get("secondaryFiles") or ():
            self._fill(beside, target.parent / file_name(beside.get("basename") or "file"))

    def _fill(self, value: Mapping[str, Any], target: Path) -> bool:
        source = path_of(value)
        if source is None:
            return self._literal(value, target)
        if not self._allowed(source):
            self.left_out.append(str(target.relative_to(self._outputs)))
            return False
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            for entry in sorted(source.iterdir()):
                basename = entry.name
                self._fill({"location": entry.as_uri()}, target / basename)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_symlink() or not source.is_relative_to(self._inside[0]):
                shutil.copyfile(source.resolve(), target)
            else:
                shutil.move(source, target)
        return True

    def _literal(self, value: Mapping[str, Any], target: Path) -> bool:
        target.parent.mkdir(parents=True, exist_ok=True)
        if value.get("class") == "Directory":
            target.mkdir(exist_ok=True)
            for entry in value.get("listing") or ():
                self._fill(entry, target / file_name(entry.get("basename") or "file"))
        else:
            target.write_text(str(value.get("contents", "")), "utf-8")
        return True

    def _allowed(self, source: Path) -> bool:
        real = source.resolve()
        return real.exists() and any(real.is_relative_to(folder) for folder in self._inside)

    def _free(self, target: Path) -> Path:
        number = 2
        free = target
        while free.exists():
            free = target.with_name(f"{target.stem}-{number}{target.suffix}")
            number += 1
        return free


def path_of(value: Mapping[str, Any]) -> Path | None:
    """Give the local path of a File or Directory; nothing for a literal."""
    location = str(value.get("location") or "")
    if location.startswith("file://"):
        return Path(unquote(urlsplit(location).path))
    return Path(location) if location.startswith("/") else None


def _is_data(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("class") in {"File", "Directory"}


def _objects(value: Any) -> Iterator[Any]:
    if _is_data(value):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _objects(each)
    elif isinstance(value, list):
        for each in value:
            yield from _objects(each)


def _is_catalogue(value: Mapping[str, Any]) -> bool:
    if value.get("class") != "Directory":
        return False
    path = path_of(value)
    if path:
        return (path / "catalog.json").is_file()
    return any(entry.get("basename") == "catalog.json" for entry in value.get("listing") or ())
