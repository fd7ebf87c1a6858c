"""Where everything lies in a ring, and what its names and clocks mean.

Little-endian: one 4096-byte control page, then `slots` slots of `slot_bytes`. A slot is a 64-byte cell that starts with
its sequence counter, then a packed frame. The writer makes the counter odd, writes, makes it even (a seqlock), then
raises `head`; a reader that finds another counter after copying than before throws the copy away. Nobody is woken:
readers look every millisecond, which costs less than sockets beside the ring would. Either side may crash: heartbeats
tell, and a new writer makes a new file under the same name, which readers notice by its inode.
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
"""A frame-locked game is at most so many frames ahead of its reader: one being read, one being written."""
STALE_NS = 2_000_000_000
"""A peer whose heartbeat is older than this, or further in the future, is taken for dead."""
LOOK_SECONDS = 0.001
"""How often a reader looks for frames, and a frame-locked game for its reader."""

CONTROL = np.dtype({
    "names": ["magic", "version", "slots", "closed", "slot_bytes", "silent", "head", "heartbeat_ns", "session_id",
              "reader_heartbeat_ns", "reader_done", "reader_lease", "looked_ns", "reader_period_ns"],
    "formats": ["<u4", "<u4", "<u4", "<u4", "<u8", "<u4", "<u8", "<u8", "<u8", "<u8", "<u8", "<u8", "<u8", "<u8"],
    "offsets": [0, 4, 8, 12, 16, 24, 64, 128, 136, 192, 200, 208, 216, 224], "itemsize": CONTROL_BYTES})
"""The control page. The writer's: `head` counts published frames; `silent` is 1, and was 0 where readers were woken.
The readers': `reader_lease` is the number of the one reader that acknowledges (0: none), `reader_done` the count of
frames that it is done with, `reader_heartbeat_ns` its last sign of life, `reader_period_ns` in how long it takes one
frame (0: it takes every one); `looked_ns` is the last one of any reader.
"""


def ring_path(name: str) -> Path:
    """The ring's file. Raises `CaptureError` unless `name` is plain letters, digits, '-' or '_'."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise CaptureError(f"ring name {name!r}: use up to 64 letters, digits, '-' or '_'")
    shared = Path("/dev/shm")  # noqa: S108  where Linux keeps shared memory
    return (shared if shared.is_dir() else Path(tempfile.gettempdir())) / f"realmaster-{name}.ring"


def fresh(heartbeat_ns: int) -> bool:
    """Whether whoever wrote this heartbeat lives."""
    return abs(time.monotonic_ns() - heartbeat_ns) < STALE_NS
