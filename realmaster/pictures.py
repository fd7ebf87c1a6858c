"""Pictures at another size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def fit(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """`image` (H, W, C) scaled to width x height: area-averaged when it shrinks, cubic when it grows."""
    if image.shape[:2] == (height, width):
        return image
    mode = cv2.INTER_AREA if image.shape[1] > width else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=mode), np.uint8)
