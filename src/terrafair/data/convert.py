"""A folder of results becomes cloud-optimised and described: each file by its kind, whatever its name says.

outputs/...       what was made or kept
items/ID.json     STAC items, and collection.json
"""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from terrafair.data import cog, geoparquet, netcdf, vectors, virtual, zarr_store
from terrafair.data.classify import Kind, classify
from terrafair.data.conversion import Conversion, Converted, Made, Order, Status, check
from terrafair.data.describe import describe, files
from terrafair.data.description import Description
from terrafair.data.facts import Facts
from terrafair.data.refusals import DOCUMENTS, check_named_right, refusal
from terrafair.errors import Problem, TerrafairError

OUTPUTS = "outputs"
_RASTERS = frozenset({Kind.TIFF, Kind.JP2})
_CUBES = frozenset({Kind.NETCDF, Kind.HDF5, Kind.GRIB, Kind.ZARR, Kind.ARCHIVE})
_VECTORS = frozenset({Kind.GEOJSON, Kind.GPKG, Kind.SHAPEFILE, Kind.PARQUET, Kind.CSV})
_UNSPECIFIC = frozenset({Kind.BINARY, Kind.XML, Kind.SQLITE, Kind.TEXT})
_SIDECARS = (".ovr", ".msk", ".aux.xml")
_RANK = {Kind.SHAPEFILE: 0}
"""Main files before their parts."""


def convert(order: Order, say: Callable[[str], None] = lambda _: None) -> Conversion:
    """Convert every file; one that cannot be converted is refused with the reason, and the others go on."""
    check(order)
    work = _Work(order)
    for path, kind in work.sources():
        say(work.name(path))
        work.take(path, kind)
    description = describe(replace(order.describe, folder=str(work.outputs)), known=work.facts)
    description = _with_references(description)
    _store(Path(order.target), description)
    return Conversion(tuple(sorted(work.done, key=lambda each: each.source)), description)


