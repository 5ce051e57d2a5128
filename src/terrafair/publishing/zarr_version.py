"""A Zarr store of any version as one zip of version 2, by the platform's converter in its sandbox."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from terrafair.data import conversion, description
from terrafair.errors import InvalidInput, InvalidInputs
from terrafair.execution.conversion import Converter


@dataclass(frozen=True, slots=True)
class ZarrToVersion2:
    """See `packing.ToZarr2`."""

    converter: Converter

    def __call__(self, source: Path, target: Path) -> None:
        """Write the file `target`; raises `InvalidInputs` with what the converter says against the store."""
        place = target.with_name(f".{target.name}.converted")
        shutil.rmtree(place, ignore_errors=True)
        # Under a plain name: what begins with a point is nobody's data.
        store = place.with_name(f"{place.name}.source") / "store.zarr"
        store.parent.mkdir(parents=True, exist_ok=True)
        try:
            source.rename(store)
            order = conversion.Order(str(store), str(place), description.Order(str(store), "store"), zarr="v2")
            found = self.converter.convert(order)
            made = sorted(place.rglob("*.zarr.zip"))
            problems = [problem for each in found.files for problem in each.problems]
            if problems:
                raise InvalidInputs(problems, "The store cannot become Zarr of version 2.")
            if len(made) != 1:
                raise InvalidInput("The conversion of the store gave no Zarr of version 2.", code="zarr-version")
            made[0].replace(target)
        finally:
            if store.exists():
                store.rename(source)
            shutil.rmtree(store.parent, ignore_errors=True)
            shutil.rmtree(place, ignore_errors=True)
