"""The game's end of a ring."""

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
    """A ring for frames of `frame_bytes` at most. `publish` never waits, unless `framelocked`.

    Then it waits for the first reader to come, and for a live one to keep up, until `cancelled()`. Raises
    `CaptureError` if there is no room for the ring, or its name is taken by what is not ours to replace.
    """

    def __init__(self, name: str, frame_bytes: int, slots: int = DEFAULT_SLOTS, framelocked: bool = False,
                 cancelled: Callable[[], bool] = lambda: False) -> None:
        self.name, self.slots, self.framelocked, self.cancelled = name, slots, framelocked, cancelled
        self.path = ring_path(name)
        self._make(frame_bytes)

    def _make(self, frame_bytes: int) -> None:
        """A new file under the ring's name. A reader of the file that had it keeps that one until it has read it."""
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
        """The same ring for frames of another size, as when a window was resized. Raises as the constructor does.

        Readers read what the old file still has, and then find the new one by themselves. Also raises `CaptureError`,
        and leaves everything as it is, if another game has taken over the name meanwhile.
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
        """Bytes of the largest frame that fits."""
        return self.slot_bytes - CELL_BYTES

    @property
    def head(self) -> int:
        """Frames published so far."""
        return int(self.control["head"][0])

    def reader_alive(self) -> bool:
        """Whether a reader, or one who only looks on, has shown life lately."""
        return any(fresh(int(self.control[field][0])) for field in ("reader_heartbeat_ns", "looked_ns"))

    def wanted(self) -> bool:
        """Whether somebody would see a frame; a game that asks first need not read it back. Says that it lives, too.

        The first frame is always wanted: it tells readers that come what there is to see.
        """
        self.beat()
        return self.framelocked or self.head == 0 or self.reader_alive()

    def publish(self, frame: Frame) -> None:
        """Writes the next frame; frame-locked, waits for the reader. Raises `CaptureError` if it does not fit."""
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
        """Says that the game lives; `publish` does so too, so only a paused game needs it."""
        self.control["heartbeat_ns"] = time.monotonic_ns()

    def _wait_for_reader(self) -> None:
        """Ends when the reader has kept up, is dead (`STALE_NS`), or `cancelled()`."""
        while self._ahead_of_reader() and not self.cancelled():
            self.beat()
            time.sleep(LOOK_SECONDS / 4)

    def _ahead_of_reader(self) -> bool:
        heartbeat = int(self.control["reader_heartbeat_ns"][0])
        if not heartbeat:
            return self.head > 0  # nobody came yet: the first frame waits for them
        return self.head - int(self.control["reader_done"][0]) >= LOCKED_FRAMES and fresh(heartbeat)

    def close(self) -> None:
        """Tells readers that the game is over, and removes the ring, unless another game has taken over its name."""
        self.control["closed"] = 1
        if self._has_name():
            self.path.unlink(missing_ok=True)


def remove_ring(name: str) -> None:
    """Removes a ring whose game could not do it itself. Another user's stays."""
    path = ring_path(name)
    try:
        if path.lstat().st_uid == os.geteuid():
            path.unlink()
    except (FileNotFoundError, IsADirectoryError):
        pass


def _map_new(path: Path, size: int) -> tuple[mmap.mmap, Path]:
    """A new file of `size` bytes beside `path`, mode 0600, and its memory. Raises `CaptureError` if it does not fit."""
    try:
        fd, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise CaptureError(f"{path.parent} takes no ring: {error.strerror}") from error
    try:
        os.posix_fallocate(fd, 0, size)  # a full disk is told here, not by a SIGBUS later
        # Pages that are there already make the first round of frames as fast as the next.
        return mmap.mmap(fd, size, flags=mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)), Path(name)
    except OSError as error:
        Path(name).unlink()
        raise CaptureError(f"no room for a {size >> 20} MiB ring in {path.parent}: {error.strerror}; "
                           "free some shared memory or lower the game's resolution") from error
    finally:
        os.close(fd)
