"""Shows a model's small picture at the game's own size: its colours, on the game's edges and textures.

The model renders small. Around each of its pixels, a line `photo = gain * game + offset` is fitted for each channel
from the small game frame to the small photo. Gains and offsets are enlarged smoothly and applied to the full frame.
This is a guided filter (He, Sun, Tang, "Guided Image Filtering", 2010) in its fast form ("Fast Guided Filter", He and
Sun, 2015), but for one thing: where the game's frame is flat, the gain tends to 1, not to 0, so that fine texture which
the small frame is too coarse to show stays as the game drew it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from realmaster.guides.pictures import Picture, fit

RADIUS = 3
"""Pixels of the small picture on each side that one fit looks at."""
FLAT = 9.0
"""Variance, of values up to 255, below which the game's frame counts as flat: a standard deviation of 3 levels.

More gives halos at faint edges, less takes noise for edges."""
SOFTEN = 0.8
"""Pixels of the small picture, as a standard deviation, that both are blurred by before the fit.

A model's picture is a little softer than the game's frame; without this, that would count as a loss of contrast."""
GAIN_ONE = 256
"""A gain of 1 in 16 bits."""
GAINS = -2.0, 4.0
"""Gains beyond these come from a game's edge that is too faint to carry what the model made of it."""
PARTS = 8
"""Parts of a level that offsets are kept in; a power of two."""
ROWS = 24
"""Rows that are worked on at a time; so few fit into a core's cache, which halves the cost."""


class FullSize:
    """Gives full frames the colours of small photos; keeps its working memory, which saves a quarter of the time."""

    def __init__(self) -> None:
        self._gains = self._offsets = np.empty((0, 0, 3), np.int16)

    def __call__(self, game: NDArray[np.uint8], photo: Picture) -> Picture:
        """The game's frame in the colours of the photo.

        Args:
            game: (H, W, 3 or 4) u8; a fourth channel is left out.
            photo: what the model made of the same frame, at its own size, (h, w, 3) u8.

        Returns:
            (H, W, 3) u8. The photo itself, if the game's frame is not larger.
        """
        full, (height, width) = game[..., :3], photo.shape[:2]
        if full.shape[0] <= height or full.shape[1] <= width:
            return photo
        small = fit(game, width, height)[..., :3]
        if self._gains.shape != full.shape:
            self._gains, self._offsets = np.empty(full.shape, np.int16), np.empty(full.shape, np.int16)
        gain, offset = _fit(small.astype(np.float32, order="C"), photo.astype(np.float32, order="C"))
        size = full.shape[1], full.shape[0]
        cv2.resize((gain * GAIN_ONE).round().astype(np.int16), size, dst=self._gains)
        cv2.resize((offset * PARTS + PARTS / 2).astype(np.int16), size, dst=self._offsets)
        result = np.empty(full.shape, np.uint8)
        for top in range(0, len(full), ROWS):
            rows = slice(top, top + ROWS)
            part = full[rows].astype(np.int16)
            cv2.multiply(self._gains[rows], part, dst=part, scale=PARTS / GAIN_ONE, dtype=cv2.CV_16S)
            part += self._offsets[rows]
            part >>= PARTS.bit_length() - 1
            result[rows] = np.clip(part, 0, 255, out=part)
        return result


def _fit(game: NDArray[np.float32], photo: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Gain and offset of each pixel and channel, (h, w, 3), so that `gain * game + offset` is near `photo`.

    Both pictures are overwritten: memory that is asked for anew in every frame costs as much as the arithmetic.
    """
    cv2.GaussianBlur(game, (0, 0), SOFTEN, dst=game)
    change = cv2.GaussianBlur(photo, (0, 0), SOFTEN, dst=photo)
    change -= game
    mean, mean_change = _box(game), _box(change)
    change *= game
    covariance = _box(change)
    covariance -= mean * mean_change
    game *= game
    variance = _box(game)
    variance -= mean * mean
    variance += FLAT
    gain = np.divide(covariance, variance, out=covariance)
    np.clip(gain, GAINS[0] - 1, GAINS[1] - 1, out=gain)
    mean *= gain
    mean_change -= mean
    gains = _box(gain)
    gains += 1
    return gains, _box(mean_change)


def _box(values: NDArray[np.float32]) -> NDArray[np.float32]:
    side = 2 * RADIUS + 1
    return np.asarray(cv2.blur(values, (side, side)), np.float32)
