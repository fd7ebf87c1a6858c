"""Are a game's buffers what they claim to be? Warps frames by them, and says in plain words what is wrong.

The core is the guide probe: by how many dB is the frame before, warped to this one by the motion vectors (or by depth
and camera), closer to this one than unwarped? A buffer that gains nothing as it is, but much when read differently
(another sign, unit, row order, encoding), tells how it was meant.
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
    """Looks at consecutive frames of a running game, some seconds of them, with the camera moving."""
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
