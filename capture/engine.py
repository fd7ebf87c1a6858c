"""Reads frames from a game that publishes a shared-memory ring."""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from dataclasses import replace

from capture.errors import CaptureError, SourceEnded
from capture.frame import Flags, Frame, Kind
from capture.ring import RingReader, ring_path
from capture.ring.file import NoRing
from capture.ring.layout import LOOK_SECONDS
from capture.source import Pacing, SourceInfo

POLL_SECONDS = 0.1
TELL_SECONDS = 1.0
"""If a ring has new frames, but no valid one for this long, it is reported."""
FINISH_SECONDS = 3.0
"""The longest time that the last frames of a game are read after its end. A dead ring is noticed sooner."""


class EngineSource:
    """Reads the ring of a game. Invalid frames are left out and counted.

    A game that crashes, pauses or is replaced may come back. Its first frame then has the flag RESET.

    Args:
        name: the name of the ring.
        pacing: whether every frame is read, and whether the game waits.
        patience: the seconds that the constructor waits for the game's first frame. The source then ends with the game.
            If None, `read` waits without limit for the first game, and for the next one after a crash.
        ends: the source also ends, without `patience`, when a game closes its ring properly.
        kinds: the buffers that are read.

    Raises:
        CaptureError: the name is not valid, or no game came within `patience` seconds.
    """

    def __init__(self, name: str, pacing: Pacing = Pacing.FREERUN, patience: float | None = 10.0, *,
                 ends: bool = True, kinds: Collection[Kind] = tuple(Kind)) -> None:
        ring_path(name)  # raises at once if the name is not valid
        self.name, self.pacing, self.kinds, self.ends = name, pacing, kinds, ends
        self.whole = False
        """If true, the next frames are read with all of their buffers, not only `kinds`; see `plain`."""
        self.period = 0.0
        """One frame per this many seconds is needed, so the game may read back fewer from its GPU. 0: every frame."""
        self.comes_back = True
        self.info = SourceInfo(f"engine:{name}", 0, 0, None, live=True)
        self.trouble = f"waiting for a game to publish ring {name}"
        self.reader: RingReader | None = None
        self.first: Frame | None = None
        self._new, self._good_at, self._until = True, 0.0, math.inf
        if patience is not None:
            self._wait_for_first(time.monotonic() + patience)
            self.comes_back = False

    def _wait_for_first(self, deadline: float) -> None:
        """Waits for the first frame, which the next `read` returns. Raises `CaptureError` if none comes."""
        while self.first is None:
            self.first = self.read(POLL_SECONDS)
            if self.first is None and time.monotonic() > deadline:
                why = self.trouble
                self.close()
                raise CaptureError(why if not why.startswith("waiting") else
                                   f"no game publishes a ring named {self.name!r}: start the game first, or check the "
                                   "name it was given")

    def _attach(self) -> None:
        """Opens the ring, if a living game publishes it."""
        try:
            reader = RingReader(self.name, self.kinds, firm=self.pacing is Pacing.FRAMELOCKED)
        except NoRing:
            return
        except (CaptureError, SourceEnded) as error:
            self.trouble = str(error)
            return
        try:
            reader.check_alive()  # a crashed game's ring still holds frames
        except SourceEnded:
            reader.close()
            return
        self.reader, self._new, self._good_at = reader, True, time.monotonic()

    def read(self, timeout: float) -> Frame | None:
        """See `FrameSource.read`."""
        if self.first is not None:
            frame, self.first = self.first, None
            return frame
        if time.monotonic() > self._until or (self.reader is None and self._until < math.inf):
            raise SourceEnded(f"the game behind ring {self.name!r} is over")
        if self.reader is None:
            self._attach()
        if self.reader is None:
            time.sleep(timeout)  # the ring does not exist yet
            return None
        try:
            return self._next(self.reader, time.monotonic() + timeout)
        except SourceEnded as end:
            self._lost(self.reader, end)
            return None

    def _next(self, reader: RingReader, deadline: float) -> Frame | None:
        """The next valid frame; None if none comes until `deadline`. Raises `SourceEnded` if the game is gone."""
        reader.kinds = tuple(Kind) if self.whole else self.kinds
        reader.lease.period_ns = int(self.period * 1e9)
        reader.acknowledge()
        while reader.wait(deadline - time.monotonic()):
            found = reader.read(newest=self.pacing is Pacing.FREERUN)
            if found is not None:
                return self._handed_out(*found, reader.session_id)
            reader.acknowledge()
            reader.check_alive()
            if self._new or time.monotonic() - self._good_at > TELL_SECONDS:
                self.trouble = reader.complaint
            if time.monotonic() >= deadline:
                break
            time.sleep(LOOK_SECONDS)
        return None

    def _handed_out(self, frame: Frame, missed: int, session_id: int) -> Frame:
        flags, dropped = frame.flags, frame.dropped + missed
        if self._new:
            flags, dropped = flags | Flags.RESET, 0
            self.info = replace(self.info, width=frame.size[0], height=frame.size[1])
        elif missed and self.pacing is not Pacing.FREERUN:
            flags |= Flags.RESET
        self._new, self._good_at, self.trouble = False, time.monotonic(), ""
        return replace(frame, flags=flags, dropped=dropped, session_id=session_id)

    def plain(self, frame: Frame) -> Frame:
        """See `GameSource.plain`."""
        if frame.buffers.keys() <= set(self.kinds):
            return frame
        return replace(frame, buffers={kind: buffer for kind, buffer in frame.buffers.items() if kind in self.kinds})

    def _lost(self, reader: RingReader, end: SourceEnded) -> None:
        """Closes the ring of a game that is gone. Raises `end` if the source ends with it."""
        if self.info.width and (not self.comes_back or (self.ends and reader.closed)):
            raise end
        self.trouble = reader.complaint if self._new and reader.complaint else f"{end}; waiting for it to come back"
        self.reader = None
        reader.close()

    def finish(self) -> bool:
        """Ends the source after the frames that are left. Returns whether the game has ever given a frame."""
        self.comes_back = False
        self._until = min(self._until, time.monotonic() + FINISH_SECONDS)
        return self.info.width > 0

    def keep_alive(self) -> None:
        """See `FrameSource.keep_alive`."""
        if self.reader is not None:
            try:
                self.reader.beat()
            except SourceEnded as end:
                self._lost(self.reader, end)

    def close(self) -> None:
        """See `FrameSource.close`."""
        if self.reader is not None:
            self.reader.close()
