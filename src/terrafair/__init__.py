"""terrafair: find, run, reproduce and publish open Earth science.

import terrafair

cube = terrafair.open("demo-ndvi-composite")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from terrafair.opening import connect as connect
    from terrafair.opening import open as open  # noqa: A004 - as xarray's and rasterio's

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """What talks to platforms is loaded when it is asked for: the command line starts without it."""
    if name == "connect":
        from terrafair.opening import connect

        return connect
    if name == "open":
        from terrafair.opening import open  # noqa: A004

        return open
    raise AttributeError(f"module 'terrafair' has no attribute {name!r}")
