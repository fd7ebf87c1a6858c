"""A shared-memory ring of frames between a game and the capture layer on one host.

Layout (little-endian): one 4096-byte control page, then `slots` slots of `slot_bytes`. A slot is a
64-byte cell that starts with its sequence counter, then a packed frame. The writer makes the counter
odd, writes, makes it even (a seqlock), then raises `head`; a reader that sees the counter change while
copying throws the copy away. Either side may crash: heartbeats tell, and a new writer makes a new file
under the same name, which readers notice by its inode. Wake-ups go over ZeroMQ; they carry no data.
"""

from __future__ import annotations

import mmap
import os
import re
import tempfile
import time
import weakref
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
import zmq

from capture.errors import CaptureError, SourceEnded
from capture.frame import Frame, Kind, pack_into, unpack
from capture.pool import SlabPool

MAGIC, VERSION = 0x31524D52, 1  # "RMR1" in memory
CONTROL_BYTES, CELL_BYTES = 4096, 64
DEFAULT_SLOTS = 8
LOCKED_FRAMES = 2
"""A frame-locked game is at most so many frames ahead of its reader: one being read, one being written."""
STALE_NS = 2_000_000_000
"""A peer whose heartbeat is older than this is taken for dead."""

CONTROL = np.dtype({
    "names": ["magic", "version", "slots", "closed", "slot_bytes", "silent", "head", "heartbeat_ns", "session_id",
              "reader_heartbeat_ns", "reader_done"],
    "formats": ["<u4", "<u4", "<u4", "<u4", "<u8", "<u4", "<u8", "<u8", "<u8", "<u8", "<u8"],
    "offsets": [0, 4, 8, 12, 16, 24, 64, 128, 136, 192, 200], "itemsize": CONTROL_BYTES})
"""`head` counts published frames; `reader_done` is the last one that a frame-locked reader is done with. A `silent`
writer sends no wake-ups, as the one in C does: readers look by themselves.
"""
LOOK_SECONDS = 0.1
SILENT_LOOK_SECONDS = 0.002
"""How often a reader looks for frames: of a writer that wakes it, and of a silent one."""


def ring_path(name: str) -> Path:
    """The ring's file. Raises `CaptureError` unless `name` is plain letters, digits, '-' or '_'."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise CaptureError(f"ring name {name!r}: use up to 64 letters, digits, '-' or '_'")
    shared = Path("/dev/shm")  # noqa: S108  where Linux keeps shared memory
    return (shared if shared.is_dir() else Path(tempfile.gettempdir())) / f"realmaster-{name}.ring"


def remove_ring(name: str) -> None:
    """Removes what a game's ring leaves on the disk, also that of a game that could not do it itself."""
    for suffix in ("", ".head", ".done"):
        Path(f"{ring_path(name)}{suffix}").unlink(missing_ok=True)


def _map(fd: int, size: int) -> mmap.mmap:
    """Maps the ring with its pages already there: the first round of frames is as fast as the next."""
    if hasattr(mmap, "MAP_POPULATE"):
        return mmap.mmap(fd, size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)
    return mmap.mmap(fd, size)


def _notify_address(name: str, what: str) -> str:
    return f"ipc://{ring_path(name)}.{what}"


def _end(context: zmq.Context[zmq.Socket[bytes]], sockets: Sequence[zmq.Socket[bytes]]) -> None:
    """Ends a context with its sockets. One that is collected with a socket open would wait for that for ever."""
    for socket in sockets:
        socket.close(0)
    context.term()


