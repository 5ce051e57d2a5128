"""From values to an encoded picture."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from terrafair.data.tiles import png
from terrafair.data.tiles.colours import palette
from terrafair.data.tiles.style import Style

Bytes = NDArray[np.uint8]
MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


def draw(
    values: NDArray[np.generic],
    valid: "NDArray[np.bool_] | None",
    style: Style,
    scales: Sequence[tuple[float, float]],
    table: "Bytes | None" = None,
) -> bytes:
    """Encode bands of shape (1 or 3, size, size).

    `valid` None: all are. `table` holds the file's own colours, shape (256, 4): values are then indices into it.
    """
    if table is not None:
        return _indexed(values[0].astype(np.uint8), valid, style, table[:, :3], table[:, 3])
    if len(values) == 1 and (style.ramp or style.format == "png"):
        scaled = stretched(values, scales)[0]
        return _indexed(scaled, valid, style, palette(style.ramp or "grey"), None)
    bands = stretched(values, scales)
    pixels = np.empty((*bands.shape[1:], 3), np.uint8)
    for channel in range(3):
        pixels[..., channel] = bands[channel if len(bands) == 3 else 0]
    return _encode(_coloured(pixels, valid, style), style)


def empty(style: Style) -> bytes:
    """A tile with nothing in it."""
    nothing = np.zeros((1, style.size, style.size), np.uint8)
    return draw(nothing, np.zeros((style.size, style.size), bool), style, ((0, 1),))


def stretched(values: NDArray[np.generic], scales: Sequence[tuple[float, float]]) -> Bytes:
    """Each band between its two values to 0 to 255."""
    found = np.empty(values.shape, np.uint8)
    for number, band in enumerate(values):
        low, high = scales[min(number, len(scales) - 1)]
        if band.dtype == np.uint8:
            # 256 values have 256 shades: a table is quicker than arithmetic on every pixel.
            found[number] = band if (low, high) == (0, 255) else _shades(np.arange(256), low, high)[band]
        else:
            found[number] = _shades(band, low, high)
    return found


def _shades(band: NDArray[np.generic], low: float, high: float) -> Bytes:
    part = band.astype(np.float32)
    part -= np.float32(low)
    part *= np.float32(255 / (high - low))
    # Not-a-number has no place in a byte, and is masked anyway: here it falls to the lower bound.
    np.fmax(part, 0, out=part)
    np.minimum(part, 255, out=part)
    part += np.float32(0.5)
    return part.astype(np.uint8)


def _indexed(
    indices: Bytes, valid: "NDArray[np.bool_] | None", style: Style, colours: Bytes, alpha: "Bytes | None"
) -> bytes:
    """One band and its colours: a quarter of the bytes, and of the work, of a picture with four channels."""
    if style.format != "png":
        picture = colours[indices]
        clear = valid if alpha is None else _both(valid, alpha[indices] > 0)
        return _encode(_coloured(picture, clear, style), style)
    see_through = np.full(256, 255, np.uint8) if alpha is None else alpha.copy()
    if valid is not None and not valid.all():
        if alpha is None:
            # The lowest of 256 shades gives its place to what is not there.
            indices = np.maximum(indices, 1) * valid
            see_through[0] = 0
        else:
            free = int(np.flatnonzero(see_through == 0)[0]) if (see_through == 0).any() else _unused(indices)
            see_through[free] = 0
            indices = np.where(valid, indices, np.uint8(free))
    return png.indexed(indices, colours, see_through.tobytes())


def _unused(indices: Bytes) -> int:
    missing = np.setdiff1d(np.arange(256), indices)
    return int(missing[0]) if len(missing) else 0


def _coloured(pixels: Bytes, valid: "NDArray[np.bool_] | None", style: Style) -> Bytes:
    if style.format == "jpeg":
        return pixels if valid is None else np.where(valid[..., None], pixels, np.uint8(255))
    if valid is None or valid.all():
        return pixels
    return np.dstack([pixels, valid.astype(np.uint8) * 255])


def _encode(pixels: Bytes, style: Style) -> bytes:
    if style.format == "png":
        return png.coloured(pixels)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    out = io.BytesIO()
    if style.format == "jpeg":
        image.save(out, "JPEG", quality=80)
    else:
        image.save(out, "WEBP", quality=80, method=0)
    return out.getvalue()


def _both(one: "NDArray[np.bool_] | None", two: "NDArray[np.bool_]") -> "NDArray[np.bool_]":
    return two if one is None else one & two
