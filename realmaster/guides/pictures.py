"""Pictures at another size, in their own shape."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Size = tuple[int, int]
"""Width and height."""


def fit(image: Picture, width: int, height: int) -> Picture:
    """`image` (H, W, C) scaled to width x height: area-averaged when it shrinks, cubic when it grows."""
    if image.shape[:2] == (height, width):
        return image
    mode = cv2.INTER_AREA if image.shape[1] > width else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=mode), np.uint8)


def place(size: Size, room: Size) -> tuple[slice, slice]:
    """Rows and columns that a picture of `size` takes in the middle of `room`, in its own shape.

    One that would leave a single line free takes all: that little stretching shows less than an edge.
    """
    scale = min(room[0] / size[0], room[1] / size[1])
    inner = [max(1, round(side * scale)) for side in size]
    width, height = (full if full - side <= 1 else side for side, full in zip(inner, room, strict=True))
    left, top = (room[0] - width) // 2, (room[1] - height) // 2
    return slice(top, top + height), slice(left, left + width)


def boxed(image: Picture, room: Size, border: int = cv2.BORDER_REFLECT_101) -> Picture:
    """`image` (H, W, C) in the middle of `room`. What is left is its mirror image, or as OpenCV's `border` says."""
    rows, columns = place((image.shape[1], image.shape[0]), room)
    small = fit(image, columns.stop - columns.start, rows.stop - rows.start)
    if small.shape[:2] == (room[1], room[0]):
        return small
    return np.asarray(cv2.copyMakeBorder(small, rows.start, room[1] - rows.stop, columns.start,
                                         room[0] - columns.stop, border), np.uint8)


def unboxed(image: Picture, size: Size) -> Picture:
    """Undoes `boxed` for a picture that was of `size`: (H, W, C) of that shape, without the borders."""
    rows, columns = place(size, (image.shape[1], image.shape[0]))
    return image[rows, columns]
