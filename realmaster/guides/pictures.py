"""Resizes pictures, and fits them into other sizes without changing their aspect ratio."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Size = tuple[int, int]
"""Width and height."""


def fit(image: Picture, width: int, height: int) -> Picture:
    """Scales `image` (H, W, C) u8 to (height, width, C): by area if it becomes narrower, otherwise cubic."""
    if image.shape[:2] == (height, width):
        return image
    mode = cv2.INTER_AREA if image.shape[1] > width else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=mode), np.uint8)


def place(size: Size, room: Size) -> tuple[slice, slice]:
    """Finds the rows and columns that a picture of `size` takes in the middle of `room`, with its aspect ratio kept.

    If only one line would stay free, the picture is stretched over it: that is less visible than an edge.
    """
    scale = min(room[0] / size[0], room[1] / size[1])
    inner = [max(1, round(side * scale)) for side in size]
    width, height = (full if full - side <= 1 else side for side, full in zip(inner, room, strict=True))
    left, top = (room[0] - width) // 2, (room[1] - height) // 2
    return slice(top, top + height), slice(left, left + width)


def boxed(image: Picture, room: Size, border: int = cv2.BORDER_REFLECT_101) -> Picture:
    """Puts a picture in the middle of a larger or smaller room, with its aspect ratio kept.

    Args:
        image: (H, W, C) u8.
        room: width and height of the result.
        border: how OpenCV fills the space around the picture; by default with its mirror image.

    Returns:
        (room height, room width, C) u8.
    """
    rows, columns = place((image.shape[1], image.shape[0]), room)
    small = fit(image, columns.stop - columns.start, rows.stop - rows.start)
    if small.shape[:2] == (room[1], room[0]):
        return small
    return np.asarray(cv2.copyMakeBorder(small, rows.start, room[1] - rows.stop, columns.start,
                                         room[0] - columns.stop, border), np.uint8)


def unboxed(image: Picture, size: Size) -> Picture:
    """Cuts off the borders that `boxed` added to a picture of `size`. The result is a view, (h, w, C)."""
    rows, columns = place(size, (image.shape[1], image.shape[0]))
    return image[rows, columns]
