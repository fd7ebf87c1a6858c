"""Tells whether a buffer may look the same in two frames although the picture moves, as over an endless floor."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.frame import Kind
from realmaster.guides.buffers import F32, at_size, inverse_depth, motion
from realmaster.guides.probe.pairs import Pair
from realmaster.guides.warp import geometric_motion, inverse_depth_before

MISFIT_SHARE = 0.005
"""The buffer fits if the share of pixels that do not fit is below this."""
DEPTH_OFF, NORMAL_OFF, MOTION_OFF = 0.02, 0.05, 0.05
"""Largest errors of a pixel that fits: of depth (relative), of a normal's components, of motion (relative)."""
MOTION_PX = 0.25


def can_tell(pair: Pair, kind: Kind) -> bool:
    """Whether the pair has the buffers and the camera that `may_stay` needs for this kind."""
    needed = {Kind.DEPTH: (pair.before, pair.now)}.get(kind, (pair.now,))
    return pair.now.camera is not None and all(Kind.DEPTH in frame.buffers for frame in needed)


def may_stay(pair: Pair, kind: Kind) -> bool:
    """Whether the buffer of the frame before, moved as a still world moves, equals that of this frame."""
    camera = pair.now.camera
    assert camera is not None
    inverse, unit = inverse_depth(pair.now), pair.now.metres_per_unit
    moves = geometric_motion(inverse, camera, unit)
    if kind is Kind.MOTION:
        off = np.linalg.norm(motion(pair.now) - moves, axis=-1)
        return _fits(off > MOTION_PX + MOTION_OFF * np.linalg.norm(moves, axis=-1), inverse > 0)
    if kind is Kind.DEPTH:
        expected = inverse_depth_before(inverse, camera, unit)
        found, inside = _carried(inverse_depth(pair.before), moves)
        return _fits(np.abs(found - expected) > DEPTH_OFF * (expected + 1e-3), inside)
    now = at_size(pair.now.buffers[kind].data, pair.now)
    found, inside = _carried(at_size(pair.before.buffers[kind].data, pair.before), moves)
    return _fits(np.abs(found - now).max(-1) > NORMAL_OFF, inside)


def _carried(field: F32, moves: NDArray[np.float32]) -> tuple[F32, NDArray[np.bool_]]:
    """Samples a field of the frame before at the old places of this frame's pixels, and where those are inside."""
    height, width = moves.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = x + moves[..., 0], y + moves[..., 1]
    found = cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32), (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)


def _fits(off: NDArray[Any], where: NDArray[np.bool_]) -> bool:
    return bool(where.any()) and float(off[where].mean()) < MISFIT_SHARE
