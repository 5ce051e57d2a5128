"""Our PNG writer beside Pillow's reader."""

import io

import numpy as np
import pytest
from PIL import Image

from terrafair.data.tiles import png


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (256, 256)])
def test_colours_come_back(channels: int, shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (*shape, channels), np.uint8)
    image = Image.open(io.BytesIO(png.coloured(pixels)))
    image.load()
    assert image.mode == ("RGB" if channels == 3 else "RGBA") and (np.asarray(image) == pixels).all()


@pytest.mark.parametrize("clear", [(), (0,), (7, 255)])
def test_indices_come_back_with_what_is_clear(clear: tuple[int, ...]) -> None:
    indices = np.arange(256, dtype=np.uint8).reshape(16, 16)
    colours = np.random.default_rng(2).integers(0, 256, (256, 3), np.uint8)
    alpha = np.full(256, 255, np.uint8)
    alpha[list(clear)] = 0
    image = Image.open(io.BytesIO(png.indexed(indices, colours, alpha.tobytes()))).convert("RGBA")
    drawn = np.asarray(image).reshape(256, 4)
    assert (drawn[:, :3] == colours).all() and (drawn[:, 3] == alpha).all()
