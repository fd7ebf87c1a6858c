"""A file played at its own speed, so that it can stand in for a live game."""

from __future__ import annotations

import time
from dataclasses import replace

from capture.frame import Frame
from capture.source import FrameSource, SourceInfo


class RealTimeSource:
    """Hands out the frames of `source` when they are due, stamped with the present time."""

    def __init__(self, source: FrameSource) -> None:
        self.source = source
        self.info: SourceInfo = replace(source.info, live=True)
        self.period = 1.0 / float(source.info.rate or 24)
        self.due = time.monotonic()

    def read(self, timeout: float) -> Frame | None:
        """See `FrameSource.read`."""
        wait = self.due - time.monotonic()
        if wait > timeout:
            time.sleep(timeout)
            return None
        frame = self.source.read(timeout)
        if frame is None:
            return None
        time.sleep(max(0.0, wait))
        self.due = max(self.due + self.period, time.monotonic() - self.period)
        return replace(frame, t_capture_ns=time.monotonic_ns())

    def close(self) -> None:
        """See `FrameSource.close`."""
        self.source.close()
