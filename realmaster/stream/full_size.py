"""Enlarges a model's small photo to the game's size with the edges and textures of the game's frame.

The model renders at a small size. For each pixel and channel of the small photo, a line `photo = gain * game + offset`
is fitted between the small game frame and the small photo. Gains and offsets are enlarged smoothly and applied to the
full frame. This is a guided filter (He, Sun, Tang, "Guided Image Filtering", 2010) in its fast form ("Fast Guided
Filter", He and Sun, 2015), with one difference: where the game's frame is flat, the gain tends to 1 instead of 0. Fine
texture that is lost in the small frame therefore stays as the game drew it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from realmaster.guides.pictures import Picture, fit

RADIUS = 3
"""Each fit uses this many pixels of the small picture on each side."""
FLAT = 9.0
"""Variance of values from 0 to 255 below which the game's frame counts as flat: a standard deviation of 3 levels.

A larger value gives halos at faint edges. A smaller one treats noise as edges."""
SOFTEN = 0.8
"""Standard deviation, in pixels of the small picture, of the blur that both pictures get before the fit.

A model's picture is a little softer than the game's frame. Without the blur, the fit would reduce the contrast."""
GAIN_ONE = 256
"""The integer that stands for a gain of 1 in the 16-bit arithmetic."""
GAINS = -2.0, 4.0
"""Least and largest gain. Gains beyond them come from edges of the game that are too faint for a fit."""
PARTS = 8
"""Offsets are kept in this fraction of a level; a power of two."""
ROWS = 24
"""Rows processed at a time. So few rows fit into a core's cache, which halves the time."""


class FullSize:
    """Gives full frames the colours of small photos. Reuses its working memory, which saves a quarter of the time."""

    def __init__(self) -> None:
        self._gains = self._offsets = np.empty((0, 0, 3), np.int16)

    def __call__(self, game: NDArray[np.uint8], photo: Picture) -> Picture:
        """Gives the game's frame the colours of the photo.

        Args:
            game: the game's frame, (H, W, 3 or 4) u8. A fourth channel is ignored.
            photo: the model's picture of the same frame at the model's size, (h, w, 3) u8.

        Returns:
            The photo at the game's size, (H, W, 3) u8; `photo` itself if the game's frame is not larger.
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
    """Fits gain and offset of each pixel and channel, so that `gain * game + offset` is near `photo`.

    Both pictures are overwritten, because allocating new memory for every frame costs as much as the arithmetic.

    Args:
        game: (h, w, 3), values from 0 to 255.
        photo: (h, w, 3), values from 0 to 255.

    Returns:
        Gains and offsets, (h, w, 3) each.
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