class RingWriter:
    """The game's end. `publish` never waits, unless `framelocked`.

    Then it waits for the first reader to come, and for a live one to keep up, until `cancelled()`.
    """

    def __init__(self, name: str, slot_bytes: int, slots: int = DEFAULT_SLOTS, framelocked: bool = False,
                 cancelled: Callable[[], bool] = lambda: False) -> None:
        self.name, self.slots, self.framelocked, self.cancelled = name, slots, framelocked, cancelled
        self.slot_bytes = (slot_bytes + CELL_BYTES + 4095) // 4096 * 4096
        self.path = ring_path(name)
        # A fresh file renamed over an old one: a reader of a crashed game's ring keeps its own inode.
        part = self.path.with_suffix(f".{os.getpid()}.part")
        size = CONTROL_BYTES + self.slot_bytes * slots
        try:
            fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            os.posix_fallocate(fd, 0, size)
            self.memory = _map(fd, size)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise CaptureError(f"no room for a {size >> 20} MiB ring in {part.parent}: {error.strerror}; "
                               "free some shared memory or lower the game's resolution") from error
        os.close(fd)
        self.control = np.frombuffer(self.memory, CONTROL, 1)
        self.sequences = [np.frombuffer(self.memory, "<u8", 1, CONTROL_BYTES + i * self.slot_bytes)
                          for i in range(slots)]
        for field, value in (("version", VERSION), ("slots", slots), ("slot_bytes", self.slot_bytes),
                             ("session_id", time.monotonic_ns()), ("heartbeat_ns", time.monotonic_ns()),
                             ("magic", MAGIC)):
            self.control[field] = value
        part.rename(self.path)
        self.context = zmq.Context()
        self.notify = self.context.socket(zmq.PUB)
        self.notify.set_hwm(1)
        self.done = self.context.socket(zmq.SUB)
        self.done.setsockopt(zmq.CONFLATE, 1)
        self.done.subscribe(b"")
        for socket, what in ((self.notify, "head"), (self.done, "done")):
            socket.linger = 0
            socket.bind(_notify_address(name, what))
        weakref.finalize(self, _end, self.context, (self.notify, self.done)).atexit = False

    @property
    def head(self) -> int:
        """Frames published so far."""
        return int(self.control["head"][0])

    def reader_alive(self) -> bool:
        """Whether a reader has shown life lately."""
        return time.monotonic_ns() - int(self.control["reader_heartbeat_ns"][0]) < STALE_NS

    def wanted(self) -> bool:
        """Whether somebody would see a frame; a game that asks first need not read it back. Says that it lives, too.

        The first frame is always wanted: it tells readers that come what there is to see.
        """
        self.beat()
        return self.framelocked or self.head == 0 or self.reader_alive()

    def publish(self, frame: Frame) -> None:
        """Writes the next frame and wakes readers; in frame-locked mode first waits for the reader to catch up."""
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
        self.notify.send(b"")

    def beat(self) -> None:
        """Says that the game lives; `publish` does so too, so only a paused game needs it."""
        self.control["heartbeat_ns"] = time.monotonic_ns()

    def _wait_for_reader(self) -> None:
        while self._ahead_of_reader() and not self.cancelled():
            self.beat()
            if self.done.poll(20):
                self.done.recv()

    def _ahead_of_reader(self) -> bool:
        if not self.control["reader_heartbeat_ns"][0]:
            return self.head > 0  # nobody came yet: the first frame waits for them
        return self.head - int(self.control["reader_done"][0]) >= LOCKED_FRAMES and self.reader_alive()

    def close(self) -> None:
        """Tells readers that the game is over and removes the ring's files."""
        self.control["closed"] = 1
        self.notify.send(b"")
        self.context.destroy(linger=50)
        remove_ring(self.name)


def in_use(name: str) -> bool:
    """Whether a living game publishes the ring: its heart then beats while this looks, two seconds at most."""
    try:
        memory = np.memmap(ring_path(name), np.uint8, "r", shape=(CONTROL_BYTES,))
    except (OSError, ValueError):
        return False
    control = np.frombuffer(memory, CONTROL, 1)
    beat, until = int(control["heartbeat_ns"][0]), time.monotonic_ns() + STALE_NS
    while time.monotonic_ns() < until and not control["closed"][0]:
        if int(control["heartbeat_ns"][0]) != beat:
            return True
        time.sleep(LOOK_SECONDS)
    return False