class _Work:
    """One conversion under way."""

    def __init__(self, order: Order) -> None:
        given = Path(order.folder)
        self.order = order
        self._single = given.is_file() or classify(given) is Kind.ZARR
        self._folder = given.parent if self._single else given
        self.outputs = Path(order.target) / OUTPUTS
        self.outputs.mkdir(parents=True, exist_ok=True)
        self.done: list[Converted] = []
        self.facts: dict[str, Facts] = {}
        self._parts: set[Path] = set()
        self._taken: set[Path] = set()

    def sources(self) -> Iterator[tuple[Path, Kind]]:
        """Every file with its kind."""
        remarks: list[Problem] = []
        paths = [Path(self.order.folder)] if self._single else list(files(self._folder, remarks))
        for remark in remarks:
            self.done.append(Converted(remark.where, "link", Status.REFUSED, problems=(remark,)))
        found = [(path, classify(path)) for path in paths]
        yield from sorted(found, key=lambda each: _RANK.get(each[1], 1))

    def name(self, path: Path) -> str:
        """Relative to the folder."""
        return path.relative_to(self._folder).as_posix()

    def take(self, path: Path, kind: Kind) -> None:
        """Convert one file and note what became of it."""
        if path in self._parts or self._is_sidecar(path):
            self.done.append(Converted(self.name(path), str(kind), Status.PART))
            return
        try:
            made = self._make(path, kind)
        except TerrafairError as error:
            self._refuse(path, kind, error.problem)
            return
        except Exception as fault:  # libraries meet files that nobody has seen before
            what = f"{path.name} could not be converted: {str(fault)[:200] or type(fault).__name__}"
            self._refuse(path, kind, Problem(what, type(fault).__name__, "Report this file.", path.name))
            return
        self._parts |= set(made.parts)
        base = self.outputs
        names = tuple(each.relative_to(base).as_posix() for each in made.files)
        self.facts |= {name: made.facts[Path(name).name] for name in names if Path(name).name in made.facts}
        status = Status.KEPT if made.kept else Status.CONVERTED
        remarks = (*made.remarks, *self._unread(path))
        self.done.append(Converted(self.name(path), str(kind), status, made.form, names, remarks, made.problems))

    def _make(self, path: Path, kind: Kind) -> Made:
        check_named_right(path, kind)
        if kind in _RASTERS:
            return cog.write(path, kind, self._place(path, ".tif"), verify=self.order.verify)
        if kind is Kind.ARCHIVE:
            zarr_store.check_zipped_source(path)
        if kind in _CUBES:
            stem = self._stem(path)
            address = f"{self.order.base or self.outputs}/{stem.relative_to(self.outputs).as_posix()}.nc"
            return netcdf.write(path, kind, stem, zarr=self.order.zarr, address=address)
        if kind in _VECTORS or (kind in _UNSPECIFIC and path.is_file() and vectors.is_vector(path, kind)):
            return geoparquet.write(path, kind, self._place(path, ".parquet"))
        if kind in DOCUMENTS:
            place = self._free(self.outputs / self.name(path))
            shutil.copyfile(path, place)
            return Made((place,), "as-is", kept=True)
        raise refusal(path, kind)

    def _place(self, path: Path, suffix: str) -> Path:
        return self._free((self.outputs / self.name(path)).with_suffix(suffix))

    def _stem(self, path: Path) -> Path:
        """The place without an ending; converters of cubes add one or two."""
        place = self.outputs / self.name(path)
        name = place.name.removesuffix(".zip")
        stem = place.with_name(name.rsplit(".", 1)[0] if "." in name.strip(".") else name)
        free = self._free(stem.with_name(f"{stem.name}.cube"))
        return free.with_name(free.name.removesuffix(".cube"))

    def _free(self, place: Path) -> Path:
        """The place, or one beside it where two sources would share it."""
        chosen, number = place, 2
        while chosen in self._taken:
            chosen = place.with_name(f"{place.stem}-{number}{place.suffix}")
            number += 1
        self._taken.add(chosen)
        chosen.parent.mkdir(parents=True, exist_ok=True)
        return chosen

    def _refuse(self, path: Path, kind: Kind, problem: Problem) -> None:
        problem = replace(problem, where=self.name(path), code=problem.code or "refused")
        self.done.append(Converted(self.name(path), str(kind), Status.REFUSED, problems=(problem,)))

    def _is_sidecar(self, path: Path) -> bool:
        """Whether GDAL wrote the file beside a raster."""
        main = next((path.with_name(path.name[: -len(end)]) for end in _SIDECARS if path.name.endswith(end)), None)
        return main is not None and main.is_file()

    def _unread(self, path: Path) -> Iterator[Problem]:
        if path.with_name(f"{path.name}.msk").is_file():
            what = f"The mask {path.name}.msk is not taken over."
            yield Problem(
                what, "Files beside a raster are not read.", "Write the mask inside.", path.name, "mask-beside"
            )


def _with_references(description: Description) -> Description:
    """References become assets of the item that holds their NetCDF."""
    collection = dict(description.collection)
    loose = dict(collection.get("assets") or {})
    items = []
    for item in description.items:
        assets = dict(item["assets"])
        for asset in list(assets.values()):
            name = asset["href"].removeprefix(f"../{OUTPUTS}/")
            key = next(
                (key for key, each in loose.items() if each["href"] == f"./{OUTPUTS}/{name}{virtual.SUFFIX}"), None
            )
            if key is not None:
                beside = loose.pop(key)
                beside |= {"href": f"../{OUTPUTS}/{name}{virtual.SUFFIX}", "roles": ["index", "references"]}
                assets[key] = {**beside, "title": "kerchunk references: reads the NetCDF like Zarr"}
        items.append({**item, "assets": assets})
    collection["assets"] = loose
    if not loose:
        del collection["assets"]
    return replace(description, collection=collection, items=tuple(items))


def _store(target: Path, description: Description) -> None:
    def write(path: Path, document: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")

    for item in description.items:
        write(target / "items" / f"{item['id']}.json", dict(item))
    write(target / "collection.json", dict(description.collection))
