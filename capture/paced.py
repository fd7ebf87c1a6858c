"""Plays a file at its own speed, so that it can replace a live game."""

from __future__ import annotations

import time
from dataclasses import replace

from capture.frame import Frame
from capture.source import FrameSource, SourceInfo

LATE_SECONDS = 0.1
"""If a frame is later than this, the frames after it are delayed as well, instead of played faster."""


class RealTimeSource:
    """Gives the frames of `source` when they are due, with the present time as their capture time."""

    trouble = ""

    def __init__(self, source: FrameSource) -> None:
        self.source = source
        self.info: SourceInfo = replace(source.info, live=True)
        self.position = 0.0
        """The time of the last frame in the file, in seconds."""
        self._next: Frame | None = None
        self._offset: float | None = None  # the clock's seconds minus the file's

    def restart(self) -> None:
        """Makes the next frame due at once. Call it after a seek in `source`."""
        self._next = self._offset = None

    def read(self, timeout: float) -> Frame | None:
        """See `FrameSource.read`."""
        if self._next is None:
            self._next = self.source.read(timeout)
        if self._next is None:
            return None
        now, place = time.monotonic(), self._next.t_capture_ns / 1e9
        if self._offset is None or now > place + self._offset + LATE_SECONDS:
            self._offset = now - place
        wait = place + self._offset - now
        time.sleep(min(max(wait, 0.0), timeout))
        if wait > timeout:
            return None
        frame, self._next, self.position = self._next, None, place
        return replace(frame, t_capture_ns=time.monotonic_ns())

    def keep_alive(self) -> None:
        """See `FrameSource.keep_alive`."""

    def close(self) -> None:
        """See `FrameSource.close`."""
        self.source.close()
