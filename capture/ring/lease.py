"""The lease of a ring: only the reader that holds it acknowledges frames. It expires when its holder is silent."""

from __future__ import annotations

import secrets
import sys
import time

from capture.ring.file import RingFile
from capture.ring.layout import fresh

if sys.platform != "win32":
    import fcntl

FIRM = 1
"""The last bit of the lease's number. It is set if the holder needs every frame."""


LONG_AGO_NS = 1


class Lease:
    """One reader's claim to the lease of a ring.

    Args:
        file: the ring.
        firm: the reader needs every frame. It takes the lease from a reader that is not firm.
    """

    def __init__(self, file: RingFile, firm: bool) -> None:
        self.file, self.firm = file, firm
        self.number = secrets.randbits(63) << 1 | firm
        self.held, self.looked_ns, self.period_ns = False, 0, 0

    def keep(self, done: int) -> None:
        """Writes a sign of life, and takes the lease if it is free. Call it after the file's `look`.

        Args:
            done: the number of frames that count as finished if the lease is taken.
        """
        self.looked_ns = now = time.monotonic_ns()
        self.file.put("looked_ns", now)
        self.held = self.file["reader_lease"] == self.number or (self._free() and self._take(done))
        if self.held:
            self.file.put("reader_heartbeat_ns", now)
            self.file.put("reader_period_ns", self.period_ns)

    def _free(self) -> bool:
        holder = self.file["reader_lease"]
        return not holder or not fresh(self.file["reader_heartbeat_ns"]) or (self.firm and not holder & FIRM)

    def _take(self, done: int) -> bool:
        """Takes the lease, unless another reader takes it at this moment. Returns whether it did."""
        try:
            fcntl.flock(self.file.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        try:
            self.file.look()
            if not self._free():
                return False
            self.file.put("reader_done", done)
            self.file.put("reader_lease", self.number)
            return True
        finally:
            fcntl.flock(self.file.fd, fcntl.LOCK_UN)

    def end(self) -> None:
        """Gives the lease back, so that the game does not wait for this reader. Call it after the file's `look`."""
        if self.file["looked_ns"] == self.looked_ns:  # no other reader has looked since
            self.file.put("looked_ns", LONG_AGO_NS)
        if self.file["reader_lease"] == self.number:
            self.file.put("reader_heartbeat_ns", LONG_AGO_NS)
            self.file.put("reader_lease", 0)
        self.held = False
