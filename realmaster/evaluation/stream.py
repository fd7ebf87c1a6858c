"""Runs frames in memory through the live path: windows, carry, blending, all as `live` and `render` do it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bridge.contract import Backend, RenderSettings
from capture.errors import SourceEnded
from capture.frame import Flags, Frame, color_frame
from capture.source import Pacing, SourceInfo
from realmaster.stream.link import LocalLink
from realmaster.stream.session import Session
from realmaster.stream.sink import Shown
from realmaster.stream.stats import Stats

Video = NDArray[np.uint8]


class ClipSource:
    """Frames (T, H, W, 3) u8 as an offline source."""

    trouble = ""

    def __init__(self, video: Video) -> None:
        self.frames = [color_frame(i, i, picture, flags=Flags.RESET if i == 0 else Flags.NONE)
                       for i, picture in enumerate(video)]
        self.info = SourceInfo("clip", video.shape[2], video.shape[1], None, live=False)
        self._next = 0

    def read(self, timeout: float) -> Frame | None:
        """See `FrameSource.read`."""
        if self._next == len(self.frames):
            raise SourceEnded("the clip is over")
        self._next += 1
        return self.frames[self._next - 1]

    def keep_alive(self) -> None:
        """See `FrameSource.keep_alive`: nothing waits for this source's reader."""

    def close(self) -> None:
        """See `FrameSource.close`."""


class Collector:
    """A sink that keeps the pictures, and how much the two versions of each overlap differed."""

    def __init__(self) -> None:
        self.photos: list[Video] = []
        self.seams: list[float] = []

    def show(self, shown: Shown, stats: Stats) -> None:
        """See `Sink.show`."""
        if shown.photo is not None:
            self.photos.append(shown.photo)
        if stats.seam is not None and (not self.seams or self.seams[-1] != stats.seam):
            self.seams.append(stats.seam)

    def close(self) -> None:
        """See `Sink.close`."""


def stream(backend: Backend, video: Video, settings: RenderSettings) -> Collector:
    """The photoreal version of every frame of `video` (T, H, W, 3) u8."""
    kept = Collector()
    session = Session(ClipSource(video), LocalLink(backend), [kept], lambda: settings, pacing=Pacing.FRAMELOCKED)
    session.run(lambda: False)
    return kept