class RingReader:
    """The capture layer's end: newest or next frame, with exact counts of what was missed.

    Buffers outside `kinds` are not copied.
    """

    def __init__(self, name: str, kinds: Collection[Kind] = tuple(Kind)) -> None:
        self.name, self.path, self.kinds = name, ring_path(name), kinds
        self.next, self.pool = 0, SlabPool()
        try:
            fd = os.open(self.path, os.O_RDWR)
        except FileNotFoundError as error:
            raise CaptureError(f"no game publishes a ring named {name!r}: start the game first, "
                               "or check the name it was given") from error
        try:
            self.inode = os.fstat(fd).st_ino
            size = os.fstat(fd).st_size
            if size < CONTROL_BYTES:
                raise CaptureError(f"{self.path.name} is not a ring: remove it and start the game again")
            self.memory = _map(fd, size)
        finally:
            os.close(fd)
        self.control = np.frombuffer(self.memory, CONTROL, 1)
        self.slots, self.slot_bytes = int(self.control["slots"][0]), int(self.control["slot_bytes"][0])
        if (self.control["magic"][0] != MAGIC or self.control["version"][0] != VERSION or self.slots < 2
                or size != CONTROL_BYTES + self.slots * self.slot_bytes):
            raise CaptureError(f"{self.path.name} is not a version {VERSION} ring: update the engine plugin")
        self.context = zmq.Context()
        self.notify = self.context.socket(zmq.SUB)
        self.notify.setsockopt(zmq.CONFLATE, 1)
        self.notify.subscribe(b"")
        self.done = self.context.socket(zmq.PUB)
        for socket, what in ((self.notify, "head"), (self.done, "done")):
            socket.linger = 0
            socket.connect(_notify_address(name, what))
        weakref.finalize(self, _end, self.context, (self.notify, self.done)).atexit = False
        self.next = max(0, self.head - 1)
        self.beat()

    @property
    def head(self) -> int:
        """Frames published so far."""
        return int(self.control["head"][0])

    def beat(self) -> None:
        """Says that this reader lives."""
        self.control["reader_heartbeat_ns"] = time.monotonic_ns()

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
            if self.control["silent"][0]:
                time.sleep(min(left, SILENT_LOOK_SECONDS))
            elif self.notify.poll(int(min(left, LOOK_SECONDS) * 1000)):
                self.notify.recv()

    @property
    def session_id(self) -> int:
        """A number that tells one run of a game from the next."""
        return int(self.control["session_id"][0])

    @property
    def closed(self) -> bool:
        """Whether the game has said that it is over."""
        return bool(self.control["closed"][0])

    def check_alive(self) -> None:
        """Raises `SourceEnded` if the game is over, silent for too long, or replaced by another."""
        if self.closed:
            raise SourceEnded(f"the game closed its ring {self.name!r}")
        if time.monotonic_ns() - int(self.control["heartbeat_ns"][0]) > STALE_NS:
            raise SourceEnded(f"the game behind ring {self.name!r} stopped or crashed")
        if self.replaced():
            raise SourceEnded(f"a new game took over the ring {self.name!r}")

    def read(self, newest: bool) -> tuple[Frame, int]:
        """The newest or the next unread frame, and how many were missed before it. Call after `wait`."""
        while True:
            head = self.head
            oldest = max(0, head - self.slots + 1)
            index = head - 1 if newest else max(self.next, oldest)
            frame = self._copy(index)
            if frame is not None:
                missed = index - self.next
                self.next = index + 1
                return frame, missed

    def _copy(self, index: int) -> Frame | None:
        """Frame number `index`, or None if the writer overtook the copy."""
        start = CONTROL_BYTES + index % self.slots * self.slot_bytes
        sequence = np.frombuffer(self.memory, "<u8", 1, start)
        if sequence[0] != 2 * index + 2:
            return None
        with memoryview(self.memory) as view:
            try:
                frame = unpack(view[start + CELL_BYTES:start + self.slot_bytes], self.pool, self.kinds)
            except CaptureError:
                if sequence[0] != 2 * index + 2:
                    return None
                raise
        return frame if sequence[0] == 2 * index + 2 else None

    def acknowledge(self) -> None:
        """Tells a frame-locked game that everything read so far is done with."""
        self.control["reader_done"] = self.next
        self.done.send(b"")

    def replaced(self) -> bool:
        """Whether a new game has taken over the name."""
        try:
            return self.path.stat().st_ino != self.inode
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Lets go of the ring; the game goes on."""
        self.control["reader_heartbeat_ns"] = 1  # long ago: a frame-locked game need not wait for us
        self.context.destroy(linger=0)
