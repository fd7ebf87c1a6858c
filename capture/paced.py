"""A file played at its own speed, so that it can stand in for a live game."""

from __future__ import annotations

import time
from dataclasses import replace

from capture.frame import Frame
from capture.source import FrameSource, SourceInfo

LATE_SECONDS = 0.1
"""What is later than this is not made up for: the rest is shown later too, at its own speed."""


class RealTimeSource:
    """Hands out the frames of `source` when they are due, stamped with the present time."""

    trouble = ""

    def __init__(self, source: FrameSource) -> None:
        self.source = source
        self.info: SourceInfo = replace(source.info, live=True)
        self.position = 0.0
        """Where in the file the last frame was, in seconds."""
        self._next: Frame | None = None
        self._offset: float | None = None  # from the file's seconds to the clock's

    def restart(self) -> None:
        """The next frame is due at once: the source was sought in."""
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
