"""Writes frames into a ring."""

from __future__ import annotations

import mmap
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from capture.errors import CaptureError
from capture.frame import Frame, pack_into
from capture.ring.layout import (
    CELL_BYTES,
    CONTROL,
    CONTROL_BYTES,
    LOCKED_FRAMES,
    LOOK_SECONDS,
    MAGIC,
    VERSION,
    fresh,
    ring_path,
)

DEFAULT_SLOTS = 8


class RingWriter:
    """A ring that a game writes.

    Args:
        name: the name of the ring.
        frame_bytes: the most bytes of a packed frame.
        slots: the number of frames that the ring holds.
        framelocked: `publish` waits for the first reader, and for a living reader that is behind.
        cancelled: ends that waiting when it returns true.

    Raises:
        CaptureError: there is no room for the ring, or its name is taken by a file that we may not replace.
    """

    def __init__(self, name: str, frame_bytes: int, slots: int = DEFAULT_SLOTS, framelocked: bool = False,
                 cancelled: Callable[[], bool] = lambda: False) -> None:
        self.name, self.slots, self.framelocked, self.cancelled = name, slots, framelocked, cancelled
        self.path = ring_path(name)
        self._make(frame_bytes)

    def _make(self, frame_bytes: int) -> None:
        """Makes a new file under the ring's name. Readers of the old file can still read it to its end."""
        slot_bytes = (frame_bytes + CELL_BYTES + 4095) // 4096 * 4096
        memory, part = _map_new(self.path, CONTROL_BYTES + slot_bytes * self.slots)
        control, now = np.frombuffer(memory, CONTROL, 1), time.monotonic_ns()
        for field, value in (("version", VERSION), ("slots", self.slots), ("slot_bytes", slot_bytes), ("silent", 1),
                             ("session_id", now), ("heartbeat_ns", now), ("magic", MAGIC)):
            control[field] = value
        try:
            inode = part.stat().st_ino
            part.rename(self.path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise CaptureError(f"{self.path} is taken, and not ours to replace ({error.strerror}): give the ring "
                               "another name") from error
        self.memory, self.control, self.inode, self.slot_bytes = memory, control, inode, slot_bytes
        self.sequences = [np.frombuffer(memory, "<u8", 1, CONTROL_BYTES + i * slot_bytes) for i in range(self.slots)]

    def reopen(self, frame_bytes: int) -> None:
        """Replaces the ring by one for another size of frames, for example after a window was resized.

        Readers read the frames that are left in the old file, and then find the new file by themselves.

        Args:
            frame_bytes: the most bytes of a packed frame.

        Raises:
            CaptureError: another game has taken the name, or the constructor's reasons. The old ring stays.
        """
        if not self._has_name() and self.path.exists():
            raise CaptureError(f"another game publishes the ring {self.name!r} by now: give one of them its own")
        self._make(frame_bytes)

    def _has_name(self) -> bool:
        """Whether the file under the ring's name is this one."""
        try:
            return self.path.lstat().st_ino == self.inode
        except FileNotFoundError:
            return False

    @property
    def room(self) -> int:
        """The size of the largest packed frame that fits, in bytes."""
        return self.slot_bytes - CELL_BYTES

    @property
    def head(self) -> int:
        """The number of published frames."""
        return int(self.control["head"][0])

    def reader_alive(self) -> bool:
        """Whether any reader, with or without the lease, is alive."""
        return any(fresh(int(self.control[field][0])) for field in ("reader_heartbeat_ns", "looked_ns"))

    def wanted(self) -> bool:
        """Whether the next frame is needed. If not, the game need not read it back from its GPU.

        The first frame is always needed, because it tells later readers the game's size and buffers. This also writes
        a heartbeat.
        """
        self.beat()
        return self.framelocked or self.head == 0 or self.reader_alive()

    def publish(self, frame: Frame) -> None:
        """Writes a frame; if frame-locked, waits for the reader first. Raises `CaptureError` if it does not fit."""
        if self.framelocked:
            self._wait_for_reader()
        head = self.head
        slot = head % self.slots
        sequence = self.sequences[slot]
        sequence[0] = 2 * head + 1
        start = CONTROL_BYTES + slot * self.slot_bytes + CELL_BYTES
        with memoryview(self.memory) as view:
            pack_into(frame, view[start:start + self.slot_bytes - CELL_BYTES])
        sequence[0] = 2 * head + 2
        self.control["head"] = head + 1
        self.beat()

    def beat(self) -> None:
        """Writes a heartbeat. `publish` does so, too, so only a paused game needs this."""
        self.control["heartbeat_ns"] = time.monotonic_ns()

    def _wait_for_reader(self) -> None:
        """Waits until the reader is no longer behind, is dead (`STALE_NS`), or `cancelled()` is true."""
        while self._ahead_of_reader() and not self.cancelled():
            self.beat()
            time.sleep(LOOK_SECONDS / 4)

    def _ahead_of_reader(self) -> bool:
        heartbeat = int(self.control["reader_heartbeat_ns"][0])
        if not heartbeat:
            return self.head > 0  # no reader has come yet, and the ring keeps the first frame
        return self.head - int(self.control["reader_done"][0]) >= LOCKED_FRAMES and fresh(heartbeat)

    def close(self) -> None:
        """Tells readers that the game has ended. Removes the ring, unless another game has replaced it."""
        self.control["closed"] = 1
        if self._has_name():
            self.path.unlink(missing_ok=True)


def remove_ring(name: str) -> None:
    """Removes the ring of a game that could not do it itself. A ring of another user stays."""
    path = ring_path(name)
    try:
        if path.lstat().st_uid == os.geteuid():
            path.unlink()
    except (FileNotFoundError, IsADirectoryError):
        pass


def _map_new(path: Path, size: int) -> tuple[mmap.mmap, Path]:
    """Makes a new file of `size` bytes beside `path`, with mode 0600.

    Returns:
        Its mapped memory and its path.

    Raises:
        CaptureError: there is no room for it, or the folder cannot be written.
    """
    try:
        fd, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise CaptureError(f"{path.parent} takes no ring: {error.strerror}") from error
    try:
        os.posix_fallocate(fd, 0, size)  # a full disk raises here, and not as SIGBUS later
        # With all pages allocated, the first frames are written as fast as later ones.
        return mmap.mmap(fd, size, flags=mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)), Path(name)
    except OSError as error:
        Path(name).unlink()
        raise CaptureError(f"no room for a {size >> 20} MiB ring in {path.parent}: {error.strerror}; "
                           "free some shared memory or lower the game's resolution") from error
    finally:
        os.close(fd)
