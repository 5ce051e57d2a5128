"""Whether a written COG is one, and still says all that its source said."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from terrafair.data.tiff import SMALL, check_whole, directories, is_cloud_optimised
from terrafair.errors import Problem, TerrafairError

RULE = "Cloud Optimised GeoTIFF (OGC 21-026)"
_FREE = ("AREA_OR_POINT",)
BLOCK = 2**22


def check_cog(path: Path, name: str = "") -> tuple[Problem, ...]:
    """What makes a TIFF no COG: not whole, not tiled, no overviews, or bytes in the wrong order."""
    name = name or path.name
    try:
        found = directories(path)
        check_whole(path, found)
    except TerrafairError as error:
        return error.problems
    if not found:
        return (_wrong(name, "holds no image"),)
    problems = []
    main = found[0]
    large = max(main.width, main.height) > SMALL
    if large and not main.tiled:
        problems.append(_wrong(name, "is not tiled"))
    if large and not any(each.reduced and not each.mask for each in found):
        problems.append(_wrong(name, "has no overviews"))
    if not problems and not is_cloud_optimised(found):
        problems.append(_wrong(name, "has its directories and tiles in an order that readers cannot stream"))
    return tuple(problems)


def differences(source: Any, written: Any, name: str, *, pixels: bool = False) -> tuple[Problem, ...]:
    """What a COG says otherwise than the open raster that it was made of."""
    return tuple(
        Problem(f"{name}: {what} differs from its source.", why, "Report this as a fault.", name, "cog-differs")
        for what, why in (*_metadata(source, written), *(_values(source, written) if pixels else ()))
    )


def _metadata(source: Any, written: Any) -> Iterator[tuple[str, str]]:
    pairs: dict[str, Callable[[Any], Any]] = {
        "the shape": lambda each: (each.count, *each.shape),
        "the type": lambda each: each.dtypes,
        "the coordinate system": lambda each: each.crs,
        "the value for no data": lambda each: tuple(map(str, each.nodatavals)),
        "a band's name": lambda each: each.descriptions,
        "scale or offset": lambda each: (each.scales, each.offsets),
        "a unit": lambda each: tuple(unit or "" for unit in each.units),
        "what a band shows": lambda each: each.colorinterp,
        "a colour table": _colours,
        "the number of control points": lambda each: len(each.gcps[0]),
        "the rational polynomials": lambda each: each.rpcs is not None,
        "a tag": lambda each: {k: v for k, v in each.tags().items() if k not in _FREE},
        "a band's tag": lambda each: [each.tags(index) for index in each.indexes],
    }
    for what, read in pairs.items():
        before, after = read(source), read(written)
        if before != after and not (what == "the coordinate system" and _same_crs(before, after)):
            yield what, f"{str(before)[:200]} became {str(after)[:200]}."
    if not source.transform.almost_equals(written.transform, precision=1e-9):
        yield "the transform", f"{tuple(source.transform)[:6]} became {tuple(written.transform)[:6]}."


def _same_crs(before: Any, after: Any) -> bool:
    """GeoTIFF keys hold less than WKT does: the same system may be spelt otherwise."""
    from pyproj import CRS

    if before is None or after is None:
        return before is after
    return bool(CRS.from_wkt(before.to_wkt()).equals(CRS.from_wkt(after.to_wkt()), ignore_axis_order=True))


def _colours(source: Any) -> dict[int, Any]:
    found = {}
    for index in source.indexes:
        try:
            found[index] = source.colormap(index)
        except ValueError:
            continue
    return found


def _values(source: Any, written: Any) -> Iterator[tuple[str, str]]:
    import numpy as np
    from rasterio.windows import Window

    rows = max(512, BLOCK // max(source.width, 1) // 512 * 512)
    for top in range(0, source.height, rows):
        window = Window(0, top, source.width, min(rows, source.height - top))
        for index in source.indexes:
            before, after = source.read(index, window=window), written.read(index, window=window)
            if before.tobytes() != after.tobytes() and not np.array_equal(
                before, after, equal_nan=before.dtype.kind in "fc"
            ):
                yield f"band {index}", f"Rows {top} to {top + before.shape[0]} hold other values."
                return


def _wrong(name: str, what: str) -> Problem:
    return Problem(f"{name} {what}.", f"{RULE} asks for it.", "Report this as a fault.", name, "cog-invalid")
