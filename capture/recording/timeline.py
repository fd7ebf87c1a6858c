"""Gives frames their times in a recording."""

from __future__ import annotations

from typing import Literal

from capture.frame import Frame
from capture.recording.layout import MS

REMEMBERED = 1024
"""The number of frames whose times are kept. It is far more than a session has in rendering at a time."""
MAX_GAP_MS = 3_600_000
"""If a clock jumps by more than an hour, it was set. The recording then continues from its last time."""


class Timeline:
    """Gives frames rising times in milliseconds, by their capture time or by the game's clock."""

    def __init__(self, clock: Literal["capture", "game"]) -> None:
        self.clock = clock
        self._last, self._last_ms = -1, 0
        self._origin: int | None = None
        self._places: dict[int, int] = {}

    def place(self, frame: Frame) -> int:
        """The time of the next frame, in milliseconds. It is after all earlier ones, even if the game restarts."""
        now = frame.t_capture_ns // MS if self.clock == "capture" else round(frame.t_game * 1000)
        if self._origin is None or not 0 <= now - self._last_ms <= MAX_GAP_MS:
            self._origin = now - (self._last + 1)
        self._last, self._last_ms = max(now - self._origin, self._last + 1), now
        self._places[frame.t_capture_ns] = self._last
        if len(self._places) > REMEMBERED:
            del self._places[next(iter(self._places))]
        return self._last

    def of(self, t_capture_ns: int) -> int | None:
        """The time of the frame captured at `t_capture_ns`; None if it has none, or is too old."""
        return self._places.get(t_capture_ns)
