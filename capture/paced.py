"""A file played at its own speed, so that it can stand in for a live game."""

from __future__ import annotations

import time
from dataclasses import replace

from capture.frame import Frame
from capture.session import SessionSource
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
        self._wanted: float | None = None

    @property
    def seconds(self) -> float:
        """Length of the file, 0 where it cannot be sought in."""
        return self.source.seconds if isinstance(self.source, SessionSource) else 0.0

    def seek(self, seconds: float) -> None:
        """Goes on from there; may be called from any thread. Does nothing where `seconds` is 0."""
        self._wanted = seconds

    def read(self, timeout: float) -> Frame | None:
        """See `FrameSource.read`."""
        wanted, self._wanted = self._wanted, None
        if wanted is not None and isinstance(self.source, SessionSource):
            self.source.seek(wanted)
            self._next = self._offset = None
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
