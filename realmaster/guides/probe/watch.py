"""Runs the guide probe in a live session: it checks the guides every few seconds, and reports if they are wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from capture.checks import check_camera
from capture.errors import BadFrame
from capture.frame import Flags, Frame, Kind
from realmaster.guides.buffers import inverse_depth, motion, picture
from realmaster.guides.probe.pairs import STILL_DB, Pair
from realmaster.guides.probe.spread import LEAST_PX, mean_flow
from realmaster.guides.warp import geometric_motion, psnr

PERIOD = 3.0
"""Seconds between two checks. A check takes some ten milliseconds."""
LOOKS = 3
"""The number of checks that are needed before a fault is reported."""


class GuideWatch:
    """Takes every frame of a session. It keeps one frame to compare with, and the last `LOOKS` gains in dB."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._before: Frame | None = None
        self._due = clock()
        self._gains: deque[float] = deque(maxlen=LOOKS)

    @property
    def due(self) -> bool:
        """Whether the next frame will be checked, for which it must have all of its buffers."""
        return self.clock() >= self._due

    def look(self, frame: Frame) -> str:
        """Takes the next frame. Returns one sentence on what is wrong with the guides; empty if no fault is known."""
        before, self._before = self._before, None
        if not self.due:
            return self._verdict()
        if before is None or frame.flags & Flags.RESET or frame.dropped or before.size != frame.size:
            self._before = frame  # the next frame is compared with it
            return self._verdict()
        self._due = self.clock() + PERIOD
        gain = _gain(before, frame)
        if gain is not None:
            self._gains.append(gain)
        return self._verdict()

    def _verdict(self) -> str:
        if len(self._gains) < LOOKS or np.median(self._gains) > 0:
            return ""
        return (f"the game's motion or depth does not explain its picture ({np.median(self._gains):+.1f} dB by "
                "warping): realmaster check-plugin says more")


def _gain(before: Frame, now: Frame) -> float | None:
    """The gain in dB of warping by the guides; None if the frame has no guides, or nothing moves."""
    if Kind.MOTION not in now.buffers and (now.camera is None or Kind.DEPTH not in now.buffers):
        return None
    still = psnr(picture(before), picture(now))
    if still > STILL_DB or mean_flow(before, now) < LEAST_PX:
        return None
    camera = now.camera
    if Kind.MOTION in now.buffers or camera is None:
        return Pair(before, now, still).gain(motion(now))
    try:
        check_camera(camera)
    except BadFrame:
        return -still
    return Pair(before, now, still).gain(geometric_motion(inverse_depth(now), camera, now.metres_per_unit))
