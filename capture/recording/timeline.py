"""Where frames lie on a recording's own clock."""

from __future__ import annotations

from typing import Literal

from capture.frame import Frame
from capture.recording.layout import MS

REMEMBERED = 1024
"""Frames whose places are known; far more than a session has on their way to becoming photoreal."""
MAX_GAP_MS = 3_600_000
"""A clock that jumps by more than an hour has been set anew: the recording goes on where it was."""


class Timeline:
    """Gives frames rising places in milliseconds, by their capture time or by the game's clock."""

    def __init__(self, clock: Literal["capture", "game"]) -> None:
        self.clock = clock
        self._last, self._last_ms = -1, 0
        self._origin: int | None = None
        self._places: dict[int, int] = {}

    def place(self, frame: Frame) -> int:
        """The place of the next frame: after all before it, also where the game begins anew."""
        now = frame.t_capture_ns // MS if self.clock == "capture" else round(frame.t_game * 1000)
        if self._origin is None or not 0 <= now - self._last_ms <= MAX_GAP_MS:
            self._origin = now - (self._last + 1)
        self._last, self._last_ms = max(now - self._origin, self._last + 1), now
        self._places[frame.t_capture_ns] = self._last
        if len(self._places) > REMEMBERED:
            del self._places[next(iter(self._places))]
        return self._last

    def of(self, t_capture_ns: int) -> int | None:
        """The place of the frame that was captured then; None if it has none, or too long ago."""
        return self._places.get(t_capture_ns)
