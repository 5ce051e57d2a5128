"""Which part of a STAC collection a job needs: area, time and assets."""

from dataclasses import dataclass
from typing import Any

from terrafair.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Selection:
    """Which part of a STAC collection a job needs; empty fields do not restrict."""

    bbox: tuple[float, float, float, float] | None = None
    """West, south, east, north in degrees."""
    start: str | None = None
    """RFC 3339, inclusive; likewise the end."""
    end: str | None = None
    assets: tuple[str, ...] = ()
    """Asset keys or band names."""


def selected(item: dict[str, Any], selection: Selection) -> bool:
    """Whether an item touches the wanted area and time."""
    box = item.get("bbox")
    if selection.bbox is not None and isinstance(box, list) and len(box) in {4, 6}:
        west, south, east, north = (
            (box[0], box[1], box[2], box[3]) if len(box) == 4 else (box[0], box[1], box[3], box[4])
        )
        left, bottom, right, top = selection.bbox
        across = any(
            one_west <= two_east and two_west <= one_east
            for one_west, one_east in _spans(west, east)
            for two_west, two_east in _spans(left, right)
        )
        if not across or south > top or north < bottom:
            return False
    properties = item.get("properties") or {}
    start = properties.get("start_datetime") or properties.get("datetime")
    end = properties.get("end_datetime") or properties.get("datetime")
    # RFC 3339 texts in UTC sort as the instants do; a day without a time is a prefix of its instants.
    if selection.start and end and str(end) < selection.start:
        return False
    return not (selection.end and start and str(start)[: len(selection.end)] > selection.end)


def _spans(west: float, east: float) -> list[tuple[float, float]]:
    return [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]


def chosen_assets(item: dict[str, Any], selection: Selection) -> dict[str, dict[str, Any]]:
    """The wanted assets of an item; raises `InvalidInput` where it has none of them."""
    held = item.get("assets")
    assets = {key: asset for key, asset in held.items() if isinstance(asset, dict)} if isinstance(held, dict) else {}
    if not selection.assets:
        return {key: asset for key, asset in assets.items() if _is_data(asset)} or assets
    chosen = {
        key: asset for key, asset in assets.items() if key in selection.assets or _bands(asset) & {*selection.assets}
    }
    if not chosen:
        raise InvalidInput(
            f"The item {item.get('id')!r} has none of the assets {', '.join(selection.assets)}.",
            remedy=f"It has: {', '.join(assets)}.",
        )
    return chosen


def _is_data(asset: dict[str, Any]) -> bool:
    return not {"thumbnail", "overview", "metadata"} & set(asset.get("roles") or ())


def _bands(asset: dict[str, Any]) -> set[str]:
    found = (asset.get("bands") or []) + (asset.get("eo:bands") or [])
    return {str(band[name]) for band in found for name in ("name", "common_name", "eo:common_name") if band.get(name)}
