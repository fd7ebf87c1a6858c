"""The ring: frames in shared memory, written by a game and read by the capture layer on the same machine."""

from __future__ import annotations

from capture.ring.layout import CELL_BYTES, CONTROL, CONTROL_BYTES, ring_path
from capture.ring.reader import RingReader, in_use
from capture.ring.writer import RingWriter, remove_ring

__all__ = ("CELL_BYTES", "CONTROL", "CONTROL_BYTES", "RingReader", "RingWriter", "in_use", "remove_ring", "ring_path")
