"""Opens, checks and reads the file of a ring, for its readers.

The file is read by system calls and not mapped. If a game truncates its file, a reader of mapped memory would be killed
by SIGBUS. For a frame of 9.2 MB, reading takes 2.4 ms, and copying from mapped memory 1.2 ms.
"""

from __future__ import annotations

import os
import stat
import struct

import numpy as np
from numpy.typing import NDArray

from capture.errors import CaptureError, SourceEnded
from capture.ring.layout import CELL_BYTES, CONTROL, CONTROL_BYTES, MAGIC, MIN_SLOTS, VERSION, ring_path

READERS = {"reader_heartbeat_ns": 192, "reader_done": 200, "reader_lease": 208, "looked_ns": 216,
           "reader_period_ns": 224}
"""The offsets of the fields that readers write, 8 bytes each; see `CONTROL`."""


class NoRing(CaptureError):
    """The ring does not exist yet."""


class RingFile:
    """The file of a ring, opened for reading and for the fields in `READERS`.

    Args:
        name: the name of the ring.

    Raises:
        NoRing: the ring does not exist.
        CaptureError: the file is no valid ring, or it belongs to another user.
    """

    def __init__(self, name: str) -> None:
        self.name, self.path = name, ring_path(name)
        self.page = np.zeros(1, CONTROL)
        """The control page, as read by the last `look`."""
        try:
            # Links are not followed, and opening a pipe does not wait for its other end.
            self.fd = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise NoRing(f"no game publishes a ring named {name!r}: start the game first, or check the name it was "
                         "given") from error
        except OSError as error:
            raise CaptureError(f"{self.path} cannot be opened ({error.strerror}), so it is no ring of yours: remove "
                               "it, or give the game's ring another name") from error
        try:
            self._check(os.fstat(self.fd))
        except CaptureError:
            os.close(self.fd)
            raise
        self.slots, self.slot_bytes = self["slots"], self["slot_bytes"]

    def _check(self, status: os.stat_result) -> None:
        self.inode = status.st_ino
        name = self.path.name
        if not stat.S_ISREG(status.st_mode):
            raise CaptureError(f"{name} is not a ring, nor a file: remove it, or give the game's ring another name")
        if status.st_uid != os.geteuid():
            raise CaptureError(f"{name} belongs to another user ({status.st_uid}): frames are taken from your own "
                               "games alone; give your game's ring another name")
        read = os.preadv(self.fd, [self.page.view(np.uint8).data], 0)
        if read < CONTROL_BYTES or self["magic"] != MAGIC:
            raise CaptureError(f"{name} is not a ring: remove it and start the game again")
        fits = self["slots"] >= MIN_SLOTS and status.st_size == CONTROL_BYTES + self["slots"] * self["slot_bytes"]
        if self["version"] != VERSION or not fits or self["slot_bytes"] % 4096 or not self["slot_bytes"]:
            raise CaptureError(f"{name} is not a version {VERSION} ring: update the engine plugin")
        if status.st_mode & 0o022:
            raise CaptureError(f"{name} can be written by other users: make it with mode 0600")
        if status.st_blocks * 512 < status.st_size:
            raise CaptureError(f"{name} is sparse, so its memory is not there: make it with posix_fallocate")

    def __getitem__(self, field: str) -> int:
        """A field of the control page, as read by the last `look`."""
        return int(self.page[field][0])

    def look(self) -> None:
        """Reads the control page again. Raises `SourceEnded` if it is gone, or no longer that of this ring."""
        if os.preadv(self.fd, [self.page.view(np.uint8).data], 0) < CONTROL_BYTES:
            raise SourceEnded(f"the ring {self.name!r} was cut short")
        if (self["magic"], self["slots"], self["slot_bytes"]) != (MAGIC, self.slots, self.slot_bytes):
            raise SourceEnded(f"the ring {self.name!r} was damaged")

    def put(self, field: str, value: int) -> None:
        """Writes a field in `READERS`."""
        os.pwrite(self.fd, struct.pack("<Q", value), READERS[field])
        self.page[field] = value

    def sequence(self, index: int) -> int:
        """Reads the sequence counter of the slot of frame `index`. Raises `SourceEnded` if the file was truncated."""
        counter = np.empty(8, np.uint8)
        self.read(self.start(index) - CELL_BYTES, counter)
        return int(counter.view("<u8")[0])

    def start(self, index: int) -> int:
        """The offset in bytes of frame number `index` in the file."""
        return CONTROL_BYTES + index % self.slots * self.slot_bytes + CELL_BYTES

    def read(self, at: int, into: NDArray[np.uint8]) -> None:
        """Fills `into`, (N,) u8, with the bytes from offset `at` on. Raises `SourceEnded` if there are fewer."""
        view, done = into.data, 0
        while done < len(into):
            count = os.preadv(self.fd, [view[done:]], at + done)
            if not count:
                raise SourceEnded(f"the ring {self.name!r} was cut short")
            done += count

    def replaced(self) -> bool:
        """Whether another file has replaced this one under the ring's name."""
        try:
            return self.path.lstat().st_ino != self.inode
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Closes the file. May be called twice."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1
