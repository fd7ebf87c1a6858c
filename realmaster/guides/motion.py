"""Motion where a game gives none: by depth and camera for what stands still, by optical flow for the rest."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.frame import Frame, Kind
from realmaster.guides.buffers import inverse_depth, picture
from realmaster.guides.warp import geometric_motion, warp

AGREE_PX = 2.0
"""Two estimates that differ by less agree: what moves by itself, or is hidden, differs by more."""
LEAST_SIDE = 32
NEAR = 7
"""Side in pixels of the squares over which colours are compared."""


@dataclass(frozen=True)
class Estimate:
    """Motion (H, W, 2) f32 in pixels, previous = current + motion, and where it is to be trusted (H, W)."""

    motion: NDArray[np.float32]
    trusted: NDArray[np.bool_]
    still: NDArray[np.bool_]
    """Where the motion is that of a world that stands still (H, W)."""


def estimate_motion(before: Frame, now: Frame) -> Estimate:
    """From `before`, the frame before `now` and of the same size, to `now`.

    Depth and camera tell exactly how the picture of a still world moves, but nothing of what moves in it; optical flow
    (DIS, medium) follows both, if only roughly and not where there is nothing to see. Where the two agree the first is
    taken and trusted. Where they do not, the one is taken whose colours fit better, and not trusted. Without depth or
    camera it is optical flow alone, trusted where flow back from there returns.
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
    """Optical flow (H, W, 2) from one picture to another, both of any size."""
    height, width = here.shape[:2]
    below, right = max(0, LEAST_SIDE - height), max(0, LEAST_SIDE - width)  # DIS fails on smaller ones
    grey = [cv2.copyMakeBorder(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), 0, below, 0, right, cv2.BORDER_REPLICATE)
            for picture in (here, there)]
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = dis.calc(grey[0], grey[1], np.zeros((*grey[0].shape, 2), np.float32))
    return np.asarray(flow[:height, :width], np.float32)


def moved(field: NDArray[np.float32], motion: NDArray[np.float32]) -> NDArray[np.float32]:
    """`field` (H, W, 2) read where `motion` points to."""
    y, x = np.mgrid[0:motion.shape[0], 0:motion.shape[1]].astype(np.float32)
    return np.asarray(cv2.remap(field, x + motion[..., 0], y + motion[..., 1], cv2.INTER_LINEAR), np.float32)


def _misfit(old: NDArray[np.uint8], new: NDArray[np.uint8], motion: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far the colours around each pixel (H, W) are from those that `motion` brings there."""
    difference = cv2.absdiff(warp(old, motion)[0], new).astype(np.float32).sum(-1)
    return np.asarray(cv2.blur(difference, (NEAR, NEAR)), np.float32)
