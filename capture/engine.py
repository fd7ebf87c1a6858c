"""Frames from a game that publishes a shared-memory ring."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace

from capture.errors import CaptureError, SourceEnded
from capture.frame import Flags, Frame, Kind
from capture.ring import RingReader, ring_path
from capture.source import Pacing, SourceInfo

POLL_SECONDS = 0.1


class EngineSource:
    """Reads ring `name`; only buffers of `kinds` are copied out of it.

    A game that crashes, pauses or is replaced may come back: then the first frame says that the
    picture has jumped. With `patience`, the constructor waits so many seconds for the game, and the
    source ends with it. Without, it waits for ever, in `read`, for the first game and for the next;
    but with `ends` it ends with a game that closes its ring properly.
    """

    def __init__(self, name: str, pacing: Pacing = Pacing.FREERUN, patience: float | None = 10.0, *,
                 ends: bool = True, kinds: Collection[Kind] = tuple(Kind)) -> None:
        ring_path(name)  # a bad name is told at once
        self.name, self.pacing, self.kinds, self.ends = name, pacing, kinds, ends
        self.whole = False
        """Set to read the next frames with all of their buffers, whatever `kinds` says; see `plain`."""
        self.comes_back = patience is None
        self.info = SourceInfo(f"engine:{name}", 0, 0, None, live=True)
        self.trouble = f"waiting for a game to publish ring {name}"
        self.reader: RingReader | None = None
        self.first: Frame | None = None
        deadline = time.monotonic() + (patience or 0)
        while patience is not None and self.first is None:
            self._attach(POLL_SECONDS)
            if self.first is None and time.monotonic() > deadline:
                raise CaptureError(f"no game publishes a ring named {name!r}: start the game first, "
                                   "or check the name it was given")

    def _attach(self, timeout: float) -> None:
        """Tries to find a living game, for about `timeout` seconds; its first frame then waits in `first`."""
        try:
            reader = RingReader(self.name, self.kinds)
        except CaptureError:
            time.sleep(timeout)  # nothing to wait on: the ring does not exist yet
            return
        try:
            reader.check_alive()  # a crashed game's ring still holds frames
            if not reader.wait(timeout):
                reader.close()
                return
        except SourceEnded:  # what a crashed game has left
            reader.close()
            time.sleep(timeout)
            return
        frame, _ = reader.read(newest=True)
        self.reader, self.trouble = reader, ""
        self.first = replace(frame, flags=frame.flags | Flags.RESET, dropped=0, session_id=reader.session_id)
        self.info = replace(self.info, width=frame.size[0], height=frame.size[1])

    def read(self, timeout: float) -> Frame | None:
        """See `FrameSource.read`."""
        if self.reader is None:
            self._attach(timeout)
        if self.first is not None:
            frame, self.first = self.first, None
            return frame
        if self.reader is None:
            return None
        if self.pacing is Pacing.FRAMELOCKED:
            self.reader.acknowledge()
        try:
            if not self.reader.wait(timeout):
                return None
        except SourceEnded as end:
            self._lost(self.reader, end)
            return None
        return self._next(self.reader)

    def plain(self, frame: Frame) -> Frame:
        """A frame without the buffers that `kinds` does not name."""
        if frame.buffers.keys() <= set(self.kinds):
            return frame
        return replace(frame, buffers={kind: buffer for kind, buffer in frame.buffers.items() if kind in self.kinds})

    def _next(self, reader: RingReader) -> Frame:
        reader.kinds = tuple(Kind) if self.whole else self.kinds
        frame, missed = reader.read(newest=self.pacing is Pacing.FREERUN)
        flags = frame.flags
        if missed and self.pacing is not Pacing.FREERUN:
            flags |= Flags.RESET
        return replace(frame, flags=flags, dropped=frame.dropped + missed, session_id=reader.session_id)

    def _lost(self, reader: RingReader, end: SourceEnded) -> None:
        """The game is gone. Raises `end` if that was all."""
        if not self.comes_back or (self.ends and reader.closed):
            raise end
        self.trouble = f"{end}; waiting for it to come back"
        self.reader = None
        reader.close()

    def keep_alive(self) -> None:
        """See `FrameSource.keep_alive`."""
        if self.reader is not None:
            self.reader.beat()

    def close(self) -> None:
        """See `FrameSource.close`."""
        if self.reader is not None:
            self.reader.close()
