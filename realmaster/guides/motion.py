"""Estimates motion for games that give none: from depth and camera where the world stands still, else optical flow."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.frame import Frame, Kind
from realmaster.guides.buffers import inverse_depth, picture
from realmaster.guides.warp import geometric_motion, warp

AGREE_PX = 2.0
"""Two estimates agree if they differ by less. They differ by more where an object moves by itself or is hidden."""
LEAST_SIDE = 32
NEAR = 7
"""Colours are compared over squares with sides of this many pixels."""


@dataclass(frozen=True)
class Estimate:
    """Motion in pixels, (H, W, 2) f32, and where it can be trusted, (H, W).

    The pixel at `current` was at `current + motion` in the frame before.
    """

    motion: NDArray[np.float32]
    trusted: NDArray[np.bool_]
    still: NDArray[np.bool_]
    """Where the motion is the one from depth and camera, (H, W)."""


def estimate_motion(before: Frame, now: Frame) -> Estimate:
    """Estimates the motion between two frames of the same size.

    Depth and camera give the exact motion of everything that stands still. Optical flow (DIS, medium) also follows
    moving objects, but only roughly, and it fails where there is no texture. Where the two agree, the motion from depth
    and camera is taken and trusted. Elsewhere the one whose colours fit better is taken, and it is not trusted. Without
    depth or camera, optical flow is taken, and trusted where the flow in the other direction leads back.

    Args:
        before: the frame before `now`.
        now: the frame whose motion is estimated.
    """
    old, new = picture(before), picture(now)
    flow = optical_flow(new, old)
    if now.camera is None or Kind.DEPTH not in now.buffers:
        back = moved(optical_flow(old, new), flow)
        trusted = np.linalg.norm(flow + back, axis=-1) < AGREE_PX
        return Estimate(flow, trusted, np.zeros_like(trusted))
    still = geometric_motion(inverse_depth(now), now.camera, now.metres_per_unit)
    agree = np.linalg.norm(still - flow, axis=-1) < AGREE_PX
    stands = agree | (_misfit(old, new, still) <= _misfit(old, new, flow))
    return Estimate(np.where(stands[..., None], still, flow), agree, stands)


def optical_flow(here: NDArray[np.uint8], there: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Optical flow from one picture to another, (H, W, 2) f32 in pixels. Both are (H, W, 3) u8."""
    height, width = here.shape[:2]
    below, right = max(0, LEAST_SIDE - height), max(0, LEAST_SIDE - width)  # DIS fails on smaller pictures
    grey = [cv2.copyMakeBorder(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), 0, below, 0, right, cv2.BORDER_REPLICATE)
            for picture in (here, there)]
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = dis.calc(grey[0], grey[1], np.zeros((*grey[0].shape, 2), np.float32))
    return np.asarray(flow[:height, :width], np.float32)


def moved(field: NDArray[np.float32], motion: NDArray[np.float32]) -> NDArray[np.float32]:
    """Samples `field` (H, W, 2) at the points to which `motion` (H, W, 2), in pixels, leads."""
    y, x = np.mgrid[0:motion.shape[0], 0:motion.shape[1]].astype(np.float32)
    return np.asarray(cv2.remap(field, x + motion[..., 0], y + motion[..., 1], cv2.INTER_LINEAR), np.float32)


def _misfit(old: NDArray[np.uint8], new: NDArray[np.uint8], motion: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean colour difference around each pixel, (H, W), between `new` and `old` warped by `motion`."""
    difference = cv2.absdiff(warp(old, motion)[0], new).astype(np.float32).sum(-1)
    return np.asarray(cv2.blur(difference, (NEAR, NEAR)), np.float32)
