"""The guide probe: checks a game's buffers by warping frames with them, and says in plain words what is wrong.

It warps the frame before to this frame, by the motion vectors or by depth and camera. The gain is the number of dB by
which the warped frame is closer to this frame than the unwarped one. If a buffer gains nothing as it is, but much with
another sign, unit, row order or encoding, the probe reports that this is probably what the game wrote.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from capture.frame import Frame
from realmaster.guides.probe.pairs import Examination, moving_pairs
from realmaster.guides.probe.spread import LEAST_PX, mean_flow, spread
from realmaster.guides.probe.static import (
    check_cameras,
    check_clock,
    check_depth_values,
    check_interface,
    check_jitter,
    check_stale,
)
from realmaster.guides.probe.warping import check_geometry, check_motion


def examine(frames: Sequence[Frame]) -> Examination:
    """Examines some seconds of consecutive frames of a running game. The camera should move in them."""
    seen = Examination()
    check_clock(frames, seen)
    frames = check_cameras(frames, seen)
    pairs = moving_pairs(spread(frames))
    if not pairs:
        seen.note("picture", "nothing moves: move the camera while this runs, or motion and depth cannot be checked")
    else:
        seen.figures["still picture, dB"] = float(np.mean([pair.still_db for pair in pairs]))
    with_depth = check_depth_values(frames, seen)
    check_jitter(frames, seen)
    if pairs:
        check_motion(pairs, seen)
        check_interface(frames, seen)
    moved = [pair for pair in pairs if mean_flow(pair.before, pair.now) >= LEAST_PX]
    if moved:
        if with_depth:
            check_geometry(moved, seen)
        check_stale(moved, seen, with_depth)
    elif pairs:
        seen.note("camera", "only a little of the picture moves: move the camera while this runs, or depth and "
                            "matrices cannot be checked")
    return seen
