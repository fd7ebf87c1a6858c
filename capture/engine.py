"""Frames from a game that publishes a shared-memory ring."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace

from capture.errors import CaptureError, SourceEnded
from capture.frame import Flags, Frame, Kind
from capture.ring import RingReader
from capture.source import Pacing, SourceInfo

POLL_SECONDS = 0.1


class EngineSource:
    """Reads ring `name`; waits up to `patience` seconds for the game to start.

    `give_up` is asked while waiting: it may raise, or return true to stop waiting. Only buffers
    of `kinds` are copied out of the ring.
    """

    def __init__(self, name: str, pacing: Pacing = Pacing.FREERUN, patience: float = 10.0,
                 give_up: Callable[[], bool] = lambda: False, kinds: Collection[Kind] = tuple(Kind)) -> None:
        self.name, self.pacing, self.patience, self.kinds = name, pacing, patience, kinds
        self.reader = self._open(give_up)
        self.first: Frame | None = self._first_frame()
        width, height = self.first.size
        self.info = SourceInfo(f"engine:{name}", width, height, None, live=True)

    def _open(self, give_up: Callable[[], bool]) -> RingReader:
        deadline = time.monotonic() + self.patience
        while True:
            try:
                reader = RingReader(self.name, self.kinds)
                if reader.wait(POLL_SECONDS):
                    return reader
                reader.close()
            except (CaptureError, SourceEnded) as error:
                if give_up() or time.monotonic() > deadline:
                    raise CaptureError(str(error)) from error
                time.sleep(POLL_SECONDS)  # nothing to wait on: the ring does not exist yet

    def _first_frame(self) -> Frame:
        frame, _ = self.reader.read(newest=True)
        return replace(frame, flags=frame.flags | Flags.RESET, dropped=0)

    def read(self, timeout: float) -> Frame | None:
        """See `FrameSource.read`."""
        if self.first is not None:
            frame, self.first = self.first, None
            return frame
        if self.pacing is Pacing.FRAMELOCKED:
            self.reader.acknowledge()
        if not self.reader.wait(timeout):
            return None
        frame, missed = self.reader.read(newest=self.pacing is Pacing.FREERUN)
        flags = frame.flags
        if missed and self.pacing is not Pacing.FREERUN:
            flags |= Flags.RESET
        return replace(frame, flags=flags, dropped=frame.dropped + missed)

    def close(self) -> None:
        """See `FrameSource.close`."""
        self.reader.close()
