"""The capture layer's end of a ring."""

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
"""So often one `read` tries to copy a frame that the game overwrites meanwhile."""


class RingReader:
    """Newest or next frame, with exact counts of what was missed. Buffers outside `kinds` are not copied.

    One reader of a ring has the lease: what it acknowledges lets a frame-locked game go on. A `firm` reader, which
    wants every frame, takes it over from one that does not. Raises as `RingFile` does, and `SourceEnded`.
    """

    def __init__(self, name: str, kinds: Collection[Kind] = tuple(Kind), firm: bool = False) -> None:
        self.name, self.kinds = name, kinds
        self.file, self.pool = RingFile(name), SlabPool()
        self.lease = Lease(self.file, firm)
        self.next = self._handed_out = max(0, self.head - 1)
        self.complaint = ""
        """Why the last `read` gave no frame; empty if it gave one."""
        self.beat()

    @property
    def head(self) -> int:
        """Frames published so far, as far as this reader has looked."""
        return self.file["head"]

    @property
    def session_id(self) -> int:
        """A number that tells one run of a game from the next."""
        return self.file["session_id"]

    @property
    def closed(self) -> bool:
        """Whether the game has said that it is over."""
        return bool(self.file["closed"])

    def beat(self) -> None:
        """Looks at the ring, and says that this reader lives. Raises `SourceEnded` if it is damaged."""
        self.file.look()
        self.lease.keep(self.next)
        if self.head < self.next:  # a count that began anew
            self.next = self._handed_out = self.head

    def wait(self, timeout: float) -> bool:
        """Whether an unread frame is there within `timeout` seconds. Raises `SourceEnded` if the game is gone."""
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
        """Raises `SourceEnded` if the game is over, silent for too long, or replaced by another."""
        if self.closed:
            raise SourceEnded(f"the game closed its ring {self.name!r}")
        if not fresh(self.file["heartbeat_ns"]):
            raise SourceEnded(f"the game behind ring {self.name!r} stopped or crashed")
        if self.replaced():
            raise SourceEnded(f"a new game took over the ring {self.name!r}")

    def read(self, newest: bool) -> tuple[Frame, int] | None:
        """The newest or the next unread frame, and how many were missed before it. Call after `wait`.

        None if there is none to be had just now: `complaint` says why. Frames that are not what they should be are
        passed over, and count as missed. Raises `SourceEnded` if the file was cut short.
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
        """Frame number `index`, or None if the writer overtook the copy. Raises `BadFrame`."""
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
        """Tells a frame-locked game that everything read so far is done with, if that is for this reader to say."""
        self.file.look()
        if self.file["reader_lease"] == self.lease.number:  # another reader may have taken it since the last `beat`
            self.file.put("reader_done", self.next)

    def replaced(self) -> bool:
        """Whether a new game has taken over the name."""
        return self.file.replaced()

    def close(self) -> None:
        """Lets go of the ring; the game goes on. May be called twice."""
        if self.file.fd < 0:
            return
        with suppress(SourceEnded):  # damaged: nobody waits for us there
            self.file.look()
            self.lease.end()
        self.file.close()


def in_use(name: str) -> bool:
    """Whether a living game publishes the ring: its heart then beats while this looks, two seconds at most."""
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
