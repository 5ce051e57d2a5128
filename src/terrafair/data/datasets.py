"""Opens NetCDF and Zarr as xarray datasets, whole and unpacked, or says why not."""

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from terrafair.data import netcdf3
from terrafair.data.classify import Kind
from terrafair.errors import InvalidInput, TerrafairError


@contextmanager
def opened(path: Path, kind: Kind) -> Iterator[tuple[Any, bool]]:
    """The dataset, and whether its time had to be left undecoded; raises `InvalidInput`."""
    options: dict[str, Any] = {"engine": "netcdf4", "cache": False}
    if kind is Kind.ZARR:
        check_zarr(path)
        consolidated = True if (path / ".zmetadata").is_file() else None
        options = {"engine": "zarr", "cache": False, "consolidated": consolidated, "chunks": None}
    if kind is Kind.NETCDF:
        netcdf3.check_whole(path)
    with warnings.catch_warnings(), ExitStack() as stack:
        # Odd calendars, unknown codecs, absent consolidated metadata: what matters of them ends in the remarks.
        warnings.simplefilter("ignore")
        try:
            try:
                dataset, undated = _root_or_group(path, options, stack), False
            except (ValueError, OverflowError) as fault:
                if "decod" not in str(fault):
                    raise
                dataset, undated = _root_or_group(path, {**options, "decode_times": False}, stack), True
            yield dataset, undated
        except TerrafairError:
            raise
        except Exception as fault:
            # NetCDF, HDF5, Zarr and their codecs each raise their own kinds.
            raise unreadable(path, fault) from fault


def is_netcdf(path: Path) -> bool:
    """Whether an HDF5 file was written as NetCDF-4: its dimensions are scales."""
    import h5py

    def marked(_: str, node: Any) -> bool | None:
        return True if node.attrs.get("CLASS") == b"DIMENSION_SCALE" else None

    try:
        with h5py.File(path, "r") as file:
            return "_NCProperties" in file.attrs or bool(file.visititems(marked))
    except (OSError, RuntimeError) as fault:
        raise unreadable(path, fault) from fault


def _root_or_group(path: Path, options: dict[str, Any], stack: ExitStack) -> Any:
    """The root group, or where it holds no data, the group that holds most (as in Sentinel-5P products)."""
    import xarray

    root = stack.enter_context(xarray.open_dataset(path, **options))
    if root.data_vars:
        return root
    found = [stack.enter_context(group) for group in xarray.open_groups(path, **options).values()]
    most = max(found, key=lambda group: sum(variable.size for variable in group.data_vars.values()), default=root)
    return most.assign_attrs({**root.attrs, **most.attrs}) if most.data_vars else root


def check_zarr(path: Path) -> None:
    """A Zarr folder may hold links that lead out of it."""
    root = path.resolve()
    for entry in path.rglob("*"):
        if entry.is_symlink() and not leads_into(entry, root):
            raise InvalidInput(
                f"{path.name} holds a link that leads out of it.", where=entry.relative_to(path).as_posix()
            )


def leads_into(link: Path, root: Path) -> bool:
    """Whether a link's target lies in a folder; a link to itself lies nowhere."""
    try:
        return link.resolve().is_relative_to(root)
    except (OSError, RuntimeError):
        return False


def unreadable(path: Path, fault: Exception) -> InvalidInput:
    """The error for a library's own one."""
    text = str(fault).strip()
    return InvalidInput(
        f"{path.name} cannot be read as a data cube.",
        f"{type(fault).__name__}: {text.splitlines()[0][:300]}." if text else "",
        "Write it again and check it with ncdump -h or xarray.",
        path.name,
    )
