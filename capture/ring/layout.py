"""The layout of a ring in memory, and the meaning of its names and times.

All numbers are little-endian. The file is a control page of 4096 bytes, followed by `slots` slots of `slot_bytes`. A
slot is a cell of 64 bytes, which starts with the slot's sequence counter, followed by a packed frame.

To write a frame, the writer makes the counter odd, writes the frame, makes the counter even (a seqlock), and raises
`head`. If the counter differs after a copy from before it, the reader throws the copy away. Readers are not woken: they
look every millisecond, which costs less than sockets beside the ring would.

Either side may crash; the other notices it by the heartbeat. A new writer makes a new file under the same name. Readers
notice that by its inode.
"""

from __future__ import annotations

import re
import tempfile
import time
from pathlib import Path

import numpy as np

from capture.errors import CaptureError

MAGIC, VERSION = 0x31524D52, 1  # "RMR1" in memory
CONTROL_BYTES, CELL_BYTES = 4096, 64
MIN_SLOTS = 2
LOCKED_FRAMES = 2
"""A frame-locked game is at most this many frames ahead of its reader: one is read while one is written."""
STALE_NS = 2_000_000_000
"""A peer whose heartbeat is older than this, or further in the future, counts as dead."""
LOOK_SECONDS = 0.001
"""How often a reader looks for frames, and a frame-locked game for its reader."""

CONTROL = np.dtype({
    "names": ["magic", "version", "slots", "closed", "slot_bytes", "silent", "head", "heartbeat_ns", "session_id",
              "reader_heartbeat_ns", "reader_done", "reader_lease", "looked_ns", "reader_period_ns"],
    "formats": ["<u4", "<u4", "<u4", "<u4", "<u8", "<u4", "<u8", "<u8", "<u8", "<u8", "<u8", "<u8", "<u8", "<u8"],
    "offsets": [0, 4, 8, 12, 16, 24, 64, 128, 136, 192, 200, 208, 216, 224], "itemsize": CONTROL_BYTES})
"""The control page.

The writer writes `head`, the number of published frames, and `silent`, which is always 1 (0 meant that readers are
woken). The reader with the lease writes `reader_lease`, its number (0: nobody has the lease), `reader_done`, the number
of frames that it has finished with, `reader_heartbeat_ns`, its last sign of life, and `reader_period_ns`, the time per
frame that it needs (0: it needs every frame). Every reader writes `looked_ns`, its last sign of life.
"""


def ring_path(name: str) -> Path:
    """The path of a ring. Raises `CaptureError` unless `name` is 1 to 64 ASCII letters, digits, '-' or '_'."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise CaptureError(f"ring name {name!r}: use up to 64 letters, digits, '-' or '_'")
    shared = Path("/dev/shm")  # noqa: S108  Linux's folder for shared memory
    return (shared if shared.is_dir() else Path(tempfile.gettempdir())) / f"realmaster-{name}.ring"


def fresh(heartbeat_ns: int) -> bool:
    """Whether the peer that wrote this heartbeat is alive."""
    return abs(time.monotonic_ns() - heartbeat_ns) < STALE_NS
