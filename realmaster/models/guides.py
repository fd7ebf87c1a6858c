"""Engine buffers as a picture that the autoencoder can read: the second reference of the `guides` variant."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

NEAREST = 1.0
"""Metres: nearer than this, depth is all one."""


def pack_guides(normal: NDArray[Any], inverse_depth: NDArray[Any]) -> NDArray[np.uint8]:
    """World normals (T, H, W, 4) and inverse view depth (T, H, W, 1) in 1/m as (T, H, W, 3) u8.

    Red and green are the normal's x and y (z is known but for its sign), blue the root of inverse depth, which
    spreads near and far alike.
    """
    near = np.sqrt(np.clip(inverse_depth[..., 0].astype(np.float32) * NEAREST, 0, 1))
    x, y = (normal[..., k].astype(np.float32) * 0.5 + 0.5 for k in (0, 1))
    return (np.clip(np.stack([x, y, near], -1), 0, 1) * 255 + 0.5).astype(np.uint8)
