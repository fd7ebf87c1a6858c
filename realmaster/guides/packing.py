"""Packs normals and depth into a picture that any autoencoder can read, for models trained with guides."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.frame import Encoding, Frame, Kind
from realmaster.errors import UserError

NEAREST = 1.0
"""Depths below this, in metres, are packed alike."""


def pack_guides(normal: NDArray[Any], inverse_depth: NDArray[Any]) -> NDArray[np.uint8]:
    """Packs normals and depth into a picture.

    Red and green are the normal's x and y; they determine z up to its sign. Blue is the square root of inverse depth.
    The root gives near and far depths similar precision.

    Args:
        normal: world normals, (..., H, W, 4).
        inverse_depth: 1 / view depth in 1/m, (..., H, W, 1).

    Returns:
        The picture, (..., H, W, 3) u8.
    """
    near = np.sqrt(np.clip(inverse_depth[..., 0].astype(np.float32) * NEAREST, 0, 1))
    x, y = (normal[..., k].astype(np.float32) * 0.5 + 0.5 for k in (0, 1))
    packed = np.nan_to_num(np.clip(np.stack([x, y, near], -1), 0, 1), copy=False)  # NaN becomes 0: infinitely far
    return (packed * 255 + 0.5).astype(np.uint8)


def guides_of(frame: Frame) -> NDArray[np.uint8]:
    """Packs the frame's normals and depth, (H, W, 3) u8. Raises `UserError` if one of them is missing."""
    normal, depth = frame.buffers.get(Kind.NORMAL), frame.buffers.get(Kind.DEPTH)
    if normal is None or depth is None:
        raise UserError("this model also reads normals and depth: add --guides, with a game whose plugin gives them or "
                        "a session that was recorded with `--buffers color depth normal`")
    inverse = depth.data
    if depth.encoding is Encoding.LINEAR_Z:
        inverse = 1 / np.maximum(inverse, 1e-6)
    return pack_guides(normal.data, inverse)
