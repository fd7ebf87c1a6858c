"""Takes only every n-th frame of a fast game, so that the motion between frames is large enough to measure."""

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
"""Motion of fewer pixels cannot be measured: warping loses more by its blur than it gains."""
MOST_STEPS = 12
"""The most frames that are joined into one."""
LOOKS = 4
"""The most pairs of neighbours whose motion is measured to choose n."""
SMALL = 320


def mean_flow(before: Frame, now: Frame) -> float:
    """The mean motion of the picture in pixels. It is measured on small copies, which takes a few milliseconds."""
    scale = min(1.0, SMALL / max(now.size))
    size = tuple(max(1, round(side * scale)) for side in now.size)
    old, new = (np.asarray(cv2.resize(picture(frame), size, interpolation=cv2.INTER_AREA), np.uint8)
                for frame in (before, now))
    return float(np.linalg.norm(optical_flow(new, old), axis=-1).mean()) / scale


def follows(before: Frame, now: Frame) -> bool:
    """Whether no cut, lost frame or change of size lies between the two frames."""
    return not now.flags & Flags.RESET and not now.dropped and before.size == now.size


def spread(frames: Sequence[Frame]) -> list[Frame]:
    """Every n-th frame, with motion and camera from the frame n before it. n is 1 if neighbours move enough."""
    neighbours = [(a, b) for a, b in itertools.pairwise(frames) if follows(a, b)]
    looked = [mean_flow(a, b) for a, b in neighbours[::max(1, len(neighbours) // LOOKS)][:LOOKS]]
    length = float(np.mean(looked)) if looked else 0.0
    steps = min(MOST_STEPS, int(np.ceil(2 * LEAST_PX / length))) if 0 < length < LEAST_PX else 1
    if steps == 1:
        return list(frames)
    found: list[Frame] = []
    run: list[Frame] = []  # the frames since the last one taken
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
    """The last frame, with the motion of all steps added up, and with the previous camera of the first step."""
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
