"""The classes that UDFs import from `openeo.udf` and, in older ones, from `openeo_udf.api`, as far as they are used."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import xarray as xr


class DataCube:
    """A cube as UDFs see it; `array` is its xarray.DataArray."""

    def __init__(self, array: xr.DataArray) -> None:
        if not isinstance(array, xr.DataArray):
            raise TypeError(f"A data cube wraps an xarray.DataArray, not a {type(array).__name__}.")
        self._array = array

    @property
    def array(self) -> xr.DataArray:
        """The values with their labels."""
        return self._array

    @property
    def id(self) -> Any:
        """The array's name."""
        return self._array.name

    def get_array(self) -> xr.DataArray:
        """Give the array."""
        return self._array

    def set_array(self, array: xr.DataArray) -> None:
        """Replace the array."""
        self._array = array

    def to_dict(self) -> dict[str, Any]:
        """Give the array as plain values."""
        return self._array.to_dict()

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> "DataCube":
        """Read what `to_dict` gave."""
        return cls(xr.DataArray.from_dict(document))


class StructuredData:
    """A plain value that a UDF gives beside cubes."""

    def __init__(self, data: Any = None, description: str = "", type: str = "") -> None:  # noqa: A002
        self.data, self.description, self.type = data, description, type


class UdfData:
    """All that a UDF of the form `apply_udf_data` gets and gives."""

    def __init__(
        self, proj: Any = None, datacube_list: Any = None, feature_collection_list: Any = None,
        structured_data_list: Any = None, user_context: Any = None,
    ) -> None:  # fmt: skip
        self.proj = proj
        self.datacube_list = list(datacube_list or [])
        self.feature_collection_list = list(feature_collection_list or [])
        self.structured_data_list = list(structured_data_list or [])
        self.user_context = user_context or {}

    def get_datacube_list(self) -> list[DataCube]:
        """Give the cubes."""
        return self.datacube_list

    def set_datacube_list(self, cubes: list[DataCube]) -> None:
        """Replace the cubes."""
        self.datacube_list = list(cubes)

    def get_structured_data_list(self) -> list[StructuredData]:
        """Give the plain values."""
        return self.structured_data_list

    def set_structured_data_list(self, values: list[StructuredData]) -> None:
        """Replace the plain values."""
        self.structured_data_list = list(values)

    def get_feature_collection_list(self) -> list[Any]:
        """Give the vectors."""
        return self.feature_collection_list


class CollectionMetadata:
    """The name that `apply_metadata` functions use in their annotations; labels are read from results here."""


def _modules(say: Any) -> dict[str, ModuleType]:
    def inspect(data: Any = None, message: str = "", code: str = "User", level: str = "info") -> None:  # noqa: ARG001
        say(f"{message} {data}".strip() if data is not None else message, level)

    names = {
        "DataCube": DataCube,
        "XarrayDataCube": DataCube,
        "UdfData": UdfData,
        "StructuredData": StructuredData,
        "inspect": inspect,
        "CollectionMetadata": CollectionMetadata,
        "CubeMetadata": CollectionMetadata,
    }
    modules = {}
    for name in (
        "openeo", "openeo.udf", "openeo.udf.xarraydatacube", "openeo.udf.udf_data", "openeo.udf.structured_data",
        "openeo.metadata", "openeo.udf.debug", "openeo_udf", "openeo_udf.api", "openeo_udf.api.datacube",
        "openeo_udf.api.udf_data", "openeo_udf.api.structured_data", "openeo_driver", "openeo_driver.util",
    ):  # fmt: skip
        module = ModuleType(name)
        # A path makes it a package, so that its parts can be imported.
        module.__path__ = []
        module.__dict__.update(names)
        modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(modules[parent], child, module)
    return modules


@contextmanager
def importable(say: Any) -> Iterator[None]:
    """Let UDFs import the interfaces while they run; a package that is really installed is left alone afterwards."""
    own = _modules(say)
    before = {name: sys.modules.get(name) for name in own}
    sys.modules.update(own)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
