"""Who of a ring's readers acknowledges: one, by a lease that ends when its holder shows no life. The others look on."""

from __future__ import annotations

import secrets
import sys
import time

from capture.ring.file import RingFile
from capture.ring.layout import fresh

if sys.platform != "win32":
    import fcntl

FIRM = 1
"""The lease's last bit: its holder wants every frame, and lets nobody have the lease who does not."""


LONG_AGO_NS = 1


class Lease:
    """One reader's claim on a ring. A `firm` reader takes the lease over from one that is not."""

    def __init__(self, file: RingFile, firm: bool) -> None:
        self.file, self.firm = file, firm
        self.number = secrets.randbits(63) << 1 | firm
        self.held, self.looked_ns, self.period_ns = False, 0, 0

    def keep(self, done: int) -> None:
        """Shows life, and takes the lease if it is free: the game then need not have waited before frame `done`.

        Call after the file's `look`.
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
        """Takes it, unless another reader does so at this moment."""
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
        """Gives it back: no game need wait for us, or draw for us. Call after the file's `look`."""
        if self.file["looked_ns"] == self.looked_ns:  # nobody else has looked since
            self.file.put("looked_ns", LONG_AGO_NS)
        if self.file["reader_lease"] == self.number:
            self.file.put("reader_heartbeat_ns", LONG_AGO_NS)
            self.file.put("reader_lease", 0)
        self.held = False
