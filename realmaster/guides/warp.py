"""Warps frames by motion vectors, and computes the motion of a still world from depth and camera."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.frame import Camera


def warp(previous: NDArray[np.uint8], motion: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Warps the previous frame to the current one.

    Args:
        previous: the frame before, (H, W, 3) u8.
        motion: motion in pixels, (H, W, 2), previous = current + motion.

    Returns:
        The warped frame, (H, W, 3) u8, and where its pixels come from inside the previous frame, (H, W) bool.
    """
    height, width = motion.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = x + motion[..., 0].astype(np.float32), y + motion[..., 1].astype(np.float32)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    moved = cv2.remap(previous, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8), inside


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8], where: NDArray[np.bool_] | None = None) -> float:
    """Peak signal-to-noise ratio of two u8 pictures, in dB; 100 if they are equal.

    `where` (H, W) selects the pixels to compare; None compares all.
    """
    square = np.square(a.astype(np.float32) - b.astype(np.float32))
    error = float((square if where is None else square[where]).mean())
    return 100.0 if error < 65025e-10 else 10 * float(np.log10(65025 / error))


def geometric_motion(inverse_depth: NDArray[Any], camera: Camera, metres_per_unit: float) -> NDArray[np.float32]:
    """Computes the motion of a world that stands still while the camera moves.

    Args:
        inverse_depth: 1 / view depth in 1/m, (H, W). 0 means infinitely far; then only the camera's rotation counts.
        camera: the camera now and in the frame before.
        metres_per_unit: the length of one unit of the camera's matrices.

    Returns:
        Motion in pixels, (H, W, 2) f32, previous = current + motion.

    Raises:
        np.linalg.LinAlgError: the view matrix cannot be inverted.
    """
    height, width = inverse_depth.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    back = camera.previous_projection @ camera.previous_view @ np.linalg.inv(camera.view.astype(np.float64))
    before = _points(inverse_depth, camera, metres_per_unit) @ back.T.astype(np.float32)
    w = np.where(np.abs(before[..., 3]) < 1e-9, 1e-9, before[..., 3])
    past_x, past_y = (before[..., 0] / w + 1) / 2 * width - 0.5, (1 - before[..., 1] / w) / 2 * height - 0.5
    return np.stack([past_x - x, past_y - y], -1).astype(np.float32)


def inverse_depth_before(inverse_depth: NDArray[Any], camera: Camera, metres_per_unit: float) -> NDArray[np.float32]:
    """The 1 / view depth in 1/m, (H, W) f32, that the points seen now had in the frame before, if nothing moved."""
    back = camera.previous_view @ np.linalg.inv(camera.view.astype(np.float64))
    points = _points(inverse_depth, camera, metres_per_unit) @ back.T.astype(np.float32)
    return (points[..., 3] / np.maximum(-points[..., 2], 1e-6) / metres_per_unit).astype(np.float32)


def _points(inverse_depth: NDArray[Any], camera: Camera, metres_per_unit: float) -> NDArray[np.float32]:
    """The points seen, (H, W, 4), in homogeneous coordinates of view space.

    They are scaled to depth 1, so that points at infinity need no special case.
    """
    height, width = inverse_depth.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    right, up = (x + 0.5) / width * 2 - 1, 1 - (y + 0.5) / height * 2
    p = camera.projection
    return np.stack([(right + p[0, 2]) / p[0, 0], (up + p[1, 2]) / p[1, 1], -np.ones_like(x),
                     inverse_depth.astype(np.float32) * metres_per_unit], -1)
