"""NetCDF and Zarr sources, by what is asked: kept and virtualised, Zarr 3, or Zarr 2 in a zip."""

import json
import shutil
from pathlib import Path

from terrafair.data import cf_checks, cube_source, grib, virtual, zarr_store
from terrafair.data.classify import Kind
from terrafair.data.conversion import Made
from terrafair.data.cube_source import Group
from terrafair.data.datasets import is_netcdf
from terrafair.data.geozarr_checks import check_place
from terrafair.data.zarr_checks import check_store, check_zip
from terrafair.data.zarr_store import Version
from terrafair.errors import InvalidInput, Problem

_FORMS: dict[str, tuple[Version, str]] = {"v3": (3, ".zarr"), "v2": (2, ".zarr.zip")}


def write(path: Path, kind: Kind, stem: Path, *, zarr: str, address: str) -> Made:
    """Write `STEM.nc` with references, `STEM.zarr` or `STEM.zarr.zip`.

    `address` is where a kept file will lie in the end. Raises `InvalidInput` for what cannot be read.
    """
    if kind is Kind.HDF5 and not is_netcdf(path):
        raise InvalidInput(
            f"{path.name} is HDF5 without the dimensions of NetCDF.",
            "Nobody could tell what its axes mean.",
            "Write it as NetCDF or Zarr, with coordinates.",
            path.name,
        )
    if kind is Kind.GRIB:
        with grib.opened(path) as groups:
            return _zarr(groups, path, stem, zarr or "v3")
    with cube_source.opened(path, Kind.ZARR if kind is Kind.ARCHIVE else kind) as groups:
        if kind is Kind.ARCHIVE and not zarr and not check_zip(path):
            return _kept_zip(path, stem)
        if kind is Kind.ZARR and _serves(path, groups, zarr):
            return _kept_store(path, groups, stem)
        if kind in {Kind.ZARR, Kind.ARCHIVE} or zarr:
            return _zarr(groups, path, stem, zarr or "v3")
        return _virtual(path, kind, groups, stem, address)


def _zarr(groups: tuple[Group, ...], path: Path, stem: Path, form: str) -> Made:
    version, suffix = _FORMS[form]
    return zarr_store.write(groups, stem.with_name(stem.name + suffix), version=version, name=path.name)


def _serves(path: Path, groups: tuple[Group, ...], zarr: str) -> bool:
    """Whether a Zarr folder is already what is asked for."""
    version = "v3" if (path / "zarr.json").is_file() else "v2"
    return zarr in {"", "v3" if version == "v3" else ""} and not check_store(path, groups, path.name)


def _kept_store(path: Path, groups: tuple[Group, ...], stem: Path) -> Made:
    place = stem.with_name(f"{stem.name}.zarr")
    shutil.copytree(path, place)
    form = "zarr-3" if (path / "zarr.json").is_file() else "zarr-2"
    return Made((place,), form, kept=True, remarks=_findings(groups, path.name))


def _findings(groups: tuple[Group, ...], name: str) -> tuple[Problem, ...]:
    return (*cf_checks.check_cf(groups, name), *check_place(groups, name))


def _kept_zip(path: Path, stem: Path) -> Made:
    place = stem.with_name(f"{stem.name}.zarr.zip")
    shutil.copyfile(path, place)
    return Made((place,), "zarr-2-zip", kept=True)


def _virtual(path: Path, kind: Kind, groups: tuple[Group, ...], stem: Path, address: str) -> Made:
    place = stem.with_name(f"{stem.name}.nc")
    try:
        if len(groups) > 1 and any(group.arrays for group in groups[1:]) and not groups[0].arrays:
            raise InvalidInput(f"All data of {path.name} lie in groups.", "References of a root are asked for.")
        document = virtual.references(path, kind, address)
        wrong = virtual.check_virtual(document, path, groups, path.name)
        if wrong:
            raise InvalidInput(wrong[0].what, wrong[0].why)
    except InvalidInput as error:
        made = _zarr(groups, path, stem, "v3")
        what = f"{path.name} became Zarr: it cannot be kept and read by reference."
        remark = Problem(what, f"{error.problem.what} {error.problem.why}", where=path.name, code="not-virtual")
        return Made(made.files, made.form, remarks=(remark, *made.remarks), problems=made.problems)
    shutil.copyfile(path, place)
    beside = place.with_name(f"{place.name}{virtual.SUFFIX}")
    beside.write_text(json.dumps(document, allow_nan=False, separators=(",", ":")), "utf-8")
    remarks = (*virtual.advice(groups, path.name), *_findings(groups, path.name))
    return Made((place, beside), "netcdf-references", remarks=remarks)
