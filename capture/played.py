"""Plays a recorded session at its own speed, with seeking, and with its recorded photoreal pictures."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from capture.errors import SourceEnded
from capture.frame import Frame
from capture.paced import RealTimeSource
from capture.recording.photos import PhotoTracks
from capture.session import SessionSource

START_SECONDS = 10.0
"""How long it waits for a viewer before it begins."""


class PlayedSession(RealTimeSource):
    """A source that plays a recorded session.

    After the last frame, `read` raises `SourceEnded` once. Then it gives no frames until `seek` is called. It begins
    when `ready()` is true, or after `START_SECONDS`.

    Args:
        session: the recorded session.
        recorded: also read the recorded photoreal pictures. `photo` is the one of the last frame, (H, W, 3) u8.
    """

    def __init__(self, session: SessionSource, recorded: bool) -> None:
        super().__init__(session)
        self.session = session
        self.seconds = session.seconds
        """The length of the whole session, in seconds."""
        self.photos = PhotoTracks(session.path) if recorded else None
        if self.photos is not None and session.first:
            self.photos.seek(session.index.pts[session.first])
        self.photo: NDArray[np.uint8] | None = None
        self.ready: Callable[[], bool] = lambda: True
        self._started, self._over = False, False
        self._since = time.monotonic()
        self._wanted: float | None = None

    def seek(self, seconds: float) -> None:
        """Continues from the time `seconds` in the session. May be called from any thread."""
        self._wanted = seconds

    def read(self, timeout: float) -> Frame | None:
        """See `FrameSource.read`."""
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            self.session.seek(wanted)
            if self.photos is not None:
                self.photos.seek(self.session.index.pts[self.session.next])
            self.restart()
            self._over = False
        self._started = self._started or self.ready() or time.monotonic() - self._since > START_SECONDS
        if self._over or not self._started:
            time.sleep(timeout)  # bounded by the caller's timeout
            return None
        try:
            frame = super().read(timeout)
        except SourceEnded:
            self._over = True
            raise
        if frame is not None and self.photos is not None:
            self.photo = self.photos.at(round(self.position * 1000))
        return frame

    def close(self) -> None:
        """See `FrameSource.close`."""
        super().close()
        if self.photos is not None:
            self.photos.close()
