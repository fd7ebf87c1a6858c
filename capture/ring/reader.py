"""Reads frames from a ring."""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from capture.checks import check_frame
from capture.errors import BadFrame, CaptureError, SourceEnded
from capture.frame import HEADER_BYTES, Frame, Kind, unpack_by
from capture.pool import SlabPool
from capture.ring.file import RingFile
from capture.ring.layout import CELL_BYTES, LOOK_SECONDS, STALE_NS, fresh
from capture.ring.lease import Lease

TRIES = 4
"""How often one `read` tries again, when the game overwrites the frame during the copy."""


class RingReader:
    """Reads the newest or the next frame of a ring, and counts the frames that it missed.

    One reader of a ring holds its lease. A frame-locked game goes on when that reader acknowledges frames.

    Args:
        name: the name of the ring.
        kinds: the buffers to copy.
        firm: this reader needs every frame. It takes the lease from a reader that is not firm.

    Raises:
        CaptureError: the ring does not exist (`NoRing`), or it is not valid.
        SourceEnded: the ring was damaged meanwhile.
    """

    def __init__(self, name: str, kinds: Collection[Kind] = tuple(Kind), firm: bool = False) -> None:
        self.name, self.kinds = name, kinds
        self.file, self.pool = RingFile(name), SlabPool()
        self.lease = Lease(self.file, firm)
        self.next = self._handed_out = max(0, self.head - 1)
        self.complaint = ""
        """One sentence on why the last `read` gave no frame; empty if it gave one."""
        self.beat()

    @property
    def head(self) -> int:
        """The number of published frames, as of the last look."""
        return self.file["head"]

    @property
    def session_id(self) -> int:
        """A number that differs for each run of a game."""
        return self.file["session_id"]

    @property
    def closed(self) -> bool:
        """Whether the game has closed the ring."""
        return bool(self.file["closed"])

    def beat(self) -> None:
        """Reads the control page, and writes a sign of life. Raises `SourceEnded` if the ring is damaged."""
        self.file.look()
        self.lease.keep(self.next)
        if self.head < self.next:  # the count has started from the beginning
            self.next = self._handed_out = self.head

    def wait(self, timeout: float) -> bool:
        """Waits up to `timeout` seconds for an unread frame.

        Returns:
            Whether there is one.

        Raises:
            SourceEnded: the game is gone, and no unread frame is left.
        """
        deadline = time.monotonic() + timeout
        while True:
            self.beat()
            if self.head > self.next:
                return True
            self.check_alive()
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, LOOK_SECONDS))

    def check_alive(self) -> None:
        """Raises `SourceEnded` if the game has ended, is silent for too long, or was replaced by another."""
        if self.closed:
            raise SourceEnded(f"the game closed its ring {self.name!r}")
        if not fresh(self.file["heartbeat_ns"]):
            raise SourceEnded(f"the game behind ring {self.name!r} stopped or crashed")
        if self.replaced():
            raise SourceEnded(f"a new game took over the ring {self.name!r}")

    def read(self, newest: bool) -> tuple[Frame, int] | None:
        """Reads an unread frame. Invalid frames are skipped and count as missed. Call it after `wait`.

        Args:
            newest: read the newest frame, not the next one.

        Returns:
            The frame and the number of frames missed before it; None if none can be read now, see `complaint`.

        Raises:
            SourceEnded: the file was truncated.
        """
        for _ in range(TRIES):
            self.file.look()
            oldest = max(0, self.head - self.file.slots + 1)
            index = self.head - 1 if newest else max(self.next, oldest)
            if not self.next <= index < self.head:
                break
            try:
                frame = self._copy(index)
            except BadFrame as error:
                self.complaint = f"a frame of ring {self.name!r} was left out: {error}"
                self.next = index + 1
                continue
            if frame is not None:
                missed = index - self._handed_out
                self.next = self._handed_out = index + 1
                self.complaint = ""
                return frame, missed
            self.complaint = f"the counters of ring {self.name!r} do not fit its frames: restart the game"
        return None

    def _copy(self, index: int) -> Frame | None:
        """Copies frame `index`; None if the game overwrote it meanwhile. Raises `BadFrame` if it is not valid."""
        if self.file.sequence(index) != 2 * index + 2:
            return None
        start = self.file.start(index)

        def copy(offset: int, into: NDArray[np.uint8]) -> None:
            self.file.read(start + offset, into)

        head = np.empty(HEADER_BYTES, np.uint8)
        copy(0, head)
        try:
            frame = unpack_by(copy, head.data, self.file.slot_bytes - CELL_BYTES, self.pool, self.kinds)
            check_frame(frame)
        except BadFrame:
            if self.file.sequence(index) != 2 * index + 2:
                return None
            raise
        return frame if self.file.sequence(index) == 2 * index + 2 else None

    def acknowledge(self) -> None:
        """Tells a frame-locked game that all frames read so far are finished, if this reader holds the lease."""
        self.file.look()
        if self.file["reader_lease"] == self.lease.number:  # another reader may have taken it since the last `beat`
            self.file.put("reader_done", self.next)

    def replaced(self) -> bool:
        """Whether a new game has replaced the ring."""
        return self.file.replaced()

    def close(self) -> None:
        """Gives the lease back and closes the ring. The game goes on. May be called twice."""
        if self.file.fd < 0:
            return
        with suppress(SourceEnded):  # the ring is damaged, so no game waits for us
            self.file.look()
            self.lease.end()
        self.file.close()


def in_use(name: str) -> bool:
    """Whether a living game publishes the ring. Waits for its next heartbeat, two seconds at most."""
    try:
        file = RingFile(name)
    except CaptureError:
        return False
    beat, until = file["heartbeat_ns"], time.monotonic_ns() + STALE_NS
    try:
        while time.monotonic_ns() < until and not file["closed"]:
            time.sleep(0.05)
            file.look()
            if file["heartbeat_ns"] != beat:
                return True
    except SourceEnded:
        return False
    finally:
        file.close()
    return False
