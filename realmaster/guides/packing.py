"""Engine buffers as a picture that any autoencoder can read: the second reference of models trained with guides."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.frame import Encoding, Frame, Kind
from realmaster.errors import UserError

NEAREST = 1.0
"""Metres: nearer than this, depth is all one."""


def pack_guides(normal: NDArray[Any], inverse_depth: NDArray[Any]) -> NDArray[np.uint8]:
    """World normals (..., H, W, 4) and inverse view depth (..., H, W, 1) in 1/m as a picture (..., H, W, 3) u8.

    Red and green are the normal's x and y (z is known but for its sign), blue the root of inverse depth, which
    spreads near and far alike.
    """
    near = np.sqrt(np.clip(inverse_depth[..., 0].astype(np.float32) * NEAREST, 0, 1))
    x, y = (normal[..., k].astype(np.float32) * 0.5 + 0.5 for k in (0, 1))
    packed = np.nan_to_num(np.clip(np.stack([x, y, near], -1), 0, 1), copy=False)  # no number: nothing known, far away
    return (packed * 255 + 0.5).astype(np.uint8)


def guides_of(frame: Frame) -> NDArray[np.uint8]:
    """The frame's normals and depth, packed, (H, W, 3) u8. Raises `UserError` if the game gives none."""
    normal, depth = frame.buffers.get(Kind.NORMAL), frame.buffers.get(Kind.DEPTH)
    if normal is None or depth is None:
        raise UserError("this model also reads normals and depth: add --guides, with a game whose plugin gives them or "
                        "a session that was recorded with `--buffers color depth normal`")
    inverse = depth.data
    if depth.encoding is Encoding.LINEAR_Z:
        inverse = 1 / np.maximum(inverse, 1e-6)
    return pack_guides(normal.data, inverse)
