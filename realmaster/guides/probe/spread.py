"""Frames of a fast game, taken so far apart that their motion can be measured."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from capture.frame import Buffer, Encoding, Flags, Frame, Kind
from realmaster.guides.buffers import motion, picture
from realmaster.guides.motion import moved, optical_flow

LEAST_PX = 1.0
"""Motion of less than that is worth less than what warping blurs."""
MOST_STEPS = 12
"""Frames that are taken for one, at most."""
LOOKS = 4
"""Pairs of neighbours whose motion decides, at most."""
SMALL = 320


def mean_flow(before: Frame, now: Frame) -> float:
    """How far the picture moves, in its pixels; looked at small, which takes a few milliseconds."""
    scale = min(1.0, SMALL / max(now.size))
    size = tuple(max(1, round(side * scale)) for side in now.size)
    old, new = (np.asarray(cv2.resize(picture(frame), size, interpolation=cv2.INTER_AREA), np.uint8)
                for frame in (before, now))
    return float(np.linalg.norm(optical_flow(new, old), axis=-1).mean()) / scale


def follows(before: Frame, now: Frame) -> bool:
    """Whether nothing was cut or lost between the two."""
    return not now.flags & Flags.RESET and not now.dropped and before.size == now.size


def spread(frames: Sequence[Frame]) -> list[Frame]:
    """Every n-th frame, as if it followed the one n before it; all of them, where neighbours move enough."""
    neighbours = [(a, b) for a, b in itertools.pairwise(frames) if follows(a, b)]
    looked = [mean_flow(a, b) for a, b in neighbours[::max(1, len(neighbours) // LOOKS)][:LOOKS]]
    length = float(np.mean(looked)) if looked else 0.0
    steps = min(MOST_STEPS, int(np.ceil(2 * LEAST_PX / length))) if 0 < length < LEAST_PX else 1
    if steps == 1:
        return list(frames)
    found: list[Frame] = []
    run: list[Frame] = []  # since the last frame that was taken
    for frame in frames:
        if not run or not follows(run[-1], frame):
            found.append(replace(frame, flags=frame.flags | Flags.RESET))
            run = [frame]
            continue
        run.append(frame)
        if len(run) > steps:
            found.append(_joined(run[1:]))
            run = [frame]
    return found


def _joined(steps: Sequence[Frame]) -> Frame:
    """The last frame, with the motion of all steps, and the first one's camera before."""
    first, last = steps[0], steps[-1]
    camera = last.camera
    if camera is not None and first.camera is not None:
        camera = replace(camera, previous_view=first.camera.previous_view,
                         previous_projection=first.camera.previous_projection)
    buffers = dict(last.buffers)
    if all(Kind.MOTION in step.buffers for step in steps):
        whole = motion(last)
        for step in reversed(steps[:-1]):
            whole = whole + moved(motion(step), whole)
        buffers[Kind.MOTION] = Buffer(Encoding.PIXELS, whole.astype(np.float16))
    return replace(last, buffers=buffers, camera=camera)
